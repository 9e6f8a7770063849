"""
From placed samples to the map: what each second of a pass has seen, and what it has passed without credit.

Every second of a pass goes into the pass records (`controller.core.passes`), which credit it.
"""

import msgspec
import numpy as np

from controller.core.coverage import footprint_cells, seen_spans
from controller.core.passes import PassRecords, pass_record
from controller.core.reasons import NO_REASONS, labels, primary
from controller.core.tile_map import TileMap
from controller.core.timebase import SECOND
from firmware_bridge.records import BoolArray, IntArray

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

    def __init__(
        self, tiles: TileMap, records: PassRecords, reason_sets: ReasonSets, footprint_dmm: int, alarm_samples: int
    ) -> None:
        self._tiles = tiles
        self._records = records
        self._reason_sets = reason_sets
        self._footprint_dmm = footprint_dmm
        self._samples = alarm_samples
        self._block = NO_BLOCK
        self._number = records.begin_pass()
        self._second = 0
        self._seen: list[IntArray] = []
        self._first_ns = self._last_ns = 0
        self._common_error_dmm = 0
        self._tail_ns: IntArray | None = None
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
                self._keep_second()
                self._second = int(seconds[start])
            self._add_rows(run, slice(start, stop))

    def close(self) -> None:
        """Credit what is seen so far and end the pass: a gap, a new block or the end."""
        self._keep_second()
        self._number = self._records.begin_pass()
        self._tail_ns = self._tail_position = self._tail_radius = self._last_position = None

    def _add_rows(self, run: PlacedRun, rows: slice) -> None:
        position, radius, reasons = run.position_dmm[rows], run.radius_dmm[rows], run.reasons[rows]
        anchors = self._thin(run.times_ns[rows], position)
        self._withhold(position[anchors], reasons[anchors])
        times_ns = run.times_ns[rows]
        if self._samples == 1:
            position, radius = position[anchors], radius[anchors]
        elif self._tail_ns is not None and self._tail_position is not None and self._tail_radius is not None:
            times_ns = np.concatenate([self._tail_ns, times_ns])
            position = np.concatenate([self._tail_position, position])
            radius = np.concatenate([self._tail_radius, radius])
        if self._samples > 1:
            tail = slice(1 - self._samples, None)
            self._tail_ns, self._tail_position, self._tail_radius = times_ns[tail], position[tail], radius[tail]
        seen = seen_spans(position, radius, self._samples)
        if len(seen):
            self._first_ns = min(self._first_ns, int(times_ns[0])) if self._seen else int(times_ns[0])
            self._last_ns = int(times_ns[-1])
            self._common_error_dmm = max(self._common_error_dmm, run.common_error_dmm)
            self._seen.append(seen)

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

    def _keep_second(self) -> None:
        if self._seen:
            times = self._second, self._first_ns, self._last_ns
            seen = np.concatenate(self._seen)
            self._records.add(self._block, pass_record(self._number, *times, self._common_error_dmm, seen))
        self._seen.clear()
        self._common_error_dmm = 0


def split_runs(values: IntArray) -> list[tuple[int, int]]:
    """(start, stop) of each stretch of equal values."""
    edges = (np.nonzero(np.diff(values))[0] + 1).tolist()
    return list(zip([0, *edges], [*edges, len(values)], strict=True))
