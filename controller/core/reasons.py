"""
Why ground does not count: the reasons, their strength, and sets of them as bit masks.

A set of reasons is an `int` (or an int64 array) with bit `reason.value` set, so that whole blocks of samples are
judged in array operations. The enum's order is its strength: the *primary* reason of a set is its strongest member,
and strongest are those that say nothing could have been detected at all.
"""

import enum
from collections.abc import Iterable

import msgspec


class Reason(enum.IntEnum):
    """Why a sample earns no credit; a smaller value is a weaker reason."""

    NOT_CHECKED = 0  # no passed function check, or no calibration, stands behind this head
    CHECK_EXPIRED = 1
    CHECK_FAILED = 2
    PAUSED = 3  # the operator or an open check withholds credit
    RECORD_BACKLOG = 4  # the record is behind: what is not durable soon must not count
    LOOP_OVERRUN = 5  # the loop was late, and with it the alarm
    SAMPLE_GAP = 6
    TOO_FAST = 7
    ATTITUDE_UNKNOWN = 8
    HEADING_UNKNOWN = 9
    CLOCK_UNSYNCED = 10
    POSITION_ERROR = 11  # the stated error is missing or above its limit
    FIX_CLASS = 12
    FIX_STALE = 13  # the fixes on either side are too far apart in time
    SOURCES_DISAGREE = 14  # two receivers on one body are not where they must be from each other
    BASE_CHANGED = 15
    POSITION_JUMP = 16
    NO_FIX = 17
    SIGNAL_DENSITY = 18  # signal upon signal: one item may hide another
    SIGNAL_PRESENT = 19  # in signal: only a quiet sample shows that nothing is there
    ALARM_PATH_UNPROVEN = 20
    RECOVERING = 21  # the channel has just come out of saturation
    BASELINE_UNSETTLED = 22
    NOISE_UNKNOWN = 23
    NOISE_HIGH = 24
    SATURATED = 25
    HEAD_FAULT = 26  # the head, or a stuck or missing channel, says so itself
    HEAD_SILENT = 27

    @property
    def label(self) -> str:
        """The name users and records see: `not_checked`."""
        return self.name.lower()

    @property
    def bit(self) -> int:
        """This reason as a set of one."""
        return 1 << self.value


class ReasonValue(msgspec.Struct, frozen=True, kw_only=True):
    """A reason with the value that was measured and the limit in force."""

    reason: str
    value: float | None
    limit: float | None


NO_REASONS = 0


def mask_of(reasons: Iterable[Reason]) -> int:
    """The set of the given reasons."""
    mask = NO_REASONS
    for reason in reasons:
        mask |= reason.bit
    return mask


def members(mask: int) -> tuple[Reason, ...]:
    """The reasons of a set, strongest first."""
    return tuple(reason for reason in reversed(Reason) if mask & reason.bit)


def primary(mask: int) -> Reason:
    """The strongest reason of a set that is not empty."""
    assert mask > 0, "an empty set has no primary reason"
    return Reason(mask.bit_length() - 1)


def labels(mask: int) -> tuple[str, ...]:
    """The names of a set's reasons, strongest first."""
    return tuple(reason.label for reason in members(mask))
