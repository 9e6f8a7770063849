"""
The sound rule: which cells were wholly within reach of a true sample.

A subcell (a fifth of a cell a side) is *seen* when its farthest corner lies within a channel's detection radius, shrunk
by the sample's independent error, of each of n consecutive samples, n being the alarm's minimum length. A pass's seen
subcells are united over its channels and samples, then eroded by the error common to the pass; a cell all of whose
subcells remain is credited. Why this is sound: take any point x of a credited cell and the true common error c,
|c| <= e_c. The point x + c lies in a seen subcell, so for n consecutive samples at reported places s_i the distance
|x + c - s_i| <= r - e_i; the true places are s_i - c - w_i with |w_i| <= e_i, hence |x - true_i| <= r. Nothing is
assumed of the path: it may turn, reverse or stop. Distances are integers in tenths of a millimetre.
"""

import math

import numpy as np

from controller.core.tiles import CELL_DMM
from firmware_bridge.records import BoolArray, IntArray

SUBCELLS = 5
SUBCELL_DMM = CELL_DMM // SUBCELLS  # 10 mm: what rounding may cost on each side of a pass
QUANTUM_DMM = 1  # positions are rounded to whole dmm in both axes: at most 0.71 dmm off


def seen_spans(position_dmm: IntArray, radius_dmm: IntArray, samples: int = 1) -> IntArray:
    """
    Subcells seen by each channel of consecutive samples, as runs along rows: a disc meets a row in one run, and so
    does what several discs have in common.

    position_dmm : int64 (n, channels, 2) - east, north of the coil as reported
    radius_dmm   : int64 (n, channels) - detection radius less independent error; <= 0 where the sample earns nothing
    samples      : consecutive samples that must all reach (n of the alarm)
    Returns int64 (k, 3) - row, first column, column after the last; runs may overlap.
    """
    windows = len(position_dmm) - samples + 1
    if windows < 1 or radius_dmm.max(initial=0) <= QUANTUM_DMM:
        return np.empty((0, 3), dtype=np.int64)
    reach = int(radius_dmm.max()) // SUBCELL_DMM + 1
    offsets = np.arange(-reach, reach + 1, dtype=np.int64)
    rows = position_dmm[:windows, :, 1, None] // SUBCELL_DMM + offsets
    start = np.full(rows.shape, np.iinfo(np.int64).min)
    stop = np.full(rows.shape, np.iinfo(np.int64).max)
    for step in range(samples):
        window = slice(step, step + windows)
        east = position_dmm[window, :, 0, None]
        north = position_dmm[window, :, 1, None]
        radius = np.maximum(radius_dmm[window, :, None] - QUANTUM_DMM, 0)
        farthest = np.maximum(np.abs(rows * SUBCELL_DMM - north), np.abs((rows + 1) * SUBCELL_DMM - north))
        square = radius**2 - farthest**2
        # Exact for squares below 2**52: the float root of an integer never rounds up to the next whole number.
        half = np.sqrt(np.maximum(square, 0)).astype(np.int64)
        start = np.maximum(start, -((half - east) // SUBCELL_DMM))
        stop = np.where(square >= 0, np.minimum(stop, (east + half) // SUBCELL_DMM), start)
    is_seen = stop > start
    return np.stack([rows[is_seen], start[is_seen], stop[is_seen]], axis=1)


def credited_cells(spans: IntArray, common_error_dmm: int) -> IntArray:
    """
    Cells that stay covered whatever the common error was.

    spans            : int64 (k, 3) - all runs of subcells seen within one pass (`seen_spans`), in any order
    common_error_dmm : bound on the error common to the pass
    Returns int64 (m, 2) - (column, row) of cells.
    """
    if len(spans) == 0:
        return np.empty((0, 2), dtype=np.int64)
    # The corner is that of a whole cell; the margin keeps erosion inside the array.
    reach = _reach(common_error_dmm)
    low = np.array([spans[:, 1].min(), spans[:, 0].min()])
    high = np.array([spans[:, 2].max(), spans[:, 0].max() + 1])
    corner = (low - reach) // SUBCELLS * SUBCELLS
    width, height = -((corner - high - reach) // SUBCELLS) * SUBCELLS
    raster = _painted(spans, corner, width, height)
    eroded = erode(raster, common_error_dmm)
    whole = eroded.reshape(height // SUBCELLS, SUBCELLS, width // SUBCELLS, SUBCELLS).all(axis=(1, 3))
    row, column = np.nonzero(whole)
    cells: IntArray = np.stack([column, row], axis=1) + corner // SUBCELLS
    return cells


def merge_spans(spans: IntArray) -> IntArray:
    """
    The same subcells in as few runs as possible: int64 (m, 3), in order of row and column, none touching another.

    spans : int64 (k, 3), k > 0 - as from `seen_spans`
    """
    corner = np.array([spans[:, 1].min(), spans[:, 0].min()])
    width, height = int(spans[:, 2].max() - corner[0]), int(spans[:, 0].max() - corner[1]) + 1
    raster = _painted(spans, corner, width, height)
    edges = np.diff(raster.astype(np.int8), axis=1, prepend=np.int8(0), append=np.int8(0))
    row, start = np.nonzero(edges == 1)
    stop = np.nonzero(edges == -1)[1]
    merged: IntArray = np.stack([row + corner[1], start + corner[0], stop + corner[0]], axis=1)
    return merged


def _painted(spans: IntArray, corner: IntArray, width: int, height: int) -> BoolArray:
    """Runs as a raster of subcells, bool (height, width); `corner`: column, row of its first."""
    edges = np.zeros((height, width + 1), dtype=np.int32)
    np.add.at(edges, (spans[:, 0] - corner[1], spans[:, 1] - corner[0]), 1)
    np.add.at(edges, (spans[:, 0] - corner[1], spans[:, 2] - corner[0]), -1)
    painted: BoolArray = np.cumsum(edges[:, :width], axis=1) > 0
    return painted


def erode(raster: BoolArray, radius_dmm: int) -> BoolArray:
    """
    Subcells all of whose points stay inside the raster when moved by up to `radius_dmm` in any direction.

    Outside the array is outside the raster. Row by row: a subcell needs every neighbour whose nearest corner is
    within the radius.
    """
    if radius_dmm <= 0:
        return raster.copy()
    reach = _reach(radius_dmm)
    padded = np.pad(raster, reach)
    height, width = raster.shape
    sums = np.zeros((padded.shape[0], padded.shape[1] + 1), dtype=np.int32)
    np.cumsum(padded, axis=1, out=sums[:, 1:])
    result = np.ones_like(raster)
    for row in range(-reach, reach + 1):
        gap = max(abs(row) - 1, 0) * SUBCELL_DMM
        half = math.isqrt(radius_dmm**2 - gap**2) // SUBCELL_DMM + 1
        lines = sums[reach + row : reach + row + height]
        left = reach - half
        full = lines[:, left + 2 * half + 1 : left + 2 * half + 1 + width] - lines[:, left : left + width]
        result &= full == 2 * half + 1
    return result


def _reach(radius_dmm: int) -> int:
    """Subcells on either side that a move of `radius_dmm` can touch."""
    return radius_dmm // SUBCELL_DMM + 1 if radius_dmm > 0 else 0


def footprint_cells(position_dmm: IntArray, radius_dmm: int) -> IntArray:
    """
    Cells whose centre lies within a radius of any of the points: what was passed, for drawing and for reasons.

    position_dmm : int64 (n, 2)       Returns int64 (k, 2) - unique (column, row).
    """
    if len(position_dmm) == 0:
        return np.empty((0, 2), dtype=np.int64)
    reach = radius_dmm // CELL_DMM + 1
    offsets = np.arange(-reach, reach + 1, dtype=np.int64)
    base = position_dmm // CELL_DMM
    columns = base[:, 0, None] + offsets
    rows = base[:, 1, None] + offsets
    across = columns * CELL_DMM + CELL_DMM // 2 - position_dmm[:, 0, None]
    along = rows * CELL_DMM + CELL_DMM // 2 - position_dmm[:, 1, None]
    point, row, column = np.nonzero(across[:, None, :] ** 2 + along[:, :, None] ** 2 <= radius_dmm**2)
    return unique_cells(np.stack([columns[point, column], rows[point, row]], axis=1))


def unique_cells(cells: IntArray) -> IntArray:
    """(column, row) pairs without repetition, sorted by row and then column."""
    if len(cells) == 0:
        return cells
    low = cells.min(axis=0)
    width = int(cells[:, 0].max() - low[0]) + 1
    keys = np.unique((cells[:, 1] - low[1]) * width + (cells[:, 0] - low[0]))
    return np.stack([keys % width + low[0], keys // width + low[1]], axis=1)
