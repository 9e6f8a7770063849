"""
Every sentence of gpsd's logs, as this project reads it, against gpsd's own reports of the same log.

gpsd reports an epoch several times while it grows, and not each sentence; a sentence agrees when one report of its time
says the same. `pytest -m recorded -rP tests/recorded/test_gpsd_logs.py` prints the table.
"""

import collections
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from firmware_bridge.codec.accuracy import sigma_from_radius_95
from firmware_bridge.codec.fix_part import (
    DAY_NS,
    GPS_UTC_LEAP_S,
    NS_PER_MS,
    NS_PER_S,
    FixPart,
    date_from_days,
    days_from_date,
)
from firmware_bridge.codec.gnss_frames import FrameKind, GnssFramer
from firmware_bridge.codec.nmea import decode_nmea
from firmware_bridge.codec.nmea_fields import DamagedError, position
from firmware_bridge.codec.ubx import decode_ubx
from firmware_bridge.records import FixClass

STEP_DEG = 1e-6
SPEED_M_S = 0.0006  # gpsd prints millimetres a second
SIGMA_M = 0.0011  # and millimetres
ROLLOVER_DAYS = 1024 * 7  # GPS weeks are sent modulo 1024

# gpsd's TPV status (gpsd_json(5)): 0 unknown, 1 normal, 2 DGPS, 3 RTK fixed, 4 RTK float, 5 DR, 6 GNSS and DR, 7 time
# (surveyed in), 8 simulated. Left out when unknown.
STATUS = {
    FixClass.SINGLE: (0, 1, 9),
    FixClass.DGNSS: (2,),
    FixClass.FIXED: (3,),
    FixClass.FLOAT: (4,),
    FixClass.DEAD_RECKONING: (5, 6),
    FixClass.SIMULATED: (8,),
}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity of one sentence: agreed where `reason` is None, unexplained where it is empty."""

    log: str
    quantity: str
    source: str
    reason: str | None


class Log:
    """One log: the sentences as we read them, in order, and gpsd's reports by the millisecond of the day."""

    def __init__(self, path: Path) -> None:
        self.name = path.name.removesuffix(".log")
        self.parts: list[FixPart] = []
        self.other_places: list[tuple[float, float]] = []  # of GLL sentences, which are not read
        framer = GnssFramer()
        data = path.read_bytes()
        for frame in framer.feed(data) + framer.finish():
            if frame.kind is FrameKind.RTCM3:
                continue
            part = decode_nmea(frame.data) if frame.kind is FrameKind.NMEA else decode_ubx(frame.data)
            if isinstance(part, FixPart):
                self.parts.append(part)
            elif frame.data[3:6] == b"GLL":
                self.other_places += _gll_place(frame.data)
        self.reports: dict[int, list[dict]] = collections.defaultdict(list)
        self.undated: list[dict] = []
        self.errors: dict[int, list[dict]] = collections.defaultdict(list)
        for text in path.with_name(path.name + ".chk").read_bytes().splitlines():
            if text.startswith((b'{"class":"TPV"', b'{"class":"GST"')) and text.endswith(b"}"):
                self._take(json.loads(text))

    def _take(self, report: dict) -> None:
        time_ms = _report_ms(report)
        if report["class"] == "GST":
            if time_ms is not None:
                self.errors[time_ms].append(report)
        elif time_ms is not None:
            self.reports[time_ms].append(report)
        elif "lat" in report:
            self.undated.append(report)

    def reports_at(self, part: FixPart) -> list[dict]:
        """gpsd's reports of the sentence's time."""
        return _near(self.reports, part_ms(part))


def part_ms(part: FixPart) -> int | None:
    """The sentence's time of day in milliseconds, from iTOW through the leap seconds where it has no other."""
    time_ns = part.time_of_day_ns
    if time_ns is None and part.itow_ms is not None:
        time_ns = (part.itow_ms * NS_PER_MS - GPS_UTC_LEAP_S * NS_PER_S) % DAY_NS
    return None if time_ns is None else round(time_ns / NS_PER_MS)


def _near(by_ms: dict[int, list[dict]], time_ms: int | None) -> list[dict]:
    times_ms = () if time_ms is None else (time_ms - 1, time_ms, time_ms + 1)
    return [report for near_ms in times_ms for report in by_ms.get(near_ms, [])]


def _report_ms(report: dict) -> int | None:
    if "time" not in report:
        return None
    hour, minute, second = report["time"].split("T")[1].rstrip("Z").split(":")
    return round((int(hour) * 60 + int(minute)) * 60_000 + float(second) * 1000)


def _gll_place(sentence: bytes) -> list[tuple[float, float]]:
    fields = dict(zip(("lat", "NS", "lon", "EW"), sentence.decode("ascii").split(",")[1:5], strict=False))
    try:
        latitude_deg, longitude_deg, _ = position(fields, FixClass.SINGLE)
    except (DamagedError, KeyError):
        return []
    return [] if latitude_deg is None or longitude_deg is None else [(latitude_deg, longitude_deg)]


def _is_at(report: dict, latitude_deg: float, longitude_deg: float) -> bool:
    if "lat" not in report:
        return False
    return abs(report["lat"] - latitude_deg) < STEP_DEG and abs(report["lon"] - longitude_deg) < STEP_DEG


def compare(path: Path) -> Iterator[Outcome]:
    """All outcomes of one log, ours against gpsd's and then gpsd's positions against ours."""
    log = Log(path)
    for index, part in enumerate(log.parts):
        reports = log.reports_at(part)
        has_position = part.latitude_deg is not None and part.fix_class is not FixClass.NONE
        placed = [report for report in reports if "lat" in report]
        checks = {}
        if has_position:
            checks["position"] = _position_reason(log, index, placed)
        if part.date_days is not None and reports:
            checks["date"] = _date_reason(part, reports)
        if has_position and placed and part.fix_class is not None:
            checks["class"] = _class_reason(part, placed)
        if has_position and placed and part.speed_m_s is not None:
            speeds = [report["speed"] for report in placed if "speed" in report]
            checks["speed"] = None if any(abs(speed - part.speed_m_s) <= SPEED_M_S for speed in speeds) else ""
        if part.horizontal_error_95_m is not None:
            checks["accuracy"] = _accuracy_reason(log, part, reports)
        for quantity, reason in checks.items():
            yield Outcome(log=log.name, quantity=quantity, source=part.source, reason=reason)
    yield from _their_positions(log)


def _position_reason(log: Log, index: int, placed: list[dict]) -> str | None:
    part = log.parts[index]
    assert part.latitude_deg is not None
    assert part.longitude_deg is not None
    if any(_is_at(report, part.latitude_deg, part.longitude_deg) for report in placed):
        return None
    if placed:
        return ""
    if any(_is_at(report, part.latitude_deg, part.longitude_deg) for report in log.undated):
        return "gpsd reports the same place without a time, since it has no date yet"
    if part.fix_class is FixClass.SIMULATED:
        return "gpsd reports only the first of a simulated receiver's positions"
    time_ms = part_ms(part)
    assert time_ms is not None
    if time_ms < min(log.reports, default=0):
        return "before gpsd's first dated report"
    if time_ms > max(log.reports):
        return "after gpsd's last report: the log ends inside the epoch"
    later_ms = [ms for ms in map(part_ms, log.parts[index + 1 :]) if ms is not None and ms != time_ms]
    if later_ms and abs(later_ms[0] - time_ms) > 60_000:
        return "the log breaks off inside the epoch and goes on minutes later"
    around = [report for ms, reports in log.reports.items() if abs(ms - time_ms) <= 2_000 for report in reports]
    if any(_is_at(report, part.latitude_deg, part.longitude_deg) for report in around):
        return "gpsd reports the same place for the neighbouring epochs and leaves this one out"
    return ""


def _date_reason(part: FixPart, reports: list[dict]) -> str | None:
    assert part.date_days is not None
    theirs = {days_from_date(*map(int, report["time"].split("T")[0].split("-"))) for report in reports}
    if part.date_days in theirs:
        return None
    if part.date_days + ROLLOVER_DAYS in theirs:
        year, month, day = date_from_days(part.date_days)
        return f"gpsd adds 1024 weeks to the receiver's {year}-{month:02d}-{day:02d}"
    return ""


def _class_reason(part: FixPart, placed: list[dict]) -> str | None:
    assert part.fix_class is not None
    theirs = {report.get("status", 0) for report in placed}
    if theirs & set(STATUS[part.fix_class]):
        return None
    if part.is_class_coarse and theirs <= {2, 3, 4}:
        return "a sentence without words for it; another of the same epoch says it"
    return ""


def _accuracy_reason(log: Log, part: FixPart, reports: list[dict]) -> str | None:
    """gpsd's eph is the receiver's own figure for UBX; for NMEA it is made from the DOP, and GST has its own report."""
    assert part.horizontal_error_95_m is not None
    sigma_m = sigma_from_radius_95(part.horizontal_error_95_m)
    if part.source == "GST":
        ellipses = _near(log.errors, part_ms(part))
        theirs = [report["major"] for report in ellipses]
        largest = [max(report["major"], report["lat"], report["lon"]) for report in ellipses]
    else:
        theirs = largest = [report["eph"] for report in reports if "eph" in report]
    if any(abs(figure - sigma_m) <= SIGMA_M for figure in theirs):
        return None
    if any(abs(figure - sigma_m) <= SIGMA_M for figure in largest):
        return "a semi-major axis below the latitude's sigma: we take the larger, gpsd prints both"
    if not theirs:
        return "no report of gpsd's for this time" if part.source == "GST" or not reports else ""
    return ""


def _their_positions(log: Log) -> Iterator[Outcome]:
    ours = [(p.latitude_deg, p.longitude_deg) for p in log.parts if p.latitude_deg is not None]
    theirs = [report for reports in log.reports.values() for report in reports if "lat" in report]
    for report in theirs + log.undated:
        reason: str | None = ""
        if any(_is_at(report, latitude_deg, longitude_deg) for latitude_deg, longitude_deg in ours):
            reason = None
        elif any(_is_at(report, *place) for place in log.other_places):
            reason = "a GLL sentence, which is not read: GGA and RMC of its epoch say more"
        elif report.get("status") == 7 and log.parts:
            reason = "a timing receiver's surveyed position: it has time only, and no fix"
        elif not ours:
            reason = "a protocol or message that is not read (SiRF, TSIP, Zodiac, GREIS, Oncore, NAV-SOL, ...)"
        yield Outcome(log=log.name, quantity="gpsd's position", source="TPV", reason=reason)


def compare_all(folder: Path) -> list[Outcome]:
    """All outcomes of all logs."""
    return [outcome for path in sorted(folder.glob("*.log")) for outcome in compare(path)]


def table(outcomes: list[Outcome]) -> str:
    """The outcomes as text: how many agree by quantity and sentence, then every reason with its logs."""
    agreed: collections.Counter[tuple[str, str]] = collections.Counter()
    other: dict[tuple[str, str], collections.Counter[str]] = collections.defaultdict(collections.Counter)
    logs: dict[tuple[str, str, str], collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for outcome in outcomes:
        key = outcome.quantity, outcome.source
        if outcome.reason is None:
            agreed[key] += 1
        else:
            reason = outcome.reason or "UNEXPLAINED"
            other[key][reason] += 1
            logs[(*key, reason)][outcome.log] += 1
    lines = [f"{'quantity':<16}{'sentence':<14}{'agree':>6}{'other':>7}"]
    for key in sorted(agreed.keys() | other.keys()):
        lines.append(f"{key[0]:<16}{key[1]:<14}{agreed[key]:>6}{sum(other[key].values()):>7}")
        for reason, count in sorted(other[key].items()):
            where = ", ".join(f"{name} {number}" for name, number in sorted(logs[(*key, reason)].items()))
            lines.append(f"    {count:>4}  {reason}: {where}")
    return "\n".join(lines)
