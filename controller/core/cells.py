"""
What a cell of the map is, and the areas of all of them.
"""

import enum

import msgspec
import numpy as np

from controller.core.reasons import Reason
from controller.core.tiles import CELL_M2, ByteArray
from firmware_bridge.records import BoolArray, IntArray


class CellState(enum.IntEnum):
    """What a cell is on the map; of several a larger value is the worse."""

    SEARCHED = 0
    HAND_SEARCHED = 1
    PROVISIONAL = 2
    NOT_VISITED = 3
    OUT_OF_SPEC = 4
    INACCESSIBLE = 5
    RESEARCH_DUE = 6
    SIGNAL_OPEN = 7
    KEEP_OUT = 8

    @property
    def label(self) -> str:
        """The name users and exports see."""
        return self.name.lower()


class DueCause(enum.IntEnum):
    """Why ground that was credited once must be searched again; of several a larger value is told."""

    AFTER_INVESTIGATION = 1  # an alarm was closed there: dug over, and not passed since
    CHECK_MISSING = 2  # no closing check within its limit
    CHECK_FAILED = 3
    HEAD_CHANGED = 4  # the head is no longer what was calibrated, and no closing check was made
    VOIDED = 5  # people say so
    ITEM_MISSED = 6

    @property
    def label(self) -> str:
        """The name users and exports see."""
        return self.name.lower()


class FoldedTile(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    One tile of the derived map: arrays of shape (256, 256), row by row from the south-west.

    states  : uint8, `CellState`
    reasons : uint8, `Reason` value + 1 of the primary one where out of spec, `DueCause` where research is due, else 0
    credit  : bool, ground whose credit stands (provisional or searched by a machine), an open alarm or not
    inside  : bool, within the task's boundary; None where there is none
    """

    tx: int
    ty: int
    states: ByteArray
    reasons: ByteArray
    credit: BoolArray
    inside: BoolArray | None = None


class MapTotals(msgspec.Struct, frozen=True, kw_only=True):
    """
    Areas in square metres for one aim; within the boundary, where there is one.

    out_of_spec_m2, research_due_by_cause_m2 : by primary reason, by cause
    task_m2        : of all cells within the boundary, which the states add up to; None without one. Then they add up
                     to the ground that was ever passed or declared anything of, and `not_visited_m2` is unknown
    outside_m2     : passed outside the boundary, in none of the other numbers
    """

    searched_m2: float
    provisional_m2: float
    research_due_m2: float
    signal_open_m2: float
    out_of_spec_m2: dict[str, float]
    hand_searched_m2: float = 0.0
    inaccessible_m2: float = 0.0
    keep_out_m2: float = 0.0
    research_due_by_cause_m2: dict[str, float] = {}
    task_m2: float | None = None
    not_visited_m2: float | None = None
    outside_m2: float = 0.0


class CellCounts(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    Cells of a tile, or of many: int64 by `CellState`; by `Reason` value + 1 where out of spec; by `DueCause` where due.

    inside, outside : cells within the boundary that a tile has, and cells passed outside it
    """

    states: IntArray
    reasons: IntArray
    causes: IntArray
    inside: int
    outside: int

    def __add__(self, other: "CellCounts") -> "CellCounts":
        return CellCounts(
            states=self.states + other.states,
            reasons=self.reasons + other.reasons,
            causes=self.causes + other.causes,
            inside=self.inside + other.inside,
            outside=self.outside + other.outside,
        )


def no_cells() -> CellCounts:
    """Counts of nothing."""
    return CellCounts(
        states=np.zeros(len(CellState), dtype=np.int64),
        reasons=np.zeros(len(Reason) + 1, dtype=np.int64),
        causes=np.zeros(len(DueCause) + 1, dtype=np.int64),
        inside=0,
        outside=0,
    )


def count(tile: FoldedTile) -> CellCounts:
    """The cells of one tile."""
    states, reasons = tile.states.ravel(), tile.reasons.ravel()
    outside = 0
    if tile.inside is not None:
        is_in = tile.inside.ravel()
        outside = int(np.count_nonzero(states[~is_in] != CellState.NOT_VISITED))
        states, reasons = states[is_in], reasons[is_in]
    return CellCounts(
        states=np.bincount(states, minlength=len(CellState)),
        reasons=np.bincount(reasons[states == CellState.OUT_OF_SPEC], minlength=len(Reason) + 1),
        causes=np.bincount(reasons[states == CellState.RESEARCH_DUE], minlength=len(DueCause) + 1),
        inside=0 if tile.inside is None else len(states),
        outside=outside,
    )


def totals_of(counts: CellCounts, boundary_cells: int | None) -> MapTotals:
    """Areas from counts. `boundary_cells`: all cells within the task's boundary, those of untouched tiles included."""
    states = counts.states
    not_visited = None
    if boundary_cells is not None:
        not_visited = _area(int(states[CellState.NOT_VISITED]) + boundary_cells - counts.inside)
    due = {cause.label: _area(counts.causes[cause]) for cause in reversed(DueCause) if counts.causes[cause]}
    bad = {reason.label: _area(counts.reasons[reason + 1]) for reason in reversed(Reason) if counts.reasons[reason + 1]}
    return MapTotals(
        searched_m2=_area(states[CellState.SEARCHED]),
        provisional_m2=_area(states[CellState.PROVISIONAL]),
        research_due_m2=_area(states[CellState.RESEARCH_DUE]),
        signal_open_m2=_area(states[CellState.SIGNAL_OPEN]),
        out_of_spec_m2=bad,
        hand_searched_m2=_area(states[CellState.HAND_SEARCHED]),
        inaccessible_m2=_area(states[CellState.INACCESSIBLE]),
        keep_out_m2=_area(states[CellState.KEEP_OUT]),
        research_due_by_cause_m2=due,
        task_m2=None if boundary_cells is None else _area(boundary_cells),
        not_visited_m2=not_visited,
        outside_m2=_area(counts.outside),
    )


def _area(cells: np.int64 | int) -> float:
    return round(int(cells) * CELL_M2, 4)
