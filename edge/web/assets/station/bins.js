// The page "bins": of each bin how full it is and when it will be, how pure, and what brings items there.

import { emptiedButton, jogButton } from "/acts.js";
import { binColours, purity } from "/bin.js";
import { byId, language, make, percent, say, start, t } from "/frame.js";

const ASK_MS = 5000;

const panels = new Map(); // by the bin's name
let full = "";

function date(iso) {
  const day = { weekday: "short", hour: "2-digit", minute: "2-digit" };
  const isNear = Math.abs(Date.parse(iso) - Date.now()) < 6 * 86400e3;
  return new Date(iso).toLocaleString(language, isNear ? day : { dateStyle: "medium", timeStyle: "short" });
}

function whenFull(bin) {
  if (bin.full) return t("it is full now");
  if (bin.capacity === null && bin.has_sensor) return t("not known: its sensor only says when it is full");
  if (bin.capacity === null) return t("not known: the station file gives it no capacity");
  if (bin.full_at === null) return bin.per_hour > 0 ? t("not within a year") : t("not known: nothing went into it lately");
  return date(bin.full_at);
}

function sensor(bin) {
  if (!bin.has_sensor) return t("none; items are counted");
  return bin.full ? t("says that it is full") : t("says that it is not full");
}

function threshold(bin) {
  const asked = Object.entries(bin.thresholds).map(([label, least]) =>
    least === null ? t("{label}: the model does not know it", { label: t(label) }) : t("{label}: at least {share}", { label: t(label), share: percent(least) }));
  return asked.join("; ");
}

function strokes(actuator) {
  const { fired, cancelled, refused, failed } = actuator.strokes;
  return make("span", failed ? "bad" : "", t("{fired} fired, {cancelled} cancelled, {refused} refused, {failed} failed", { fired, cancelled, refused, failed }));
}

function purityOf(bin) {
  if (!bin.purity) return t("not known: nobody has labelled any of its pictures");
  const waiting = bin.purity.unlabelled ? t("{count} more pictures wait for a label", { count: bin.purity.unlabelled }) : "";
  return [purity(bin.purity), waiting].filter(Boolean).join("; ");
}

function facts(bin) {
  const list = make("dl");
  const tell = (term, ...told) => {
    const text = make("dd");
    text.append(...told);
    list.append(make("dt", "", term), text);
  };
  tell(t("Counted since"), bin.emptied_at === null ? t("not known: the date was not set") : date(bin.emptied_at));
  tell(t("Expected full"), whenFull(bin));
  tell(t("Lately"), t("{count} items an hour", { count: Math.round(bin.per_hour) }));
  tell(t("Level sensor"), sensor(bin));
  if (bin.name !== "residual") {
    tell(t("Purity"), purityOf(bin));
    if (bin.labels.length) tell(t("Needed score"), threshold(bin));
  }
  if (bin.actuator) tell(t("Actuator"), make("code", "", [bin.actuator.name, bin.actuator.position].filter(Boolean).join(" ")));
  else tell(t("Actuator"), t("none: the end of the belt"));
  if (bin.actuator) tell(t("Strokes"), strokes(bin.actuator));
  return list;
}

function described(bin) {
  const told = [];
  const heading = make("h3", "", t(bin.name));
  const others = bin.labels.filter((label) => label !== bin.name).map((label) => t(label));
  const note = [...others, bin.enabled ? "" : t("switched off")].filter(Boolean).join(", ");
  if (note) heading.append(make("small", "", note));
  if (bin.full) heading.append(make("b", "full", t("FULL")));
  told.push(heading);
  if (bin.full) told.push(make("p", "what", bin.name === "residual" ? t("Empty it: nothing is sorted until then.") : t("Empty it: its items go to residual.")));
  const held = make("p", "held");
  held.append(make("b", "", String(bin.level ?? bin.count)), make("span", "", bin.capacity === null ? t("items in it") : t("of {capacity} items in it", bin)));
  told.push(held);
  if (bin.capacity !== null || bin.full) {
    const bar = make("div", "bar");
    const fill = make("i");
    fill.style.width = (bin.full ? 100 : Math.min(100, (100 * bin.level) / bin.capacity)) + "%";
    bar.append(fill);
    told.push(bar);
  }
  return [...told, facts(bin)];
}

// Its buttons stay as they are: whoever is about to press one keeps it.
function panelOf(bin) {
  if (!panels.has(bin.name)) {
    const panel = make("li", "panel bin");
    const acts = make("div", "acts");
    if (!bin.has_sensor) acts.append(emptiedButton(bin.name, ask));
    if (bin.actuator) acts.append(jogButton(bin.actuator.name, bin.actuator.position));
    panel.append(make("div", "told"), acts);
    panels.set(bin.name, panel);
    byId("bins").append(panel);
  }
  return panels.get(bin.name);
}

function show(told) {
  const colours = binColours(told.bins);
  byId("no-bins").hidden = true;
  for (const bin of told.bins) {
    const panel = panelOf(bin);
    panel.style.setProperty("--bin", colours[bin.name]);
    panel.dataset.full = bin.full;
    panel.querySelector(".told").replaceChildren(...described(bin));
  }
  say("how", t("When a bin will be full follows from the items that went into it since {date}. Its count starts again when it is emptied.", { date: date(told.rates_since) }));
}

async function ask() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/api/bins", { cache: "no-store" });
    if (answer.ok) show(await answer.json());
  } catch {
    // the banner says that there is no connection
  }
}

start((status) => {
  const now = status.bins.filter((bin) => bin.full).map((bin) => bin.name).join();
  if (now !== full) ask(); // a bin that is full is told at once
  full = now;
});
ask();
setInterval(ask, ASK_MS);
