"""
The derived map as regions: cells of one state and one primary reason, joined; their areas add up to the totals.
"""

from collections.abc import Iterable

import msgspec
import numpy as np

from controller.core.cells import CellState, DueCause, FoldedTile
from controller.core.polygons import Outline, outlines
from controller.core.reasons import Reason
from controller.core.tiles import TILE_CELLS
from firmware_bridge.records import BoolArray, IntArray


class Region(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    Connected ground of one state and reason.

    reason : primary reason where out of spec, cause where research is due, else None
    """

    state: CellState
    reason: str | None
    outline: Outline
    area_m2: float


def regions(tiles: Iterable[FoldedTile]) -> list[Region]:
    """All regions that were visited, ordered by state, reason and place."""
    boxes: dict[tuple[int, int], list[IntArray]] = {}
    for tile in tiles:
        keys = tile.states.astype(np.int64) * 256 + tile.reasons
        for key in np.unique(keys).tolist():
            if key // 256 != CellState.NOT_VISITED:
                boxes.setdefault(divmod(key, 256), []).append(row_boxes(tile.tx, tile.ty, keys == key))
    found = []
    for (state, reason), parts in sorted(boxes.items()):
        for outline in outlines(np.concatenate(parts)):
            found.append(
                Region(
                    state=CellState(state),
                    reason=label(CellState(state), reason),
                    outline=outline,
                    area_m2=outline.area_m2,
                )
            )
    return found


def label(state: CellState, reason: int) -> str | None:
    """What a cell's entry in `FoldedTile.reasons` is called."""
    if reason == 0:
        return None
    return DueCause(reason).label if state is CellState.RESEARCH_DUE else Reason(reason - 1).label


def row_boxes(tx: int, ty: int, is_in: BoolArray) -> IntArray:
    """Cells of a tile, bool (256, 256), as boxes, a whole tile as one: int64 (k, 4) - west, south, east, north."""
    west, south = tx * TILE_CELLS, ty * TILE_CELLS
    if is_in.all():
        return np.array([[west, south, west + TILE_CELLS, south + TILE_CELLS]], dtype=np.int64)
    padded = np.zeros((TILE_CELLS, TILE_CELLS + 2), dtype=np.int8)
    padded[:, 1:-1] = is_in
    change = np.diff(padded, axis=1)
    row, start = np.nonzero(change == 1)
    _, stop = np.nonzero(change == -1)
    return np.stack([start + west, row + south, stop + west, row + south + 1], axis=1).astype(np.int64)
