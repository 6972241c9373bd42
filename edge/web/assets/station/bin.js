// What several pages say of a bin: its colour, and how pure people found it.

import { language, percent, t } from "/frame.js";

const COLOURS = 8;

// By name, in the order of the station file.
export function binColours(bins) {
  const sorted = bins.filter((bin) => bin.name !== "residual");
  const colours = sorted.map((bin, place) => [bin.name, `var(--bin-${place % COLOURS})`]);
  return Object.fromEntries([...colours, ["residual", "var(--bin-residual)"]]);
}

export function purity(seen) {
  if (seen.share === null) return t("purity not known: {labelled} pictures labelled, {missing} more needed", seen);
  const until = new Date(seen.last).toLocaleDateString(language);
  return t("purity seen {share} ({low} to {high}; {labelled} labelled, to {until})", {
    share: percent(seen.share), low: percent(seen.low), high: percent(seen.high), labelled: seen.labelled, until,
  });
}
