// What the record's short names mean, for people. Order of the states: the larger is the worse.

export const STATES = [
  { name: "searched", colour: [47, 98, 186] },
  { name: "hand searched", colour: [128, 92, 190] },
  { name: "provisional", colour: [64, 190, 200] },
  { name: "not visited", hatch: true },
  { name: "out of spec", colour: [118, 122, 128] },
  { name: "inaccessible", colour: [158, 158, 150] },
  { name: "research due", colour: [240, 136, 30] },
  { name: "signal open", colour: [214, 31, 49] },
  { name: "keep out", colour: [20, 20, 20] },
];

const REASONS = {
  not_checked: "no passed function check",
  check_expired: "the function check is too old",
  check_failed: "the function check failed",
  paused: "paused",
  record_backlog: "the record is behind",
  loop_overrun: "the controller was late",
  sample_gap: "samples are missing",
  too_fast: "too fast",
  attitude_unknown: "roll and pitch unknown",
  heading_unknown: "heading unknown",
  clock_unsynced: "head clock not known well enough",
  position_error: "position error",
  fix_class: "no RTK fix",
  fix_stale: "fixes too far apart",
  sources_disagree: "the two receivers disagree",
  base_changed: "base station changed",
  position_jump: "position jumped",
  no_fix: "no position",
  signal_density: "signals too dense",
  signal_present: "signal present",
  alarm_path_unproven: "lamp and buzzer do not answer",
  recovering: "recovering from saturation",
  baseline_unsettled: "baseline settling",
  noise_unknown: "noise unknown",
  noise_high: "noise too high",
  saturated: "saturated",
  head_fault: "head fault",
  head_silent: "head silent",
};

const UNITS = {
  position_error: "m", too_fast: "m/s", fix_stale: "s", clock_unsynced: "ms", head_silent: "s",
  record_backlog: "s", loop_overrun: "s", check_expired: "h", sample_gap: "m", heading_unknown: "°",
};

const number = (value) => (Math.abs(value) < 10 ? value.toFixed(2) : value.toFixed(0));

/** One reason as a sentence: "position error 0.31 m, limit 0.05 m". */
export function reasonInWords({ reason, value, limit }) {
  const unit = UNITS[reason] ? ` ${UNITS[reason]}` : "";
  let words = REASONS[reason] ?? reason.replaceAll("_", " ");
  if (value !== null) words += ` ${number(value)}${unit}`;
  if (value !== null && limit !== null) words += `, limit ${number(limit)}${unit}`;
  return words;
}

const REFUSALS = {
  unsigned: "not signed", bad_signature: "bad signature", old_timestamp: "old timestamp", replayed: "replayed",
  too_many_streams: "too many senders",
};

/** What became of a link's signatures: "12 frames refused: bad signature". Good: some were verified, and we can sign. */
export function signaturesInWords(signing) {
  if (!signing) return { words: "", isGood: true };
  const causes = Object.entries(REFUSALS).filter(([cause]) => signing.gate[cause] > 0);
  const refused = causes.reduce((sum, [cause]) => sum + signing.gate[cause], 0);
  const each = causes.map(([cause, words]) => (causes.length > 1 ? `${signing.gate[cause]} ${words}` : words)).join(", ");
  const words = refused ? `${refused} frame${refused > 1 ? "s" : ""} refused: ${each}` : "";
  return {
    words: [words, signing.trouble].filter(Boolean).join("; "),
    isGood: signing.trouble === null && (refused === 0 || signing.gate.verified > 0),
  };
}

/** An age as people say it; null is unknown. */
export function ageInWords(milliseconds) {
  if (milliseconds === null) return "never";
  if (milliseconds < 950) return `${(milliseconds / 1000).toFixed(1)} s`;
  if (milliseconds < 90_000) return `${Math.round(milliseconds / 1000)} s`;
  return `${Math.round(milliseconds / 60_000)} min`;
}

const LIMITS = { profile: "profile", sample_rate: "sampling", stopping_distance: "stopping" };

/** What sets the speed limit. */
export const limitInWords = (by) => LIMITS[by] ?? by;

const metres = (length) => `${Math.abs(length).toFixed(2)} m`;

/** Where to steer for the strip beside to be joined. */
export function laneInWords({ offset_m: offset, overlap_m: overlap, overlap_needed_m: needed }) {
  if (needed === null) return "lane unknown";
  if (offset === null) return "no lane beside to join";
  const where = Math.abs(offset) < 0.03 ? "on the lane" : `steer ${metres(offset)} ${offset > 0 ? "left" : "right"}`;
  return `${where}; overlap ${overlap < 0 ? "−" : ""}${metres(overlap)}, coils must overlap ${metres(needed)}`;
}

/** What was left out, and what the wheels were on. */
export function warningsInWords({ missing, missing_m: width, is_on_unsearched: isOn }) {
  const words = [];
  if (missing !== null) words.push(`missing a strip of ${metres(width)} on your ${missing}`);
  if (isOn === true) words.push("wheels on unsearched ground");
  return words;
}

/** Where the nearest gap lies. Never without the warning. */
export function gapInWords({ cause, area_m2: area, distance_m: distance, bearing_deg: bearing, warning }) {
  const where = bearing === null ? "here" : `${distance.toFixed(1)} m at ${bearing.toFixed(0).padStart(3, "0")}°`;
  return `nearest gap (${cause.replaceAll("_", " ")}, ${area.toFixed(1)} m²): ${where}. ${warning.toUpperCase()}`;
}
