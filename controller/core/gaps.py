"""
Gaps: ground that must still be searched, or searched again. Where they lie is no route to them.
"""

import math
from collections.abc import Iterable

import msgspec
import numpy as np

from controller.core.cells import CellState, FoldedTile
from controller.core.polygons import Outline, filled, outlines
from controller.core.regions import label, row_boxes
from controller.core.tiles import CELL_DMM, TILE_CELLS
from firmware_bridge.records import BoolArray, IntArray, UtcNs

WARNING = "not a safe route"
STATES = (CellState.NOT_VISITED, CellState.OUT_OF_SPEC, CellState.RESEARCH_DUE)


class Gap(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    Connected ground of one cause that must be searched.

    cause         : `not_visited`, the primary reason where out of spec, or why research is due
    last_utc_ns   : when anything was last recorded of the 12.8 m tiles that it lies in; None where nothing was, or no
                    date was known
    """

    state: CellState
    cause: str
    area_m2: float
    outline: Outline
    last_utc_ns: UtcNs | None


class Bearing(msgspec.Struct, frozen=True, kw_only=True):
    """
    From a place to a gap's nearest point, in a straight line over whatever lies between.

    distance_m : 0 on the gap itself      bearing_deg : clockwise from north, None on it      warning : always there
    """

    distance_m: float
    bearing_deg: float | None
    warning: str = WARNING


def gaps(tiles: Iterable[FoldedTile], dates: dict[tuple[int, int], UtcNs | None]) -> list[Gap]:
    """
    All gaps, largest first.

    Within the boundary, where there is one. Without it, ground that was passed without standing credit, and what it
    encloses. Open alarms, keep-outs and inaccessible ground are no gaps: nobody is sent there to search.

    tiles : of the whole map, those of the boundary that nothing touched among them      dates : of each tile (tx, ty)
    """
    boxes: dict[tuple[int, int], list[IntArray]] = {}
    for tile, within in _bounded(list(tiles)):
        keys = tile.states.astype(np.int64) * 256 + tile.reasons
        for key in np.unique(keys[within & np.isin(tile.states, STATES)]).tolist():
            boxes.setdefault(divmod(key, 256), []).append(row_boxes(tile.tx, tile.ty, (keys == key) & within))
    found = []
    for (state, reason), parts in sorted(boxes.items()):
        for outline in outlines(np.concatenate(parts)):
            found.append(
                Gap(
                    state=CellState(state),
                    cause=label(CellState(state), reason) or CellState(state).label,
                    area_m2=outline.area_m2,
                    outline=outline,
                    last_utc_ns=_latest(outline, dates),
                )
            )
    return sorted(found, key=lambda gap: (-gap.area_m2, gap.state, gap.cause, gap.outline.bounds_m))


def bearing_to(gap: Gap, east_m: float, north_m: float) -> Bearing:
    """Where a gap lies as seen from a place in the plane."""
    near_east, near_north = gap.outline.nearest((east_m, north_m))
    distance = math.hypot(near_east - east_m, near_north - north_m)
    if distance == 0.0:
        return Bearing(distance_m=0.0, bearing_deg=None)
    bearing = math.degrees(math.atan2(near_east - east_m, near_north - north_m)) % 360.0
    return Bearing(distance_m=round(distance, 2), bearing_deg=round(bearing, 1) % 360.0)


def _bounded(tiles: list[FoldedTile]) -> list[tuple[FoldedTile, BoolArray]]:
    """Tiles with the cells that are asked for: within the boundary, or visited and all that this goes round."""
    bounded = [(tile, tile.inside) for tile in tiles if tile.inside is not None]
    visited = [row_boxes(tile.tx, tile.ty, tile.states != CellState.NOT_VISITED) for tile in tiles]
    if bounded or not sum(len(boxes) for boxes in visited):
        return bounded
    areas = filled(np.concatenate(visited))
    known = {(tile.tx, tile.ty): tile for tile in tiles}
    found = []
    for tx, ty in sorted(set(known).union(*(area.places() for area in areas))):
        mask = np.zeros((TILE_CELLS, TILE_CELLS), dtype=np.bool_)
        for area in areas:
            mask |= area.centres(tx, ty)
        found.append((known.get((tx, ty)) or _blank(tx, ty), mask))
    return found


def _blank(tx: int, ty: int) -> FoldedTile:
    """A tile that nothing has touched."""
    nothing = np.zeros((TILE_CELLS, TILE_CELLS), dtype=np.uint8)
    return FoldedTile(
        tx=tx, ty=ty, states=nothing + np.uint8(CellState.NOT_VISITED), reasons=nothing, credit=nothing > 0
    )


def _latest(outline: Outline, dates: dict[tuple[int, int], UtcNs | None]) -> UtcNs | None:
    west, south, east, north = (side * 10_000 / (CELL_DMM * TILE_CELLS) for side in outline.bounds_m)
    columns, rows = range(math.floor(west), math.ceil(east)), range(math.floor(south), math.ceil(north))
    known = [date for tx in columns for ty in rows if (date := dates.get((tx, ty))) is not None]
    return max(known) if known else None
