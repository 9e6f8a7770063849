"""The sound rule against exact geometry (promise P1)."""

import math

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.coverage import SUBCELL_DMM, credited_cells, erode, footprint_cells, seen_spans
from controller.core.tiles import CELL_DMM

RADIUS_DMM = 1_500


@st.composite
def paths(draw):
    """A bar of coils on an arbitrary path: straight stretches, pivots, reversals, stops, uneven spacing."""
    pieces = draw(
        st.lists(
            st.tuples(
                st.integers(1, 8),  # samples
                st.floats(-0.12, 0.12),  # metres a sample; negative is reversing
                st.floats(-0.25, 0.25),  # radians a sample
            ),
            min_size=1,
            max_size=6,
        )
    )
    coils = draw(st.integers(1, 4))
    pitch = draw(st.floats(0.05, 0.4))
    east, north = draw(st.floats(-3, 3)), draw(st.floats(-3, 3))
    heading = draw(st.floats(-math.pi, math.pi))
    across = (np.arange(coils) - (coils - 1) / 2) * pitch
    rows = []
    for samples, step, turn in pieces:
        for _ in range(samples):
            heading += turn
            east, north = east + step * math.sin(heading), north + step * math.cos(heading)
            rows.append(np.stack([east + across * math.cos(heading), north - across * math.sin(heading)], axis=1))
    return np.rint(np.array(rows) * 10_000).astype(np.int64)


def _subcells(spans):
    """(column, row) of every subcell in the runs."""
    return np.array(
        sorted({(column, row) for row, start, stop in spans.tolist() for column in range(start, stop)}),
        dtype=np.int64,
    ).reshape(-1, 2)


def _corners(cells, size_dmm):
    offsets = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    return ((cells[:, None, :] + offsets) * size_dmm).reshape(-1, 2)


def _truth(reported, common_dmm, independent_dmm, direction, wobble):
    """True places: every sample moved by the common error, and each by its own independent one."""
    common = common_dmm * np.array([math.sin(direction), math.cos(direction)])
    own = independent_dmm * np.stack([np.sin(wobble), np.cos(wobble)], axis=-1)
    return reported - common + own


@settings(max_examples=150, deadline=None)
@given(
    path=paths(),
    common_dmm=st.sampled_from([0, 1, 120, 250, 251, 400, 900]),
    independent_dmm=st.sampled_from([0, 60, 333]),
    direction=st.floats(0, 2 * math.pi),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_point_of_a_credited_cell_is_within_reach_of_a_true_sample(
    path, common_dmm, independent_dmm, direction, seed
):
    """Whatever the path and whatever both kinds of error, within their bounds: nothing is over-claimed."""
    radius = np.full(path.shape[:2], RADIUS_DMM - independent_dmm, dtype=np.int64)
    cells = credited_cells(seen_spans(path, radius), common_dmm)
    if len(cells) == 0:
        return
    wobble = np.random.default_rng(seed).uniform(0, 2 * math.pi, path.shape[:2])
    truth = _truth(path, common_dmm, independent_dmm, direction, wobble).reshape(-1, 2)
    # A polygon drawn around each disc: the reference must not be smaller than the disc it stands for.
    outside = RADIUS_DMM / math.cos(math.pi / 256) + 0.01
    reach = shapely.union_all(shapely.buffer(shapely.points(truth), outside, quad_segs=64))
    boxes = shapely.box(
        cells[:, 0] * CELL_DMM,
        cells[:, 1] * CELL_DMM,
        (cells[:, 0] + 1) * CELL_DMM,
        (cells[:, 1] + 1) * CELL_DMM,
    )
    shapely.prepare(reach)
    assert shapely.contains(reach, boxes).all()


@settings(max_examples=100, deadline=None)
@given(path=paths(), samples=st.integers(1, 4))
def test_a_seen_subcell_lies_within_reach_of_as_many_consecutive_samples_as_an_alarm_needs(path, samples):
    """The rule for n > 1: all corners lie within the radius of each of n consecutive samples of one coil."""
    radius = np.full(path.shape[:2], RADIUS_DMM, dtype=np.int64)
    seen = _subcells(seen_spans(path, radius, samples))[::7]
    corners = (seen[:, None, :] + np.array([[0, 0], [1, 0], [0, 1], [1, 1]])) * SUBCELL_DMM
    square = ((corners[:, None, None] - path[None, :, :, None, :]) ** 2).sum(axis=-1)
    reached = (square <= RADIUS_DMM**2).all(axis=-1)
    runs = np.ones((len(seen), max(len(path) - samples + 1, 0), path.shape[1]), dtype=bool)
    for step in range(samples):
        runs &= reached[:, step : step + runs.shape[1]]
    assert runs.any(axis=(1, 2)).all()


@settings(max_examples=100, deadline=None)
@given(path=paths())
def test_credited_is_exactly_what_the_rule_allows_without_common_error(path):
    """A subcell that lies a millimetre inside one disc is seen: the rule gives nothing away."""
    radius = np.full(path.shape[:2], RADIUS_DMM, dtype=np.int64)
    seen = {tuple(cell) for cell in _subcells(seen_spans(path, radius)).tolist()}
    points = path.reshape(-1, 2)
    reach = RADIUS_DMM // SUBCELL_DMM + 1
    offsets = np.arange(-reach, reach + 1)
    grid = np.stack(np.meshgrid(offsets, offsets), axis=-1).reshape(-1, 2)
    for point in points[:: max(1, len(points) // 10)]:
        cells = grid + point // SUBCELL_DMM
        farthest = np.sqrt(((_corners(cells, SUBCELL_DMM) - point) ** 2).sum(axis=1)).reshape(-1, 4).max(axis=1)
        inside = cells[farthest <= RADIUS_DMM - 10]
        assert {tuple(cell) for cell in inside.tolist()} <= seen


def _region(spans):
    """What was seen as a shapely geometry, in dmm."""
    row, start, stop = spans.T * SUBCELL_DMM
    return shapely.union_all(shapely.box(start, row, stop, row + SUBCELL_DMM))


def _whole_cells(region):
    """Cells that lie wholly inside a geometry, which may be empty."""
    if region.is_empty:
        return set()
    west, south, east, north = (int(edge // CELL_DMM) for edge in region.bounds)
    columns, rows = np.meshgrid(np.arange(west, east + 1), np.arange(south, north + 1))
    boxes = shapely.box(columns * CELL_DMM, rows * CELL_DMM, (columns + 1) * CELL_DMM, (rows + 1) * CELL_DMM)
    shapely.prepare(region)
    inside = shapely.contains(region, boxes)
    return set(zip(columns[inside].tolist(), rows[inside].tolist(), strict=True))


@settings(max_examples=60, deadline=None)
@given(path=paths(), common_dmm=st.integers(0, 700), samples=st.integers(1, 3))
def test_credited_is_exactly_what_the_rule_allows_with_a_common_error(path, common_dmm, samples):
    """Against shapely's erosion of what was seen: no cell more, and none less that lies a millimetre inside."""
    spans = seen_spans(path, np.full(path.shape[:2], RADIUS_DMM, dtype=np.int64), samples)
    if len(spans) == 0:
        return
    cells = {tuple(cell) for cell in credited_cells(spans, common_dmm).tolist()}
    region = _region(spans)
    must = region.buffer(-(common_dmm + 10), quad_segs=64)
    may = region.buffer(10 - common_dmm, quad_segs=64)
    assert cells <= _whole_cells(may)
    assert _whole_cells(must) <= cells


@settings(max_examples=40, deadline=None)
@given(
    heading=st.floats(-math.pi, math.pi),
    pitch=st.floats(0.1, 0.25),
    coils=st.integers(2, 6),
    common_dmm=st.integers(0, 400),
)
def test_the_raster_gives_away_less_than_a_cell_and_two_subcells_along_the_edge(heading, pitch, coils, common_dmm):
    """A lane against the continuous ideal, per metre of its perimeter; nothing is lost inside."""
    across = (np.arange(coils) - (coils - 1) / 2) * pitch
    along = np.arange(160) * 0.0125
    east = along[:, None] * math.sin(heading) + across * math.cos(heading)
    north = along[:, None] * math.cos(heading) - across * math.sin(heading)
    path = np.rint(np.stack([east, north], axis=-1) * 10_000).astype(np.int64)
    radius = np.full(path.shape[:2], RADIUS_DMM, dtype=np.int64)
    cells = credited_cells(seen_spans(path, radius), common_dmm)
    ideal = shapely.union_all(shapely.buffer(shapely.points(path.reshape(-1, 2)), RADIUS_DMM, quad_segs=64))
    ideal = ideal.buffer(-common_dmm, quad_segs=64)
    lost_dmm = (ideal.area - len(cells) * CELL_DMM**2) / ideal.length
    assert 0 < lost_dmm < CELL_DMM + 2 * SUBCELL_DMM
    edge = shapely.LineString(ideal.exterior).buffer(math.sqrt(2.0) * (CELL_DMM + 2 * SUBCELL_DMM))
    squares = shapely.union_all([shapely.box(*(cell * CELL_DMM), *((cell + 1) * CELL_DMM)) for cell in cells])
    assert ideal.difference(squares).difference(edge).is_empty


@settings(max_examples=60, deadline=None)
@given(
    raster=st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random((14, 17)) < 0.93),
    radius_dmm=st.integers(0, 900),
)
def test_erosion_keeps_only_subcells_with_every_reachable_neighbour(raster, radius_dmm):
    """Against the definition, neighbour by neighbour."""
    expected = np.zeros_like(raster)
    reach = radius_dmm // SUBCELL_DMM + 1
    padded = np.pad(raster, reach)
    for row, column in np.ndindex(raster.shape):
        expected[row, column] = all(
            padded[row + reach + down, column + reach + right]
            for down in range(-reach, reach + 1)
            for right in range(-reach, reach + 1)
            if (max(abs(down) - 1, 0) ** 2 + max(abs(right) - 1, 0) ** 2) * SUBCELL_DMM**2 <= radius_dmm**2
            and (radius_dmm > 0 or (down, right) == (0, 0))
        )
    assert (erode(raster, radius_dmm) == expected).all()


def test_adjacent_coils_leave_no_stripe_between_them():
    """Eight coils 0.15 m apart with 0.15 m reach and 3 cm of common error cover their whole bar."""
    across = (np.arange(8) - 3.5) * 1_500
    north = np.arange(0, 60_000, 80)
    path = np.stack(np.broadcast_arrays(across[None, :], north[:, None]), axis=-1).astype(np.int64)
    cells = credited_cells(seen_spans(path, np.full(path.shape[:2], 1_500)), 300)
    middle = cells[(cells[:, 1] > 20) & (cells[:, 1] < 80)]
    columns = np.unique(middle[:, 0])
    assert (np.diff(columns) == 1).all(), "a stripe is missing"
    assert len(columns) * CELL_DMM >= 7 * 1_500


def test_a_sample_without_reach_sees_nothing():
    """Radius zero, which is how reasons arrive here, earns nothing however many samples there are."""
    path = np.zeros((20, 3, 2), dtype=np.int64)
    assert len(seen_spans(path, np.zeros((20, 3), dtype=np.int64))) == 0


def test_an_error_larger_than_the_swath_leaves_no_credit():
    """Common error beyond the half-width erodes everything."""
    path = np.zeros((5, 1, 2), dtype=np.int64)
    seen = seen_spans(path, np.full((5, 1), RADIUS_DMM))
    assert len(seen) > 0
    assert len(credited_cells(seen, RADIUS_DMM)) == 0


def test_the_footprint_holds_the_cells_whose_centre_is_near():
    """Drawn ground is by cell centre: it is never credit."""
    cells = footprint_cells(np.array([[250, 250]]), 500)
    assert sorted(map(tuple, cells.tolist())) == [(-1, 0), (0, -1), (0, 0), (0, 1), (1, 0)]


def test_nothing_seen_is_nothing_credited_and_nowhere_passed_is_no_footprint():
    """Empty in, empty out, in shape too."""
    assert credited_cells(np.empty((0, 3), dtype=np.int64), 100).shape == (0, 2)
    assert footprint_cells(np.empty((0, 2), dtype=np.int64), 2_000).shape == (0, 2)
