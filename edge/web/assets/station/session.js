// Who signed in, and what only they may do: the dialogs for the station's token and for a confirmation, and the request itself.

import { t, withCommands } from "/translate.js";

const TOKEN = "#token="; // `sorter run --demo` prints a link that ends so; what stands behind the # is sent to nobody
let csrf = "";

export const isSignedIn = () => csrf !== "";

const byId = (id) => document.getElementById(id);

async function post(path, body) {
  return fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
    body: JSON.stringify(body),
  });
}

function become(session) {
  csrf = session.csrf;
  const button = byId("sign-in");
  button.textContent = isSignedIn() ? t("Sign out") : t("Sign in");
  document.body.dataset.signedIn = isSignedIn();
  document.dispatchEvent(new Event("signed"));
}

async function look() {
  const answer = await fetch("/session", { cache: "no-store" });
  if (answer.ok) become(await answer.json());
  return isSignedIn();
}

// Opens a dialog; `check()` returns whether it may close as agreed to. Resolves to whether it was.
function open(dialog, check) {
  const form = dialog.querySelector("form");
  return new Promise((resolve) => {
    let agreed = false;
    form.onsubmit = async (event) => {
      event.preventDefault();
      agreed = await check();
      if (agreed) dialog.close();
    };
    dialog.querySelector(".no").onclick = () => dialog.close();
    dialog.onclose = () => resolve(agreed);
    dialog.showModal();
  });
}

async function giveToken(token) {
  const answer = await post("/sign-in", { token });
  if (answer.ok) become(await answer.json());
  return answer;
}

async function signIn() {
  if (await look()) return true; // in another tab
  const field = byId("token");
  const problem = byId("token-problem");
  field.value = "";
  problem.textContent = "";
  return open(byId("ask-token"), async () => {
    const answer = await giveToken(field.value).catch(() => null);
    if (answer && answer.ok) return true;
    const why = answer ? t((await answer.text()).trim()) : t("The station does not answer. Use the emergency stop if in doubt.");
    problem.replaceChildren(...withCommands(why));
    field.select();
    return false;
  });
}

function ask(question) {
  byId("question").textContent = question;
  return open(byId("ask"), () => true);
}

export function tell(text) {
  byId("told").replaceChildren(...withCommands(text));
  return open(byId("tell"), () => true);
}

// Has the station do something: signs in where that is needed, asks `question` where there is one, and says what went wrong.
// Returns the station's answer, or null where nothing was done.
export async function act(path, body = {}, question = "") {
  try {
    if (!isSignedIn() && !(await signIn())) return null;
    if (question && !(await ask(question))) return null;
    let answer = await post(path, body);
    if (answer.status === 401 || answer.status === 403) { // the session is over, or another tab began a new one
      csrf = "";
      if (!(await signIn())) return null;
      answer = await post(path, body);
    }
    if (answer.ok) return await answer.json();
    await tell(t((await answer.text()).trim()));
  } catch {
    await tell(t("The station does not answer. Use the emergency stop if in doubt."));
  }
  return null;
}

async function signOut() {
  await post("/sign-out", {});
  location.reload(); // perhaps only who signed in may look
}

// Signs in with the token in the address, where there is one: it never stays there, right or wrong.
async function begin() {
  const token = location.hash.startsWith(TOKEN) ? location.hash.slice(TOKEN.length) : "";
  if (token) history.replaceState(null, "", location.pathname + location.search);
  const answer = token && (await giveToken(token));
  if (answer && answer.ok) return;
  await look();
  if (answer) await tell(t((await answer.text()).trim()));
}

const start = () => begin().catch(() => {}); // the banner says that there is no connection
byId("sign-in").addEventListener("click", () => (isSignedIn() ? signOut() : signIn()).catch(() => {}));
addEventListener("hashchange", () => location.hash.startsWith(TOKEN) && start());
start();
