// Says what the pages say in the visitor's language: `t(sentence, { name: value })`; labels and bins that have a
// translation too. Lets the visitor choose it where a page has the choice. The translations are in edge/words.

import { words, language } from "/words.js";

export { language };

document.getElementById("language")?.addEventListener("change", (event) => {
  document.cookie = `language=${event.target.value}; path=/; max-age=31536000; samesite=strict`;
  location.reload();
});

export function t(english, values = {}) {
  const said = Object.hasOwn(words, english) ? words[english] : english;
  return said.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}

// Says a sentence that the station sends as { english, values }; labels and bins among the values are translated too.
export function phrase({ english, values }) {
  const named = (value) => (typeof value === "string" ? t(value) : Array.isArray(value) ? value.map(named).join(", ") : value);
  return t(english, Object.fromEntries(Object.entries(values).map(([name, value]) => [name, named(value)])));
}

// `like this` is how texts name commands.
export function withCommands(text) {
  return text.split("`").map((part, n) => (n % 2 ? Object.assign(document.createElement("code"), { textContent: part }) : part));
}
