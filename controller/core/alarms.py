"""
The life of an alarm, as a table. Nothing expires, and no rule of the software leads towards closed (promise P2).
"""

import enum

import msgspec


class AlarmState(enum.Enum):
    """Where an alarm stands."""

    SOUNDING = "sounding"  # raised, signal still present
    SOUNDING_ACKNOWLEDGED = "sounding_acknowledged"
    RAISED = "raised"  # the signal has ended; nobody has acknowledged it
    ACKNOWLEDGED = "acknowledged"  # heard; still open


class AlarmInput(enum.Enum):
    """What can happen to an alarm."""

    SIGNAL_ENDED = "signal_ended"
    ACKNOWLEDGED = "acknowledged"


NEXT: dict[tuple[AlarmState, AlarmInput], AlarmState] = {
    (AlarmState.SOUNDING, AlarmInput.SIGNAL_ENDED): AlarmState.RAISED,
    (AlarmState.SOUNDING, AlarmInput.ACKNOWLEDGED): AlarmState.SOUNDING_ACKNOWLEDGED,
    (AlarmState.SOUNDING_ACKNOWLEDGED, AlarmInput.SIGNAL_ENDED): AlarmState.ACKNOWLEDGED,
    (AlarmState.SOUNDING_ACKNOWLEDGED, AlarmInput.ACKNOWLEDGED): AlarmState.SOUNDING_ACKNOWLEDGED,
    (AlarmState.RAISED, AlarmInput.ACKNOWLEDGED): AlarmState.ACKNOWLEDGED,
    (AlarmState.ACKNOWLEDGED, AlarmInput.ACKNOWLEDGED): AlarmState.ACKNOWLEDGED,
}


class AlarmPosition(msgspec.Struct, frozen=True, kw_only=True):
    """Where the coil of an alarm's strongest sample was; errors in metres, None where the receiver stated none."""

    peak_index: int
    east_dmm: int
    north_dmm: int
    error_m: float | None
    error_95_m: float | None


class Alarm(msgspec.Struct, kw_only=True):
    """
    One anomaly, from the first sample above the threshold on.

    peak_index, peak_channel : the strongest sample so far; `position` belongs to `position.peak_index`
    unplaced_index           : the strongest sample, where it turned out to have no position
    """

    number: int
    head: str
    state: AlarmState
    peak_index: int
    peak_channel: int
    position: AlarmPosition | None = None
    unplaced_index: int | None = None

    @property
    def is_sounding(self) -> bool:
        """Whether the signal is still present."""
        return self.state in (AlarmState.SOUNDING, AlarmState.SOUNDING_ACKNOWLEDGED)
