"""
Timestamps of signed MAVLink frames that never go back, not even over a restart (mavlink.io, "Timestamp Handling").

What was used cannot be written down at each frame, so a stretch ahead is reserved on the disk before any of it is used:
whoever starts again begins behind the reservation. Ours follows what others have signed, as the standard has it; the
clock of a computer without a clock chip is thereby set by the autopilot's.
"""

from firmware_bridge.codec.mavlink_signing import BEHIND_MAX, STAMP_MAX
from firmware_bridge.records import MonoNs, UtcNs

UTC_2015_NS = 1_420_070_400_000_000_000
UNIT_NS = 10_000
SECOND = 1_000_000_000 // UNIT_NS
# Ahead of the time: a write to the disk each 10 s. A minute would put the first frame after a crash where a clock that
# is right counts as a minute behind.
RESERVE = 20 * SECOND
# Ahead of the last timestamp, where that is ahead of the time: each frame takes one unit. Small, because each crash in
# such a state moves the timestamps by so much.
RESERVE_LAST = 2 * SECOND


class StampClock:
    """
    The timestamps of one link's own frames.

    kept : the reservation that was found on the disk, 0 without one
    """

    def __init__(self, kept: int) -> None:
        self._last = kept
        self._reserved = kept
        self._offset: int | None = None

    def current(self, now_ns: MonoNs, utc_ns: UtcNs) -> int:
        """Our own timestamp now, which those of others are compared with."""
        return max(self._last, self._time(now_ns, utc_ns))

    def hear(self, stamp: int, now_ns: MonoNs, utc_ns: UtcNs) -> None:
        """Note a verified timestamp of another component."""
        self._last = max(self._last, stamp)
        if stamp > self._time(now_ns, utc_ns) + BEHIND_MAX:
            self._offset = stamp - now_ns // UNIT_NS

    def wanted(self, now_ns: MonoNs, utc_ns: UtcNs) -> int | None:
        """The next reservation to write; None while more than half of the last one is left."""
        time = self._time(now_ns, utc_ns)
        if max(time + RESERVE // 2, self._last + RESERVE_LAST // 2) < self._reserved:
            return None
        stamp = min(max(time + RESERVE, self._last + RESERVE_LAST), STAMP_MAX)
        return stamp if stamp > self._reserved else None

    def reserve(self, stamp: int) -> None:
        """The disk holds this reservation now."""
        self._reserved = max(self._reserved, stamp)

    def take(self, now_ns: MonoNs, utc_ns: UtcNs) -> int | None:
        """The timestamp of the next frame; None where no reservation covers it, so that it must not be sent."""
        stamp = max(self._last + 1, self._time(now_ns, utc_ns))
        if stamp > self._reserved:
            return None
        self._last = stamp
        return stamp

    @property
    def last(self) -> int:
        """The highest timestamp used or heard, the one to keep where the process ends in order."""
        return self._last

    def _time(self, now_ns: MonoNs, utc_ns: UtcNs) -> int:
        """Real time, as the computer's clock or another component has it: whichever is later."""
        time = max(0, (utc_ns - UTC_2015_NS) // UNIT_NS)
        return time if self._offset is None else max(time, self._offset + now_ns // UNIT_NS)
