"""Polygons as cells, and cells as polygons."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.geometry import Plane
from controller.core.polygons import RingError, area_of, outlines

PLANE = Plane(47.0, 8.0, 400.0)


def ring_of(points_m):
    east, north = np.array(points_m, dtype=np.float64).T
    latitude, longitude = PLANE.unproject(east, north)
    return tuple(zip(latitude.tolist(), longitude.tolist(), strict=True))


def box_ring(west, south, east, north):
    return ring_of([(west, south), (east, south), (east, north), (west, north)])


def test_a_box_has_the_cells_whose_centres_it_holds():
    """Ten metres by five, half a cell off the grid: 200 by 100 cells, over two tiles."""
    area = area_of(PLANE, box_ring(5.01, 1.01, 15.01, 6.01))
    assert area.places() == [(0, 0), (1, 0)]
    assert area.cells() == 200 * 100


@settings(max_examples=30, deadline=None)
@given(
    corners=st.lists(st.tuples(st.floats(-20, 20), st.floats(-20, 20)), min_size=3, max_size=3, unique=True),
)
def test_what_is_given_lies_within_what_is_counted_within_what_is_withheld(corners):
    """For any triangle, cell by cell; and a tile far away has none."""
    try:
        area = area_of(PLANE, ring_of(corners))
    except RingError:
        return
    for tx, ty in area.places():
        within, centres, touched = area.within(tx, ty), area.centres(tx, ty), area.touched(tx, ty)
        assert not (within & ~centres).any()
        assert not (centres & ~touched).any()
    assert not area.touched(900, 900).any()


def test_a_tile_within_a_large_area_is_whole():
    """No cell of it is asked for one by one, and none is missing."""
    area = area_of(PLANE, box_ring(-30.0, -30.0, 60.0, 60.0))
    assert area.within(0, 0).all()
    assert area.cells() == pytest.approx(90 * 90 * 400, abs=2 * 1800)


def test_corners_that_cross_over_are_refused_with_the_place():
    """A bow tie is no ground."""
    with pytest.raises(RingError, match=r"Self-intersection.*east, north"):
        area_of(PLANE, ring_of([(0, 0), (10, 10), (10, 0), (0, 10)]))


def test_boxes_join_where_they_share_a_side_and_not_at_a_corner():
    """Two beside each other and one at a corner: two outlines, with their areas."""
    found = outlines(np.array([[0, 0, 2, 1], [2, 0, 4, 1], [4, 1, 5, 2]]))
    assert sorted(outline.area_m2 for outline in found) == [0.0025, 0.01]


def test_an_outline_with_a_hole_has_two_rings_and_a_point_that_is_on_it():
    """The outer ring goes round to the left, the hole to the right."""
    (found,) = outlines(np.array([[0, 0, 30, 10], [0, 20, 30, 30], [0, 10, 10, 20], [20, 10, 30, 20]]))
    outer, hole = found.rings()
    signed = [np.sum(ring[:-1, 0] * ring[1:, 1] - ring[1:, 0] * ring[:-1, 1]) / 2 for ring in (outer, hole)]
    assert signed == pytest.approx([2.25, -0.25])
    assert found.nearest(tuple(found.point_within())) == pytest.approx(tuple(found.point_within()))
    assert found.nearest((0.75, 0.75)) != pytest.approx((0.75, 0.75))
