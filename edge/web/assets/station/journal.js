// What the pages that read the journal share: asking, the station's wall clock, and how a bin looks.

import { language, t } from "/frame.js";

const BIN_COLOURS = 8;
const RESIDUAL_PATTERN = 8;

// Returns the JSON at an address; an Error that says in a sentence what is wrong where there is none.
export async function ask(address, query = {}) {
  let answer;
  try {
    answer = await fetch(`${address}?${new URLSearchParams(query)}`);
  } catch {
    throw new Error(t("The station does not answer."));
  }
  if (answer.status === 401) { // signed out meanwhile: the page's own address leads to the entrance
    location.reload();
    return new Promise(() => {});
  }
  const told = await answer.json();
  if (answer.ok) return told;
  if (told.error === "journal") throw new Error(t("The journal can't be read; sorting does not depend on it. {detail}", told));
  throw new Error(told.error === "slow" ? t("It took too long: ask for less time.") : told.detail);
}

// Times are told as the station's clocks show them, whatever zone the browser is in: ISO 8601 with the station's offset.
export const wallClock = (time) => new Date(time.slice(0, 23).replace(/[+-]\d\d:\d\d$/, "") + "Z");
export const tell = (time, options) => wallClock(time).toLocaleString(language, { timeZone: "UTC", hourCycle: "h23", ...options });

// The colour and the pattern of a bin, by its place in the station file.
export function lookOf(bins, name) {
  const place = bins.filter((bin) => bin !== "residual").indexOf(name);
  if (name === "residual" || place < 0) return { colour: "var(--bin-residual)", pattern: RESIDUAL_PATTERN };
  return { colour: `var(--bin-${place % BIN_COLOURS})`, pattern: place % BIN_COLOURS };
}
