"""Points of the ground, tile by tile: discs as drawn by hand, and strips measured on drawn shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.ground_truth import POINTS, STEP_M, TILE_M, PointSet, Reached, largest_strip_m, points_of, whole_cells


def drawn(is_in):
    """The points of a drawn shape: `is_in(east_m, north_m)` over the four tiles around the origin."""
    points = PointSet()
    for tx in (-1, 0):
        for ty in (-1, 0):
            steps = np.arange(POINTS + 1) * STEP_M
            east, north = np.meshgrid(steps + tx * TILE_M, steps + ty * TILE_M)
            points.add((tx, ty), is_in(east, north))
    return points


@settings(max_examples=20, deadline=None)
@given(
    places=st.lists(st.tuples(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0)), min_size=1, max_size=4),
    radius_m=st.floats(0.05, 0.4),
)
def test_what_is_reached_is_every_point_within_the_radius(places, radius_m):
    """In each of four tiles around their corner, against distances point by point."""
    reached = Reached([(-1, -1), (-1, 0), (0, -1), (0, 0)], radius_m)
    for place in places:
        reached.add(np.array([place]))
    for tx in (-1, 0):
        for ty in (-1, 0):
            steps = np.arange(POINTS + 1) * STEP_M
            east, north = np.meshgrid(steps + tx * TILE_M, steps + ty * TILE_M)
            away = np.min([np.hypot(east - place[0], north - place[1]) for place in places], axis=0)
            is_near = np.abs(away - radius_m) < 1e-9  # rounding may take either side
            assert ((reached.points((tx, ty)) == (away <= radius_m)) | is_near).all()


def test_a_cells_edges_are_its_own_and_a_whole_cell_has_them_all():
    """One cell is 5 x 5 points; it is whole only with all of them."""
    cells = np.zeros((256, 256), dtype=bool)
    cells[3, 7] = True
    points = points_of(cells)
    assert points.sum() == 25
    assert (whole_cells(points) == cells).all()
    points[12, 28] = False
    assert not whole_cells(points).any()


def test_no_point_is_counted_twice_where_tiles_meet():
    """A square across the corner of four tiles has the area of its points."""
    square = drawn(lambda east, north: (np.abs(east) <= 0.5) & (np.abs(north) <= 0.5))
    assert square.area_m2 == pytest.approx((1.0 + STEP_M) ** 2)


@pytest.mark.parametrize("at", [(3.0, 3.0), (0.0, 0.0), (0.02, -4.0)], ids=["inside", "corner", "border"])
@pytest.mark.parametrize(
    ("shape", "width_m", "length_m"),
    [
        (lambda east, north: (np.abs(east) <= 0.05) & (np.abs(north) <= 1.0), 0.10, 2.0),
        (lambda east, north: np.hypot(east, north) <= 0.3, 0.60, 0.6),
        (
            lambda east, north: (
                ((np.abs(east) <= 0.05) & (north >= 0.0) & (north <= 1.0))
                | ((np.abs(north) <= 0.05) & (east >= 0.0) & (east <= 1.0))
            ),
            0.10,
            1.485,
        ),
    ],
    ids=["strip", "disc", "L"],
)
def test_a_drawn_shape_has_its_width_and_length(shape, width_m, length_m, at):
    """A straight strip, a disc, an L from end to end, within a tile and across its borders."""
    found = largest_strip_m(drawn(lambda east, north: shape(east - at[0], north - at[1])))
    assert found == (pytest.approx(width_m, abs=2.5 * STEP_M), pytest.approx(length_m, abs=2.5 * STEP_M))


def test_of_several_the_largest_is_measured_and_of_none_nothing():
    """Two strips that do not touch are two."""
    both = drawn(
        lambda east, north: (
            (np.abs(north) <= 0.05) & (np.abs(east - 1.0) <= 0.5) | (np.hypot(east + 1.0, north) <= 0.05)
        )
    )
    assert largest_strip_m(both) == (pytest.approx(0.1, abs=0.03), pytest.approx(1.0, abs=0.03))
    assert largest_strip_m(PointSet()) is None
