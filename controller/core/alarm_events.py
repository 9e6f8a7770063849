"""
Ledger events of alarms. Positions are integers in tenths of a millimetre in the task's plane.
"""

from controller.core.event import Event
from firmware_bridge.records import MonoNs


class AlarmRaised(Event, frozen=True, kw_only=True, tag="alarm_raised"):
    """
    An anomaly, at once, from samples and time alone. `check`: the function check it was raised in, if any.

    sample_ns : when the completing sample was taken, on the monotonic clock; None where the head's clock is unknown
    value     : of the strongest channel; None for a saturated channel that has no baseline yet
    """

    alarm: int
    head: str
    channels: tuple[str, ...]
    sequence: int
    sample_ns: MonoNs | None
    value: float | None
    threshold: float
    check: int | None


class AlarmEnded(Event, frozen=True, kw_only=True, tag="alarm_ended"):
    """The signal of an alarm has ended; the alarm stays open."""

    alarm: int
    head: str
    channels: tuple[str, ...]
    peak: float | None
    peak_channel: str
    peak_index: int
    samples: int


class AlarmLocated(Event, frozen=True, kw_only=True, tag="alarm_located"):
    """Where the strongest sample of an alarm was taken. `error_m`: bound at the profile's confidence."""

    alarm: int
    east_dmm: int
    north_dmm: int
    latitude_deg: float
    longitude_deg: float
    error_m: float | None
    error_95_m: float | None


class AlarmUnlocated(Event, frozen=True, kw_only=True, tag="alarm_unlocated"):
    """No position could be given to an alarm: it must be marked by hand."""

    alarm: int
    reasons: tuple[str, ...]


class AlarmAcknowledged(Event, frozen=True, kw_only=True, tag="alarm_acknowledged"):
    """A person has heard the alarm; it stays open."""

    alarm: int
    person: str


class AlarmMarked(Event, frozen=True, kw_only=True, tag="alarm_marked"):
    """A marker for the alarm stands on the ground; it stays open. `tag`: what is written on it."""

    alarm: int
    person: str
    tag: str
    is_by_hand: bool
