"""
The derived map as regions: cells of one state and one primary reason, joined; areas add up to the session's totals.
"""

import csv
import json
from collections.abc import Iterator
from typing import Any, TextIO

import msgspec
import numpy as np
import shapely

from controller.core.fold import CellState, FoldedTile
from controller.core.geometry import DMM_PER_M, Plane
from controller.core.reasons import Reason
from controller.core.tiles import CELL_DMM, CELL_M2, TILE_CELLS
from firmware_bridge.records import IntArray

COLUMNS = (
    "session",
    "origin",
    "state",
    "reason",
    "area_m2",
    "latitude_deg",
    "longitude_deg",
)


class Region(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Connected ground of one state and reason; `outline` in metres east and north of the plane's origin."""

    state: CellState
    reason: Reason | None
    outline: shapely.Polygon
    area_m2: float


def regions(tiles: Iterator[FoldedTile]) -> list[Region]:
    """All regions, ordered by state, reason and place."""
    boxes: dict[tuple[int, int], list[IntArray]] = {}
    for tile in tiles:
        keys = tile.states.astype(np.int64) * 256 + tile.reasons
        for key in np.unique(keys).tolist():
            if key // 256 != CellState.NOT_VISITED:
                boxes.setdefault(divmod(key, 256), []).append(_row_boxes(tile, keys == key))
    found = []
    for (state, reason), parts in sorted(boxes.items()):
        edges = np.concatenate(parts) * (CELL_DMM / DMM_PER_M)
        joined = shapely.union_all(shapely.box(edges[:, 0], edges[:, 1], edges[:, 2], edges[:, 3]))
        for outline in shapely.get_parts(joined).tolist():
            found.append(
                Region(
                    state=CellState(state),
                    reason=Reason(reason - 1) if reason else None,
                    outline=outline,
                    area_m2=round(round(outline.area / CELL_M2) * CELL_M2, 4),
                )
            )
    return found


def write_geojson(found: list[Region], plane: Plane | None, common: dict[str, Any], file: TextIO) -> int:
    """Regions as polygons in WGS 84; `common` goes into every feature's properties. Returns how many."""
    features = []
    for region in found:
        assert plane is not None, "ground was passed, so there is a plane"
        outline = shapely.transform(region.outline, lambda points: _to_degrees(plane, points))
        features.append(
            {
                "type": "Feature",
                "geometry": json.loads(shapely.to_geojson(shapely.orient_polygons(outline))),
                "properties": {
                    **common,
                    "state": region.state.label,
                    "reason": None if region.reason is None else region.reason.label,
                    "area_m2": region.area_m2,
                },
            }
        )
    json.dump({"type": "FeatureCollection", "features": features}, file)
    file.write("\n")
    return len(features)


def write_csv(found: list[Region], plane: Plane | None, common: dict[str, Any], file: TextIO) -> int:
    """One row a region, placed by a point within it. Returns how many."""
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    for region in found:
        assert plane is not None, "ground was passed, so there is a plane"
        inside = region.outline.representative_point()
        longitude, latitude = _to_degrees(plane, np.array([[inside.x, inside.y]]))[0].tolist()
        writer.writerow(
            {
                **common,
                "state": region.state.label,
                "reason": None if region.reason is None else region.reason.label,
                "area_m2": region.area_m2,
                "latitude_deg": latitude,
                "longitude_deg": longitude,
            }
        )
    return len(found)


def _row_boxes(tile: FoldedTile, is_in: np.ndarray[Any, Any]) -> IntArray:
    """Runs of cells in each row as boxes in cells: int64 (k, 4) - west, south, east, north."""
    padded = np.zeros((TILE_CELLS, TILE_CELLS + 2), dtype=np.int8)
    padded[:, 1:-1] = is_in
    change = np.diff(padded, axis=1)
    row, start = np.nonzero(change == 1)
    _, stop = np.nonzero(change == -1)
    west, south = tile.tx * TILE_CELLS, tile.ty * TILE_CELLS
    return np.stack([start + west, row + south, stop + west, row + south + 1], axis=1).astype(np.int64)


def _to_degrees(plane: Plane, points: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(east, north) in metres -> (longitude, latitude), to a nanodegree."""
    latitude, longitude = plane.unproject(points[:, 0], points[:, 1])
    return np.round(np.stack([longitude, latitude], axis=1), 9)
