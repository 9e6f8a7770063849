"""What the driver is told, against maps drawn by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.cells import CellState
from controller.core.coverage import credited_cells, seen_spans
from controller.core.guidance import SPARE_M, Bar, Pose, Side, guide
from controller.core.tiles import CELL_DMM

BAR = Bar(x_m=1.0, left_m=0.3, right_m=-0.3, radius_m=0.2, reach_m=0.15)
NORTHWARDS = Pose(east_m=0.0, north_m=0.0, heading_deg=0.0)


def ground(*strips):
    """A map of strips that run north: (west, east, state); not visited elsewhere."""

    def state_at(places):
        states = np.full(len(places), int(CellState.NOT_VISITED), dtype=np.uint8)
        for west, east, state in strips:
            states[(places[:, 0] >= west) & (places[:, 0] < east)] = state
        return states

    return state_at


def test_the_lane_on_the_left_is_joined_by_steering_towards_it():
    """Its edge is 0.6 m left of the last coil's reach: 0.6 m and the spare, to the left."""
    told = guide(NORTHWARDS, None, BAR, (), ground((-3.0, -1.049, CellState.SEARCHED)))
    assert (told.offset_m, told.overlap_m) == (0.65, -0.6)
    assert told.overlap_needed_m == 0.1


def test_the_nearer_of_two_lanes_is_joined_and_too_much_overlap_is_given_back():
    """The right one is lapped over by 0.3 m: away from it by what is more than the spare."""
    state_at = ground((-3.0, -1.05, CellState.SEARCHED), (0.15, 3.0, CellState.PROVISIONAL))
    told = guide(NORTHWARDS, None, BAR, (), state_at)
    assert (told.offset_m, told.overlap_m) == (0.25, 0.3)


def test_an_open_alarm_on_the_next_strips_edge_hides_no_strip():
    """The lane is where it was; there is nothing to steer for beneath the alarm."""
    strips = (-3.0, -1.249, CellState.SEARCHED), (-1.249, -1.049, CellState.SIGNAL_OPEN)
    assert guide(NORTHWARDS, None, BAR, (), ground(*strips)).offset_m == 0.65


@pytest.mark.parametrize("heading_deg", [0.0, 90.0, 213.0])
def test_left_is_the_drivers_left_whatever_the_heading(heading_deg):
    """A searched half plane on the machine's left."""
    heading = math.radians(heading_deg)
    pose = Pose(east_m=5.0, north_m=-7.0, heading_deg=heading_deg)

    def state_at(places):
        left = -(places[:, 0] - 5.0) * math.cos(heading) + (places[:, 1] + 7.0) * math.sin(heading)
        return np.where(left >= 0.999, CellState.SEARCHED, CellState.NOT_VISITED).astype(np.uint8)

    told = guide(pose, None, BAR, (), state_at)
    assert told.offset_m == pytest.approx(0.6, abs=0.01)


def test_without_errors_position_or_neighbour_nothing_is_said():
    """Unknown is told as unknown, each by itself."""
    state_at = ground((-3.0, -1.05, CellState.SEARCHED))
    unknown = Bar(x_m=1.0, left_m=0.3, right_m=-0.3, radius_m=0.2, reach_m=None)
    assert guide(NORTHWARDS, None, unknown, (), state_at).offset_m is None
    assert guide(NORTHWARDS, None, unknown, (), state_at).overlap_needed_m is None
    assert guide(None, None, BAR, ((0.0, 0.0),), state_at).is_on_unsearched is None
    assert guide(NORTHWARDS, NORTHWARDS, BAR, (), ground()).offset_m is None
    assert guide(NORTHWARDS, NORTHWARDS, BAR, (), ground()).is_on_unsearched is None


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (CellState.OUT_OF_SPEC, (Side.LEFT, 0.15)),
        (CellState.NOT_VISITED, (Side.LEFT, 0.15)),
        (CellState.RESEARCH_DUE, (Side.LEFT, 0.15)),
        (CellState.SIGNAL_OPEN, (None, None)),
        (CellState.KEEP_OUT, (None, None)),
        (CellState.HAND_SEARCHED, (None, None)),
    ],
)
def test_a_strip_between_this_pass_and_its_neighbour_is_told_unless_it_is_nobodys_to_search(state, expected):
    """Own ground 0.4 m to each side, the neighbour's from 0.55 m on."""
    state_at = ground((-0.401, 0.4, CellState.PROVISIONAL), (-0.551, -0.401, state), (-3.0, -0.551, CellState.SEARCHED))
    told = guide(None, NORTHWARDS, BAR, (), state_at)
    assert (told.missing, told.missing_m) == expected


def test_a_pass_that_does_not_count_itself_has_no_strip_beside_it():
    """There the reason is shown; nothing was left out next to nothing."""
    told = guide(None, NORTHWARDS, BAR, (), ground((-3.0, -0.551, CellState.SEARCHED)))
    assert told.missing is None


def test_a_wheel_on_ground_that_does_not_count_is_told():
    """One of four is enough, and where it was matters, not where it is."""
    wheels = ((0.5, 0.4), (0.5, -0.4), (-0.5, 0.4), (-0.5, -0.4))
    wide, narrow = ground((-0.5, 0.5, CellState.SEARCHED)), ground((-0.5, 0.3, CellState.SEARCHED))
    astray = Pose(east_m=9.0, north_m=0.0, heading_deg=0.0)
    assert guide(astray, NORTHWARDS, BAR, wheels, wide).is_on_unsearched is False
    assert guide(NORTHWARDS, NORTHWARDS, BAR, wheels, narrow).is_on_unsearched is True
    assert guide(NORTHWARDS, None, BAR, wheels, wide).is_on_unsearched is None


def _credited(east_dmm, reach_dmm, common_dmm, true_dmm):
    """Cells that a pass north over 3 m credits, 25 mm apart, whose places are off by `true_dmm` all the time."""
    north = np.arange(0, 30_000, 250, dtype=np.int64)
    coils = np.array([-3_000, -1_500, 0, 1_500, 3_000], dtype=np.int64)
    position = np.zeros((len(north), len(coils), 2), dtype=np.int64)
    position[:, :, 0], position[:, :, 1] = east_dmm + coils + true_dmm, north[:, None]
    radius = np.full(position.shape[:2], reach_dmm, dtype=np.int64)
    return {tuple(cell) for cell in credited_cells(seen_spans(position, radius), common_dmm).tolist()}


@settings(max_examples=25, deadline=None)
@given(
    first_dmm=st.integers(-2_000, 2_000),
    common_dmm=st.integers(0, 400),
    reach_dmm=st.integers(1_600, 2_200),
    start_m=st.floats(0.3, 1.5),
)
def test_steering_as_told_leaves_no_seam_between_two_passes(first_dmm, common_dmm, reach_dmm, start_m):
    """Any errors: the second pass, moved by the offset, credits every cell up to the first one's."""
    first = _credited(first_dmm, reach_dmm, common_dmm, 0)
    middle_row = 30  # 1.5 m up the lane
    columns = [column for column, row in first if row == middle_row]

    def state_at(places):
        is_in = [(math.floor(east / 0.05), middle_row) in first for east, _ in places.tolist()]
        return np.where(is_in, CellState.SEARCHED, CellState.NOT_VISITED).astype(np.uint8)

    start_dmm = first_dmm + 10_000 + round(start_m * 10_000)
    reach_m = (reach_dmm - common_dmm) / 10_000
    bar = Bar(x_m=1.0, left_m=0.3, right_m=-0.3, radius_m=0.2, reach_m=reach_m)
    told = guide(Pose(east_m=start_dmm / 10_000, north_m=0.0, heading_deg=0.0), None, bar, (), state_at)
    second = _credited(start_dmm - round(told.offset_m * 10_000), reach_dmm, common_dmm, 0)
    joined = sorted({column for column, row in first | second if row == middle_row})
    assert joined == list(range(joined[0], joined[-1] + 1))
    assert SPARE_M * 10_000 >= CELL_DMM
    assert columns
