// The console: takes what link streams and shows it with its age. What is too old is shown as unknown, never as good.

import { GroundMap, hatching } from "./map.js";
import { drawSignals } from "./signals.js";
import { AlarmSound } from "./sound.js";
import { ageInWords, gapInWords, laneInWords, limitInWords, reasonInWords, signaturesInWords, STATES, warningsInWords } from "./words.js";

const STALE_MS = 1000;
const element = (id) => document.getElementById(id);
const ground = new GroundMap(element("map"));
const sound = new AlarmSound();
let latest = null; // the last state
let receivedAt = 0; // when it came, on this page's clock
let alarms = [];

const stream = new EventSource("api/stream");
stream.addEventListener("state", (event) => { latest = JSON.parse(event.data); receivedAt = performance.now(); });
stream.addEventListener("alarms", (event) => { ground.alarms = alarms = JSON.parse(event.data); showAlarms(); });
stream.addEventListener("map", (event) => {
  const map = JSON.parse(event.data);
  ground.maskingRadius = map.masking_radius_m;
  ground.tiles.update(map.session, map.tiles, () => {});
  showTotals(map);
});

/** Age of the snapshot by now: as sent, and the time since. */
function ageMs() {
  return latest?.age_ms == null ? null : latest.age_ms + performance.now() - receivedAt;
}

function show() {
  const age = ageMs();
  const silentMs = latest ? performance.now() - receivedAt : null;
  const isBlind = !latest || latest.state !== "online" || age === null || age > STALE_MS || silentMs > STALE_MS;
  const snapshot = latest?.snapshot ?? null;
  showOrigin();
  ground.draw(snapshot, isBlind);
  element("recentre").hidden = ground.centre === null;
  showCredit(snapshot, isBlind, age, silentMs);
  showMotion(snapshot, isBlind, age);
  showLinks(isBlind);
  drawSignals(element("signals"), snapshot?.heads ?? [], isBlind);
  element("signal-note").textContent = isBlind ? "unknown" : "";
  showAlarmHead(snapshot, isBlind);
  sound.update(!isBlind && snapshot.sounding.length > 0, performance.now());
  element("sound").textContent = sound.isAudible ? "Sound on" : "Sound OFF: touch";
  element("sound").className = sound.isAudible ? "" : "bad";
  if (snapshot) element("pause").textContent = snapshot.is_paused ? "Resume credit" : "Pause credit";
  requestAnimationFrame(show);
}

function showOrigin() {
  const origin = latest?.origin ?? null;
  const banner = element("origin");
  banner.hidden = origin === "live";
  banner.textContent = origin === null ? "ORIGIN UNKNOWN" : `${origin.toUpperCase()}: nothing here is evidence about real ground`;
}

function showCredit(snapshot, isBlind, age, silentMs) {
  const section = element("credit");
  if (isBlind) {
    const why = silentMs !== null && silentMs > STALE_MS ? "link is silent" : latest?.reason ?? "no connection";
    section.className = "unknown";
    section.innerHTML = "<div class=big>Unknown</div>";
    section.append(age === null ? `${why}, nothing heard yet` : `${why}, last heard ${ageInWords(age)} ago`);
    return;
  }
  const reasons = new Map();
  let isUnknown = snapshot.heads.length === 0;
  for (const head of snapshot.heads) {
    if (head.reasons === null) isUnknown = true;
    for (const reason of head.reasons ?? []) reasons.set(reason.reason, reason);
  }
  const checks = snapshot.heads.filter((head) => head.check !== null);
  const isCounting = !isUnknown && reasons.size === 0;
  section.className = isCounting ? "counting" : "not-counting";
  const title = document.createElement("div");
  title.className = "big";
  title.textContent = isCounting ? "Counting" : isUnknown ? "Not counting yet" : "Not counting";
  const words = [...reasons.values()].map(reasonInWords);
  if (checks.length > 0) words.unshift(`function check: ${(checks[0].check_part ?? "begun").replaceAll("_", " ")}`);
  section.replaceChildren(title, words.slice(0, 3).join("; "));
}

function showMotion(snapshot, isBlind, age) {
  const section = element("motion");
  section.classList.toggle("stale", isBlind);
  const fixAge = snapshot?.fix_age_ns == null ? null : snapshot.fix_age_ns / 1e6 + (isBlind ? age : 0);
  const speed = snapshot?.speed_m_s ?? null, limit = snapshot?.speed_limit_m_s ?? null;
  const isFixOld = fixAge === null || fixAge > STALE_MS;
  section.replaceChildren(
    value(snapshot === null ? "speed" : `speed, limit by ${limitInWords(snapshot.speed_limit_by)}`,
      isBlind || isFixOld || speed === null ? "unknown" : `${speed.toFixed(1)} of ${limit.toFixed(1)} m/s`, speed > limit),
    value("fix", isBlind || isFixOld ? "unknown" : snapshot.fix_class, isFixOld),
    value("95 % error", isBlind || isFixOld || snapshot.fix_error_95_m === null ? "unknown" : `${snapshot.fix_error_95_m.toFixed(3)} m`, false),
    value("fix age", ageInWords(fixAge), isFixOld),
  );
  showGuidance(isBlind || isFixOld);
}

/** Where to steer, what was left out, what the wheels were on, and where the next gap lies: all as the map has it. */
function showGuidance(isUnknown) {
  const section = element("guidance");
  section.classList.toggle("stale", isUnknown);
  const told = isUnknown ? [] : (latest?.guidance ?? []);
  const warnings = told.flatMap(warningsInWords);
  const lanes = told.map(laneInWords);
  const gap = isUnknown ? null : latest?.gap ?? null;
  section.replaceChildren(
    ...(lanes.length ? lanes : ["lane unknown"]).map((words) => line(words, "")),
    ...warnings.map((words) => line(words, "over")),
    ...(gap ? [line(gapInWords(gap), "")] : []),
  );
}

function line(words, name) {
  const made = document.createElement("div");
  made.textContent = words;
  made.className = name;
  return made;
}

function value(name, text, isOver) {
  const box = document.createElement("div");
  box.innerHTML = `<small>${name}</small><span class="value ${isOver ? "over" : ""}"></span>`;
  box.lastChild.textContent = text;
  return box;
}

function showLinks(isBlind) {
  const rows = (latest?.health?.links ?? []).map(({ port, stats }) => {
    const age = port.last_byte_ns === null ? null : (latest.snapshot.now_ns - port.last_byte_ns) / 1e6;
    const bad = stats.bad_checksum + stats.malformed;
    const signatures = signaturesInWords(port.signing);
    const state = !port.is_open ? port.trouble.split(": ").at(-1) : age === null || age > 2500 ? `silent (${ageInWords(age)})` : "open";
    return [port.link, isBlind ? "unknown" : [state, bad ? `${bad} damaged` : "", signatures.words].filter(Boolean).join(", "),
      !isBlind && state === "open" && signatures.isGood];
  });
  if (latest?.corrections) {
    const { text, frames } = latest.corrections;
    rows.push(["corrections", text ?? `${frames} frames`, text === null]);
  }
  rows.push(["broker", latest?.broker ?? "connected", latest && latest.broker === null]);
  rows.push(["record", latest?.health?.record_trouble ?? "written", latest?.health && latest.health.record_trouble === null]);
  fill(element("links"), rows);
}

function showTotals(map) {
  const { totals, searched_for: aim } = map;
  const outOfSpec = Object.values(totals.out_of_spec_m2).reduce((sum, area) => sum + area, 0);
  const rows = [
    ["searched for", aim ? `${aim.item} to ${aim.depth_m.toFixed(2)} m` : "nothing yet", aim !== null],
    ["searched (is not cleared)", part(totals.searched_m2, totals.task_m2), true],
    ["provisional", square(totals.provisional_m2), true],
    ["signal open", square(totals.signal_open_m2), true],
    ["research due", square(totals.research_due_m2), true],
    ["out of spec", square(outOfSpec), true],
  ];
  if (totals.not_visited_m2 !== null) rows.push(["not visited", part(totals.not_visited_m2, totals.task_m2), true]);
  fill(element("totals"), rows);
}

/** A share is never told without what it is of. */
const part = (area, whole) => (whole ? `${square(area)}, ${(100 * area / whole).toFixed(1)} % of ${square(whole)}` : square(area));

const square = (area) => `${area.toFixed(1)} m²`;

function fill(table, rows) {
  table.replaceChildren(...rows.map(([name, text, isGood]) => {
    const row = document.createElement("tr");
    const left = row.insertCell(), right = row.insertCell();
    left.textContent = name;
    right.textContent = text;
    right.className = isGood ? "" : "bad";
    return row;
  }));
}

function showAlarmHead(snapshot, isBlind) {
  const section = element("alarm");
  const open = alarms.filter((alarm) => alarm.check === null).length;
  const sounding = isBlind ? [] : snapshot.sounding;
  section.className = sounding.length > 0 ? "sounding" : open > 0 ? "open" : "quiet";
  const isInCheck = !isBlind && snapshot.heads.some((head) => head.check !== null);
  const title = sounding.length > 0 ? (isInCheck ? "SIGNAL (in check)" : "ANOMALY: stop")
    : open > 0 ? `${open} open ${open === 1 ? "anomaly" : "anomalies"}` : "No open anomaly";
  let head = section.querySelector(".big");
  if (!head) {
    head = document.createElement("div");
    head.className = "big";
    section.append(head, document.createElement("ul"));
  }
  if (head.textContent !== title) head.textContent = title;
}

function showAlarms() {
  const list = element("alarm").querySelector("ul");
  if (!list) return;
  list.replaceChildren(...alarms.filter((alarm) => alarm.check === null).reverse().map((alarm) => {
    const item = document.createElement("li");
    const where = alarm.is_unlocated ? "no position: stop, mark by hand" : alarm.error_m === null ? "" : `± ${alarm.error_m.toFixed(2)} m`;
    const text = document.createElement("span");
    text.textContent = `#${alarm.alarm} ${alarm.channels.join(" ")} ${where}${alarm.is_recorded ? "" : " (not recorded yet)"}`;
    item.append(text);
    if (alarm.marked_by) item.append(`marked: ${alarm.tag}, ${alarm.marked_by}`);
    else {
      if (alarm.acknowledged_by) item.append(`heard: ${alarm.acknowledged_by}`);
      else item.append(button("Heard", () => ask({ request: "acknowledge_alarm", alarm: alarm.alarm })));
      item.append(button("Marker stands", () => ask({
        request: "mark_alarm", alarm: alarm.alarm, tag: String(alarm.alarm), is_by_hand: true,
      })));
    }
    return item;
  }));
}

function button(text, action) {
  const made = document.createElement("button");
  made.textContent = text;
  made.addEventListener("click", action);
  return made;
}

/** Ask core for something, in the name of whoever's id code stands on the screen, and show the answer. */
async function ask(request) {
  const answer = element("answer");
  const person = element("person").value.trim();
  if (!person) { answer.textContent = "Enter your id code first."; return; }
  answer.textContent = "…";
  try {
    const reply = await fetch("api/requests", {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ person, ...request }),
    });
    const { state, why } = await reply.json();
    answer.textContent = state === "durable" ? "Recorded." : `${state}: ${why}`;
  } catch {
    answer.textContent = "No answer: link is not reached, nothing was done.";
  }
}

function showLegend() {
  const legend = element("legend");
  legend.innerHTML = "<b>searched is not cleared</b>";
  for (const state of STATES) {
    const swatch = document.createElement("canvas");
    swatch.width = swatch.height = 22;
    const context = swatch.getContext("2d");
    context.fillStyle = state.hatch ? context.createPattern(hatching(), "repeat") : `rgb(${state.colour})`;
    context.fillRect(0, 0, 22, 22);
    const entry = document.createElement("span");
    entry.append(swatch, state.name);
    legend.append(entry);
  }
}

element("zoom-in").addEventListener("click", () => ground.zoom(1.5));
element("zoom-out").addEventListener("click", () => ground.zoom(1 / 1.5));
element("recentre").addEventListener("click", () => ground.follow());
element("pause").addEventListener("click", () => ask({ request: "set_paused", is_paused: !latest?.snapshot?.is_paused }));
element("sound").addEventListener("click", () => { sound.isOn = !sound.isAudible; sound.unlock(); });
element("person").value = localStorage.getItem("person") ?? "";
element("person").addEventListener("change", (event) => localStorage.setItem("person", event.target.value));
// Any first touch may turn sound on; the button turns it on or off by itself.
addEventListener("pointerdown", (event) => { if (event.target !== element("sound")) sound.unlock(); }, { once: true });
showLegend();
show();
