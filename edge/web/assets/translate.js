// Says what the pages say in the visitor's language: `t("English with a {name}", { name: ... })`. Labels and bins that have a
// translation are said by it too. The translations are in edge/words.

import { words, language } from "/words.js";

export { language };

export function t(english, values = {}) {
  const said = Object.hasOwn(words, english) ? words[english] : english;
  return said.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}
