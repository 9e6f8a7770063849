"""
The map while it grows: the same fold as everywhere, one tile at a time, each with a version for whoever shows it.
"""

import hashlib

import msgspec
import numpy as np

from controller.core.alarm_events import AlarmLocated
from controller.core.check_events import Verdict
from controller.core.effects import AnyEvent, ReasonSetNamed, TileWritten
from controller.core.fold import CellState, FoldedTile, MapFold, MapTotals, totals_of
from controller.core.reasons import Reason
from controller.core.tiles import CELL_DMM, TILE_CELLS
from firmware_bridge.records import IntArray

TILE_DMM = TILE_CELLS * CELL_DMM


class ShownTile(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    A tile of the derived map as screens fetch it.

    version : rises whenever `states` change      states : 256 x 256 bytes, `CellState`, row by row from the south-west
    """

    tx: int
    ty: int
    version: int
    states: bytes


class LiveMap:
    """Takes ledger events; `refresh` folds what they touched."""

    def __init__(self, masking_radius_m: float) -> None:
        self._masking_radius_m = masking_radius_m
        self._fold = MapFold(masking_radius_m)
        self._touched: set[tuple[int, int]] = set()
        self._shown: dict[tuple[int, int], ShownTile] = {}
        self._digests: dict[tuple[int, int], bytes] = {}
        self._counts: dict[tuple[int, int], tuple[IntArray, IntArray]] = {}

    @property
    def fold(self) -> MapFold:
        """Everything taken so far."""
        return self._fold

    def add(self, event: AnyEvent) -> None:
        """Take one event and note which tiles it may change."""
        self._fold.add(event)
        match event:
            case TileWritten():
                self._touched.add((event.tx, event.ty))
            case Verdict():
                self._touched |= self._fold.places(event.block)
            case ReasonSetNamed():
                self._touched |= self._fold.places(None)
            case AlarmLocated():
                self._touched |= self._around(event)
            case _:
                pass

    def refresh(self) -> list[ShownTile]:
        """Fold the touched tiles anew; those that now look different, in order."""
        changed = []
        for tx, ty in sorted(self._touched & self._fold.places(None)):
            tile = self._fold.tile(tx, ty)
            self._counts[tx, ty] = _count(tile)
            states = tile.states.tobytes()
            digest = hashlib.sha256(states).digest()
            if self._digests.get((tx, ty)) != digest:
                self._digests[tx, ty] = digest
                before = self._shown.get((tx, ty))
                version = 1 if before is None else before.version + 1
                self._shown[tx, ty] = ShownTile(tx=tx, ty=ty, version=version, states=states)
                changed.append(self._shown[tx, ty])
        self._touched.clear()
        return changed

    def tile(self, tx: int, ty: int) -> ShownTile | None:
        """A tile as last folded."""
        return self._shown.get((tx, ty))

    def versions(self) -> list[tuple[int, int, int]]:
        """(tx, ty, version) of every tile, in order."""
        return [(tile.tx, tile.ty, tile.version) for _, tile in sorted(self._shown.items())]

    def totals(self) -> MapTotals:
        """Areas of the map as last folded."""
        states = np.zeros(len(CellState), dtype=np.int64)
        reasons = np.zeros(len(Reason) + 1, dtype=np.int64)
        for of_states, of_reasons in self._counts.values():
            states += of_states
            reasons += of_reasons
        return totals_of(states, reasons)

    def _around(self, alarm: AlarmLocated) -> set[tuple[int, int]]:
        reach = int((self._masking_radius_m + (alarm.error_m or 0.0)) * 10_000) + CELL_DMM
        columns = range((alarm.east_dmm - reach) // TILE_DMM, (alarm.east_dmm + reach) // TILE_DMM + 1)
        rows = range((alarm.north_dmm - reach) // TILE_DMM, (alarm.north_dmm + reach) // TILE_DMM + 1)
        return {(tx, ty) for tx in columns for ty in rows}


def _count(tile: FoldedTile) -> tuple[IntArray, IntArray]:
    return (
        np.bincount(tile.states.ravel(), minlength=len(CellState)),
        np.bincount(tile.reasons.ravel(), minlength=len(Reason) + 1),
    )
