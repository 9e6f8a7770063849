"""
Where the vehicle was: fixes and attitudes on the monotonic clock, and what two neighbouring fixes are worth.

Samples are placed between two fixes, never beyond the last one. A bracket carries the reasons that hold for every
sample within it, so that rules are applied once per fix and not once per sample.
"""

import math
from collections import deque
from collections.abc import Sequence

import msgspec
import numpy as np

from controller.core.geometry import wrap_angle
from firmware_bridge.records import FixClass, FloatArray, IntArray, MonoNs

FIXES_KEPT = 256  # 25 s at 10 Hz: longer than any sample waits
ATTITUDES_KEPT = 1024
FROZEN_NS = 1_000_000_000  # over which a place is compared with the stated speeds


class TrackFix(msgspec.Struct, frozen=True, kw_only=True):
    """
    A usable fix on the monotonic clock, in the plane.

    east_m, north_m : of the antenna       time_error_ns : bound on the error of `mono_ns`; None is unknown
    up_m            : above the plane's altitude; None where the receiver said none
    """

    mono_ns: MonoNs
    east_m: float
    north_m: float
    fix_class: FixClass
    error_95_m: float | None
    time_error_ns: int | None
    speed_m_s: float | None
    heading_rad: float | None
    heading_error_95_rad: float | None
    reference_station: str | None
    up_m: float | None = None


class TrackAttitude(msgspec.Struct, frozen=True, kw_only=True):
    """Roll and pitch on the monotonic clock, MAVLink's signs."""

    mono_ns: MonoNs
    roll_rad: float
    pitch_rad: float


class Track:
    """The last fixes and attitudes in order of their time; one writer appends, samples are placed between them."""

    def __init__(self) -> None:
        self.fixes: deque[TrackFix] = deque(maxlen=FIXES_KEPT)
        self._attitudes: deque[TrackAttitude] = deque(maxlen=ATTITUDES_KEPT)

    def add_fix(self, fix: TrackFix) -> bool:
        """False where the fix is not later than the last one: it adds nothing and is refused."""
        if self.fixes and fix.mono_ns <= self.fixes[-1].mono_ns:
            return False
        self.fixes.append(fix)
        return True

    def add_attitude(self, attitude: TrackAttitude) -> bool:
        """False where the attitude is not later than the last one."""
        if self._attitudes and attitude.mono_ns <= self._attitudes[-1].mono_ns:
            return False
        self._attitudes.append(attitude)
        return True

    @property
    def last_attitude_ns(self) -> MonoNs | None:
        """Time of the newest attitude."""
        return self._attitudes[-1].mono_ns if self._attitudes else None

    def bracket(self, mono_ns: MonoNs) -> tuple[TrackFix, TrackFix] | None:
        """The neighbouring fixes with first.mono_ns <= mono_ns < second.mono_ns, if both are there."""
        for index in range(len(self.fixes) - 1, 0, -1):
            first, second = self.fixes[index - 1], self.fixes[index]
            if first.mono_ns <= mono_ns < second.mono_ns:
                return first, second
            if mono_ns >= second.mono_ns:
                return None
        return None

    def tilt(self, times_ns: IntArray, gap_ns_max: int) -> tuple[FloatArray, FloatArray] | None:
        """
        Roll and pitch at each time, interpolated; None unless every time lies between two attitudes no further apart
        than `gap_ns_max`.
        """
        first, last = int(times_ns[0]), int(times_ns[-1])
        chosen: list[TrackAttitude] = []
        for attitude in reversed(self._attitudes):
            if attitude.mono_ns >= last:
                chosen.clear()  # only the first attitude after the last time is needed
            chosen.append(attitude)
            if attitude.mono_ns <= first:
                break
        chosen.reverse()
        if not chosen or chosen[0].mono_ns > first or chosen[-1].mono_ns < last:
            return None
        stamps = np.array([attitude.mono_ns for attitude in chosen], dtype=np.int64)
        if len(stamps) > 1 and int(np.diff(stamps).max()) > gap_ns_max:
            return None
        roll = np.interp(times_ns, stamps, np.array([attitude.roll_rad for attitude in chosen]))
        pitch = np.interp(times_ns, stamps, np.array([attitude.pitch_rad for attitude in chosen]))
        return roll, pitch


def interpolate(first: TrackFix, second: TrackFix, times_ns: IntArray) -> tuple[FloatArray, FloatArray]:
    """Antenna east and north in metres at times between two fixes: float64 (n, 2), and shares float64 (n,)."""
    share = (times_ns - first.mono_ns) / (second.mono_ns - first.mono_ns)
    start = np.array([first.east_m, first.north_m])
    step = np.array([second.east_m - first.east_m, second.north_m - first.north_m])
    return start + share[:, None] * step, share


def interpolate_up(first: TrackFix, second: TrackFix, mono_ns: MonoNs) -> tuple[float, float, float] | None:
    """East, north and up in metres at an instant between two fixes; None where either has no altitude."""
    if first.up_m is None or second.up_m is None:
        return None
    share = (mono_ns - first.mono_ns) / (second.mono_ns - first.mono_ns)
    return (
        first.east_m + share * (second.east_m - first.east_m),
        first.north_m + share * (second.north_m - first.north_m),
        first.up_m + share * (second.up_m - first.up_m),
    )


def interpolate_heading(first: TrackFix, second: TrackFix, share: FloatArray) -> FloatArray | None:
    """Heading in radians at shares between two fixes, the short way round; None where either has none."""
    if first.heading_rad is None or second.heading_rad is None:
        return None
    return first.heading_rad + share * wrap_angle(second.heading_rad - first.heading_rad)


def distance_m(first: TrackFix, second: TrackFix) -> float:
    """Horizontal distance between two fixes' antennas."""
    return math.hypot(second.east_m - first.east_m, second.north_m - first.north_m)


def is_jump(first: TrackFix, second: TrackFix, acceleration_m_s2: float, speed_m_s_max: float) -> bool:
    """
    Whether two neighbouring fixes cannot both be right.

    With stated speeds: their distance differs from mean speed x time by more than both stated errors, what the
    carrier's acceleration allows, and a decimetre. Without: it is further than five times the speed limit allows.
    """
    seconds = (second.mono_ns - first.mono_ns) / 1e9
    distance = distance_m(first, second)
    errors = (first.error_95_m or 0.0) + (second.error_95_m or 0.0)
    slack = errors + 0.5 * acceleration_m_s2 * seconds**2 + 0.1
    if first.speed_m_s is None or second.speed_m_s is None:
        return distance > 5.0 * speed_m_s_max * seconds + slack
    expected = 0.5 * (first.speed_m_s + second.speed_m_s) * seconds
    return abs(distance - expected) > slack


def is_thrown(before: TrackFix, first: TrackFix, second: TrackFix, acceleration_m_s2: float) -> bool:
    """
    Whether the way between two fixes departs from the way before it by more than the carrier can accelerate.

    Whatever its direction: a place that falls back by a little more than twice the step before it makes a step of
    nearly the stated speed, and no difference of lengths shows it. By more than the stated errors of the two steps, and
    a decimetre. Says nothing across gaps of more than a second.
    """
    seconds = (first.mono_ns - before.mono_ns) / 1e9, (second.mono_ns - first.mono_ns) / 1e9
    if max(seconds) > 1.0:
        return False
    scale = seconds[1] / seconds[0]
    east = second.east_m - first.east_m - scale * (first.east_m - before.east_m)
    north = second.north_m - first.north_m - scale * (first.north_m - before.north_m)
    stated = [fix.error_95_m or 0.0 for fix in (before, first, second)]
    errors = scale * stated[0] + (1.0 + scale) * stated[1] + stated[2]
    bend = acceleration_m_s2 * seconds[1] * sum(seconds) / 2.0
    return math.hypot(east, north) > errors + bend + 0.1


def is_frozen(fixes: Sequence[TrackFix], acceleration_m_s2: float) -> bool:
    """
    Whether the place of the newest fix has not kept up with the speeds that were stated for the last second.

    By more than half of the way that they make (no turn hides as much), half of what a reversal within the second makes
    and loses again, both stated errors and a decimetre. A receiver that repeats its last position repeats its speed.
    """
    last = fixes[-1]
    way_m, later = 0.0, last
    for index in range(len(fixes) - 2, -1, -1):
        fix = fixes[index]
        if fix.speed_m_s is None or later.speed_m_s is None:
            return False
        way_m += 0.5 * (fix.speed_m_s + later.speed_m_s) * (later.mono_ns - fix.mono_ns) / 1e9
        later = fix
        if last.mono_ns - fix.mono_ns >= FROZEN_NS:
            break
    if not FROZEN_NS <= last.mono_ns - later.mono_ns < 2 * FROZEN_NS:
        return False
    errors = (later.error_95_m or 0.0) + (last.error_95_m or 0.0)
    return distance_m(later, last) < 0.5 * (way_m - 0.25 * acceleration_m_s2) - errors - 0.1
