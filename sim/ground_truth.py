"""
What the coils truly reached, and points of the ground: tile by tile, so that a day of any length fits in memory.

A coverage tile is 1024 x 1024 points 12.5 mm apart; rasters have 1025 x 1025, since a cell's edges belong to it.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from controller.core.tiles import TILE_CELLS, ByteArray
from firmware_bridge.records import BoolArray, FloatArray, IntArray
from sim.day import Truth

STEP_M = 0.0125  # four steps a cell
STEPS = 4
POINTS = TILE_CELLS * STEPS
TILE_M = POINTS * STEP_M
COMPONENT_POINTS_MAX = 4_000_000  # a region in a larger box is measured in coarser steps
DIRECTIONS = 180  # in which an extent is looked for: a two-thousandth of a percent short at most

Place = tuple[int, int]


class Reached:
    """Which points of chosen tiles lie within a radius of any sample: one bit a point, 130 kB a tile."""

    def __init__(self, places: Iterable[Place], radius_m: float) -> None:
        self._radius_m = radius_m
        self._settled: dict[Place, ByteArray | None] = {}
        self._bits: dict[Place, ByteArray | None] = dict.fromkeys(places)

    def replace(self, places: Iterable[Place], radius_m: float) -> None:
        """Take further samples for these tiles alone, with another radius; the other tiles are settled."""
        open_places = set(places)
        self._radius_m = radius_m
        self._settled = {place: bits for place, bits in self._bits.items() if place not in open_places}
        self._bits = {place: bits for place, bits in self._bits.items() if place in open_places}

    def add(self, points_m: FloatArray) -> None:
        """Take true places, float64 (n, 2)."""
        if self._radius_m <= 0.0 or not len(points_m):
            return
        low = np.floor((points_m.min(axis=0) - self._radius_m) / TILE_M).astype(int)
        high = np.floor((points_m.max(axis=0) + self._radius_m) / TILE_M).astype(int)
        for tx in range(int(low[0]), int(high[0]) + 1):
            for ty in range(int(low[1]), int(high[1]) + 1):
                if (tx, ty) in self._bits:
                    self._add_to((tx, ty), points_m)

    def _add_to(self, place: Place, points_m: FloatArray) -> None:
        here_m = points_m - np.array(place) * TILE_M
        here_m = here_m[((here_m >= -self._radius_m) & (here_m <= TILE_M + self._radius_m)).all(axis=1)]
        if len(here_m):
            bits, known = np.packbits(within(here_m, self._radius_m), axis=1), self._bits[place]
            self._bits[place] = bits if known is None else known | bits

    def points(self, place: Place) -> BoolArray:
        """bool (1025, 1025), row and column from the tile's south-west corner."""
        bits = self._bits.get(place, self._settled.get(place))
        if bits is None:
            return np.zeros((POINTS + 1, POINTS + 1), dtype=np.bool_)
        return np.unpackbits(bits, axis=1, count=POINTS + 1).astype(np.bool_)


def within(points_m: FloatArray, radius_m: float) -> BoolArray:
    """A tile's points within a radius of any place, float64 (n, 2) from its corner: rows of discs as runs, summed."""
    side = POINTS + 1
    edges = np.zeros(side * (side + 1), dtype=np.int32)
    reach = int(radius_m / STEP_M) + 1
    for part in np.array_split(points_m, len(points_m) // 20_000 + 1):
        column, row = part[:, 0] / STEP_M, part[:, 1] / STEP_M
        rows = np.rint(row)[:, None] + np.arange(-reach, reach + 1)
        half = (radius_m / STEP_M) ** 2 - (rows - row[:, None]) ** 2
        width = np.sqrt(np.maximum(half, 0.0))
        start = np.clip(np.ceil(column[:, None] - width), 0, side).astype(np.int64)
        stop = np.clip(np.floor(column[:, None] + width) + 1, 0, side).astype(np.int64)
        is_in = (half >= 0.0) & (rows >= 0) & (rows < side) & (stop > start)
        base = rows[is_in].astype(np.int64) * (side + 1)
        edges += np.bincount(base + start[is_in], minlength=len(edges)).astype(np.int32)
        edges -= np.bincount(base + stop[is_in], minlength=len(edges)).astype(np.int32)
    return np.cumsum(edges.reshape(side, -1)[:, :-1], axis=1) > 0


def points_of(cells: BoolArray) -> BoolArray:
    """Points that belong to any of a tile's cells, edges included."""
    rows, columns = cells.shape
    points = np.zeros((rows * STEPS + 1, columns * STEPS + 1), dtype=np.bool_)
    for down in range(STEPS + 1):
        for right in range(STEPS + 1):
            points[down : down + rows * STEPS : STEPS, right : right + columns * STEPS : STEPS] |= cells
    return points


def whole_cells(points: BoolArray) -> BoolArray:
    """Cells all of whose points are set."""
    rows, columns = (points.shape[0] - 1) // STEPS, (points.shape[1] - 1) // STEPS
    whole = np.ones((rows, columns), dtype=np.bool_)
    for down in range(STEPS + 1):
        for right in range(STEPS + 1):
            whole &= points[down : down + rows * STEPS : STEPS, right : right + columns * STEPS : STEPS]
    return whole


class PointSet:
    """Points of the plane, each kept once, in the tile whose south or west edge it may lie on."""

    def __init__(self) -> None:
        self._bits: dict[Place, ByteArray] = {}

    def add(self, place: Place, points: BoolArray) -> None:
        """Take a tile's raster, bool (1025, 1025); its last row and column are its neighbours' first."""
        if not points.any():
            return
        for right in (0, 1):
            for up in (0, 1):
                own = np.zeros((POINTS, POINTS), dtype=np.bool_)
                part = points[up * POINTS :, right * POINTS :][:POINTS, :POINTS]
                own[: part.shape[0], : part.shape[1]] = part
                key = (place[0] + right, place[1] + up)
                if own.any():
                    bits = np.packbits(own, axis=1)
                    self._bits[key] = self._bits[key] | bits if key in self._bits else bits

    @property
    def area_m2(self) -> float:
        """A point stands for a square of one step."""
        return sum(int(np.unpackbits(bits).sum()) for bits in self._bits.values()) * STEP_M**2

    def runs(self) -> IntArray:
        """int64 (k, 3): row, first column, column after the last, over the whole plane, in order of row and column."""
        found = [np.empty((0, 3), dtype=np.int64)]
        for (tx, ty), bits in self._bits.items():
            points = np.unpackbits(bits, axis=1).astype(np.int8)
            steps = np.diff(points, axis=1, prepend=0, append=0)
            row, start = np.nonzero(steps == 1)
            _, stop = np.nonzero(steps == -1)
            found.append(np.stack([row + ty * POINTS, start + tx * POINTS, stop + tx * POINTS], axis=1))
        runs = np.concatenate(found)
        return runs[np.lexsort((runs[:, 1], runs[:, 0]))]


def largest_strip_m(points: PointSet) -> tuple[float, float] | None:
    """
    (width, length) of the connected region of most points, corners and tile borders connecting; None without points.

    width  : twice the greatest distance from a point of the region to the nearest point outside, less one step
    length : the greatest extent of the region in any direction, one step a point: of an L, from end to end as the crow
             flies; of a disc its diameter
    Both are good to about a step (12.5 mm); a region in a box of over 4 million points is measured in coarser steps.
    """
    runs = points.runs()
    if not len(runs):
        return None
    labels = _labels(runs)
    sizes = np.bincount(labels, weights=runs[:, 2] - runs[:, 1])
    region = runs[labels == int(sizes.argmax())]
    ends = np.concatenate([region[:, [1, 0]], region[:, [2, 0]] - [1, 0]]).astype(np.float64)
    turns = np.arange(DIRECTIONS) * np.pi / DIRECTIONS
    extents = [float(np.ptp(ends @ [np.cos(turn), np.sin(turn)])) for turn in turns]
    return round(_width_m(region), 4), round((max(extents) + 1.0) * STEP_M, 4)


def _labels(runs: IntArray) -> IntArray:
    """The lowest index of a run connected to each run; runs touch across rows, by corners, and end to end."""
    keys = runs[:, 0] * (1 << 32)
    first, last = keys + runs[:, 1] + (1 << 30), keys + runs[:, 2] + (1 << 30)
    # In the row above: from the first run that ends at or after my start to the last that starts by my end.
    low = np.searchsorted(last, first + (1 << 32))
    high = np.searchsorted(first, last + (1 << 32), side="right")
    count = np.maximum(high - low, 0)
    mine = np.repeat(np.arange(len(runs)), count)
    above = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(low, count)
    joined = np.nonzero(first[1:] == last[:-1])[0]
    one, other = np.concatenate([mine, joined]), np.concatenate([above, joined + 1])
    labels = np.arange(len(runs))
    while True:
        lower = np.minimum(labels[one], labels[other])
        before = labels.copy()
        np.minimum.at(labels, before[one], lower)
        np.minimum.at(labels, before[other], lower)
        labels = labels[labels]
        if (labels == before).all():
            return labels


def _width_m(region: IntArray) -> float:
    scale = 1
    rows, columns = np.ptp(region[:, 0]) + 1, region[:, 2].max() - region[:, 1].min()
    while rows * columns > COMPONENT_POINTS_MAX * scale**2:
        scale *= 2
    low = (int(region[:, 0].min()), int(region[:, 1].min()))
    edges = np.zeros((int(rows) // scale + 3, int(columns) // scale + 4), dtype=np.int32)
    row = (region[:, 0] - low[0]) // scale + 1
    np.add.at(edges, (row, (region[:, 1] - low[1]) // scale + 1), 1)
    np.add.at(edges, (row, (region[:, 2] - 1 - low[1]) // scale + 2), -1)
    inside = np.cumsum(edges, axis=1) > 0
    up = np.zeros(inside.shape, dtype=np.int64)
    down = up.copy()
    for index in range(1, len(inside)):
        up[index] = np.where(inside[index], up[index - 1] + 1, 0)
        down[-1 - index] = np.where(inside[-1 - index], down[-index] + 1, 0)
    square = np.minimum(up, down) ** 2
    nearest, shift = square.copy(), 1
    while shift < inside.shape[1] and shift**2 < nearest.max():
        moved = square + shift**2
        nearest[:, shift:] = np.minimum(nearest[:, shift:], moved[:, :-shift])
        nearest[:, :-shift] = np.minimum(nearest[:, :-shift], moved[:, shift:])
        shift += 1
    return float(2.0 * np.sqrt(nearest.max()) - 1.0) * STEP_M * scale


def open_times(mono_ns: IntArray, spans: Iterable[tuple[int, int]]) -> BoolArray:
    """Samples taken within any of the spans, both ends included."""
    is_open = np.zeros(len(mono_ns), dtype=np.bool_)
    for start, stop in spans:
        is_open |= (mono_ns >= start) & (mono_ns <= stop)
    return is_open


def proven(truth: Truth, spans: list[tuple[int, int]]) -> Iterator[tuple[IntArray, FloatArray]]:
    """By parts: which sample, int64 (k,), and true places, float64 (k, 2), of living channels in open blocks."""
    for part in truth.parts():
        is_in = open_times(part.mono_ns, spans)[:, None] & part.alive
        yield np.nonzero(is_in)[0], part.coils_m[:, :, :2][is_in]
