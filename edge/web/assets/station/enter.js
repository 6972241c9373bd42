// The entrance: whoever signs in goes on to the page that was asked for.

import { isSignedIn } from "/session.js";

const asked = new URLSearchParams(location.search).get("to") || "/";
const to = /^\/[a-z]*$/.test(asked) ? asked : "/"; // a page of this station, never an address elsewhere

document.addEventListener("signed", () => {
  if (isSignedIn()) location.replace(to);
});
