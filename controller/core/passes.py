"""
What the seconds of every pass have seen, kept so that credit can be withdrawn for an interval of time.

A pass is looked at through a sliding window of `WINDOW_S` seconds of sample time: within it the common error counts
as one, beyond it it may have drifted. Each second the window's ground is eroded and credited anew, so that nothing
waits longer than a second and no seam is left between windows.

Credit is what the windows of the seconds that stand have earned, and nothing else: a second any of whose samples lies
in a revoked interval is left out of every window. Fewer seconds never credit more, so that credit is first taken from
every tile that such a second had a part in, and what the other seconds earned there is drawn again after that. Both
are done a few tiles and windows at a time: no alarm waits behind a day's ground.
"""

import zlib
from collections import deque

import msgspec
import numpy as np

from controller.core.coverage import SUBCELLS, credited_cells, merge_spans
from controller.core.tile_map import TileMap
from controller.core.tiles import TILE_CELLS
from firmware_bridge.records import IntArray

WINDOW_S = 3
_TILE_SUBCELLS = TILE_CELLS * SUBCELLS


class PassRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    One second of one pass.

    first_ns, last_ns : times of the first and the last sample that had a part in it
    tiles             : (tx, ty) of every tile that what was seen may lie in
    spans             : what was seen (`coverage.merge_spans`), packed
    """

    number: int
    second: int
    first_ns: int
    last_ns: int
    common_error_dmm: int
    tiles: tuple[tuple[int, int], ...]
    spans: bytes


class Revocation(msgspec.Struct, kw_only=True, eq=False):
    """An interval of a block whose credit is being withdrawn, the tiles that are left, and what it has cost so far."""

    block: int
    from_ns: int
    to_ns: int
    reason: str
    reason_set: int
    places: deque[tuple[int, int]]
    cells_lost: int = 0


_Window = tuple[PassRecord, ...]  # seconds of one pass in order; the last is the one whose turn it is


class PassRecords:
    """The seconds of all passes that still stand, by block, and the intervals that were revoked."""

    def __init__(self, tiles: TileMap) -> None:
        self._tiles = tiles
        self._kept: dict[int, list[PassRecord]] = {}
        self._revoked: dict[int, list[tuple[int, int]]] = {}
        self._revocations: deque[Revocation] = deque()
        self._waiting: deque[tuple[int, _Window]] = deque()
        self._passes = 0

    def begin_pass(self) -> int:
        """The number of a new pass."""
        self._passes += 1
        return self._passes

    def add(self, block: int, record: PassRecord) -> None:
        """Keep a second, and credit what its window has earned."""
        if self._is_standing(block, record):
            kept = self._kept.setdefault(block, [])
            kept.append(record)
            self._draw(block, _window(kept, len(kept) - 1))

    def revoke(self, block: int, from_ns: int, to_ns: int, reason: str, reason_set: int) -> None:
        """
        Withdraw what samples of [from_ns, to_ns) have earned in a block, and will: those that still wait included.

        No such sample earns anything from here on; the tiles themselves follow by `withdraw`.
        """
        self._revoked[block] = _joined([*self._revoked.get(block, []), (from_ns, to_ns)])
        kept = self._kept.get(block, [])
        gone = [record.last_ns >= from_ns and record.first_ns < to_ns for record in kept]
        if not any(gone):
            return
        near = bytearray(len(kept))
        for index in [index for index, is_gone in enumerate(gone) if is_gone]:
            around = slice(max(0, index - WINDOW_S + 1), index + WINDOW_S)
            near[around] = b"\1" * len(near[around])
        places = {tile for record, is_near in zip(kept, near, strict=True) if is_near for tile in record.tiles}
        still = [record for record, is_gone in zip(kept, gone, strict=True) if not is_gone]
        self._kept[block] = still
        touched = [not places.isdisjoint(record.tiles) for record in still]
        for index in range(len(still)):
            if any(touched[max(0, index - WINDOW_S + 1) : index + 1]):
                self._waiting.append((block, _window(still, index)))
        self._revocations.append(
            Revocation(
                block=block,
                from_ns=from_ns,
                to_ns=to_ns,
                reason=reason,
                reason_set=reason_set,
                places=deque(sorted(places)),
            )
        )

    def withdraw(self, tiles: int | None) -> list[Revocation]:
        """Take the credit of up to so many tiles (None: of all) that revoked seconds had a part in; what is done."""
        done = []
        while self._revocations and tiles != 0:
            first = self._revocations[0]
            place = first.places.popleft()
            first.cells_lost += self._tiles.withdraw(first.block, place, first.reason_set)
            tiles = None if tiles is None else tiles - 1
            if not first.places:
                done.append(self._revocations.popleft())
        return done

    @property
    def is_withdrawing(self) -> bool:
        """Whether revoked tiles wait for `withdraw`."""
        return len(self._revocations) > 0

    def redraw(self, windows: int | None) -> None:
        """
        Credit up to so many of the windows that lost cells to a revoked neighbour; None: all of them.

        Not before every revoked tile was withdrawn.
        """
        count = len(self._waiting) if windows is None else min(windows, len(self._waiting))
        for _ in range(0 if self._revocations else count):
            self._draw(*self._waiting.popleft())

    def _draw(self, block: int, window: _Window) -> None:
        standing = [record for record in window if self._is_standing(block, record)]
        if standing and standing[-1] is window[-1]:
            spans = np.concatenate([_unpacked(record.spans) for record in standing])
            common = max(record.common_error_dmm for record in standing)
            self._tiles.credit(block, credited_cells(spans, common))

    def _is_standing(self, block: int, record: PassRecord) -> bool:
        intervals = self._revoked.get(block, ())
        return all(record.last_ns < from_ns or record.first_ns >= to_ns for from_ns, to_ns in intervals)


def pass_record(
    number: int, second: int, first_ns: int, last_ns: int, common_error_dmm: int, seen: IntArray
) -> PassRecord:
    """The record of what was seen in one second: `seen` as from `coverage.seen_spans`, at least one run."""
    spans = merge_spans(seen)
    west, south = int(spans[:, 1].min()) // _TILE_SUBCELLS, int(spans[:, 0].min()) // _TILE_SUBCELLS
    east, north = int(spans[:, 2].max() - 1) // _TILE_SUBCELLS, int(spans[:, 0].max()) // _TILE_SUBCELLS
    return PassRecord(
        number=number,
        second=second,
        first_ns=first_ns,
        last_ns=last_ns,
        common_error_dmm=common_error_dmm,
        tiles=tuple((tx, ty) for ty in range(south, north + 1) for tx in range(west, east + 1)),
        spans=_packed(spans),
    )


def _window(kept: list[PassRecord], index: int) -> _Window:
    """The seconds that are looked at together with one of them: its own pass, no older than the window."""
    last = kept[index]
    return tuple(
        record
        for record in kept[max(0, index - WINDOW_S + 1) : index + 1]
        if record.number == last.number and record.second > last.second - WINDOW_S
    )


def _joined(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same instants in as few intervals as possible, in order."""
    joined: list[tuple[int, int]] = []
    for from_ns, to_ns in sorted(intervals):
        if joined and from_ns <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], to_ns))
        else:
            joined.append((from_ns, to_ns))
    return joined


def _packed(spans: IntArray) -> bytes:
    """Runs int64 (k, 3) as differences from one to the next, which are small where ground is whole."""
    steps = np.diff(spans, axis=0, prepend=np.zeros((1, 3), dtype=np.int64))
    return zlib.compress(steps.T.astype("<i4").tobytes(), 1)


def _unpacked(packed: bytes) -> IntArray:
    steps = np.frombuffer(zlib.decompress(packed), dtype="<i4").reshape(3, -1).T
    spans: IntArray = np.cumsum(steps, axis=0, dtype=np.int64)
    return spans
