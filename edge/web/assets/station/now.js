// The page "now": the camera's picture with what is seen in it, the bins, what is not sorted and why, the last items.

import { binColours, purity } from "/bin.js";
import { byId, make, percent, say, sentence, span, start, t } from "/frame.js";

const BELT_PAUSE_MS = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 120;
const CARDS = 12;
const TOLD_BY_STROKE = ["sorted", "under-way", "not-diverted", "not-seen"]; // what became of the stroke is shown beside

const items = new Map(); // by item number: { ...as told, toldAt }
let run = "";
let isFirst = true;
let colours = {};
let stallMs = 3000;
let pictureAge = null;
let paused = false;

function levelBar(bin) {
  const bar = make("div", "bar");
  const fill = make("i");
  fill.style.width = (bin.full ? 100 : Math.min(100, (100 * bin.level) / bin.capacity)) + "%";
  bar.append(fill);
  return bar;
}

function showBins(bins) {
  colours = binColours(bins);
  byId("bins").replaceChildren(...bins.map((bin) => {
    const line = make("li");
    line.style.setProperty("--bin", colours[bin.name]);
    const row = make("div", "row");
    const name = make("span", "name", t(bin.name));
    const others = bin.labels.filter((label) => label !== bin.name).map((label) => t(label)).join(", ");
    const counted = bin.level != null && bin.capacity != null;
    const note = [others, bin.enabled ? "" : t("switched off"), counted ? t("{level} of {capacity} in it", bin) : ""].filter(Boolean).join("; ");
    if (note) name.append(" ", make("small", "", note));
    if (bin.full) name.append(" ", make("b", "full", t("FULL")));
    line.dataset.full = bin.full;
    row.append(name, make("span", "count", String(bin.count)));
    line.append(row);
    if (counted || bin.full) line.append(levelBar(bin)); // what is not known to be empty or full has no bar
    if (bin.purity) line.append(make("p", "purity", purity(bin.purity)));
    if (bin.full) line.append(make("p", "what", bin.name === "residual" ? t("Empty it: nothing is sorted until then.") : t("Empty it: its items go to residual.")));
    return line;
  }));
}

function showReasons(reasons) {
  byId("no-reasons").hidden = reasons.length > 0;
  byId("reasons").replaceChildren(...reasons.map((reason) => {
    const line = make("li");
    line.append(make("b", "", String(reason.count)), make("span", "", t(reason.text)));
    return line;
  }));
}

function fillCard(card, item) {
  card.style.setProperty("--bin", colours[item.bin] || "var(--bin-residual)");
  const label = make("p", "label", item.label ? t(item.label) : t("not recognised"));
  label.append(" ", make("small", "", percent(item.score)));
  const text = make("div", "text");
  text.append(label, make("p", "to", "→ " + t(item.bin)));
  if (!TOLD_BY_STROKE.includes(item.reason)) text.append(make("p", "because", sentence(t(item.text))));
  const when = make("p", "when");
  when.dataset.stroke = t(item.stroke_text);
  text.append(when);
  const picture = make("img");
  picture.alt = "";
  if (item.crop) picture.src = item.crop;
  card.replaceChildren(picture, text);
  card.dataset.revision = item.revision;
}

function showItems() {
  const list = byId("items");
  const newest = [...items.keys()].sort((a, b) => b - a);
  newest.slice(CARDS * 2).forEach((id) => items.delete(id));
  const shown = newest.slice(0, CARDS);
  const cards = new Map([...list.children].map((card) => [Number(card.dataset.id), card]));
  for (const [id, card] of cards) if (!shown.includes(id)) card.remove();
  shown.forEach((id, place) => {
    let card = cards.get(id);
    if (!card) {
      card = make("li", isFirst ? "card" : "card new");
      card.dataset.id = id;
    }
    if (Number(card.dataset.revision) !== items.get(id).revision) fillCard(card, items.get(id));
    if (list.children[place] !== card) list.insertBefore(card, list.children[place] || null);
  });
  byId("no-items").hidden = shown.length > 0;
  showAges();
}

function showAges() {
  for (const card of byId("items").children) {
    const item = items.get(Number(card.dataset.id));
    const when = card.querySelector(".when");
    const age = item.age_s + (performance.now() - item.toldAt) / 1000;
    const text = [when.dataset.stroke, age < 1.5 ? t("just now") : t("{age} ago", { age: span(Math.round(age)) })];
    const joined = text.filter(Boolean).join(", ");
    if (when.textContent !== joined) when.textContent = joined;
  }
}

function showStatus(status) {
  if (status.run !== run) {
    run = status.run;
    items.clear();
    byId("items").replaceChildren();
  }
  showBins(status.bins);
  showReasons(status.reasons);
  stallMs = status.health.stall_ms;
  pictureAge = status.health.picture_age_ms;
  const now = performance.now();
  for (const item of status.items) items.set(item.id, { ...item, toldAt: now });
  showItems();
  isFirst = false;
}

function percentBox(element, left, top, width, height, overlay) {
  element.style.left = (100 * left) / overlay.width + "%";
  element.style.top = (100 * top) / overlay.height + "%";
  element.style.width = (100 * width) / overlay.width + "%";
  element.style.height = (100 * height) / overlay.height + "%";
}

function showOverlay(overlay) {
  const marks = overlay.boxes.map((sighting) => {
    const [left, top, width, height] = sighting.box;
    const box = make("div", sighting.bin ? "box decided" : "box");
    percentBox(box, left, top, width, height, overlay);
    if (sighting.bin) {
      box.style.setProperty("--bin", colours[sighting.bin] || "var(--bin-residual)");
      const where = sighting.bin === sighting.label ? "" : "→ " + t(sighting.bin);
      box.append(make("b", "", [sighting.label ? t(sighting.label) : t("not recognised"), percent(sighting.score), where].filter(Boolean).join(" ")));
      box.classList.toggle("right", left + width / 2 > overlay.width * 0.7);
      box.classList.toggle("high", top < overlay.height * 0.08);
    }
    return box;
  });
  if (overlay.line) {
    const [x1, y1, x2, y2] = overlay.line;
    const line = make("div", "line");
    percentBox(line, x1, y1, x2 - x1, y2 - y1, overlay);
    marks.push(line);
  }
  byId("overlay").replaceChildren(...marks);
  byId("main").style.setProperty("--ratio", String(overlay.width / overlay.height));
  byId("picture").alt = t("The camera's picture; items in view: {count}", { count: overlay.boxes.length });
}

function showPicture(jpeg, overlay) {
  const picture = byId("picture");
  const address = URL.createObjectURL(jpeg);
  return new Promise((shown) => {
    picture.onload = picture.onerror = () => {
      URL.revokeObjectURL(address);
      showOverlay(overlay); // not before: on a slow phone the boxes would run ahead of the items
      shown();
    };
    picture.src = address;
    picture.hidden = false;
  });
}

async function watchBelt() {
  let sequence = "";
  let changedAt = performance.now();
  for (;;) {
    await new Promise((resume) => setTimeout(resume, BELT_PAUSE_MS));
    if (paused || document.hidden) {
      changedAt = performance.now();
      continue;
    }
    try {
      const answer = await fetch("/belt.jpg?after=" + sequence, { cache: "no-store" });
      if (answer.status === 200) {
        sequence = answer.headers.get("X-Sequence");
        await showPicture(await answer.blob(), JSON.parse(answer.headers.get("X-Overlay")));
        changedAt = performance.now();
      }
    } catch {
      await new Promise((resume) => setTimeout(resume, 1000)); // the banner says that there is no connection
    }
    showStale(sequence, performance.now() - changedAt);
  }
}

function showStale(sequence, unchangedMs) {
  const age = Math.max(unchangedMs, pictureAge === null ? 0 : pictureAge);
  const old = sequence === "" || age > Math.max(stallMs, 1500);
  byId("view").classList.toggle("old", old);
  byId("stale").hidden = !old;
  if (old) say("stale", sequence === "" ? t("No picture yet") : t("This picture is {age} old", { age: span(age / 1000) }));
}

byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  byId("pause").textContent = paused ? t("Show live picture") : t("Pause picture");
});
start(showStatus, showAges);
watchBelt();
