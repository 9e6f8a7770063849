"""
What a look at a machine before work finds: good, a warning or a problem, each with what to do about it. Pure judging.
"""

import enum
from collections.abc import Iterable

import msgspec

from controller.config import Config, Link
from controller.core.site import Metric, Profile
from firmware_bridge.codec.decoders import make_decoder
from firmware_bridge.io.listen import Heard
from firmware_bridge.records import AutopilotHeartbeat, FixClass, GnssFix, HeadDictionary, LinkStats, Record

BAD_SHARE_MAX = 0.02  # of damaged frames, the first and the last of a recording apart
STEPS_PER_DEG = (1e7, 60e5)  # of UBX NAV-PVT, and of NMEA with five decimals of a minute: one or two centimetres
GRID_SHARE = 0.02  # of a step: finer positions lie this close to the grid by chance only
FREE_BYTES_MIN = 2_000_000_000  # two days of a full record
SYNC_S_MAX = 0.25


class Grade(enum.Enum):
    """How bad it is."""

    GOOD = "good"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `advice`: what to do; None where it is good."""

    about: str
    grade: Grade
    says: str
    advice: str | None = None


def good(about: str, says: str) -> Finding:
    """Nothing to do."""
    return Finding(about=about, grade=Grade.GOOD, says=says)


def warning(about: str, says: str, advice: str) -> Finding:
    """Work can begin, with this known."""
    return Finding(about=about, grade=Grade.WARNING, says=says, advice=advice)


def problem(about: str, says: str, advice: str) -> Finding:
    """No ground will be credited, or no record kept, until this is mended."""
    return Finding(about=about, grade=Grade.PROBLEM, says=says, advice=advice)


def judge_timing(config: Config) -> list[Finding]:
    """Whether what must be measured stands in the configuration."""
    findings = []
    for link in config.link:
        pulsed = link.name == config.position.link and config.position.pulse_head is not None
        if link.protocol != "head" and not pulsed and (link.latency_ms is None or link.latency_error_ms is None):
            findings.append(
                problem(
                    f"link {link.name}",
                    "its latency is not measured, so nothing that depends on it is credited",
                    "measure it and write latency_ms and latency_error_ms",
                )
            )
    return findings or [good("latencies", "all are stated")]


def judge_link(link: Link, heard: Heard, profile: Profile) -> list[Finding]:
    """A port's bytes against what the configuration says of it."""
    about = f"link {link.name}"
    if heard.trouble is not None:
        advice = f"look at the cable and at port = {link.port!r}; if core is running, it holds the port: stop it first"
        return [problem(about, heard.trouble, advice)]
    if not heard.payload:
        return [problem(about, "is open and silent", "switch the device on; see that the cable's two data lines cross")]
    decoder = make_decoder(
        link.protocol,
        line_format=link.line,
        antenna_heading_offset_deg=link.heading_offset_deg,
        system_id=link.system_id,
    )
    records = [*decoder.feed(heard.payload), *decoder.finish()]
    if decoder.stats.frames == 0:
        advice = f"see that the device speaks {link.protocol} at {link.baud} baud; `firmground init` finds out"
        return [problem(about, f"{decoder.stats.bytes} bytes and nothing of {link.protocol} in them", advice)]
    findings = [_judge_stream(about, decoder.stats, heard)]
    if link.protocol == "head":
        findings += _judge_head(about, records)
    elif link.protocol == "gnss":
        findings += _judge_fixes(about, [record for record in records if isinstance(record, GnssFix)], profile)
    elif link.protocol == "mavlink":
        findings += _judge_autopilot(about, link, records, heard)
    return findings


def _judge_stream(about: str, stats: LinkStats, heard: Heard) -> Finding:
    damaged = stats.bad_checksum + stats.malformed
    rate = f"{stats.frames / heard.seconds:.1f} messages a second" if heard.seconds else f"{stats.frames} messages"
    if damaged > 1 + BAD_SHARE_MAX * stats.frames:
        says = f"{rate}, {damaged} damaged of {damaged + stats.frames}"
        return warning(about, says, "look for a loose plug, a long cable, or a device that sends more than fits")
    return good(about, f"{rate}, {damaged} damaged")


def _judge_autopilot(about: str, link: Link, records: list[Record], heard: Heard) -> list[Finding]:
    if any(isinstance(record, AutopilotHeartbeat) for record in records):
        return []
    if link.system_id is None:
        return [problem(about, "no autopilot's heartbeat", "see that the autopilot sends MAVLink on this port")]
    others = {record.system_id for record in _any_system(heard) if isinstance(record, AutopilotHeartbeat)}
    told = ", ".join(map(str, sorted(others))) or "no other"
    advice = "write the id that is heard as system_id, or see the autopilot's SYSID_THISMAV"
    return [problem(about, f"no heartbeat of system {link.system_id}; heard is {told}", advice)]


def _any_system(heard: Heard) -> list[Record]:
    decoder = make_decoder("mavlink")
    return [*decoder.feed(heard.payload), *decoder.finish()]


def _judge_head(about: str, records: list[Record]) -> Iterable[Finding]:
    dictionary = next((record for record in records if isinstance(record, HeadDictionary)), None)
    if dictionary is None:
        return [problem(about, "did not answer with its dictionary", "see that the line to the head is connected, too")]
    says = f"{dictionary.model}, firmware {dictionary.firmware}, {len(dictionary.channels)} channels"
    if dictionary.is_simulated:
        return [warning(about, f"{says}, simulated", "nothing that it passes is real ground")]
    return [good(about, says)]


def _judge_fixes(about: str, fixes: list[GnssFix], profile: Profile) -> Iterable[Finding]:
    placed = [fix for fix in fixes if fix.latitude_deg is not None and fix.fix_class is not FixClass.NONE]
    if not placed:
        return [problem(about, "no fix", "give the antenna a free view of the sky, and the receiver some minutes")]
    last = placed[-1]
    findings = []
    allowed = ", ".join(fix_class.value for fix_class in profile.fix_classes)
    if last.fix_class not in profile.fix_classes:
        advice = f"profile {profile.name} credits {allowed}: look at the corrections"
        findings.append(problem(about, f"its fixes are {last.fix_class.value}", advice))
    error_m = last.horizontal_error_95_m
    if error_m is None:
        advice = "switch on NMEA GST or UBX NAV-PVT (`firmground receiver set-up` does so for a u-blox F9P)"
        findings.append(problem(about, "its fixes state no error, so none is credited", advice))
    elif error_m > profile.limit(Metric.POSITION_ERROR):
        says = f"its stated error is {error_m:.3f} m, and {profile.limit(Metric.POSITION_ERROR)} m is the limit"
        findings.append(problem(about, says, "wait for the fix to settle, or look at the corrections"))
    if _is_coarse(placed):
        advice = "switch on UBX NAV-HPPOSLLH, or NMEA with six decimals of a minute or more"
        findings.append(warning(about, "its positions step by a centimetre", advice))
    return findings or [good(about, f"{last.fix_class.value}, stated error {error_m:.3f} m")]


def _is_coarse(fixes: list[GnssFix]) -> bool:
    """Whether all positions lie on a grid of 1e-7 degree, or of 1e-5 minute."""
    values = [value for fix in fixes for value in (fix.latitude_deg, fix.longitude_deg) if value is not None]
    return any(
        all(abs(value * steps - round(value * steps)) < GRID_SHARE for value in values) for steps in STEPS_PER_DEG
    )
