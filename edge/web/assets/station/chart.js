// Charts as SVG, by hand: stacked bars, lines, a legend, and the same figures as a table for whoever can't see them.
// Whatever has a colour has a pattern, or a dash and a name, as well.

import { language, make, t } from "/frame.js";
import { tell, wallClock } from "/journal.js";

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { right: 10, top: 12, bottom: 26 };
const LETTER_PX = 7; // of the axis, on average
const DASHES = ["", "7 4", "2 3", "10 3 2 3"];
// What is drawn over the colour, in a square of 8 pixels; by the order of the series.
const PATTERNS = ["", "M-2 2 2 -2M0 8 8 0M6 10 10 6", "M2 2h2v2h-2zM6 6h2v2h-2z", "M0 2h8M0 6h8", "M-2 6 2 10M0 0 8 8M6 -2 10 2",
  "M2 0v8M6 0v8", "M0 4h8M4 0v8", "M0 8 8 0M0 0 8 8", "M3 3h2v2h-2z"];
const FILLED = [2, 8];
const drawn = new WeakMap(); // by host: how it was drawn, to draw it anew in another width
let patterns = 0;

const watcher = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const chart = drawn.get(target);
    if (chart && chart.width !== target.clientWidth) render(target, chart);
  }
});

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const dayOf = (time) => tell(time, { day: "numeric", month: "short" });
export const hourOf = (time) => tell(time, { hour: "2-digit", minute: "2-digit" });
export const number = (value, digits = 0) => value.toLocaleString(language, { maximumFractionDigits: digits });

function momentOf(times, place) {
  const time = times[place];
  return isHourly(times) ? `${dayOf(time)} ${hourOf(time)}` : dayOf(time);
}
const isHourly = (times) => times.length > 1 && wallClock(times[1]) - wallClock(times[0]) < 20 * 3600e3;

function pattern(defs, place, colour) {
  const id = `pattern-${++patterns}`;
  const square = svg("rect", { width: 8, height: 8 });
  square.style.fill = colour;
  const marks = svg("path", { d: PATTERNS[place % PATTERNS.length], class: FILLED.includes(place % PATTERNS.length) ? "dots" : "strokes" });
  defs.append(svg("pattern", { id, width: 8, height: 8, patternUnits: "userSpaceOnUse" }, square, marks));
  return `url(#${id})`;
}

// Round numbers from 0 to at least `most`, about four of them.
export function ticks(most) {
  const rough = (most || 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  return Array.from({ length: Math.ceil((most || 1) / step - 1e-9) + 1 }, (_, n) => n * step);
}

function axes(picture, chart, scale) {
  for (const tick of scale.ticks) {
    const y = scale.y(tick);
    picture.append(svg("line", { class: "grid", x1: scale.left, x2: scale.right, y1: y, y2: y }));
    const label = svg("text", { x: scale.left - 6, y: y + 4, "text-anchor": "end" });
    label.textContent = chart.format(tick);
    picture.append(label);
  }
  let free = 0;
  chart.times.forEach((time, place) => {
    const midnight = time.slice(11, 16) === "00:00";
    const several = wallClock(chart.times[chart.times.length - 1]) - wallClock(chart.times[0]) > 864e5 && isHourly(chart.times);
    if (several && !midnight) return;
    const text = isHourly(chart.times) && !several ? hourOf(time) : dayOf(time);
    const x = scale.x(place);
    const half = (text.length * LETTER_PX) / 2;
    const middle = Math.min(Math.max(x + (several ? 0 : scale.step / 2), scale.left + half), scale.right - half);
    if (middle - half < free) return;
    free = middle + half + 10;
    const label = svg("text", { x: middle, y: chart.height - 8, "text-anchor": "middle" });
    label.textContent = text;
    picture.append(label);
    if (several) picture.append(svg("line", { class: "grid", x1: x, x2: x, y1: MARGIN.top, y2: scale.bottom }));
  });
}

function drawBars(picture, chart, scale) {
  const defs = svg("defs");
  picture.append(defs);
  const fills = chart.series.map((series) => pattern(defs, series.pattern, series.colour));
  const gap = scale.step > 6 ? Math.min(4, scale.step / 5) : scale.step > 3 ? 0.5 : 0;
  chart.times.forEach((_, place) => {
    let below = 0;
    chart.series.forEach((series, n) => {
      const value = series.values[place];
      if (!value) return;
      const top = scale.y(below + value);
      picture.append(svg("rect", {
        class: "bar-of", x: scale.x(place) + gap / 2, y: top, width: scale.step - gap, height: scale.y(below) - top, fill: fills[n],
        "data-series": series.name, "data-value": value,
      }));
      below += value;
    });
  });
}

function drawLines(picture, chart, scale) {
  chart.series.forEach((series, n) => {
    let path = "";
    let broken = true;
    series.values.forEach((value, place) => {
      if (value === null) {
        broken = true;
        return;
      }
      const x = scale.x(place) + scale.step / 2;
      const y = scale.y(value);
      path += `${broken ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
      const lonely = broken && (series.values[place + 1] ?? null) === null;
      if (lonely || scale.step > 14) {
        const dot = svg("circle", { cx: x, cy: y, r: 3 });
        dot.style.fill = series.colour;
        picture.append(dot);
      }
      broken = false;
    });
    const line = svg("path", { d: path, class: "line-of", "stroke-dasharray": DASHES[n % DASHES.length] });
    line.style.stroke = series.colour;
    picture.append(line);
  });
}

// A step under the pointer tells its figures.
function notes(picture, chart, scale) {
  chart.times.forEach((_, place) => {
    const title = svg("title");
    const told = chart.series.filter((series) => series.values[place]).map((series) => `${series.name}: ${chart.format(series.values[place])}`);
    title.textContent = [momentOf(chart.times, place), ...told].join("\n");
    picture.append(svg("rect", { class: "note", x: scale.x(place), y: MARGIN.top, width: scale.step, height: scale.bottom - MARGIN.top }, title));
  });
}

function render(host, chart) {
  chart.width = host.clientWidth;
  const scaleTicks = ticks(chart.most);
  const left = 14 + LETTER_PX * Math.max(...scaleTicks.map((tick) => chart.format(tick).length));
  const right = Math.max(chart.width - MARGIN.right, left + 50);
  const bottom = chart.height - MARGIN.bottom;
  const step = (right - left) / Math.max(1, chart.times.length);
  const top = scaleTicks[scaleTicks.length - 1];
  const scale = {
    left, right, bottom, step, ticks: scaleTicks,
    x: (place) => left + place * step,
    y: (value) => bottom - ((bottom - MARGIN.top) * Math.min(value, top)) / top,
  };
  const picture = svg("svg", { class: "chart", width: chart.width, height: chart.height, role: "img", "aria-label": chart.label });
  axes(picture, chart, scale);
  chart.draw(picture, chart, scale);
  notes(picture, chart, scale);
  const old = host.querySelector("svg.chart");
  if (old) old.replaceWith(picture);
  else host.prepend(picture);
}

function legend(chart) {
  const list = make("ul", "legend");
  chart.series.forEach((series, n) => {
    const line = make("li");
    const swatch = svg("svg", { width: 26, height: 14, "aria-hidden": "true" });
    if (chart.draw === drawBars) {
      const defs = svg("defs");
      swatch.append(defs, svg("rect", { width: 26, height: 14, fill: pattern(defs, series.pattern, series.colour) }));
    } else {
      const stroke = svg("line", { x1: 0, x2: 26, y1: 7, y2: 7, class: "line-of", "stroke-dasharray": DASHES[n % DASHES.length] });
      stroke.style.stroke = series.colour;
      swatch.append(stroke);
    }
    const name = make(series.href ? "a" : "span", "", series.name);
    if (series.href) name.href = series.href;
    line.append(swatch, name);
    if (series.total) line.append(make("b", "", series.total));
    list.append(line);
  });
  return list;
}

function table(chart) {
  const details = make("details", "figures-of");
  details.append(make("summary", "", t("The same as a table")));
  details.addEventListener("toggle", () => {
    if (!details.open || details.querySelector("table")) return;
    const rows = make("table");
    const head = rows.createTHead().insertRow();
    for (const name of [t("from"), ...chart.series.map((series) => series.name)]) {
      const cell = make("th", "", name);
      cell.scope = "col";
      head.append(cell);
    }
    const body = rows.createTBody();
    chart.times.forEach((_, place) => {
      if (chart.series.every((series) => !series.values[place])) return;
      const row = body.insertRow();
      const name = make("th", "", momentOf(chart.times, place));
      name.scope = "row";
      row.append(name, ...chart.series.map((series) => make("td", "", series.values[place] === null ? "–" : chart.format(series.values[place]))));
    });
    const frame = make("div", "rows");
    frame.tabIndex = 0;
    frame.setAttribute("role", "region");
    frame.setAttribute("aria-label", chart.label);
    frame.append(rows);
    details.append(frame);
  });
  return details;
}

function put(host, chart) {
  const wasOpen = host.querySelector("details")?.open;
  host.replaceChildren();
  host.classList.add("chart-of");
  if (chart.legend !== false) host.append(legend(chart));
  const figures = table(chart);
  host.append(figures);
  figures.open = Boolean(wasOpen);
  drawn.set(host, chart);
  watcher.observe(host);
  render(host, chart);
}

// Both take { label, times, series: [{ name, values, colour, pattern, total }], format, height, most }; `values` has a number a
// step, null where nothing is known; `total` is what the legend says beside the name,
// and `href` where that leads.
export function bars(host, chart) {
  const heights = chart.times.map((_, place) => chart.series.reduce((sum, series) => sum + (series.values[place] || 0), 0));
  put(host, { format: number, height: 240, most: Math.max(0, ...heights), ...chart, draw: drawBars });
}

export function lines(host, chart) {
  const values = chart.series.flatMap((series) => series.values.filter((value) => value !== null));
  put(host, { format: number, height: 200, most: Math.max(0, ...values), ...chart, draw: drawLines });
}
