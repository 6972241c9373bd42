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

// `like this` is how texts name commands.
export function withCommands(text) {
  return text.split("`").map((part, n) => (n % 2 ? Object.assign(document.createElement("code"), { textContent: part }) : part));
}
