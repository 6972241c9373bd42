// The page "Today and this week": what came, where it went, why not into its bin, which bin got worse, and how fast.

import { byId, language, make, percent, say, sentence, start, t } from "/frame.js";
import { purity } from "/bin.js";
import { bars, dayOf, lines, number } from "/chart.js";
import { ask, lookOf } from "/journal.js";

const SPANS = { day: { days: 1, step: "hour" }, week: { days: 7, step: "hour" }, month: { days: 30, step: "day" }, year: { days: 364, step: "week" } };
const ANEW_S = 60;
const HOURS_AT_ONCE = 4;
const FEWEST = 5; // items, of which a share is drawn
const WORSE = 0.05; // so much more than in the time before is said to be worse
const IN_NO_BIN = ["under-way", "not-diverted", "not-seen"];
const NOT_JUDGED = ["touching", "slipped", "too-large", "not-classified"]; // whatever the model would have said of them
const DOUBTED = ["unsure", "unknown"]; // with any other reason the model was sure: stops, full bins and neighbours come after it
const REASONS_SHOWN = 7;

const asked = new URLSearchParams(location.search);
let span = SPANS[asked.get("span")] ? asked.get("span") : "day";
let last = /^\d{4}-\d\d-\d\d$/.test(asked.get("day") || "") ? asked.get("day") : ""; // the last day that is shown; empty: today
let today = "";
let bins = [];
let seen = {};
let run = { items: 0, minutes: 0 }; // of the station since its start
let shownSpan = {}; // the times of what is shown, as the search for items takes them
let ticksLeft = ANEW_S;
let request = 0;

const addDays = (day, days) => new Date(Date.parse(day + "T00:00Z") + days * 864e5).toISOString().slice(0, 10);
const sum = (values) => values.reduce((total, value) => total + value, 0);
const added = (rows, length) => rows.reduce((total, row) => total.map((value, place) => value + row.items[place]), Array(length).fill(0));

// Of many hours, four at a time: bars need some width to show a pattern.
function wider(told) {
  const places = new Map();
  told.times.forEach((time, place) => {
    const key = time.slice(0, 11) + Math.floor(time.slice(11, 13) / HOURS_AT_ONCE);
    places.set(key, [...(places.get(key) || []), place]);
  });
  const groups = [...places.values()];
  const counts = told.counts.map((row) => ({ ...row, items: groups.map((group) => sum(group.map((place) => row.items[place]))) }));
  return { ...told, times: groups.map(([first]) => told.times[first]), counts };
}

const itemsOf = (query) => "/items?" + new URLSearchParams({ ...query, ...shownSpan });

function showBins(told) {
  const length = told.times.length;
  const inBins = told.counts.filter((row) => !IN_NO_BIN.includes(row.reason));
  const names = [...bins, ...new Set(inBins.map((row) => row.bin).filter((name) => name && !bins.includes(name)))];
  const ordered = [...names.filter((name) => name !== "residual"), "residual"];
  const series = ordered.map((name) => {
    const values = added(inBins.filter((row) => row.bin === name), length);
    return { name: t(name), values, total: number(sum(values)), href: itemsOf({ bin: name }), ...lookOf(bins, name) };
  });
  const nowhere = added(told.counts.filter((row) => IN_NO_BIN.includes(row.reason) || !row.bin), length);
  if (sum(nowhere)) series.push({ name: t("not known to lie in a bin"), values: nowhere, total: number(sum(nowhere)), colour: "var(--lost)", pattern: 7 });
  bars(byId("by-bin"), { label: t("Items by bin, over time"), times: told.times, series });
}

function showReasons(told) {
  const length = told.times.length;
  const rows = told.counts.filter((row) => row.reason && row.reason !== "sorted");
  const codes = [...new Set(rows.map((row) => row.reason))];
  const all = codes
    .map((code) => ({ code, values: added(rows.filter((row) => row.reason === code), length) }))
    .map((one) => ({ ...one, count: sum(one.values) }))
    .sort((a, b) => b.count - a.count);
  const shown = all.length > REASONS_SHOWN ? all.slice(0, REASONS_SHOWN - 1) : all;
  const rest = all.slice(shown.length);
  const series = shown.map((one, place) => ({
    name: t(told.reasons[one.code] || one.code), values: one.values, total: number(one.count), colour: "var(--bin-residual)", pattern: place,
    href: itemsOf({ reason: one.code }),
  }));
  if (rest.length) {
    const values = Array.from({ length }, (_, place) => sum(rest.map((one) => one.values[place])));
    series.push({ name: t("other reasons"), values, total: number(sum(values)), colour: "var(--bin-residual)", pattern: shown.length });
  }
  bars(byId("by-reason"), { label: t("Items that were not sorted, by reason, over time"), times: told.times, series, height: 200 });
}

function sharesOf(told, home) {
  const rows = told.counts.filter((row) => row.home === home && !NOT_JUDGED.includes(row.reason));
  const all = added(rows, told.times.length);
  const missed = added(rows.filter((row) => DOUBTED.includes(row.reason)), told.times.length);
  return { all: sum(all), share: sum(all) ? sum(missed) / sum(all) : null, values: all.map((count, place) => (count < FEWEST ? null : missed[place] / count)) };
}

const purityText = (seen) => (seen ? sentence(purity(seen)) : t("Purity not seen yet: nobody has labelled kept pictures of it."));

function showWorse(told, before) {
  const hosts = bins.filter((name) => name !== "residual").map((name) => {
    const now = sharesOf(told, name);
    const then = sharesOf(before, name);
    const one = make("div", "one-bin");
    one.style.setProperty("--bin", lookOf(bins, name).colour);
    one.dataset.bin = name;
    one.append(make("h3", "", t(name)));
    if (now.share === null) {
      one.append(make("p", "none", t("There was no such item.")));
      return one;
    }
    const line = make("p");
    const worse = then.share !== null && now.share - then.share > WORSE;
    line.append(make("span", "share", percent(now.share)), " ");
    line.append(then.share === null ? t("of {count} items", { count: number(now.all) })
      : t("of {count} items; {share} in the time before", { count: number(now.all), share: percent(then.share) }));
    if (worse) line.append(" ", make("span", "worse", t("It got worse.")));
    const chart = make("div");
    one.append(line, make("p", "", purityText(seen[name])), chart);
    one.draw = () => lines(chart, {
      label: t("Share that the model was not sure of, of the items for {bin}", { bin: t(name) }), times: told.times, height: 120, most: 1, legend: false,
      format: percent, series: [{ name: t("not sure enough"), values: now.values, colour: lookOf(bins, name).colour }],
    });
    return one;
  });
  byId("worse").replaceChildren(...hosts);
  for (const one of hosts) if (one.draw) one.draw();
}

function showTiming(told) {
  const pick = (key) => told.timing.map((step) => step[key]);
  const known = told.timing.some((step) => step.items > 0);
  byId("no-timing").hidden = known;
  const format = (value) => number(value, value < 10 ? 1 : 0) + "\u00a0ms";
  lines(byId("deciding"), { label: t("Time from the decision line to the decision"), times: told.times, format, series: [
    { name: t("half of the items within"), values: pick("deciding_ms"), colour: "var(--bin-0)" },
    { name: t("99 of 100 within"), values: pick("deciding_p99_ms"), colour: "var(--bin-1)" },
  ] });
  lines(byId("spare"), { label: t("Time from the decision to the stroke"), times: told.times, format, series: [
    { name: t("half of the items have more than"), values: pick("spare_ms"), colour: "var(--bin-0)" },
    { name: t("99 of 100 have more than"), values: pick("spare_p1_ms"), colour: "var(--bin-1)" },
  ] });
}

// Items a minute in the busiest hour. The hour that is not over yet counts as long as it is old, or as the station has run
// where all of its items came since the start.
function busiest(told) {
  const now = Date.parse(told.now);
  const rates = added(told.counts, told.times.length).map((items, place) => {
    const passed = (now - Date.parse(told.times[place])) / 60e3;
    const minutes = passed < 60 && items <= run.items ? Math.min(passed, run.minutes) : Math.min(passed, 60);
    return items / Math.max(1, minutes);
  });
  return Math.max(0, ...rates);
}

function showTotals(told) {
  const of = (rows) => sum(rows.map((row) => sum(row.items)));
  const share = (count) => `${number(count)} (${percent(told.total ? count / told.total : 0)})`;
  say("span-total", number(told.total));
  say("span-sorted", share(of(told.counts.filter((row) => row.reason === "sorted"))));
  say("span-residual", share(of(told.counts.filter((row) => row.bin === "residual"))));
  const isHourly = SPANS[span].step === "hour";
  byId("busiest").hidden = !isHourly;
  if (isHourly) say("span-busiest", number(busiest(told), 1));
}

function showHeading(from) {
  const to = last || today;
  const whole = (day) => dayOf(day + "T00:00");
  const title = span === "day" ? (to === today ? t("Today") : whole(to)) : t("{first} to {last}", { first: whole(from), last: whole(to) });
  say("span-heading", title);
  for (const button of document.querySelectorAll("[data-span]")) button.setAttribute("aria-pressed", String(button.dataset.span === span));
  byId("later").disabled = to >= today;
}

function barText() {
  if (span === "year") return t("One bar is seven days.");
  if (span === "month") return t("One bar is a day.");
  return span === "week" ? t("One bar is four hours.") : t("One bar is an hour.");
}

function showProblem(text) {
  byId("problem").hidden = !text;
  say("problem", text);
  if (text) byId("charts").hidden = byId("totals").hidden = byId("bar-is").hidden = byId("nothing").hidden = true;
}

async function show() {
  const mine = ++request;
  ticksLeft = ANEW_S;
  try {
    if (!today) today = (await ask("/api/counts", {})).now.slice(0, 10);
    if (last > today) last = "";
    const { days, step } = SPANS[span];
    const to = addDays(last || today, 1);
    const from = addDays(to, -days);
    const earlier = { from: addDays(from, -days), to: from, step: step === "week" ? "week" : "day", by: "reason,home" };
    const [told, before, timing] = await Promise.all([
      ask("/api/counts", { from, to, step, by: "bin,reason,home" }), ask("/api/counts", earlier), ask("/api/timing", { from, to, step }),
    ]);
    if (mine !== request) return;
    const isOver = told.now.slice(0, 10) !== today && !last;
    today = told.now.slice(0, 10);
    if (isOver) return show();
    history.replaceState(null, "", `?${new URLSearchParams({ span, ...(last ? { day: last } : {}) })}`);
    shownSpan = { from: from + "T00:00", to: to + "T00:00" };
    showHeading(from);
    showProblem("");
    const empty = told.total === 0;
    byId("nothing").hidden = !empty;
    byId("charts").hidden = byId("totals").hidden = byId("bar-is").hidden = empty;
    say("nothing", told.recorded ? t("Nothing came past in this time.") : t("Nothing has been recorded yet: the journal begins with the first item."));
    if (empty) return;
    say("bar-is", barText());
    showTotals(told);
    const shown = span === "week" ? wider(told) : told;
    showBins(shown);
    showReasons(shown);
    showWorse(shown, before);
    showTiming(timing);
  } catch (error) {
    if (mine === request) showProblem(error.message);
  }
}

function showStatus(status) {
  const names = status.bins.map((bin) => bin.name);
  run = { items: status.total, minutes: status.uptime_s / 60 };
  seen = Object.fromEntries(status.bins.map((bin) => [bin.name, bin.purity]));
  if (names.join() === bins.join()) return;
  bins = names;
  show();
}

for (const button of document.querySelectorAll("[data-span]")) {
  button.addEventListener("click", () => {
    span = button.dataset.span;
    show();
  });
}
byId("earlier").addEventListener("click", () => {
  last = addDays(last || today, -SPANS[span].days);
  show();
});
byId("later").addEventListener("click", () => {
  last = addDays(last || today, SPANS[span].days);
  if (last >= today) last = "";
  show();
});
start(showStatus, () => {
  const isRead = byId("charts").contains(document.activeElement); // whoever is in a table keeps the place
  if (!last && bins.length && !document.hidden && !isRead && --ticksLeft <= 0) show();
});
