"""
The map as a fold over ledger events: the same in any order of arrival.

Tiles count by their highest version, blocks by their highest verdict, alarms by what is known of each; nothing here
depends on which came first. A cell's state is derived at the end, worst first.
"""

import enum
from collections.abc import Iterator

import msgspec
import numpy as np

from controller.core.alarm_events import AlarmLocated, AlarmRaised
from controller.core.check_events import BlockOpened, Verdict
from controller.core.effects import AnyEvent, ReasonSetNamed, TileWritten
from controller.core.reasons import Reason
from controller.core.tiles import CELL_DMM, CELL_M2, TILE_CELLS, ByteArray, CellMark, unpack_cells
from firmware_bridge.records import BoolArray, IntArray


class CellState(enum.IntEnum):
    """What a cell is on the map; of several a larger value is the worse."""

    SEARCHED = 0
    PROVISIONAL = 1
    NOT_VISITED = 2
    OUT_OF_SPEC = 3
    RESEARCH_DUE = 4
    SIGNAL_OPEN = 5

    @property
    def label(self) -> str:
        """The name users and exports see."""
        return self.name.lower()


class MapTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Areas by state; `out_of_spec_m2` by primary reason. They add up to the ground that was ever passed."""

    searched_m2: float
    provisional_m2: float
    research_due_m2: float
    signal_open_m2: float
    out_of_spec_m2: dict[str, float]


class FoldedTile(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    One tile of the derived map.

    states  : uint8 (256, 256), `CellState`    reasons : uint8 (256, 256), `Reason` value + 1 where out of spec, else 0
    credit  : bool (256, 256), ground whose credit stands (provisional or searched), an open alarm or not
    """

    tx: int
    ty: int
    states: ByteArray
    reasons: ByteArray
    credit: BoolArray


_STANDING = {"passed": CellState.SEARCHED, "open": CellState.PROVISIONAL, "voided": CellState.RESEARCH_DUE}


class MapFold:
    """Accumulates events in any order; `masking_radius_m` is the profile's."""

    def __init__(self, masking_radius_m: float) -> None:
        self._masking_radius_m = masking_radius_m
        self._tiles: dict[tuple[int, int, int], TileWritten] = {}
        self._verdicts: dict[int, Verdict] = {}
        self._reason_sets: dict[int, tuple[str, ...]] = {}
        self._blocks: dict[int, BlockOpened] = {}
        self._raised: dict[int, AlarmRaised] = {}
        self._located: dict[int, AlarmLocated] = {}

    def add(self, event: AnyEvent) -> None:
        """Take one ledger event; kinds that do not bear on the map are ignored."""
        match event:
            case TileWritten():
                key = (event.block, event.tx, event.ty)
                known = self._tiles.get(key)
                if known is None or event.version > known.version:
                    self._tiles[key] = event
            case Verdict():
                known_verdict = self._verdicts.get(event.block)
                if known_verdict is None or event.number > known_verdict.number:
                    self._verdicts[event.block] = event
            case ReasonSetNamed():
                self._reason_sets[event.index] = event.reasons
            case BlockOpened():
                self._blocks[event.block] = event
            case AlarmRaised():
                self._raised[event.alarm] = event
            case AlarmLocated():
                self._located[event.alarm] = event
            case _:
                pass

    @property
    def blocks(self) -> dict[int, str]:
        """Every opened block's state: `open`, `passed` or `voided`."""
        return {number: self.block_state(number) for number in sorted(self._blocks)}

    def places(self, block: int | None) -> set[tuple[int, int]]:
        """(tx, ty) of every tile that a block, or any block, has touched."""
        return {(tx, ty) for number, tx, ty in self._tiles if block in (None, number)}

    def reason_set(self, index: int) -> tuple[str, ...] | None:
        """The reasons that tiles name by this index; None where that was not said yet."""
        return self._reason_sets.get(index)

    def spec(self, block: int) -> str | None:
        """The specification a block was opened under; None for ground outside any block."""
        return self._blocks[block].spec if block in self._blocks else None

    def block_state(self, block: int) -> str:
        """`open`, `passed` or `voided`, by the highest verdict."""
        verdict = self._verdicts.get(block)
        return "open" if verdict is None else verdict.state

    def tiles(self) -> Iterator[FoldedTile]:
        """The derived map, tile by tile, in order of (ty, tx)."""
        for ty, tx in sorted((ty, tx) for tx, ty in self.places(None)):
            yield self.tile(tx, ty)

    def totals(self) -> MapTotals:
        """Areas of the derived map."""
        counts = np.zeros(len(CellState), dtype=np.int64)
        reasons = np.zeros(len(Reason) + 1, dtype=np.int64)
        for tile in self.tiles():
            counts += np.bincount(tile.states.ravel(), minlength=len(CellState))
            reasons += np.bincount(tile.reasons.ravel(), minlength=len(Reason) + 1)
        return totals_of(counts, reasons)

    def tile(self, tx: int, ty: int) -> FoldedTile:
        """
        One tile of the derived map.

        Among blocks the best standing credit wins, since a later bad pass takes nothing away; voided ground comes
        before ground that was never in specification, since it is known to have been claimed once.
        """
        shape = (TILE_CELLS, TILE_CELLS)
        states = np.full(shape, CellState.NOT_VISITED, dtype=np.uint8)
        reasons = np.zeros(shape, dtype=np.uint8)
        pieces = sorted((key[0], tile) for key, tile in self._tiles.items() if key[1:] == (tx, ty))
        for _, tile in pieces:
            marks, sets = unpack_cells(tile.cells)
            bad = (marks == CellMark.OUT_OF_SPEC) & (states == CellState.NOT_VISITED)
            states[bad] = CellState.OUT_OF_SPEC
            reasons[bad] = self._primaries()[sets[bad]]
        for state in (CellState.RESEARCH_DUE, CellState.PROVISIONAL, CellState.SEARCHED):
            for block, tile in pieces:
                if _STANDING[self.block_state(block)] is state:
                    states[unpack_cells(tile.cells)[0] == CellMark.CREDITED] = state
        reasons[states != CellState.OUT_OF_SPEC] = 0
        credit = (states == CellState.SEARCHED) | (states == CellState.PROVISIONAL)
        self._mask_alarms(tx, ty, states, reasons)
        return FoldedTile(tx=tx, ty=ty, states=states, reasons=reasons, credit=credit)

    def _primaries(self) -> ByteArray:
        """Reason set index -> `Reason` value + 1 of its strongest member."""
        table = np.zeros(256, dtype=np.uint8)
        for index, names in self._reason_sets.items():
            table[index] = max(Reason[name.upper()] for name in names) + 1
        return table

    def _mask_alarms(self, tx: int, ty: int, states: ByteArray, reasons: ByteArray) -> None:
        """Passed ground within an open alarm's error and masking radius is `signal_open`, whatever it was before."""
        centres = (np.arange(TILE_CELLS, dtype=np.int64) * 2 + 1) * (CELL_DMM // 2)
        east = centres + tx * TILE_CELLS * CELL_DMM
        north = centres + ty * TILE_CELLS * CELL_DMM
        for alarm in sorted(self._located):
            located = self._located[alarm]
            radius_dmm = int((self._masking_radius_m + (located.error_m or 0.0)) * 10_000)
            square = (east[None, :] - located.east_dmm) ** 2 + (north[:, None] - located.north_dmm) ** 2
            near = (square <= radius_dmm**2) & (states != CellState.NOT_VISITED)
            states[near] = CellState.SIGNAL_OPEN
            reasons[near] = 0


def totals_of(states: IntArray, reasons: IntArray) -> MapTotals:
    """Areas from counts of cells: int64 by `CellState`, and by `Reason` value + 1 of the primary reason."""
    by_reason = {reason.label: _area(reasons[reason + 1]) for reason in reversed(Reason) if reasons[reason + 1]}
    return MapTotals(
        searched_m2=_area(states[CellState.SEARCHED]),
        provisional_m2=_area(states[CellState.PROVISIONAL]),
        research_due_m2=_area(states[CellState.RESEARCH_DUE]),
        signal_open_m2=_area(states[CellState.SIGNAL_OPEN]),
        out_of_spec_m2=by_reason,
    )


def _area(cells: np.int64) -> float:
    return round(int(cells) * CELL_M2, 4)
