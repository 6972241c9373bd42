// The page "teach": somebody shows things to the station label by label, lets it learn, and installs what came of it.

import { act, byId, language, make, percent, phrase, say, sentence, start, t, withCommands } from "/frame.js";
import { rollBackButton } from "/acts.js";

const LOOK_MS = 1000; // each look of the page that leads is a sign of life; after 10 s without one the belt stops
const BIN_COLOURS = 8;
const MARK = "teaching"; // of this tab: its reload leads on

let mark = sessionStorage.getItem(MARK) || "";
let place = null; // as /api/teach told it last
let kind = "";
let bins = [];

function lead(given) {
  mark = given;
  if (given) sessionStorage.setItem(MARK, given);
  else sessionStorage.removeItem(MARK);
}

function colour(bin) {
  const sorted = bins.filter((name) => name !== "residual");
  return sorted.includes(bin) ? `var(--bin-${sorted.indexOf(bin) % BIN_COLOURS})` : "var(--bin-residual)";
}

function labelName(label) {
  return label === "none-of-these" ? t("none of these labels") : t(label);
}

function share(told) {
  if (!told) return "–";
  return t("{share} ({low}-{high})", { share: percent(told.value), low: Math.round(100 * told.low), high: Math.round(100 * told.high) });
}

function change(row, name) {
  if (!row.before || !row.after) return "–";
  return `${share(row.before[name])} → ${share(row.after[name])}`;
}

// -- showing ------------------------------------------------------------------------------------------------------

function question() {
  if (kind === "bin") return t("The station stops sorting and is taught. Nothing drops: take each thing out again by hand. Begin?");
  return t("The station stops sorting and is taught. The belt runs, the diverters stay where they are. Is everybody clear of the belt?");
}

async function showLabel(label) {
  const leads = mark && place.teacher;
  const answer = leads ? await act("/teach/choose", { label, mark }) : await act("/teach/begin", { label }, question());
  if (!answer) return;
  if (answer.mark) lead(answer.mark);
  take({ ...answer, leads: true });
}

async function have(path, body = {}, asked = "") {
  const answer = await act(path, body, asked);
  if (answer) take({ ...answer, leads: place.leads });
}

function labelLine(one) {
  const line = make("li");
  line.dataset.label = one.label;
  line.style.setProperty("--bin", colour(one.bin));
  const name = make("div", "name", labelName(one.label));
  name.append(make("small", "", t("goes to {bin}", { bin: t(one.bin) })));
  const acts = make("div", "acts");
  const show = make("button", "show", t("Show things of it"));
  show.type = "button";
  show.setAttribute("aria-label", t("Show things of it: {label}", { label: labelName(one.label) }));
  show.addEventListener("click", () => showLabel(one.label));
  const forget = make("button", "forget", t("Forget"));
  forget.type = "button";
  forget.setAttribute("aria-label", t("Forget what was shown of {label}", { label: labelName(one.label) }));
  forget.addEventListener("click", () => {
    const count = place.labels.find((other) => other.label === one.label).items;
    have("/teach/forget", { label: one.label, mark }, t("Forget what was shown of {label} ({count})? It is not learnt from any more.", { label: labelName(one.label), count }));
  });
  acts.append(show, forget);
  line.append(name, make("div", "count"), acts);
  return line;
}

function showLabels() {
  const list = byId("labels");
  const names = place.labels.map((one) => one.label + one.bin).join();
  if (list.dataset.names !== names + bins.length) {
    list.dataset.names = names + bins.length;
    list.replaceChildren(...place.labels.map(labelLine));
  }
  place.labels.forEach((one, n) => {
    const line = list.children[n];
    line.dataset.showing = place.showing === one.label;
    const count = t("{count} shown", { count: one.items });
    const element = line.querySelector(".count");
    if (element.textContent !== count) element.textContent = count;
    line.querySelector(".show").disabled = Boolean(place.task) || (Boolean(place.teacher) && !place.leads) || place.showing === one.label;
    line.querySelector(".forget").hidden = !one.items;
    line.querySelector(".forget").disabled = Boolean(place.teacher || place.task);
  });
}

function showRecent() {
  const list = byId("recent");
  const numbers = place.recent.map((one) => one.number).join();
  if (list.dataset.numbers === numbers) return;
  list.dataset.numbers = numbers;
  list.replaceChildren(...place.recent.map((one) => {
    const line = make("li");
    const picture = make("img");
    picture.alt = "";
    picture.src = `/teach/pictures/${one.number}.jpg?${place.started}`;
    line.append(picture, make("span", "", labelName(one.label)));
    return line;
  }));
}

function showNow() {
  const shown = place.labels.find((one) => one.label === place.showing);
  byId("now").hidden = !place.teacher;
  if (shown) {
    say("asked", place.leads
      ? t("Put things of this label through, one after the other, another one each time: {label}.", { label: labelName(shown.label) })
      : t("{who} is teaching it: {label}.", { who: place.teacher, label: labelName(shown.label) }));
    say("counted", t("{count} of {wanted}", { count: shown.items, wanted: place.wanted }));
  }
  say("not-counted", place.not_counted ? t("Not counted: {why}.", { why: t(place.not_counted) }) : "");
  byId("undo").hidden = !place.leads;
  byId("undo").disabled = place.recent.length === 0;
}

// -- learning -----------------------------------------------------------------------------------------------------

function showTask() {
  const others = Boolean(place.teacher) && !place.leads;
  byId("learn").disabled = others || Boolean(place.task) || place.labels.every((one) => !one.items);
  byId("install").disabled = others || Boolean(place.task);
  byId("progress").hidden = place.task !== "learn";
  byId("progress").value = place.share;
  say("task", { learn: t("It is learning."), install: t("It is tested on this device and installed.") }[place.task] || "");
}

function row(name, told) {
  const line = make("tr");
  const head = make("th", "", name);
  head.scope = "row";
  line.append(head, make("td", "", told.items === undefined ? "" : String(told.items)));
  for (const figure of ["top1", "recovery", "purity"]) line.append(make("td", "", change(told, figure)));
  return line;
}

function showReport() {
  const report = place.report;
  byId("report").hidden = !report;
  if (!report) return;
  byId("old").hidden = !report.is_old;
  byId("install").hidden = Boolean(report.refused) || report.is_old;
  const told = JSON.stringify(report);
  if (byId("report").dataset.told === told) return;
  byId("report").dataset.told = told;
  const at = new Date(report.at).toLocaleString(language);
  say("report-title", t("Learnt from {base} on {at}, by {by}", { base: report.base, at, by: report.by }));
  byId("refused").hidden = !report.refused;
  say("refused", report.refused ? t("It is not to be used: {why}.", { why: report.refused }) : "");
  const rows = Object.entries(report.labels).map(([label, one]) => row(labelName(label), one));
  byId("rows").replaceChildren(...rows, row(t("all"), report));
  const memory = report.memory.all;
  say("memory", memory && memory.before
    ? t("What it knew before: of {count} pictures {before} were named rightly, now {after}.", { count: memory.before.count, before: percent(memory.before.value), after: percent(memory.after.value) })
    : t("Whether it forgets what it knew before can't be told: its model came without pictures to ask."));
  byId("advice").replaceChildren(...[...report.unreadable, ...[...report.notes, ...report.advice].map(phrase)].map((text) => make("li", "", sentence(text))));
}

function showHeads() {
  byId("back").hidden = place.heads.every((head) => head.digest !== place.active);
  byId("no-heads").hidden = place.heads.length > 0;
  byId("heads").replaceChildren(...place.heads.map((head) => {
    const line = make("li");
    line.append(make("b", "", head.version), t("{at}, by {by}", { at: new Date(head.at).toLocaleString(language), by: head.by }), " ");
    if (head.digest === place.active) line.append(make("span", "at-work", t("at work")));
    return line;
  }));
  byId("base").replaceChildren(...withCommands(t("All are taught on {base}. `sorter model rollback` goes back to the previous model.", { base: place.base })));
}

// -- all of it ----------------------------------------------------------------------------------------------------

function take(told) {
  place = told;
  if (!place.leads && mark && !place.teacher) lead("");
  byId("trouble").hidden = !place.problem;
  byId("trouble").replaceChildren(...withCommands(t(place.problem)));
  say("ended", t(place.told));
  showLabels();
  showNow();
  showRecent();
  showTask();
  showReport();
  showHeads();
}

function showHow() {
  const how = t("Ten things of each label, of two labels at least, as they come here: dirty, crushed, in all colours. Nothing is sorted meanwhile.");
  const practice = place && place.is_simulated ? t("This station is simulated: things of the label that you choose come by themselves.") : "";
  say("how", [how, practice].filter(Boolean).join(" "));
}

async function look() {
  try {
    const answer = await fetch("/api/teach?mark=" + encodeURIComponent(mark), { cache: "no-store" });
    const told = answer.ok ? await answer.json() : null;
    if (told && told.taught === false) {
      byId("trouble").hidden = false;
      say("trouble", t("This station can't be taught from its page: its file says that the page only shows (page.controls)."));
    } else if (told) take(told);
  } catch {
    // the banner says that there is no connection
  }
  showHow();
  setTimeout(look, LOOK_MS);
}

byId("back").append(rollBackButton());
byId("undo").addEventListener("click", () => have("/teach/undo", { mark }));
byId("end").addEventListener("click", () => have("/teach/end"));
byId("learn").addEventListener("click", () => have("/teach/learn", { mark }));
byId("install").addEventListener("click", () => have("/teach/install", { digest: place.report.digest, mark }, t("Install it? The station changes over by itself, on probation against the previous model.")));
start((status) => {
  kind = status.station.kind;
  bins = status.bins.map((bin) => bin.name);
});
look();
