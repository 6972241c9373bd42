"use strict";
// Shows what the station tells on /events and the pictures of /belt.jpg. Everything from outside goes in as text,
// never as markup. All that the page can change is whether the station is stopped, where the station file lets it.

const BELT_PAUSE_MS = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 120;
const SILENCE_MS = 4000; // the station tells every second; after this much silence nothing here can be trusted
const CARDS = 12;
const BIN_COLOURS = 8;
const TOLD_BY_STROKE = ["sorted", "under-way", "not-diverted", "not-seen"]; // what became of the stroke is shown beside
const SIGNS = { good: "✓", calm: "…", warn: "!", bad: "✕", off: "■", lost: "?" };

const byId = (id) => document.getElementById(id);
const items = new Map(); // by item number: { ...as told, toldAt }
let run = "";
let heardAt = 0;
let colours = {};
let stallMs = 3000;
let pictureAge = null;
let events = null;
let retry = 0;
let paused = false;

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function say(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text; // live regions speak at every change
}

const percent = (score) => (score === null ? "" : Math.round(score * 100) + "\u00a0%");
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + ".";

// `like this` is how texts name commands.
function withCommands(text) {
  return text.split("`").map((part, n) => (n % 2 ? make("code", "", part) : part));
}

function span(seconds) {
  if (seconds < 1) return Math.round(seconds * 1000) + " ms";
  if (seconds < 10) return seconds.toFixed(1) + " s";
  if (seconds < 90) return Math.round(seconds) + " s";
  if (seconds < 5400) return Math.round(seconds / 60) + " min";
  if (seconds < 172800) return Math.floor(seconds / 3600) + " h " + Math.round((seconds % 3600) / 60) + " min";
  return Math.floor(seconds / 86400) + " days";
}

function showState(tone, title, meaning) {
  byId("banner").dataset.tone = tone;
  say("sign", SIGNS[tone]);
  say("title", title);
  say("meaning", meaning);
  document.title = title + " · " + document.querySelector(".station").textContent;
}

function showFaults(faults) {
  const list = byId("faults");
  const told = JSON.stringify(faults);
  if (list.dataset.told === told) return;
  list.dataset.told = told;
  list.hidden = faults.length === 0;
  list.replaceChildren(...faults.map((fault) => {
    const line = make("li", "fault");
    line.dataset.holds = fault.holds;
    const advice = make("span");
    advice.append("What to do: ", ...withCommands(fault.advice));
    line.append(make("strong", "", fault.sentence), advice);
    return line;
  }));
}

function purity(seen) {
  if (seen.share === null) return `purity not known: ${seen.labelled} pictures labelled, ${seen.missing} more needed`;
  const until = new Date(seen.last).toLocaleDateString();
  return `purity seen ${percent(seen.share)} (${percent(seen.low)} to ${percent(seen.high)}; ${seen.labelled} labelled, to ${until})`;
}

function showBins(bins) {
  const most = Math.max(1, ...bins.map((bin) => bin.count));
  colours = {};
  let next = 0;
  byId("bins").replaceChildren(...bins.map((bin) => {
    colours[bin.name] = bin.name === "residual" ? "var(--bin-residual)" : `var(--bin-${next++ % BIN_COLOURS})`;
    const line = make("li");
    line.style.setProperty("--bin", colours[bin.name]);
    const row = make("div", "row");
    const name = make("span", "name", bin.name);
    const others = bin.labels.filter((label) => label !== bin.name).join(", ");
    const counted = bin.level != null;
    const note = [others, bin.enabled ? "" : "switched off", counted ? `${bin.level} of ${bin.capacity} in it` : ""].filter(Boolean).join("; ");
    if (note) name.append(" ", make("small", "", note));
    if (bin.full) name.append(" ", make("b", "full", "FULL"));
    line.dataset.full = bin.full;
    row.append(name, make("span", "count", String(bin.count)));
    const bar = make("div", counted ? "bar level" : "bar");
    const fill = make("i");
    fill.style.width = (bin.full ? 100 : Math.min(100, counted ? (100 * bin.level) / bin.capacity : (100 * bin.count) / most)) + "%";
    bar.append(fill);
    line.append(row, bar);
    if (bin.purity) line.append(make("p", "purity", purity(bin.purity)));
    if (bin.full) line.append(make("p", "what", bin.name === "residual" ? "Empty it: nothing is sorted until then." : "Empty it: its items go to residual."));
    return line;
  }));
}

function showReasons(reasons) {
  byId("no-reasons").hidden = reasons.length > 0;
  byId("reasons").replaceChildren(...reasons.map((reason) => {
    const line = make("li");
    line.append(make("b", "", String(reason.count)), make("span", "", reason.text));
    return line;
  }));
}

function showHealth(status) {
  const health = status.health;
  const figure = (id, text) => {
    say(id, text === null ? "–" : text);
    byId(id).parentElement.hidden = text === null && id === "h-temperature";
  };
  stallMs = health.stall_ms;
  pictureAge = health.picture_age_ms;
  figure("h-picture", pictureAge === null ? null : span(pictureAge / 1000) + " old");
  byId("h-picture").classList.toggle("bad", pictureAge !== null && pictureAge > stallMs);
  figure("h-deciding", health.deciding_ms === null ? null : `${Math.round(health.deciding_ms)} ms, 99 % within ${Math.round(health.deciding_p99_ms)} ms`);
  figure("h-spare", health.spare_ms === null ? null : Math.round(health.spare_ms) + " ms");
  figure("h-disk", health.disk_free_mb === null ? null : (health.disk_free_mb / 1000).toFixed(1) + " GB free");
  figure("h-temperature", health.temperature_c === null ? null : Math.round(health.temperature_c) + " °C");
  figure("h-model", (status.model.name + " " + status.model.version).trim() || null);
  figure("h-uptime", span(status.uptime_s));
}

function fillCard(card, item) {
  card.style.setProperty("--bin", colours[item.bin] || "var(--bin-residual)");
  const label = make("p", "label", item.label || "not recognised");
  label.append(" ", make("small", "", percent(item.score)));
  const text = make("div", "text");
  text.append(label, make("p", "to", "→ " + item.bin));
  if (!TOLD_BY_STROKE.includes(item.reason)) text.append(make("p", "because", sentence(item.text)));
  const when = make("p", "when");
  when.dataset.stroke = item.stroke_text;
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
      card = make("li", heardAt ? "card new" : "card");
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
    const text = [when.dataset.stroke, age < 1.5 ? "just now" : span(Math.round(age)).replace(".0", "") + " ago"];
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
  showState(status.state.tone, status.state.title, status.state.meaning);
  showControl(status.paused);
  showFaults(status.faults);
  showBins(status.bins);
  showReasons(status.reasons);
  showHealth(status);
  say("rate", String(Math.round(status.items_per_min)));
  say("total", String(status.total));
  const now = performance.now();
  for (const item of status.items) items.set(item.id, { ...item, toldAt: now });
  showItems();
  heardAt = now;
}

function showControl(stopped) {
  const button = byId("control");
  button.hidden = !byId("banner").dataset.token;
  button.dataset.action = stopped ? "resume" : "pause";
  say("control", stopped ? "Let it go on" : "Stop sorting");
}

async function press() {
  const button = byId("control");
  const action = button.dataset.action;
  if (action === "resume" && !confirm("Is everybody clear of belt and diverters? They move at once.")) return;
  button.disabled = true;
  try {
    const answer = await fetch("/" + action, {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token: byId("banner").dataset.token }),
    });
    if (!answer.ok) alert(answer.status === 403 ? "The station was restarted: load this page again." : await answer.text());
  } catch {
    alert("The station does not answer. Use the emergency stop if in doubt.");
  }
  button.disabled = false;
}

function listen() {
  clearTimeout(retry);
  if (events) events.close();
  events = new EventSource("/events");
  events.onmessage = (message) => showStatus(JSON.parse(message.data));
  events.onerror = () => {
    if (events.readyState !== EventSource.CLOSED) return; // it tries again by itself
    clearTimeout(retry);
    retry = setTimeout(listen, 5000);
  };
}

function checkSilence() {
  const silence = performance.now() - heardAt;
  if (!document.hidden && silence > SILENCE_MS) {
    const old = heardAt ? "What is shown below is from before. " : "";
    showState("lost", "No connection", old + "Sorting does not depend on this page.");
  }
  showAges();
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
      box.append(make("b", "", [sighting.label || "not recognised", percent(sighting.score)].join(" ")));
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
  byId("view").style.setProperty("--ratio", String(overlay.width / overlay.height));
  byId("picture").alt = `The camera's picture, ${overlay.boxes.length === 1 ? "1 item" : overlay.boxes.length + " items"} in view`;
}

function showPicture(jpeg, overlay) {
  const picture = byId("picture");
  const address = URL.createObjectURL(jpeg);
  return new Promise((shown) => {
    picture.onload = picture.onerror = () => {
      URL.revokeObjectURL(address);
      shown();
    };
    picture.src = address;
    picture.hidden = false;
    showOverlay(overlay);
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
  if (old) say("stale", sequence === "" ? "No picture yet" : `This picture is ${span(age / 1000)} old`);
}

byId("control").addEventListener("click", press);
byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  byId("pause").textContent = paused ? "Show live picture" : "Pause picture";
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) events.close(); // a page in the background costs the station nothing
  else listen();
});
listen();
setInterval(checkSilence, 1000);
watchBelt();
