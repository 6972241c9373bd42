"use strict";
// Shows pictures and sends what a person says of them. Names and labels go in as text, never as markup. A label is sent
// only for pictures that are seen, and the next one comes when the program has saved it.

const MARKS = [["n", "none-of-these"], ["t", "two-things"], ["x", ""]];
const LETTERS = [..."123456789bcdefhijklmopqrvwy"]; // those that mean nothing else here
const COLOURS = 8;

const byId = (id) => document.getElementById(id);
let t = String; // says things in the visitor's language as soon as label-keys.js has fetched what does
let state = null;
let keys = new Map(); // by key: the label
let current = null; // the picture of one at a time, as told
let suggestion = "";
let seen = false; // it is on the screen
let busy = 0; // how many things are under way or wait
let working = Promise.resolve();
let trail = []; // what was shown, for the way back
let place = -1;

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

const isMany = () => document.body.dataset.mode === "many";
const colour = (label) => (state && state.labels.includes(label) ? `var(--bin-${state.labels.indexOf(label) % COLOURS})` : "var(--bin-residual)");
const spoken = (label) => ({ "none-of-these": t("none of these"), "two-things": t("two things"), "": t("take back") })[label] ?? t(label);
const photo = (name, size) => `photo?size=${size}&name=${encodeURIComponent(name)}`;

// -- talking with the program --------------------------------------------------------------------------------------

async function ask(path, body) {
  const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error(t("The program does not answer, so nothing was saved: is `sorter label` still running?"));
  }
  if (answer.ok) return answer.json();
  throw new Error(answer.status === 404 ? t("This page is of an earlier start: open the address that `sorter label` shows now.") : await answer.text());
}

// One thing after the other: what is asked for meanwhile waits, but for labels (see `given`).
function doing(work) {
  busy += 1;
  working = working.then(async () => {
    try {
      await work();
      byId("trouble").hidden = true;
    } catch (error) {
      byId("trouble").textContent = error.message;
      byId("trouble").hidden = false;
    }
    busy -= 1;
  });
  return working;
}

// -- what is the same in both ways ---------------------------------------------------------------------------------

function showState(told) {
  const fresh = !state || state.labels.join() !== told.labels.join();
  state = told;
  if (fresh) buildLabels();
  for (const count of document.querySelectorAll("#labels .count")) count.textContent = state.counts[count.dataset.label] || "";
  byId("fill").style.width = (100 * state.labelled) / Math.max(1, state.total) + "%";
  const others = state.labelled - state.mine;
  const parts = [t("{labelled} of {total} labelled", state), others ? t("{count} by others", { count: others }) : "", state.disputed ? t("{disputed} disputed", state) : "",
    state.looked_at < state.total ? t("comparing {looked_at} of {total}", state) : ""];
  byId("progress").textContent = parts.filter(Boolean).join(" · ");
  byId("undo").disabled = !state.can_undo;
  showUnusable(state.unusable);
  showChoices();
}

function buildLabels() {
  keys = new Map(state.labels.map((label, n) => [LETTERS[n], label]).filter(([key]) => key));
  const named = state.labels.map((label, n) => [LETTERS[n] || "", label]);
  for (const [key, label] of MARKS) keys.set(key, label);
  byId("labels").replaceChildren(...[...named, ...MARKS].map(([key, label]) => {
    const line = make("li", state.labels.includes(label) ? "" : "mark");
    const button = make("button");
    const count = make("span", "count");
    count.dataset.label = label;
    button.type = "button";
    button.dataset.label = label;
    button.style.setProperty("--bin", colour(label));
    button.append(make("kbd", "", key), make("span", "label", spoken(label)), count);
    button.addEventListener("click", (event) => given(label, event));
    line.append(button);
    return line;
  }));
}

function showUnusable(unusable) {
  const box = byId("unusable");
  box.hidden = unusable.count === 0;
  box.querySelector("summary").textContent = t("Files passed over: {count}", unusable);
  box.querySelector("ul").replaceChildren(...unusable.first.map((text) => make("li", "", text)));
}

function why({ score, votes, voters }) {
  const model = score === null ? "" : t("the model: {percent} %", { percent: Math.round(100 * score) });
  const people = voters > 1 ? t("{votes} of the {voters} most similar", { votes, voters }) : t("the most similar");
  return [model, votes ? people : ""].filter(Boolean).join(", ");
}

function showSuggestion(suggestions) {
  const first = suggestions[0];
  suggestion = first ? first.label : "";
  byId("suggested").hidden = !first;
  if (!first) return;
  byId("suggested").style.setProperty("--bin", colour(first.label));
  byId("suggested").querySelector("b").textContent = spoken(first.label);
  byId("suggested").querySelector("small").textContent = why(first);
}

function given(label, event) {
  if (event && event.detail) event.currentTarget.blur(); // or the next Space would press it again
  if (busy) return; // it was meant for what is going away
  if (isMany()) labelMany(label);
  else labelOne(label);
}

const pictures = (names) => (names.length === 1 ? names[0] : t("{count} pictures", { count: names.length }));

function tellSaved(names, label) {
  byId("saved").textContent = `${pictures(names)}: ${label ? spoken(label) : t("label taken back")}`;
  const button = document.querySelector(`#labels button[data-label="${label}"]`);
  if (!button) return;
  button.classList.remove("flash");
  void button.offsetWidth; // begins the animation anew
  button.classList.add("flash");
}

// -- one at a time -------------------------------------------------------------------------------------------------

function showOne(told) {
  showState(told.state);
  showSuggestion(told.picture ? told.suggestions : []);
  current = told.picture;
  seen = false;
  setZoom(false);
  const picture = byId("picture");
  byId("frame").querySelector(".finished")?.remove();
  picture.hidden = !current;
  showLooks(current ? current.looks.filter((look) => look !== current.name) : []);
  byId("name").textContent = current ? current.name : "";
  byId("said").textContent = current ? current.said.map(({ by, label }) => `${by}: ${spoken(label)}`).join(" · ") : "";
  if (!current) {
    picture.removeAttribute("src");
    byId("frame").append(make("p", "finished", t("Every picture has a label. Look at them again with g, or end the program with Ctrl-C.")));
    return undefined;
  }
  picture.alt = current.name;
  const loaded = new Promise((resume) => { picture.onload = picture.onerror = resume; });
  picture.src = photo(current.name, "large");
  return loaded.then(() => { seen = true; });
}

// A station takes several pictures of one item: one label is for all of them.
function showLooks(looks) {
  byId("looks").hidden = !looks.length;
  byId("looks").replaceChildren(...looks.map((look) => {
    const line = make("li");
    line.append(Object.assign(make("img"), { src: photo(look, "small"), alt: look, title: look }));
    return line;
  }));
}

async function goTo(path) {
  await showOne(await ask(path));
  if (!current) return;
  if (trail[place] !== current.name) {
    trail = [...trail.slice(0, place + 1), current.name];
    place = trail.length - 1;
  }
}

const goNext = () => goTo(current ? `next?after=${encodeURIComponent(current.looks[current.looks.length - 1])}` : "next");
const goToName = (name) => goTo(`picture?name=${encodeURIComponent(name)}`);

function later() {
  return doing(async () => {
    if (place + 1 < trail.length) await goToName(trail[++place]);
    else await goNext();
  });
}

function back() {
  if (place < (current ? 1 : 0)) return undefined;
  return doing(() => goToName(current ? trail[--place] : trail[place]));
}

function labelOne(label) {
  if (!current || !seen) return undefined;
  return doing(async () => {
    const name = current.name;
    const told = await ask("label", { pictures: current.looks, label });
    showState(told.state);
    tellSaved(current.looks, label);
    if (!label) await goToName(name);
    else if (place + 1 < trail.length) await goToName(trail[++place]);
    else await goNext();
  });
}

function setZoom(on) {
  byId("frame").classList.toggle("zoomed", on);
  byId("zoom").setAttribute("aria-pressed", String(on));
}

function lookAt(event) {
  const frame = byId("frame").getBoundingClientRect();
  const share = (at, from, length) => Math.min(100, Math.max(0, (100 * (at - from)) / length)) + "%";
  byId("picture").style.transformOrigin = `${share(event.clientX, frame.left, frame.width)} ${share(event.clientY, frame.top, frame.height)}`;
}
