// The page "health": machine, camera, model and calibration as they are now, and the faults of the last week.

import { rollBackButton } from "/acts.js";
import { byId, decimal, language, make, percent, say, span, start, t } from "/frame.js";

const ASK_MS = 5000;
const DIM = 0.15; // from this share on a picture is told to be brighter or darker, as the fault for it does
const BLURRED = -0.4;
const STEPS = {
  camera: () => t("camera"), background: () => t("background"), belt: () => t("belt"), diverters: () => t("diverters"),
  sensors: () => t("sensors"), thresholds: () => t("thresholds"), verify: () => t("acceptance"),
};
const VERDICTS = { good: () => t("good"), usable: () => t("usable"), bad: () => t("bad") };

let told = null; // by /api/health
let live = null; // by the event stream

const date = (iso) => new Date(iso).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
const age = (iso) => span(Math.max(0, (Date.now() - Date.parse(iso)) / 1000));
const dated = (iso) => [t("{age} old", { age: age(iso) }), " ", make("small", "", date(iso))];
const size = (mb) => (mb >= 1000 ? decimal(mb / 1000) + " GB" : Math.round(mb) + " MB");

// Shows rows of [term, what is told (text, or parts), whether that is bad]; a row with nothing to tell is left out.
function facts(id, rows) {
  const shown = rows.filter(([, text]) => text !== null && text !== "");
  byId(id).replaceChildren(...shown.flatMap(([term, text, isBad]) => {
    const value = make("dd", isBad ? "bad" : "");
    value.append(...[text].flat());
    return [make("dt", "", term), value];
  }));
}

function showMachine() {
  const { machine, versions, started } = told;
  const { temperature_c: degrees, disk_free_mb: disk } = live.health;
  facts("machine", [
    [t("Processor"), degrees === null ? t("temperature not known") : Math.round(degrees) + " °C", degrees >= 75],
    [t("Slowed down"), machine.throttled === null ? null : machine.throttled ? t("yes, to stay cool or for lack of power") : t("no"), machine.throttled],
    [t("Power"), machine.under_voltage === null ? null : machine.under_voltage ? t("the supply is too weak") : t("enough"), machine.under_voltage],
    [t("Load"), machine.load === null ? null : t("{load} tasks run or wait to run", { load: decimal(machine.load) })],
    [t("Memory"), machine.memory_available_mb === null ? null : t("{size} free", { size: size(machine.memory_available_mb) }), machine.memory_available_mb < 100],
    [t("Disk"), disk === null ? t("not known") : t("{size} free", { size: size(disk) }), disk !== null && disk < 500],
    [t("Journal"), machine.journal_waiting === undefined || machine.journal_waiting === null ? t("not kept")
      : t("rows waiting for the disk: {waiting}; lost: {lost}", { waiting: machine.journal_waiting, lost: machine.journal_lost }), machine.journal_lost > 0],
    [t("Date"), machine.date_is_set ? null : t("not set: rows of the journal have no date"), true],
    [t("Running for"), [span(live.uptime_s), " ", make("small", "", t("since {date}", { date: date(started) }))]],
    [t("Program"), `edge-sorter ${versions["edge-sorter"]}, Python ${versions.Python}`],
    [t("System"), versions.system],
  ]);
}

function brightness(camera) {
  if (camera.brightness === null) return t("no picture yet");
  if (camera.brightness_calibrated === null) return t("{now} of 255; not calibrated", { now: Math.round(camera.brightness) });
  return t("{now} of 255; {then} when the empty place was calibrated", { now: Math.round(camera.brightness), then: Math.round(camera.brightness_calibrated) });
}

function changed(share, less, more) {
  if (share === null) return t("not known yet: too few were looked at");
  if (Math.round(Math.abs(share) * 100) === 0) return t("as at first");
  return (share < 0 ? less : more).replace("{share}", percent(Math.abs(share)));
}

function showCamera() {
  const { camera, calibration } = told;
  say("at-first", Object.keys(calibration.steps).length ? t("At first: when model and calibration began their work together.") : t("At first: when this model began its work here."));
  const { health } = live;
  facts("camera", [
    [t("Picture"), health.picture_age_ms === null ? t("no picture yet") : t("{age} old", { age: span(health.picture_age_ms / 1000) }), health.picture_age_ms > health.stall_ms],
    [t("Brightness"), brightness(camera)],
    [t("Light"), changed(camera.brightness_change, t("{share} darker than at first"), t("{share} brighter than at first")), Math.abs(camera.brightness_change) >= DIM],
    [t("Sharpness"), changed(camera.sharpness_change, t("items are {share} less sharp than at first"), t("items are {share} sharper than at first")), camera.sharpness_change !== null && camera.sharpness_change <= BLURRED],
    [t("Exposure"), camera.exposure_us === null ? t("automatic") : t("{time} µs, fixed", { time: camera.exposure_us })],
    [t("Decision"), health.deciding_ms === null ? t("no item yet") : t("{median} ms, 99 % within {most} ms", { median: Math.round(health.deciding_ms), most: Math.round(health.deciding_p99_ms) })],
    [t("Time to spare"), health.spare_ms === null ? t("no stroke yet") : t("{spare} ms from decision to stroke", { spare: Math.round(health.spare_ms) })],
  ]);
}

function showModel() {
  const { model, calibration } = told;
  const steps = Object.entries(calibration.steps).map(([step, at]) => [t("Calibrated: {step}", { step: STEPS[step]() }), dated(at)]);
  facts("model", [
    [t("Model"), `${model.name} ${model.version}`.trim() || t("not known")],
    [t("Installed"), model.installed === null ? t("not in the store: it came with the program, or the station file names it") : dated(model.installed)],
    [t("At work since"), model.active_since === null ? null : date(model.active_since)],
    [t("Signed by"), model.signer],
    ...(steps.length ? steps : [[t("Calibration"), t("this station was never calibrated")]]),
    [t("Acceptance"), calibration.verdict === null ? null : VERDICTS[calibration.verdict](), calibration.verdict === "bad"],
  ]);
}

// Only where there is a model to go back to.
function showActs() {
  byId("model-acts").hidden = !told.model.can_roll_back;
}

function lasted(fault) {
  if (fault.is_there) return t("still there");
  return fault.seconds === null ? t("until the program ended") : span(fault.seconds);
}

function showPast() {
  const { faults, unreadable } = told.history;
  byId("past").hidden = faults.length === 0;
  byId("past-none").hidden = faults.length > 0;
  byId("past-none").textContent = unreadable ? t("The journal can't be read: {why}", { why: unreadable }) : t("None.");
  byId("past-rows").replaceChildren(...faults.map((fault) => {
    const row = make("tr", fault.is_there ? "there" : "");
    const sentence = t(fault.sentence) + (fault.detail ? ` (${t(fault.detail)})` : "");
    row.append(make("td", "", date(fault.began)), make("td", "", sentence), make("td", "", lasted(fault)));
    return row;
  }));
}

function show() {
  if (!told || !live) return;
  showMachine();
  showCamera();
  showModel();
}

async function ask() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/api/health", { cache: "no-store" });
    if (!answer.ok) return;
    told = await answer.json();
    show();
    showActs();
    showPast();
  } catch {
    // the banner says that there is no connection
  }
}

start((status) => {
  live = status;
  show();
});
byId("model-acts").append(rollBackButton(ask));
ask();
setInterval(ask, ASK_MS);
