"""
From placed samples to the map: passes are rasterised second by second, credited, and kept in tiles.

A pass is looked at through a sliding window of `WINDOW_S` seconds of sample time: within it the common error counts
as one, beyond it it may have drifted. Each second the window's ground is eroded and credited anew, so that nothing
waits longer than a second and no seam is left between windows.
"""

import msgspec
import numpy as np

from controller.core.coverage import credited_cells, footprint_cells, seen_spans, unique_cells
from controller.core.reasons import NO_REASONS, labels, primary
from controller.core.tiles import TILE_CELLS, ByteArray, CellMark, pack_cells
from controller.core.timebase import SECOND
from firmware_bridge.records import BoolArray, IntArray

WINDOW_S = 3
THIN_DMM = 250  # of travel between discs: a scallop of 0.8 mm between two of 0.1 m
NO_BLOCK = 0
REASON_SETS_MAX = 255  # one byte a cell; index 0 is the empty set


class ReasonSets:
    """Interned sets of reasons, in order of first use; past 255 sets a set is stored as its primary reason alone."""

    def __init__(self) -> None:
        self._index: dict[int, int] = {NO_REASONS: 0}
        self._unannounced: list[tuple[int, tuple[str, ...]]] = []

    def index(self, mask: int) -> int:
        """The index of a set; a new one is announced once by `take_new`."""
        known = self._index.get(mask)
        if known is not None:
            return known
        # Room is kept for every single reason, so that the fallback always has an index.
        if len(self._index) > REASON_SETS_MAX - 32 and mask & (mask - 1):
            return self.index(primary(mask).bit)
        self._index[mask] = len(self._index)
        self._unannounced.append((self._index[mask], labels(mask)))
        return self._index[mask]

    def take_new(self) -> list[tuple[int, tuple[str, ...]]]:
        """Sets first used since the last call, as (index, names)."""
        new, self._unannounced = self._unannounced, []
        return new


class _Tile(msgspec.Struct, kw_only=True, eq=False):
    marks: ByteArray
    sets: ByteArray
    version: int
    is_changed: bool


class TileMap:
    """Sparse tiles of every block of a session."""

    def __init__(self) -> None:
        self._tiles: dict[tuple[int, int, int], _Tile] = {}

    def credit(self, block: int, cells: IntArray) -> None:
        """Mark cells int64 (k, 2) as credited; it outweighs any reason they had."""
        for tile, column, row in self._by_tile(block, cells):
            if (tile.marks[row, column] != CellMark.CREDITED).any():
                tile.marks[row, column] = CellMark.CREDITED
                tile.sets[row, column] = 0
                tile.is_changed = True

    def withhold(self, block: int, cells: IntArray, reason_set: int) -> None:
        """Mark cells as passed without credit, for the latest reasons; credited cells stay as they are."""
        for tile, column, row in self._by_tile(block, cells):
            is_open = tile.marks[row, column] != CellMark.CREDITED
            is_new = is_open & (tile.sets[row, column] != reason_set)
            if is_new.any():
                tile.marks[row[is_open], column[is_open]] = CellMark.OUT_OF_SPEC
                tile.sets[row[is_open], column[is_open]] = reason_set
                tile.is_changed = True

    def take_changed(self) -> list[tuple[int, int, int, int, bytes]]:
        """(block, tx, ty, version, cells) of tiles changed since the last call, in order of block, row and column."""
        changed = []
        for key in sorted(self._tiles, key=lambda k: (k[0], k[2], k[1])):
            tile = self._tiles[key]
            if tile.is_changed:
                tile.is_changed = False
                tile.version += 1
                changed.append((*key, tile.version, pack_cells(tile.marks, tile.sets)))
        return changed

    def _by_tile(self, block: int, cells: IntArray) -> list[tuple[_Tile, IntArray, IntArray]]:
        found = []
        places = cells // TILE_CELLS
        for tx, ty in unique_cells(places).tolist():
            here = cells[(places[:, 0] == tx) & (places[:, 1] == ty)]
            key = (block, tx, ty)
            if key not in self._tiles:
                empty = np.zeros((TILE_CELLS, TILE_CELLS), dtype=np.uint8)
                self._tiles[key] = _Tile(marks=empty, sets=empty.copy(), version=0, is_changed=False)
            found.append((self._tiles[key], here[:, 0] - tx * TILE_CELLS, here[:, 1] - ty * TILE_CELLS))
        return found


class PlacedRun(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    Consecutive placed samples of one head under one block.

    times_ns         : int64 (n,)              position_dmm : int64 (n, channels, 2)
    radius_dmm       : int64 (n, channels), detection radius less independent error, 0 where there are reasons
    reasons          : int64 (n, channels)
    common_error_dmm : largest bound on the common error within the run
    """

    block: int
    times_ns: IntArray
    position_dmm: IntArray
    radius_dmm: IntArray
    reasons: IntArray
    common_error_dmm: int


class PassRaster:
    """The running pass of one head."""

    def __init__(self, tiles: TileMap, reason_sets: ReasonSets, footprint_dmm: int, alarm_samples: int) -> None:
        self._tiles = tiles
        self._reason_sets = reason_sets
        self._footprint_dmm = footprint_dmm
        self._samples = alarm_samples
        self._block = NO_BLOCK
        self._second = 0
        self._window: list[tuple[int, IntArray, int]] = []
        self._tail_position: IntArray | None = None
        self._tail_radius: IntArray | None = None
        self._travel_dmm = 0
        self._last_position: IntArray | None = None
        self._last_bucket = (-1, -1)

    def add(self, run: PlacedRun) -> None:
        """Take the next samples; what a whole second has seen is credited as soon as the next one begins."""
        if run.block != self._block:
            self.close()
            self._block = run.block
        seconds = run.times_ns // SECOND
        for start, stop in split_runs(seconds):
            if int(seconds[start]) != self._second:
                self._credit_window()
                self._second = int(seconds[start])
            self._add_rows(run, slice(start, stop))

    def close(self) -> None:
        """Credit what is seen so far and forget the pass: a gap, a new block or the end."""
        self._credit_window()
        self._window.clear()
        self._tail_position = self._tail_radius = self._last_position = None

    def _add_rows(self, run: PlacedRun, rows: slice) -> None:
        position, radius, reasons = run.position_dmm[rows], run.radius_dmm[rows], run.reasons[rows]
        anchors = self._thin(run.times_ns[rows], position)
        self._withhold(position[anchors], reasons[anchors])
        if self._samples == 1:
            position, radius = position[anchors], radius[anchors]
        elif self._tail_position is not None and self._tail_radius is not None:
            position = np.concatenate([self._tail_position, position])
            radius = np.concatenate([self._tail_radius, radius])
        if self._samples > 1:
            self._tail_position, self._tail_radius = (
                position[1 - self._samples :],
                radius[1 - self._samples :],
            )
        if len(position):
            seen = seen_spans(position, radius, self._samples)
            if len(seen):
                self._window.append((self._second, seen, run.common_error_dmm))

    def _thin(self, times_ns: IntArray, position: IntArray) -> BoolArray:
        """Samples about `THIN_DMM` of travel apart, and one every half second at a standstill."""
        previous = position[0] if self._last_position is None else self._last_position
        steps = np.abs(np.diff(np.concatenate([previous[None], position]), axis=0)).max(axis=(1, 2))
        travel = self._travel_dmm + np.cumsum(steps)
        bucket, half_second = travel // THIN_DMM, times_ns // (SECOND // 2)
        is_first = np.empty(len(travel), dtype=np.bool_)
        is_first[0] = (int(bucket[0]), int(half_second[0])) != self._last_bucket
        is_first[1:] = (bucket[1:] != bucket[:-1]) | (half_second[1:] != half_second[:-1])
        self._travel_dmm = int(travel[-1])
        self._last_position = position[-1]
        self._last_bucket = (int(bucket[-1]), int(half_second[-1]))
        return is_first

    def _withhold(self, position: IntArray, reasons: IntArray) -> None:
        for mask in np.unique(reasons).tolist():
            if mask != NO_REASONS:
                cells = footprint_cells(position[reasons == mask], self._footprint_dmm)
                self._tiles.withhold(self._block, cells, self._reason_sets.index(mask))

    def _credit_window(self) -> None:
        if self._window and self._window[-1][0] == self._second:
            seen = np.concatenate([spans for _, spans, _ in self._window])
            common = max(error for _, _, error in self._window)
            self._tiles.credit(self._block, credited_cells(seen, common))
        oldest = self._second - WINDOW_S + 2
        self._window = [entry for entry in self._window if entry[0] >= oldest]


def split_runs(values: IntArray) -> list[tuple[int, int]]:
    """(start, stop) of each stretch of equal values."""
    edges = (np.nonzero(np.diff(values))[0] + 1).tolist()
    return list(zip([0, *edges], [*edges, len(values)], strict=True))
