// What all pages share: the station's state at the top, its faults, the stream of what it tells, and small helpers.
// Everything from outside goes in as text, never as markup.

import { endButton } from "/acts.js";
import { act, isSignedIn } from "/session.js";
import { language, phrase, t, withCommands } from "/translate.js";

const SILENCE_MS = 4000; // the station tells every second; after this much silence nothing here can be trusted
const POLL_MS = 2000; // how often the station is asked where it tells nothing by itself
const POLLS = 5; // after so many it may have a place for one more listener
const SIGNS = { good: "✓", calm: "…", warn: "!", bad: "✕", off: "■", lost: "?" };

let heardAt = 0;
let events = null;
let retry = 0;
let onStatus = () => {};
let onTick = () => {};

export { act, isSignedIn, language, phrase, t, withCommands };
export const byId = (id) => document.getElementById(id);
export const percent = (share) => (share === null ? "" : Math.round(share * 100) + "\u00a0%");
export const decimal = (number) => number.toLocaleString(language, { minimumFractionDigits: 1, maximumFractionDigits: 1, useGrouping: false });
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + ".";

export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

export function say(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text; // live regions speak at every change
}

export function span(seconds) {
  if (seconds < 1) return Math.round(seconds * 1000) + " ms";
  if (seconds < 10 && !Number.isInteger(seconds)) return t("{count} s", { count: decimal(seconds) });
  if (seconds < 90) return t("{count} s", { count: Math.round(seconds) });
  if (seconds < 5400) return t("{count} min", { count: Math.round(seconds / 60) });
  if (seconds < 172800) return t("{hours} h {minutes} min", { hours: Math.floor(seconds / 3600), minutes: Math.round((seconds % 3600) / 60) });
  return t("{count} days", { count: Math.floor(seconds / 86400) });
}

function showState(tone, title, meaning) {
  byId("banner").dataset.tone = tone;
  say("sign", SIGNS[tone]);
  say("title", title);
  say("meaning", meaning);
  document.title = title + " · " + document.querySelector(".station").textContent;
}

function showFaults(faults) {
  const list = byId("faults");
  const told = JSON.stringify(faults);
  if (list.dataset.told === told) return;
  list.dataset.told = told;
  list.hidden = faults.length === 0;
  list.replaceChildren(...faults.map((fault) => {
    const line = make("li", "fault");
    line.dataset.holds = fault.holds;
    const advice = make("span");
    advice.append(t("What to do:"), " ", ...withCommands(t(fault.advice)));
    line.append(make("strong", "", t(fault.sentence) + (fault.detail ? ` (${t(fault.detail)})` : "")), advice, endButton(fault));
    return line;
  }));
}

function showControl(stopped, taught) {
  const button = byId("control");
  button.hidden = !document.body.dataset.controls;
  button.dataset.action = stopped ? "resume" : "pause";
  say("control", stopped ? t("Resume sorting") : taught ? t("Stop") : t("Stop sorting"));
}

async function press() {
  const button = byId("control");
  button.disabled = true;
  if (button.dataset.action === "pause") await act("/pause");
  else await act("/resume", {}, t("Is everybody clear of belt and diverters? They move at once."));
  button.disabled = false;
}

function showFrame(status) {
  const taught = status.taught_by ? " " + t("Taught by: {who}.", { who: status.taught_by }) : "";
  const stopped = status.stopped_by ? " " + t("By: {who}.", { who: status.stopped_by }) : "";
  showState(status.state.tone, t(status.state.title), t(status.state.meaning) + taught + stopped);
  byId("simulated").hidden = !status.station.simulated;
  showControl(status.paused, Boolean(status.taught_by));
  showFaults(status.faults);
  say("rate", String(Math.round(status.items_per_min)));
  say("total", String(status.total));
}

function hear(status) {
  showFrame(status);
  onStatus(status);
  heardAt = performance.now();
}

async function ask(address) {
  const answer = await fetch(address, { cache: "no-store" });
  if (answer.status === 401) location.reload(); // where only who signed in may look: to the entrance
  if (!answer.ok) throw new Error(address);
  return answer.json();
}

// The station tells only so many at a time by itself; whoever has no place among them asks, and tries for one now and then.
async function poll(mine, left = POLLS) {
  try {
    const status = await ask("/api/status");
    const told = { ...status, ...(await ask("/api/items")) }; // after it: never older items than the run that it tells of
    if (events === mine && !document.hidden) hear(told);
  } catch {
    // the banner says that there is no connection
  }
  if (events === mine && !document.hidden) retry = setTimeout(() => (left > 1 ? poll(mine, left - 1) : listen()), POLL_MS);
}

function listen() {
  clearTimeout(retry);
  if (events) events.close();
  const mine = new EventSource("/events");
  events = mine;
  mine.onmessage = (message) => hear(JSON.parse(message.data));
  mine.onerror = () => {
    if (mine.readyState === EventSource.CLOSED) poll(mine); // else it tries again by itself
  };
}

function checkSilence() {
  const silence = performance.now() - heardAt;
  if (!document.hidden && silence > SILENCE_MS) {
    const old = heardAt ? t("What is shown below is from before.") + " " : "";
    showState("lost", t("No connection"), old + t("Sorting does not depend on this page."));
    showControl(false); // whatever the station does by now: stopping it is always safe
  }
  onTick();
}

// Begins to listen; `told(status)` is called with what /api/status has and the `items` that changed, `tick` every second.
export function start(told = () => {}, tick = () => {}) {
  onStatus = told;
  onTick = tick;
  showControl(false);
  byId("control").addEventListener("click", press);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) events.close(); // a page in the background costs the station nothing
    else listen();
  });
  listen();
  setInterval(checkSilence, 1000);
}
