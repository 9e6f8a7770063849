"""What vehicles really do, through the whole chain: driven, decoded, credited, and judged by the oracle."""

import msgspec
import numpy as np
import pytest

from controller.core.reasons import Reason
from controller.summary import read_map
from sim.day import plan
from sim.inproc import run
from sim.oracle import judge
from sim.scenario import load_scenario
from sim.sections import Operator, Stop, Stretch, Target, Trailer, VehicleModel

FIRST_LANE = load_scenario("first-lane")
CELL_M = 0.05


def changed(scenario=FIRST_LANE, *, lanes=None, head=None, world=None, **sections):
    for name, keys in (("lanes", lanes), ("head", head), ("world", world)):
        if keys is not None:
            sections[name] = msgspec.structs.replace(getattr(scenario, name), **keys)
    return msgspec.structs.replace(scenario, **sections)


@pytest.fixture
def live_through(tmp_path):
    """Plan, run and judge a scenario: its verdict and the map that its record folds to."""

    def live(scenario, seed=1):
        day = plan(scenario, seed)
        for _ in run(day, tmp_path / "session"):
            pass
        fold = read_map(tmp_path / "session").fold
        return judge(tmp_path / "session", scenario, day.truth), fold

    return live


def credit_share(fold, east_m, north_m):
    """Share of the cells of a rectangle that have credit."""
    credit = {
        (tile.tx * 256 + column, tile.ty * 256 + row)
        for tile in fold.tiles()
        for row, column in np.argwhere(tile.credit).tolist()
    }
    columns, rows = (range(round(low / CELL_M), round(high / CELL_M)) for low, high in (east_m, north_m))
    return np.mean([(column, row) in credit for column in columns for row in rows])


def withheld(fold, reason, north_m):
    """Share of the cells of a slice across the first lane that were passed without credit for this reason."""
    rows, columns = range(round(north_m[0] / CELL_M), round(north_m[1] / CELL_M)), range(-4, 4)
    marked = {
        (tile.tx * 256 + column, tile.ty * 256 + row)
        for tile in fold.tiles()
        for row, column in np.argwhere(tile.reasons == reason + 1).tolist()
    }
    return np.mean([(column, row) in marked for column in columns for row in rows])


BARE = changed(world={"targets": ()}, lanes={"pattern": "serpentine"})
FAST = (Stretch(lane=1, from_m=2.0, to_m=10.0, speed_m_s=2.0),)


def test_ground_driven_too_fast_is_withheld_and_the_rest_counts(live_through):
    """The profile allows 1.5 m/s; before the stretch and after it all is as ever."""
    verdict, fold = live_through(changed(BARE, lanes={"length_m": 16.0, "stretch": FAST}))
    assert verdict.over_claimed_m2 == 0.0
    assert withheld(fold, Reason.TOO_FAST, (5.0, 7.0)) == 1.0
    assert credit_share(fold, (-0.2, 0.2), (5.0, 7.0)) == 0.0
    assert credit_share(fold, (-0.2, 0.2), (1.0, 2.0)) == 1.0
    assert credit_share(fold, (-0.2, 0.2), (14.0, 15.5)) == 1.0


def test_ground_earns_its_credit_in_reverse(live_through):
    """Up the lane it was too fast; what it has in the end, it has from backing over it, heading north all the time."""
    lanes = {"pattern": "back_and_forth", "length_m": 16.0, "stretch": FAST}
    verdict, fold = live_through(changed(BARE, lanes=lanes))
    assert verdict.over_claimed_m2 == 0.0
    assert credit_share(fold, (-0.2, 0.2), (1.0, 15.5)) == 1.0


@pytest.mark.parametrize("seed", [1, 2])
def test_lanes_driven_back_and_forth_find_their_targets_and_claim_nothing_false(live_through, seed):
    """Two lanes, each up and down, and over to the next in reverse."""
    scenario = changed(lanes={"count": 2, "pattern": "back_and_forth", "spacing_m": 0.5})
    verdict, fold = live_through(scenario, seed)
    assert (verdict.over_claimed_m2, verdict.targets_missed, verdict.targets_found) == (0.0, 0, 2)
    assert fold.totals().searched_m2 > 10.0


@pytest.mark.parametrize("at_m", [3.0, 4.1], ids=["on a target", "beside it"])
def test_a_vehicle_that_stops_on_a_lane_claims_what_it_saw(live_through, at_m):
    """Half a minute's stand, longer than a signal is held: targets are found, and nothing is claimed twice over."""
    scenario = changed(BARE, world={"targets": FIRST_LANE.world.targets})
    verdict, _ = live_through(changed(scenario, lanes={"stop": (Stop(lane=1, at_m=at_m, for_s=30.0),)}))
    assert (verdict.over_claimed_m2, verdict.targets_missed, verdict.targets_found) == (0.0, 0, 2)


def test_a_stop_costs_no_ground(live_through):
    """Where nothing lies, the lane is as whole as without it."""
    _, fold = live_through(changed(BARE, lanes={"stop": (Stop(lane=1, at_m=3.0, for_s=10.0),)}))
    assert credit_share(fold, (-0.2, 0.2), (1.0, 5.5)) == 1.0


@pytest.mark.parametrize("seed", [1, 2])
def test_a_vehicle_that_bounces_earns_within_what_was_calibrated_for_it(live_through, seed):
    """Coils rise and sink by half their height; the radius is what the worst of it leaves, so they stand closer."""
    vehicle = VehicleModel(sway_roll_deg=1.5, sway_pitch_deg=1.2, bounce_m=0.03, sway_length_m=3.0)
    head = {"height_m": 0.14, "detection_radius_m": 0.15, "channels": 6, "pitch_m": 0.1}
    verdict, fold = live_through(changed(lanes={"pattern": "serpentine"}, head=head, vehicle=vehicle), seed)
    assert (verdict.over_claimed_m2, verdict.targets_missed, verdict.targets_found) == (0.0, 0, 2)
    assert fold.totals().searched_m2 > 2.0
    assert credit_share(fold, (-0.15, 0.15), (1.0, 2.0)) == 1.0


@pytest.mark.parametrize("seed", [1, 2])
def test_a_towed_array_earns_its_lanes_and_nothing_beside_its_turns(live_through, seed):
    """Antennas on the trailer: one rigid body, which swings behind the hitch through a half turn."""
    lanes = {"count": 2, "pattern": "serpentine", "spacing_m": 4.0}
    verdict, fold = live_through(changed(lanes=lanes, trailer=Trailer(length_m=1.5)), seed)
    assert (verdict.over_claimed_m2, verdict.targets_missed, verdict.targets_found) == (0.0, 0, 2)
    assert credit_share(fold, (3.8, 4.2), (0.5, 5.5)) == 1.0


def test_a_strip_between_lanes_that_were_driven_too_far_apart_is_not_searched(live_through):
    """What lies in it is neither found nor called searched; the lanes on both sides are, up to the strip."""
    hidden = Target(east_m=0.6, north_m=3.0, depth_m=0.1, strength=1.0)
    lanes = {"count": 2, "pattern": "back_and_forth", "spacing_m": 0.7}
    scenario = changed(BARE, lanes=lanes, world={"targets": (hidden,)})
    missed = changed(scenario, operator=Operator(missed_overlap_lane=2, missed_overlap_m=0.5))
    verdict, fold = live_through(missed)
    assert (verdict.over_claimed_m2, verdict.targets_missed, verdict.targets_not_searched) == (0.0, 0, 1)
    assert credit_share(fold, (0.45, 0.75), (0.5, 5.5)) == 0.0
    assert credit_share(fold, (-0.2, 0.2), (0.5, 5.5)) == 1.0
    assert credit_share(fold, (1.0, 1.4), (0.5, 5.5)) == 1.0


def test_the_same_strip_is_searched_where_the_overlap_is_kept(live_through):
    """The lane driven where it belongs finds the target; so the strip above is the operator's doing."""
    found = Target(east_m=0.6, north_m=3.0, depth_m=0.1, strength=1.0)
    lanes = {"count": 2, "pattern": "back_and_forth", "spacing_m": 0.5}
    verdict, fold = live_through(changed(BARE, lanes=lanes, world={"targets": (found,)}))
    assert (verdict.over_claimed_m2, verdict.targets_found) == (0.0, 1)
    assert credit_share(fold, (-0.2, 0.7), (0.5, 1.5)) == 1.0


@pytest.mark.parametrize("seed", [1, 2])
def test_an_operator_who_wanders_claims_only_where_the_array_has_been(live_through, seed):
    """Some strips between the lanes are missed, others overlap more than they should."""
    scenario = changed(
        lanes={"count": 3, "pattern": "back_and_forth", "spacing_m": 0.5}, operator=Operator(wander_m=0.08)
    )
    verdict, fold = live_through(scenario, seed)
    assert (verdict.over_claimed_m2, verdict.targets_missed, verdict.targets_found) == (0.0, 0, 2)
    assert fold.totals().searched_m2 > 10.0
