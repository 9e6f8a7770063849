"""
Polygons in the task's plane: as masks of cells, and from cells. The one place that knows shapely.

Corners that people give are rounded to tenths of a millimetre, so that what is inside is the same wherever it is asked.
No step of the core comes here: only the map's fold, after the fact.
"""

from collections.abc import Callable

import numpy as np
import shapely

from controller.core.geometry import DMM_PER_M, Plane, to_dmm
from controller.core.tiles import CELL_DMM, CELL_M2, TILE_CELLS
from firmware_bridge.records import BoolArray, FloatArray, IntArray

TILE_DMM = TILE_CELLS * CELL_DMM

_Test = Callable[[shapely.Polygon, FloatArray, FloatArray], BoolArray]  # polygon, west and south sides of cells


class RingError(ValueError):
    """Corners that are no polygon; the message says why, and where."""


class Area:
    """A polygon, in tenths of a millimetre, as a mask of cells, tile by tile."""

    def __init__(self, polygon: shapely.Polygon) -> None:
        self._polygon = polygon
        shapely.prepare(self._polygon)
        self._cells: int | None = None
        self._centres: dict[tuple[int, int], BoolArray] = {}

    def places(self) -> list[tuple[int, int]]:
        """(tx, ty) of every tile that it meets, in order of (ty, tx)."""
        west, south, east, north = (int(side // TILE_DMM) for side in self._polygon.bounds)
        found = [(tx, ty) for ty in range(south, north + 1) for tx in range(west, east + 1)]
        return [place for place in found if self._polygon.intersects(_box(*place))]

    def cells(self) -> int:
        """How many cells have their centre inside or on the edge."""
        if self._cells is None:
            self._cells = sum(int(np.count_nonzero(self.centres(tx, ty))) for tx, ty in self.places())
        return self._cells

    def centres(self, tx: int, ty: int) -> BoolArray:
        """Cells whose centre lies inside or on the edge: what areas are counted by. bool (256, 256)."""
        if (tx, ty) not in self._centres:
            self._centres[tx, ty] = self._mask(tx, ty, _is_centre_in)
        return self._centres[tx, ty]

    def within(self, tx: int, ty: int) -> BoolArray:
        """Cells that lie inside with all their ground: what may be given for it. bool (256, 256)."""
        return self._mask(tx, ty, _is_covered)

    def touched(self, tx: int, ty: int) -> BoolArray:
        """Cells any of whose ground lies inside: what must be withheld for it. bool (256, 256)."""
        return self._mask(tx, ty, _is_met)

    def _mask(
        self, tx: int, ty: int, test: Callable[[shapely.Polygon, FloatArray, FloatArray], BoolArray]
    ) -> BoolArray:
        tile = _box(tx, ty)
        if not self._polygon.intersects(tile):
            return np.zeros((TILE_CELLS, TILE_CELLS), dtype=np.bool_)
        if self._polygon.contains_properly(tile):
            return np.ones((TILE_CELLS, TILE_CELLS), dtype=np.bool_)
        column, row = np.meshgrid(np.arange(TILE_CELLS), np.arange(TILE_CELLS))
        west = ((column + tx * TILE_CELLS) * CELL_DMM).astype(np.float64)
        south = ((row + ty * TILE_CELLS) * CELL_DMM).astype(np.float64)
        return test(self._polygon, west, south)


def area_of(plane: Plane, ring: tuple[tuple[float, float], ...]) -> Area:
    """What lies within corners (latitude, longitude) in degrees, in order; raises `RingError`."""
    corners = np.asarray(ring, dtype=np.float64)
    east, north = plane.project(corners[:, 0], corners[:, 1])
    polygon = shapely.Polygon(np.stack([to_dmm(east), to_dmm(north)], axis=1))
    if not polygon.is_valid:
        why = shapely.is_valid_reason(polygon)
        raise RingError(f"the corners are no polygon: {why} (east, north in 0.1 mm)")
    return Area(polygon)


def _box(tx: int, ty: int) -> shapely.Polygon:
    west, south = tx * TILE_DMM, ty * TILE_DMM
    return shapely.box(west, south, west + TILE_DMM, south + TILE_DMM)


def _is_centre_in(polygon: shapely.Polygon, west: FloatArray, south: FloatArray) -> BoolArray:
    is_in: BoolArray = shapely.intersects_xy(polygon, west + CELL_DMM / 2, south + CELL_DMM / 2)
    return is_in


def _is_covered(polygon: shapely.Polygon, west: FloatArray, south: FloatArray) -> BoolArray:
    is_in: BoolArray = shapely.covers(polygon, shapely.box(west, south, west + CELL_DMM, south + CELL_DMM))
    return is_in


def _is_met(polygon: shapely.Polygon, west: FloatArray, south: FloatArray) -> BoolArray:
    is_in: BoolArray = shapely.intersects(polygon, shapely.box(west, south, west + CELL_DMM, south + CELL_DMM))
    return is_in


class Outline:
    """Connected ground, in metres east and north of the plane's origin."""

    def __init__(self, polygon: shapely.Polygon) -> None:
        self._polygon = polygon

    @property
    def area_m2(self) -> float:
        """The area of its whole cells, free of what unions leave in the last digits."""
        return round(round(float(self._polygon.area) / CELL_M2) * CELL_M2, 4)

    @property
    def bounds_m(self) -> tuple[float, float, float, float]:
        """West, south, east, north."""
        west, south, east, north = self._polygon.bounds
        return west, south, east, north

    def rings(self) -> list[FloatArray]:
        """Closed rings, float64 (k, 2) each: the outer one counter-clockwise, then its holes clockwise."""
        oriented = shapely.orient_polygons(self._polygon)
        return [shapely.get_coordinates(ring) for ring in (oriented.exterior, *oriented.interiors)]

    def point_within(self) -> FloatArray:
        """A point on it, float64 (2,)."""
        return np.array(shapely.get_coordinates(self._polygon.representative_point())[0])

    def nearest(self, point_m: tuple[float, float]) -> tuple[float, float]:
        """Its point nearest to another, which is that one where it lies on it."""
        line = shapely.shortest_line(self._polygon, shapely.Point(point_m))
        east, north = shapely.get_coordinates(line)[0].tolist()
        return east, north


def filled(boxes: IntArray) -> list[Area]:
    """Boxes of cells, int64 (k, 4) as of `outlines`, joined, and whatever they go all the way round."""
    edges = boxes * CELL_DMM
    joined = shapely.union_all(shapely.box(edges[:, 0], edges[:, 1], edges[:, 2], edges[:, 3]))
    return [Area(shapely.Polygon(polygon.exterior)) for polygon in shapely.get_parts(joined).tolist()]


def outlines(boxes: IntArray) -> list[Outline]:
    """
    Boxes of cells joined where they share a side.

    boxes : int64 (k, 4) - west, south, east, north in cells
    """
    edges = boxes * (CELL_DMM / DMM_PER_M)
    joined = shapely.union_all(shapely.box(edges[:, 0], edges[:, 1], edges[:, 2], edges[:, 3]))
    return [Outline(polygon) for polygon in shapely.get_parts(joined).tolist()]
