// The page "Items": every item that the journal has, with what was seen, the threshold it missed, its stroke and its pictures.

import { byId, language, make, percent, say, sentence, start, t, withCommands } from "/frame.js";
import { ask, lookOf, tell } from "/journal.js";

const AT_ONCE = 20;
const MOST_ASKED = 30; // times, before it is the visitor's turn to say that the search goes on
const UNDECIDED = ["", "moved"]; // strokes that may still be fired
const form = byId("search");
let bins = [];
let before = null; // the row to go on from
let shown = 0;
let request = 0;

const exact = (share) => (100 * share).toLocaleString(language, { maximumFractionDigits: 1 }) + "\u00a0%";
const whenOf = (time) => tell(time, { dateStyle: "medium", timeStyle: "medium" });
const instantOf = (time) => tell(time, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });
const inMs = (ms) => ms.toLocaleString(language, { maximumFractionDigits: 1 }) + "\u00a0ms";

const filled = () => [...new FormData(form)].filter(([, value]) => value !== "");

function query() {
  return Object.fromEntries(filled().map(([name, value]) => [name, name === "least" || name === "most" ? String(Number(value) / 100) : value]));
}

function thresholds(item) {
  const sure = item.confidence;
  if (!sure) {
    const asked = item.reason === "unsure" || item.reason === "sorted";
    if (!asked) return [];
    return [make("p", "more", item.min_score_today === null
      ? t("The threshold of that time is not known: an older version recorded this item.")
      : t("The threshold of that time is not known: an older version recorded this item. Today it is {needed}.", { needed: exact(item.min_score_today) }))];
  }
  const told = { score: exact(sure.score), needed: exact(sure.min_score), margin: exact(sure.margin), margin_needed: exact(sure.min_margin) };
  const lines = [];
  if (sure.missed.includes("score")) lines.push(make("p", "missed", t("The model was {score} sure of the bin; {needed} is the least for it.", told)));
  if (sure.missed.includes("margin")) lines.push(make("p", "missed", t("The next best bin was only {margin} behind; {margin_needed} is the least.", told)));
  if (!lines.length && sure.min_margin === 0) return [make("p", "more", t("The model was {score} sure of the bin; {needed} is the least for it.", told))];
  return lines.length ? lines : [make("p", "more", t("The model was {score} sure of the bin ({needed} is the least), and the next best bin was {margin} behind ({margin_needed} is the least).", told))];
}

function strokeText(stroke) {
  const told = { actuator: [stroke.actuator, stroke.position].filter(Boolean).join(" "), planned: stroke.planned ? instantOf(stroke.planned) : "–", fired: stroke.fired ? instantOf(stroke.fired) : "" };
  if (stroke.late_ms === null) {
    return UNDECIDED.includes(stroke.outcome) ? t("{actuator}: planned for {planned}, not fired yet.", told) : t("{actuator}: planned for {planned}, not fired.", told);
  }
  const late = inMs(Math.abs(stroke.late_ms));
  return stroke.late_ms < 0
    ? t("{actuator}: planned for {planned}, fired at {fired}, {late} early.", { ...told, late })
    : t("{actuator}: planned for {planned}, fired at {fired}, {late} late.", { ...told, late });
}

function landedText(landed) {
  if (!landed.seen) return t("The exit sensor did not see it.");
  return landed.at ? t("Seen to fall into {bin} at {time}.", { bin: t(landed.bin), time: instantOf(landed.at) }) : t("Seen to fall into {bin}.", { bin: t(landed.bin) });
}

function picturesOf(item) {
  const box = make("div", "pictures");
  item.pictures.forEach((address, place) => {
    const picture = make("img");
    picture.loading = "lazy";
    picture.alt = t("Picture {number} of item {item}", { number: place + 1, item: item.item });
    picture.addEventListener("error", () => picture.replaceWith(make("p", "", t("This picture is gone."))));
    picture.src = address;
    box.append(picture);
  });
  if (!item.pictures.length) {
    box.append(make("p", "", item.pictures_gone ? t("Its pictures have gone: newer ones needed the room.") : t("No picture of it was kept.")));
  }
  return box;
}

// Of a stroke that was not fired its own outcome tells more than the reason, which stands for all of them.
function because(item) {
  const told = item.reason === "not-diverted" && item.stroke && item.stroke.text ? item.stroke.text : item.text;
  return told ? sentence(t(told)) : item.reason;
}

function card(item) {
  const one = make("li", item.pictures.length ? "one pictured" : "one");
  one.style.setProperty("--bin", lookOf(bins, item.bin).colour);
  one.dataset.row = item.row;
  const text = make("div");
  const heading = make("h3", "", item.label ? t(item.label) : t("not recognised"));
  heading.append(" ", make("small", "", item.score === null ? "" : percent(item.score)), item.bin ? " → " + t(item.bin) : "");
  const when = make("time", "", item.time ? whenOf(item.time) : t("at an unknown time"));
  if (item.time) when.dateTime = item.time;
  text.append(heading, when, make("p", "because", because(item)), ...thresholds(item));
  if (item.seen_as.length > 1) text.append(make("p", "more", t("Its looks, one by one: {looks}.", { looks: item.seen_as.map((label) => t(label)).join(", ") })));
  if (item.stroke) text.append(make("p", "more", strokeText(item.stroke)));
  if (item.landed && item.reason !== "not-seen") text.append(make("p", "more", landedText(item.landed)));
  const decided = item.deciding_ms === null ? "" : t("Decided in {time}.", { time: inMs(item.deciding_ms) });
  const model = item.model ? t("Model {digest}.", { digest: item.model }) : "";
  text.append(make("p", "more", [t("Item {item}.", { item: item.item }), decided, model].filter(Boolean).join(" ")));
  one.append(picturesOf(item), text);
  return one;
}

function showProblem(text) {
  byId("problem").hidden = !text;
  say("problem", text);
}

function showEnd(told, oldest) {
  before = told.before;
  byId("further").hidden = before === null;
  byId("nothing").hidden = shown > 0 && before === null;
  if (shown === 0 && before === null) say("nothing", told.recorded ? t("No item matches.") : t("Nothing has been recorded yet: the journal begins with the first item."));
  else if (before !== null && oldest < AT_ONCE) say("nothing", t("{count} found so far; further back has not been searched yet.", { count: shown }));
  else byId("nothing").hidden = true;
}

// Asks until a page is full: with a score, one answer may hold few items, or none, of the rows that were looked through.
async function search(isFurther) {
  const mine = ++request;
  const asked = query();
  if (!isFurther) {
    before = null;
    shown = 0;
    byId("found").replaceChildren();
  }
  byId("further").disabled = true;
  byId("found").setAttribute("aria-busy", "true");
  showProblem("");
  try {
    let count = 0;
    let told;
    for (let n = 0; n < MOST_ASKED && count < AT_ONCE; n++) {
      told = await ask("/api/search", { ...asked, limit: AT_ONCE - count, ...(before === null ? {} : { before }) });
      if (mine !== request) return;
      byId("found").append(...told.items.map(card));
      count += told.items.length;
      before = told.before;
      if (before === null) break;
    }
    shown += count;
    showEnd(told, count);
    const typed = filled();
    history.replaceState(null, "", typed.length ? `?${new URLSearchParams(typed)}` : location.pathname);
  } catch (error) {
    if (mine === request) showProblem(error.message);
  }
  if (mine !== request) return;
  byId("further").disabled = false;
  byId("found").setAttribute("aria-busy", "false");
}

function fill(name, choices) {
  const select = form.elements.namedItem(name);
  for (const [value, text] of choices) {
    const option = make("option", "", text);
    option.value = value;
    select.append(option);
  }
}

async function begin() {
  try {
    const choices = await ask("/api/choices", {});
    bins = choices.bins;
    fill("bin", bins.map((bin) => [bin, t(bin)]));
    fill("label", choices.labels.map((label) => [label, t(label)]));
    fill("reason", choices.reasons.map((reason) => [reason.reason, t(reason.text)]));
    if (choices.pictures) byId("hint").replaceChildren(...withCommands(t("To say what is on kept pictures: `sorter label {folder}` on the station.", { folder: choices.pictures })));
  } catch (error) {
    showProblem(error.message);
    return;
  }
  for (const [name, value] of new URLSearchParams(location.search)) {
    const field = form.elements.namedItem(name);
    if (field) field.value = value;
  }
  search(false);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  search(false);
});
form.addEventListener("reset", () => setTimeout(() => search(false)));
byId("further").addEventListener("click", () => search(true));
start();
begin();
