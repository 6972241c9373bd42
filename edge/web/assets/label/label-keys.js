"use strict";
// Keys and buttons, and the beginning.

const DIGIT = /^Digit([1-9])$/; // where digits are typed with Shift (AZERTY) the key is meant, not the sign

const accept = () => { if (suggestion) given(suggestion); };

function undo() {
  return doing(async () => {
    const told = await ask("undo", {});
    showState(told.state);
    byId("saved").textContent = told.pictures.length ? t("Undone: {what}", { what: pictures(told.pictures) }) : "";
    if (isMany()) await loadMany();
    else if (told.pictures.length) await goToName(told.pictures[0]);
  });
}

const ONE_KEYS = { ArrowLeft: back, ArrowRight: later, " ": accept, z: () => setZoom(!byId("frame").classList.contains("zoomed")), Escape: () => setZoom(false) };
const MANY_KEYS = { a: () => select(() => true), s: others, Escape: () => select(() => false) };
const KEYS = { Enter: accept, g: () => setMode(!isMany()), u: undo, Backspace: undo, "?": () => byId("keys").showModal() };

document.addEventListener("keydown", (event) => {
  const target = event.target;
  const onButton = target.matches("button, summary") && [" ", "Enter"].includes(event.key);
  if (event.ctrlKey && event.key === "z") undo();
  else if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || byId("keys").open || target.matches("select, input") || onButton) return;
  else if (isMany() && gridKey(event)) ;
  else {
    const action = { ...KEYS, ...(isMany() ? MANY_KEYS : ONE_KEYS) }[event.key];
    const key = keys.has(event.key) ? event.key : DIGIT.exec(event.code)?.[1];
    if (action) action();
    else if (keys.has(key)) given(keys.get(key));
    else return;
  }
  event.preventDefault();
});

const press = (id, action) => byId(id).addEventListener("click", (event) => {
  if (event.detail) event.currentTarget.blur();
  action();
});
press("suggested", accept);
press("mode", KEYS.g);
press("undo", undo);
press("help", KEYS["?"]);
press("back", back);
press("later", later);
press("zoom", ONE_KEYS.z);
press("all", MANY_KEYS.a);
press("others", others);
byId("which").addEventListener("change", () => {
  byId("which").blur(); // or the next keys would choose in it
  doing(loadMany);
});
byId("frame").addEventListener("click", (event) => { lookAt(event); ONE_KEYS.z(); });
byId("frame").addEventListener("pointermove", lookAt);
doing(async () => {
  ({ t } = await import("/translate.js"));
  await goTo("next");
});
