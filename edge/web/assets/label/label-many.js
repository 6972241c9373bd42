"use strict";
// Many pictures at once: those that look alike, are labelled the same or are disputed; some are selected and labelled together.

const DRAG_PX = 6;
const grid = byId("grid");
let like = null; // the picture that the others look like
let shownMany = [];
let anchor = 0;

const tiles = () => [...grid.children];
const selected = () => tiles().filter((tile) => tile.getAttribute("aria-selected") === "true");

function showChoices() {
  const which = byId("which");
  const labels = [...state.labels, "none-of-these", "two-things"].filter((label) => state.counts[label]);
  const choices = [["like", t("what looks alike, without a label")], ...(state.disputed ? [["disputed", t("where people disagree ({disputed})", state)]] : []),
    ...labels.map((label) => ["label " + label, t("labelled {label} ({count})", { label: spoken(label), count: state.counts[label] })])];
  if (choices.join() === [...which.options].map(({ value, text }) => [value, text]).join()) return; // it may be open
  const chosen = which.value;
  which.replaceChildren(...choices.map(([value, text]) => Object.assign(make("option", "", text), { value })));
  which.value = choices.some(([value]) => value === chosen) ? chosen : "like";
}

function showMany(told) {
  showState(told.state);
  showSuggestion(told.suggestions);
  shownMany = told.pictures;
  anchor = 0;
  grid.replaceChildren(...shownMany.map((one, n) => {
    const tile = make("li");
    const picture = make("img");
    tile.setAttribute("role", "option");
    tile.setAttribute("aria-label", one.name);
    tile.title = one.name;
    tile.tabIndex = n ? -1 : 0;
    picture.alt = "";
    picture.src = photo(one.name, "small");
    tile.append(picture);
    if (one.said.length) tile.append(make("p", "", one.said.map(({ by, label }) => `${by}: ${spoken(label)}`).join(" · ")));
    return tile;
  }));
  select(() => false);
  if (!shownMany.length) byId("selected").textContent = t("Nothing to show here");
}

function select(chosen) {
  tiles().forEach((tile, n) => tile.setAttribute("aria-selected", String(chosen(n, tile.getAttribute("aria-selected") === "true"))));
  const count = selected().length;
  byId("selected").textContent = count ? t("{count} of {total} selected", { count, total: shownMany.length }) : t("Nothing selected");
}

async function loadMany() {
  const [kind, label] = byId("which").value.split(" ");
  if (kind === "like") showMany(await ask("many" + (like ? `?like=${encodeURIComponent(like)}` : "")));
  else showMany(await ask(kind === "label" ? `many?label=${encodeURIComponent(label)}` : "many?disputed=1"));
  if (kind === "like" && !like && shownMany.length) like = shownMany[0].name;
}

function labelMany(label) {
  const names = selected().map((tile) => shownMany[tiles().indexOf(tile)].name);
  if (!names.length) {
    byId("saved").textContent = t("Select pictures first: click, drag, or a for all.");
    return undefined;
  }
  return doing(async () => {
    await ask("label", { pictures: names, label });
    tellSaved(names, label);
    // All are labelled: others come. Some were left out on purpose: more that look like the first come beside them.
    if (names.length === shownMany.length) like = null;
    await loadMany();
  });
}

function others() {
  const last = shownMany[shownMany.length - 1];
  return doing(async () => {
    const told = await ask(last && byId("which").value === "like" ? `next?after=${encodeURIComponent(last.name)}` : "next");
    like = told.picture ? told.picture.name : null;
    byId("which").value = "like";
    await loadMany();
  });
}

function setMode(many) {
  document.body.dataset.mode = many ? "many" : "one";
  byId("one").hidden = many;
  byId("many").hidden = !many;
  for (const id of ["back", "later", "zoom"]) byId(id).hidden = many;
  byId("question").textContent = many ? t("What are they?") : t("What is it?");
  byId("mode").setAttribute("aria-pressed", String(many));
  return doing(async () => {
    if (!many) return goTo("next");
    like = current && !current.said.length ? current.name : null;
    return loadMany();
  });
}

function moveTo(n, extend) {
  const all = tiles();
  const to = Math.min(all.length - 1, Math.max(0, n));
  all.forEach((tile, number) => { tile.tabIndex = number === to ? 0 : -1; });
  all[to].focus();
  if (extend) select((number, was) => was || (number >= Math.min(anchor, to) && number <= Math.max(anchor, to)));
  else anchor = to;
}

function gridKey(event) {
  const at = tiles().indexOf(document.activeElement);
  if (at < 0) return false;
  const columns = tiles().filter((tile) => tile.offsetTop === grid.firstChild.offsetTop).length;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  if (event.key in steps) moveTo(at + steps[event.key], event.shiftKey);
  else if (event.key === " ") toggle(at, event.shiftKey);
  else return false;
  return true;
}

function toggle(n, range) {
  const [from, to] = [Math.min(anchor, n), Math.max(anchor, n)];
  if (range) select((number, was) => was || (number >= from && number <= to));
  else select((number, was) => (number === n ? !was : was));
  anchor = n;
}

// A rectangle drawn with the mouse or a pen selects what it touches; a finger scrolls, and taps.
let from = null;
let lasso = null;
let before = [];

grid.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || event.pointerType === "touch") return;
  event.preventDefault();
  from = event;
  before = tiles().map((tile) => tile.getAttribute("aria-selected") === "true");
});

addEventListener("pointermove", (event) => {
  if (!from) return;
  const box = { left: Math.min(from.clientX, event.clientX), top: Math.min(from.clientY, event.clientY), right: Math.max(from.clientX, event.clientX), bottom: Math.max(from.clientY, event.clientY) };
  if (!lasso && box.right - box.left < DRAG_PX && box.bottom - box.top < DRAG_PX) return;
  lasso = byId("lasso");
  lasso.hidden = false;
  Object.assign(lasso.style, { left: box.left + "px", top: box.top + "px", width: box.right - box.left + "px", height: box.bottom - box.top + "px" });
  const touched = tiles().map((tile) => tile.getBoundingClientRect())
    .map((tile) => tile.left < box.right && tile.right > box.left && tile.top < box.bottom && tile.bottom > box.top);
  select((n) => before[n] || touched[n]);
});

addEventListener("pointerup", () => {
  if (lasso) {
    lasso.hidden = true;
    grid.addEventListener("click", (event) => event.stopImmediatePropagation(), { capture: true, once: true });
    setTimeout(() => grid.dispatchEvent(new Event("click"))); // if the drag ended elsewhere there is no click to pass over
  }
  from = lasso = null;
});

grid.addEventListener("click", (event) => {
  const tile = event.target.closest?.("#grid li");
  if (!tile) return;
  const n = tiles().indexOf(tile);
  toggle(n, event.shiftKey);
  moveTo(n, false);
});
