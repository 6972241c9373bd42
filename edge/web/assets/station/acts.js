// The buttons of what a person may have the station do, each with its question; nothing where the station offers none.

import { act } from "/session.js";
import { t } from "/translate.js";

function button(label, press) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "act";
  made.textContent = label;
  made.addEventListener("click", async () => {
    made.disabled = true;
    await press();
    made.disabled = false;
  });
  return made;
}

const isOffered = () => document.body.dataset.controls === "yes";

export function emptiedButton(bin, then = () => {}) {
  if (!isOffered()) return "";
  return button(t("The bin was emptied"), async () => {
    if (await act("/emptied", { bin }, t("Was the bin {bin} emptied? Its items are counted from 0.", { bin: t(bin) }))) then();
  });
}

export function jogButton(actuator, position = "") {
  if (!isOffered()) return "";
  const told = document.createElement("span");
  told.setAttribute("role", "status");
  const made = button(t("Move it once"), async () => {
    told.textContent = "";
    const question = t("Are all hands clear of {actuator}? It moves at once, and back.", { actuator });
    if (await act("/jog", { actuator, position }, question)) told.textContent = t("It moved.");
  });
  const both = document.createDocumentFragment();
  both.append(made, told);
  return both;
}

async function rollBack(then) {
  const answer = await fetch("/api/models", { cache: "no-store" }).catch(() => null);
  const models = answer && answer.ok ? await answer.json() : { current: "", previous: "", generation: 0 };
  const question = models.previous ? t("Go back from {current} to {previous}?", models) : ""; // without one the station says why not
  if (await act("/roll-back", { generation: models.generation }, question)) then();
}

export function rollBackButton(then = () => {}) {
  return isOffered() ? button(t("Go back to the previous model"), () => rollBack(then)) : "";
}

// The button that ends a fault, where one does.
export function endButton(fault) {
  if (fault.ended_by === "/emptied") return emptiedButton(fault.detail);
  if (fault.ended_by !== "/reset" || !isOffered()) return "";
  return button(t("It is fixed"), () => act("/reset", {}, t("Is it fixed, and is everybody clear? What was held moves again at once.")));
}
