"""
The life of an alarm, as a table of who may do what to it. Nothing expires, and only people lead towards closed (P2).

The machine raises an alarm; whether its signal is still present is beside its life, and ends nothing. On the machine
the operator acknowledges and marks it; everything after that is in the task's ledger (`controller.core.decisions`).
"""

import enum

import msgspec


class AlarmState(enum.Enum):
    """Where an alarm stands in people's hands."""

    RAISED = "raised"  # nobody has acknowledged it
    ACKNOWLEDGED = "acknowledged"  # heard
    MARKED = "marked"  # a marker stands on the ground
    ASSIGNED = "assigned"  # a named investigator has it
    INVESTIGATING = "investigating"
    RESOLVED = "resolved"  # the investigator has a finding
    CLOSED = "closed"  # somebody else has accepted that, and the marker is gone
    DEFERRED = "deferred"  # left for later, openly
    LINKED = "linked"  # told to be the same thing as another alarm: it stands and falls with that one


class AlarmInput(enum.Enum):
    """What people can do to an alarm."""

    ACKNOWLEDGE = "acknowledge"
    MARK = "mark"
    ASSIGN = "assign"
    BEGIN_INVESTIGATION = "begin_investigation"
    RESOLVE = "resolve"
    CLOSE = "close"
    DEFER = "defer"
    LINK = "link"
    REOPEN = "reopen"


def _table() -> dict[tuple[AlarmState, AlarmInput], AlarmState]:
    state, seen = AlarmState, AlarmInput
    table = {
        (state.RAISED, seen.ACKNOWLEDGE): state.ACKNOWLEDGED,
        (state.RAISED, seen.MARK): state.MARKED,
        (state.ACKNOWLEDGED, seen.MARK): state.MARKED,
        (state.MARKED, seen.ASSIGN): state.ASSIGNED,
        (state.DEFERRED, seen.ASSIGN): state.ASSIGNED,
        (state.ASSIGNED, seen.ASSIGN): state.ASSIGNED,
        (state.INVESTIGATING, seen.ASSIGN): state.ASSIGNED,
        (state.ASSIGNED, seen.BEGIN_INVESTIGATION): state.INVESTIGATING,
        (state.INVESTIGATING, seen.RESOLVE): state.RESOLVED,
        (state.RESOLVED, seen.CLOSE): state.CLOSED,
        (state.DEFERRED, seen.MARK): state.MARKED,
    }
    for before in (state.MARKED, state.ASSIGNED, state.INVESTIGATING):
        table[before, seen.DEFER] = state.DEFERRED
        table[before, seen.LINK] = state.LINKED
    for before in (state.RESOLVED, state.CLOSED, state.LINKED):
        table[before, seen.REOPEN] = state.MARKED
    for before in AlarmState:
        # Heard or marked a second time, or late: nothing that was achieved is lost by it.
        table.setdefault((before, seen.ACKNOWLEDGE), before)
        table.setdefault((before, seen.MARK), before)
    return table


NEXT: dict[tuple[AlarmState, AlarmInput], AlarmState] = _table()


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

    is_in_check              : raised by a function check's own items, which nobody marks
    is_sounding              : whether the signal is still present
    peak_index, peak_channel : the strongest sample so far; `position` belongs to `position.peak_index`
    unplaced_index           : the strongest sample, where it turned out to have no position
    """

    number: int
    head: str
    is_in_check: bool
    peak_index: int
    peak_channel: int
    state: AlarmState = AlarmState.RAISED
    is_sounding: bool = True
    position: AlarmPosition | None = None
    unplaced_index: int | None = None
