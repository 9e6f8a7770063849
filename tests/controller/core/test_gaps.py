"""What must still be searched, where it lies, and what it is not."""

import numpy as np
import pytest

from controller.core.cells import CellState, DueCause, FoldedTile
from controller.core.gaps import WARNING, bearing_to, gaps
from controller.core.reasons import Reason


def tile(states, reasons=None, inside=None, tx=0, ty=0):
    nothing = np.zeros((256, 256), dtype=np.uint8)
    return FoldedTile(
        tx=tx, ty=ty, states=states, reasons=nothing if reasons is None else reasons, credit=nothing > 0, inside=inside
    )


def all_of(state):
    return np.full((256, 256), state, dtype=np.uint8)


def test_within_a_boundary_everything_that_was_not_searched_is_a_gap_of_its_cause():
    """Not visited, out of spec and due, side by side; what lies outside is nobody's."""
    states, reasons, inside = all_of(CellState.SEARCHED), all_of(0), np.zeros((256, 256), dtype=np.bool_)
    inside[:, :200] = True
    states[:, 150:] = CellState.NOT_VISITED
    states[10:20, 10:20], reasons[10:20, 10:20] = CellState.OUT_OF_SPEC, Reason.TOO_FAST + 1
    states[40:50, 10:30], reasons[40:50, 10:30] = CellState.RESEARCH_DUE, DueCause.CHECK_FAILED
    found = gaps([tile(states, reasons, inside)], {(0, 0): 77})
    assert [(gap.cause, gap.area_m2, gap.last_utc_ns) for gap in found] == [
        ("not_visited", 50 * 256 * 0.0025, 77),
        ("check_failed", 0.5, 77),
        ("too_fast", 0.25, 77),
    ]


@pytest.mark.parametrize(
    "state",
    [
        CellState.SIGNAL_OPEN, CellState.KEEP_OUT, CellState.INACCESSIBLE, CellState.PROVISIONAL,
        CellState.HAND_SEARCHED, CellState.SEARCHED,
    ],
)  # fmt: skip
def test_nobody_is_sent_to_search_an_open_alarm_or_ground_that_is_none_of_the_task(state):
    """These are worked off elsewhere, or not at all."""
    assert gaps([tile(all_of(state), inside=all_of(1) > 0)], {}) == []


def test_without_a_boundary_what_searched_ground_goes_round_is_a_gap():
    """A ring of ground over nine tiles, the middle one never touched: one hole. What lies outside it is not known."""
    tiles = []
    for tx in range(3):
        for ty in range(3):
            if (tx, ty) != (1, 1):
                tiles.append(tile(all_of(CellState.SEARCHED), tx=tx, ty=ty))
    (hole,) = gaps(tiles, {})
    assert (hole.cause, hole.area_m2, hole.last_utc_ns) == ("not_visited", round(12.8**2, 4), None)


def test_a_map_of_nothing_has_no_gap():
    """Without a boundary nobody knows what is missing."""
    assert gaps([tile(all_of(CellState.NOT_VISITED))], {}) == []


def test_one_gap_over_the_border_of_two_tiles_is_one():
    """The seam between tiles is nothing on the ground."""
    inside = all_of(1) > 0
    west = tile(all_of(CellState.NOT_VISITED), inside=inside)
    east = tile(all_of(CellState.NOT_VISITED), inside=inside, tx=1)
    (gap,) = gaps([west, east], {})
    assert gap.area_m2 == round(2 * 12.8**2, 4)


@pytest.mark.parametrize(
    ("east_m", "north_m", "distance_m", "bearing_deg"),
    [
        (6.4, -3.0, 3.0, 0.0),
        (-4.0, 6.4, 4.0, 90.0),
        (6.4, 15.8, 3.0, 180.0),
        (15.8, 6.4, 3.0, 270.0),
        (-3.0, -4.0, 5.0, 36.9),
        (6.0, 6.0, 0.0, None),
    ],
)
def test_a_gap_lies_in_a_direction_and_no_way_there_is_vouched_for(east_m, north_m, distance_m, bearing_deg):
    """Clockwise from north, to the nearest point; on it there is no direction."""
    (gap,) = gaps([tile(all_of(CellState.NOT_VISITED), inside=all_of(1) > 0)], {})
    seen = bearing_to(gap, east_m, north_m)
    assert (seen.distance_m, seen.bearing_deg, seen.warning) == (distance_m, bearing_deg, WARNING)
    assert "not a safe route" in WARNING
