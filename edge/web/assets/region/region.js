// Lets a person draw the region over the camera's picture and sends it to the terminal that asked for it.

import { t } from "/translate.js";

const PAUSE_MS = 250;
const byId = (id) => document.getElementById(id);
const main = byId("main");
const size = { width: Number(main.dataset.width), height: Number(main.dataset.height) };
const fields = ["x", "y", "width", "height"];
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
let box = JSON.parse(main.dataset.region);
let from = null;
let over = false;

byId("view").style.setProperty("--ratio", size.width / size.height);

function show() {
  const shown = byId("region").style;
  shown.left = (100 * box.x) / size.width + "%";
  shown.top = (100 * box.y) / size.height + "%";
  shown.width = (100 * box.width) / size.width + "%";
  shown.height = (100 * box.height) / size.height + "%";
  for (const name of fields) byId(name).value = box[name];
}

function place(event) {
  const view = byId("view").getBoundingClientRect();
  return {
    x: clamp(Math.round(((event.clientX - view.left) / view.width) * size.width), 0, size.width),
    y: clamp(Math.round(((event.clientY - view.top) / view.height) * size.height), 0, size.height),
  };
}

byId("view").addEventListener("pointerdown", (event) => {
  event.preventDefault();
  from = place(event);
  byId("view").setPointerCapture(event.pointerId);
});

byId("view").addEventListener("pointermove", (event) => {
  if (from === null) return;
  const to = place(event);
  box = {
    x: Math.min(from.x, to.x), y: Math.min(from.y, to.y),
    width: Math.abs(to.x - from.x), height: Math.abs(to.y - from.y),
  };
  show();
});

byId("view").addEventListener("pointerup", () => { from = null; });

for (const name of fields) {
  byId(name).addEventListener("change", () => {
    box[name] = Number(byId(name).value);
    show();
  });
}

byId("whole").addEventListener("click", () => {
  box = { x: 0, y: 0, ...size };
  show();
});

const refusal = (answer) => (answer.status === 400 ? t("That is less than 32 x 32 pixels, or reaches out of the picture.") : answer.text());

byId("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const answer = await fetch("region", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(box),
    });
    over = answer.ok;
    byId("said").textContent = over ? t("Taken. Go on at the terminal; this page can be closed.") : await refusal(answer);
    byId("use").disabled = over;
  } catch {
    byId("said").textContent = t("The station does not answer: is the program at the terminal still running?");
  }
});

const picture = byId("picture");
let count = 0;
function next() {
  if (!over) setTimeout(() => { picture.src = `picture.jpg?n=${++count}`; }, PAUSE_MS);
}
picture.addEventListener("load", next);
picture.addEventListener("error", next);
picture.src = "picture.jpg";
show();
