"""
A GNSS receiver's bytes to fixes: all messages of one epoch become exactly one `GnssFix`.

**Which messages belong together.** Messages with the same iTOW, or with the same UTC time of day within
`SAME_EPOCH_NS`. Where one message has only iTOW and the other only UTC (NMEA positions with UBX headings) they are
compared through the leap seconds; that pairs messages and never becomes a time in a record. HDT, THS, VTG and GSA
carry no time and belong to the latest epoch begun before them: a receiver that sends HDT first has its heading one
epoch late. Another sentence whose time is blank joins the open epoch unless its type is there already.

**When the fix is emitted.** As soon as every message type seen in the last `MEMORY_EPOCHS` epochs is there, so that a
live fix does not wait for the next epoch; otherwise when a message of another epoch arrives, or at `finish`. Types
that come at different rates (positions 10 Hz, GST 1 Hz) therefore cost the epochs without the rarer type their early
emission, and lose nothing. GSA, and VTG beside another source of speed, add too little to be waited for: they are used
when they come in time. The result depends on the messages alone, never on how bytes were chunked.

**Late and repeated messages** give no second fix. A message of an epoch that was already emitted, or a heading without
an epoch, is counted as malformed; its date is used, and its type is waited for from then on. A second message of the
same type and epoch (some receivers print one for each constellation) is counted as unknown and not used: the first one
stands. A receiver whose clock stands still thus emits one fix and falls silent.

**What is taken from whom.** The position with the finest resolution; the largest stated error (converted in
`accuracy`); no altitude where one message says that it was held; everything else from the first message in `PRECEDENCE`
that says it. The class is the worst that any message gives, where words of messages that know no RTK (RMC's older modes
A and D, PUBX,00, HNR-PVT) count only if nothing else states a class, and `simulated` overrides all. A message with an
attitude adds a `GnssAttitude` behind the fix. TIM-TP belongs to no epoch and is emitted as it comes.

**Dates** come from RMC or NAV-PVT and are carried to later epochs as the day nearest to the last one dated, which is
right over midnight for gaps under 12 hours. Before the first date `utc_ns` is None. Receivers that print the time and
the date at different moments are a day off for some epochs at midnight: within `DATE_DOUBT_NS` of it a date that is one
day from the carried one is not believed, and later it is. A leap second is the next day's first second, which so comes
twice.
"""

from collections import deque
from typing import Any

from firmware_bridge.codec.fix_part import DAY_NS, FROM_WORST, GPS_UTC_LEAP_S, NS_PER_MS, NS_PER_S, FixPart, Refusal
from firmware_bridge.codec.gnss_frames import FrameKind, GnssFrame, GnssFramer
from firmware_bridge.codec.nmea import decode_nmea
from firmware_bridge.codec.ubx import decode_ubx
from firmware_bridge.records import FixClass, GnssAttitude, GnssFix, LinkStats, Record, TimePulse, UtcNs

# NMEA prints hundredths of a second of an epoch whose UTC may lie off by the receiver's clock error (u-blox: under
# 1 ms); epochs lie 40 ms apart at the fastest rate in use, 25 Hz. 5 ms tells both apart.
SAME_EPOCH_NS = 5 * NS_PER_MS
# A type that comes once a second beside 25 Hz positions is still waited for.
MEMORY_EPOCHS = 32
# How many emitted epochs a late message is recognised by; receivers delay GST by one or two epochs at most.
CLOSED_EPOCHS_KEPT = 8
# A date that is printed once a second may be a second late, and that of a slow receiver a few.
DATE_DOUBT_NS = 10 * NS_PER_S

PRECEDENCE = (
    *("NAV-HPPOSLLH", "NAV-PVT", "HNR-PVT", "NAV-RELPOSNED", "NAV-ATT", "PTNL,GGK", "GGA", "GNS", "PUBX,00", "RMC"),
    *("VTG", "GST", "GSA", "PTNL,AVR", "PASHR", "THS", "HDT"),
)
TIMELESS = ("HDT", "THS", "VTG", "GSA")
# Types beside which a VTG says nothing new.
WITH_SPEED = ("NAV-PVT", "HNR-PVT", "PUBX,00", "RMC")


class _Epoch:
    """The messages of one epoch, at most one of each type."""

    def __init__(self) -> None:
        self.parts: dict[str, FixPart] = {}
        self.time_of_day_ns: int | None = None
        self.itow_ms: int | None = None

    def add(self, part: FixPart) -> None:
        """Takes a part whose type is not there yet; the first part with a time gives the epoch its time."""
        self.parts[part.source] = part
        if self.time_of_day_ns is None:
            self.time_of_day_ns = part.time_of_day_ns
        if self.itow_ms is None:
            self.itow_ms = part.itow_ms

    def is_same(self, part: FixPart) -> bool:
        """True if a message with a time belongs to this epoch."""
        if self.itow_ms is not None and part.itow_ms is not None:
            return self.itow_ms == part.itow_ms
        own_ns = _pairing_ns(self.time_of_day_ns, self.itow_ms)
        other_ns = _pairing_ns(part.time_of_day_ns, part.itow_ms)
        if own_ns is None or other_ns is None:
            return False
        return abs((own_ns - other_ns + DAY_NS // 2) % DAY_NS - DAY_NS // 2) <= SAME_EPOCH_NS


def _pairing_ns(time_of_day_ns: int | None, itow_ms: int | None) -> int | None:
    if time_of_day_ns is not None or itow_ms is None:
        return time_of_day_ns
    return (itow_ms * NS_PER_MS - GPS_UTC_LEAP_S * NS_PER_S) % DAY_NS


def _nearest_day(date: tuple[int, int], time_of_day_ns: int) -> int:
    """The day on which a time of day lies nearest to a dated one."""
    days, dated_ns = date
    if time_of_day_ns - dated_ns > DAY_NS // 2:
        return days - 1
    return days + 1 if dated_ns - time_of_day_ns > DAY_NS // 2 else days


def _is_untimed(part: FixPart) -> bool:
    return part.time_of_day_ns is None and part.itow_ms is None


class GnssDecoder:
    """
    Decodes one receiver's stream of NMEA and UBX, mixed; RTCM 3 is recognised and counted as unknown.

    antenna_heading_offset_deg : added to every heading: the angle, clockwise, from the direction that the receiver
                                 reports (moving base antenna to rover antenna) to the vehicle's forward axis
    """

    def __init__(self, antenna_heading_offset_deg: float = 0.0) -> None:
        self._offset_deg = antenna_heading_offset_deg
        self._framer = GnssFramer()
        self._open: _Epoch | None = None
        self._closed: deque[_Epoch] = deque(maxlen=CLOSED_EPOCHS_KEPT)
        self._number = 0  # of epochs begun
        self._last_seen: dict[str, int] = {}  # message type -> the epoch that had it last
        self._expected: list[str] = []
        self._date: tuple[int, int] | None = None  # days since 1970-01-01 and the time of day they belong to
        self._records = 0
        self._malformed = 0
        self._unknown = 0

    @property
    def stats(self) -> LinkStats:
        """The link's counters as one snapshot."""
        counts = self._framer.counts
        return LinkStats(
            bytes=counts.bytes,
            frames=counts.frames,
            records=self._records,
            bad_checksum=counts.bad_checksum,
            malformed=self._malformed + counts.without_checksum,
            unknown=self._unknown,
            bytes_skipped=counts.bytes_skipped,
        )

    def feed(self, data: bytes) -> list[Record]:
        """The fixes that `data` completes."""
        return self._decode(self._framer.feed(data))

    def finish(self) -> list[Record]:
        """The fixes that were still held back, the open epoch included; no more bytes will come."""
        records = self._decode(self._framer.finish())
        return records + self._close()

    def _decode(self, frames: list[GnssFrame]) -> list[Record]:
        records: list[Record] = []
        for frame in frames:
            if frame.kind is FrameKind.RTCM3:
                self._unknown += 1
                continue
            part = decode_nmea(frame.data) if frame.kind is FrameKind.NMEA else decode_ubx(frame.data)
            if part is Refusal.UNKNOWN:
                self._unknown += 1
            elif part is Refusal.MALFORMED:
                self._malformed += 1
            elif isinstance(part, TimePulse):
                self._records += 1
                records.append(part)
            else:
                records += self._place(part)
        return records

    def _place(self, part: FixPart) -> list[Record]:
        """Adds a part to its epoch and returns the fixes that this completes."""
        fixes: list[Record] = []
        is_late = self._is_late(part)
        if self._is_repeated(part) or (is_late and not self._is_waited_for(part.source)):
            self._unknown += 1
            return fixes
        if is_late:
            self._malformed += 1
            self._last_seen[part.source] = self._number
            if part.source not in self._expected:
                self._expected.append(part.source)
            self._note_date(part)
            return fixes
        if self._open is None or not self._belongs_to_open(part):
            fixes += self._close()
            self._number += 1
            oldest = self._number - MEMORY_EPOCHS
            seen = [source for source, number in self._last_seen.items() if number >= oldest]
            self._expected = [source for source in seen if self._is_waited_for(source)]
            self._open = _Epoch()
        self._open.add(part)
        self._last_seen[part.source] = self._number
        self._note_date(part)
        if self._expected and all(source in self._open.parts for source in self._expected):
            fixes += self._close()
        return fixes

    def _is_waited_for(self, source: str) -> bool:
        if source == "VTG":
            return not any(other in self._last_seen for other in WITH_SPEED)
        return source != "GSA"

    def _belongs_to_open(self, part: FixPart) -> bool:
        if self._open is None or part.source in self._open.parts:
            return False
        return _is_untimed(part) or self._open.is_same(part)

    def _is_repeated(self, part: FixPart) -> bool:
        """True for a message whose epoch has one of its type already."""
        recent = [*self._closed, self._open] if self._open is not None else list(self._closed)
        if not _is_untimed(part):
            return any(part.source in epoch.parts and epoch.is_same(part) for epoch in recent)
        return part.source in TIMELESS and bool(recent) and part.source in recent[-1].parts

    def _is_late(self, part: FixPart) -> bool:
        """True for a message of an epoch that was emitted without it, and for a timeless one without an epoch."""
        if self._belongs_to_open(part):
            return False
        if not _is_untimed(part):
            return any(epoch.is_same(part) for epoch in self._closed)
        if part.source in TIMELESS:
            return True
        return self._open is None and bool(self._closed) and part.source not in self._closed[-1].parts

    def _note_date(self, part: FixPart) -> None:
        if part.date_days is None or part.time_of_day_ns is None:
            return
        from_midnight_ns = min(part.time_of_day_ns, DAY_NS - part.time_of_day_ns)
        if self._date is not None and from_midnight_ns <= DATE_DOUBT_NS:
            carried_days = _nearest_day(self._date, part.time_of_day_ns)
            if abs(part.date_days - carried_days) == 1:
                return
        self._date = part.date_days, part.time_of_day_ns

    def _close(self) -> list[Record]:
        if self._open is None:
            return []
        epoch, self._open = self._open, None
        self._closed.append(epoch)
        parts = [epoch.parts[source] for source in PRECEDENCE if source in epoch.parts]
        fix = self._fix(parts)
        records: list[Record] = [fix, *(_attitude(part, fix) for part in parts if part.attitude is not None)]
        self._records += len(records)
        return records

    def _fix(self, parts: list[FixPart]) -> GnssFix:
        time_of_day_ns = _first(parts, "time_of_day_ns")
        placed = [part for part in parts if part.latitude_deg is not None]
        position = min(placed, key=lambda part: part.position_step_deg, default=None)
        errors_m = [part.horizontal_error_95_m for part in parts if part.horizontal_error_95_m is not None]
        heading = next((part for part in parts if part.heading_deg is not None), None)
        return GnssFix(
            utc_ns=self._utc_ns(time_of_day_ns),
            time_of_day_ns=time_of_day_ns,
            latitude_deg=None if position is None else position.latitude_deg,
            longitude_deg=None if position is None else position.longitude_deg,
            altitude_m=None if any(part.is_altitude_held for part in parts) else _first(parts, "altitude_m"),
            fix_class=_merged_class(parts),
            horizontal_error_95_m=max(errors_m, default=None),
            speed_m_s=_first(parts, "speed_m_s"),
            course_deg=_first(parts, "course_deg"),
            heading_deg=None if heading is None else self._forward_deg(heading),
            heading_error_95_deg=None if heading is None else heading.heading_error_95_deg,
            correction_age_s=_first(parts, "correction_age_s"),
            reference_station=_first(parts, "reference_station"),
        )

    def _forward_deg(self, heading: FixPart) -> float:
        assert heading.heading_deg is not None
        return (heading.heading_deg + self._offset_deg) % 360.0

    def _utc_ns(self, time_of_day_ns: int | None) -> UtcNs | None:
        """The epoch's UTC on the day nearest to the last dated epoch, which it then becomes itself."""
        if self._date is None or time_of_day_ns is None:
            return None
        days = _nearest_day(self._date, time_of_day_ns)
        self._date = days, time_of_day_ns
        return UtcNs(days * DAY_NS + time_of_day_ns)


def _attitude(part: FixPart, fix: GnssFix) -> GnssAttitude:
    assert part.attitude is not None
    return GnssAttitude(
        source=part.source,
        utc_ns=fix.utc_ns,
        time_of_day_ns=fix.time_of_day_ns,
        heading_deg=part.attitude.heading_deg,
        roll_deg=part.attitude.roll_deg,
        pitch_deg=part.attitude.pitch_deg,
        heading_error_95_deg=part.attitude.heading_error_95_deg,
        roll_error_95_deg=part.attitude.roll_error_95_deg,
        pitch_error_95_deg=part.attitude.pitch_error_95_deg,
    )


def _first(parts: list[FixPart], name: str) -> Any:
    return next((value for part in parts if (value := getattr(part, name)) is not None), None)


def _merged_class(parts: list[FixPart]) -> FixClass:
    """The worst class that a message gives; none when no message gives one."""
    stated = [(part.fix_class, part.is_class_coarse) for part in parts if part.fix_class is not None]
    classes = [fix_class for fix_class, _ in stated]
    if FixClass.SIMULATED in classes:
        return FixClass.SIMULATED
    precise = [fix_class for fix_class, is_coarse in stated if not is_coarse]
    return min(precise or classes, key=FROM_WORST.index, default=FixClass.NONE)
