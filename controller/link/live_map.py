"""
The map while it grows: the same fold as everywhere, one tile at a time, each with a version for whoever shows it.
"""

import hashlib

import msgspec

from controller.core.alarm_events import AlarmLocated
from controller.core.cells import CellCounts, MapTotals, count, no_cells, totals_of
from controller.core.check_events import BlockOpened, SpecSet, Verdict
from controller.core.effects import AnyEvent, PlaneSet, ReasonSetNamed, TileWritten
from controller.core.fold import MapFold
from controller.core.tiles import CELL_DMM, TILE_CELLS
from firmware_bridge.records import UtcNs

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

    def __init__(self, fold: MapFold) -> None:
        self._fold = fold
        self._touched: set[tuple[int, int]] = set()
        self._shown: dict[tuple[int, int], ShownTile] = {}
        self._digests: dict[tuple[int, int], bytes] = {}
        self._counts: dict[tuple[int, int], CellCounts] = {}
        self._overdue: tuple[int, ...] = ()

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
            case ReasonSetNamed() | PlaneSet() | SpecSet() | BlockOpened():
                self._touched |= self._fold.places(None)
            case AlarmLocated():
                self._touched |= self._around(event)
            case _:
                pass

    def refresh(self, now_utc_ns: UtcNs | None = None) -> list[ShownTile]:
        """Fold the touched tiles anew, and those of blocks whose closing check is overdue now; what looks different."""
        changed = []
        overdue = self._fold.overdue(now_utc_ns)
        for block in set(overdue) ^ set(self._overdue):
            self._touched |= self._fold.places(block)
        self._overdue = overdue
        for tx, ty in sorted(self._touched & self._fold.places(None)):
            tile = self._fold.tile(tx, ty, now_utc_ns=now_utc_ns)
            self._counts[tx, ty] = count(tile)
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
        counts = no_cells()
        for of_tile in self._counts.values():
            counts += of_tile
        return totals_of(counts, self._fold.boundary_cells())

    def _around(self, alarm: AlarmLocated) -> set[tuple[int, int]]:
        reach = self._fold.reach_dmm(alarm) + CELL_DMM
        columns = range((alarm.east_dmm - reach) // TILE_DMM, (alarm.east_dmm + reach) // TILE_DMM + 1)
        rows = range((alarm.north_dmm - reach) // TILE_DMM, (alarm.north_dmm + reach) // TILE_DMM + 1)
        return {(tx, ty) for tx in columns for ty in rows}
