"""The vehicle: smooth, within what is stated of it, facing where it should, following its hitch."""

from importlib.resources import files

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from controller.config import parse_config
from firmware_bridge.codec.gnss import GnssDecoder
from firmware_bridge.errors import ConfigError
from sim.day import plan
from sim.drive import ACCELERATION_M_S2
from sim.earth import offsets_enu
from sim.gnss import Receiver
from sim.machine_config import config_text
from sim.motion import ANTENNA_M, Motion, coil_positions, highest_coil_m
from sim.physics import worst_reading
from sim.scenario import load_scenario
from sim.sections import Operator, Stop, Stretch, TerrainModel, Trailer, VehicleModel

LANES = load_scenario("lanes")
STEP_S = 0.1


def changed(scenario=LANES, *, lanes=None, head=None, **sections):
    for name, keys in (("lanes", lanes), ("head", head)):
        if keys is not None:
            sections[name] = msgspec.structs.replace(getattr(scenario, name), **keys)
    return msgspec.structs.replace(scenario, **sections)


@st.composite
def scenarios(draw):
    """Any pattern, pace, stops, stretches, sway, wander and trailer that the vehicle can drive."""
    pattern = draw(st.sampled_from(["northward", "serpentine", "back_and_forth"]))
    count = draw(st.integers(1, 3))
    lane = st.integers(1, count)
    stops = st.builds(Stop, lane=lane, at_m=st.floats(0.0, 8.0), for_s=st.floats(0.5, 5.0))
    stretches = st.builds(
        Stretch, lane=lane, from_m=st.floats(0.0, 3.0), to_m=st.floats(3.5, 8.0), speed_m_s=st.floats(0.2, 3.0)
    )
    lanes = {
        "pattern": pattern,
        "count": count,
        "length_m": 8.0,
        "spacing_m": draw(st.floats(0.5, 5.0)),
        "speed_m_s": draw(st.floats(0.2, 2.5)),
        "stop": tuple(draw(st.lists(stops, max_size=2))),
        "stretch": tuple(draw(st.lists(stretches, max_size=2))),
    }
    sections = {}
    if pattern != "back_and_forth" and draw(st.booleans()):
        sections["trailer"] = Trailer(length_m=draw(st.floats(0.5, 3.0)))
    sections["operator"] = Operator(wander_m=draw(st.sampled_from([0.0, 0.05])))
    sections["vehicle"] = VehicleModel(
        sway_roll_deg=draw(st.floats(0.0, 1.5)),
        sway_pitch_deg=draw(st.floats(0.0, 1.5)),
        sway_length_m=draw(st.floats(4.0, 20.0)),
    )
    return changed(lanes=lanes, **sections)


def motion_of(scenario, seed=0):
    try:
        return Motion(scenario, 5.0, seed)
    except ConfigError:
        assume(False)


def reference_m(poses):
    """East and north of the point that keeps to the route, float64 (n, 2): the antenna's foot."""
    mast = offsets_enu(np.array([ANTENNA_M]), poses.heading_rad, poses.roll_rad, poses.pitch_rad)[:, 0, :2]
    return np.stack([poses.east_m, poses.north_m], axis=1) - mast


def speeds_of(scenario):
    return [scenario.lanes.speed_m_s, *(stretch.speed_m_s for stretch in scenario.lanes.stretch)]


@settings(max_examples=60, deadline=None)
@given(scenario=scenarios(), seed=st.integers(0, 2**32 - 1))
def test_the_vehicle_keeps_what_its_configuration_states(scenario, seed):
    """Speed, acceleration, yaw acceleration and tilt, whatever it drives; its way has no gap."""
    motion = motion_of(scenario, seed)
    vehicle = parse_config(config_text(scenario), "simulated").vehicle
    times = np.arange(0.0, motion.arrive_s + 5.0, STEP_S)
    poses, fastest = motion.poses(times), max(speeds_of(scenario))
    velocity = np.diff(reference_m(poses), axis=0) / STEP_S
    assert np.hypot(*velocity.T).max() <= fastest * 1.005
    assert np.abs(poses.speed_m_s).max() <= fastest * 1.005
    antenna = np.diff(np.stack([poses.east_m, poses.north_m], axis=1), axis=0) / STEP_S
    assert np.hypot(*np.diff(antenna, axis=0).T).max() / STEP_S <= vehicle.acceleration_m_s2_max
    yaw = np.degrees(np.diff(poses.heading_rad)) / STEP_S
    assert np.abs(np.diff(yaw)).max() / STEP_S <= vehicle.yaw_acceleration_deg_s2_max
    assert np.degrees(np.hypot(poses.roll_rad, poses.pitch_rad)).max() <= vehicle.slope_deg_max


@settings(max_examples=30, deadline=None)
@given(scenario=scenarios(), seed=st.integers(0, 2**32 - 1), random=st.integers(0, 2**32 - 1))
def test_a_pose_does_not_depend_on_what_else_is_asked(scenario, seed, random):
    """In parts, out of order, or from another object of the same seed: the same pose to the last bit."""
    motion, random = motion_of(scenario, seed), np.random.default_rng(random)
    times = random.uniform(0.0, motion.arrive_s + 5.0, 400)
    whole, order = motion.poses(times), random.permutation(400)
    parts = [Motion(scenario, 5.0, seed).poses(part) for part in np.array_split(times[order], 7)]
    for name in whole.__struct_fields__:
        assert (getattr(whole, name)[order] == np.concatenate([getattr(part, name) for part in parts])).all(), name


@pytest.mark.parametrize("seconds", [(2.0, 1.0), (1.0, 2.0)])
def test_two_stops_at_the_same_metre_stand_one_after_the_other(seconds):
    """In either order."""
    stops = tuple(Stop(lane=1, at_m=3.0, for_s=for_s) for for_s in seconds)
    scenario = changed(lanes={"pattern": "serpentine", "stop": stops})
    motion = motion_of(scenario)
    times = np.arange(motion.depart_s + 0.5, motion.arrive_s - 0.5, 0.02)
    assert (motion.poses(times).speed_m_s == 0.0).sum() * 0.02 == pytest.approx(3.0, abs=0.05)


@settings(max_examples=30, deadline=None)
@given(scenario=scenarios())
def test_it_stands_before_it_leaves_after_it_arrives_and_wherever_it_stops(scenario):
    """As long as asked, at the metre asked, with the array there and not the antenna."""
    motion = motion_of(scenario)
    times = np.arange(0.0, motion.arrive_s + 5.0, 0.02)
    poses = motion.poses(times)
    places = reference_m(poses)
    is_out = (times < motion.depart_s) | (times > motion.arrive_s)
    assert (poses.speed_m_s[is_out] == 0.0).all()
    assert np.ptp(places[times < motion.depart_s], axis=0).max() < 1e-9
    assert np.ptp(places[times > motion.arrive_s], axis=0).max() < 1e-9
    arrays = coil_positions(poses, scenario).mean(axis=1)
    for stop in scenario.lanes.stop:
        is_south = scenario.lanes.pattern == "serpentine" and stop.lane % 2 == 0
        north = scenario.lanes.length_m - stop.at_m if is_south else stop.at_m
        is_near = np.hypot(arrays[:, 0] - (stop.lane - 1) * scenario.lanes.spacing_m, arrays[:, 1] - north) < 0.3
        stands = is_near & (poses.speed_m_s == 0.0) & ~is_out
        assert stands.sum() * 0.02 >= stop.for_s - 0.05


@settings(max_examples=30, deadline=None)
@given(
    scenario=scenarios().filter(lambda one: one.trailer is None and one.operator.wander_m == 0.0),
)
def test_on_straight_lanes_it_faces_where_it_goes_or_backs_straight_out(scenario):
    """Heading against course: 0 degrees forward and 180 in reverse, by the sign of its speed."""
    motion = motion_of(scenario)
    times = np.arange(motion.depart_s, motion.arrive_s, STEP_S)
    poses = motion.poses(times)
    steps = np.diff(reference_m(poses), axis=0)
    middle = motion.poses(times[:-1] + STEP_S / 2)
    coils = coil_positions(middle, scenario).mean(axis=1)
    is_in = (coils[:, 1] > 0.0) & (coils[:, 1] < scenario.lanes.length_m) & (np.hypot(*steps.T) > 1e-3)
    is_in &= coils[:, 0] > -0.2
    course = np.arctan2(*steps.T)
    apart = np.cos(course - middle.heading_rad)[is_in]
    assert np.abs(apart) == pytest.approx(np.ones(is_in.sum()), abs=1e-9)
    assert (np.sign(apart) == np.sign(middle.speed_m_s[is_in])).all()
    if scenario.lanes.pattern == "back_and_forth":
        assert {-1.0, 1.0} == set(np.sign(apart).tolist())
        assert np.abs(np.sin(poses.heading_rad / 2.0)).max() < 0.5, "it faces north all day"


@settings(max_examples=30, deadline=None)
@given(length_m=st.floats(0.5, 6.0), wander_m=st.sampled_from([0.0, 0.05]), seed=st.integers(0, 100))
def test_a_trailers_axle_never_slips_sideways(length_m, wander_m, seed):
    """Velocity across its own heading is nothing; along it, it is what the pose says."""
    scenario = changed(trailer=Trailer(length_m=length_m), operator=Operator(wander_m=wander_m))
    motion = Motion(scenario, 5.0, seed)
    times, half_s = np.arange(motion.depart_s + 0.1, motion.arrive_s - 0.1, 0.073), 1e-4
    before, now, after = (motion.poses(times + shift) for shift in (-half_s, 0.0, half_s))
    velocity = (reference_m(after) - reference_m(before)) / (2.0 * half_s)
    sin, cos = np.sin(now.heading_rad), np.cos(now.heading_rad)
    assert np.abs(velocity[:, 0] * cos - velocity[:, 1] * sin).max() < 1e-3
    assert velocity[:, 0] * sin + velocity[:, 1] * cos == pytest.approx(
        now.speed_m_s, abs=0.02
    )  # it jerks at each 2 cm


def test_a_trailer_turns_as_its_equation_says():
    """Heading rate v/L sin(hitch's course less heading), the hitch found from the axle, integrated step by step."""
    scenario = changed(trailer=Trailer(length_m=1.5))
    motion = Motion(scenario, 5.0)
    step_s = 0.002
    poses = motion.poses(np.arange(5.0, 60.0, step_s))
    ahead = 1.5 * np.stack([np.sin(poses.heading_rad), np.cos(poses.heading_rad)], axis=1)
    hitch = reference_m(poses) + ahead
    steps = np.diff(hitch, axis=0)
    heading, most = float(poses.heading_rad[0]), 0.0
    for row, (east, north) in enumerate(steps.tolist()):
        heading += (east * np.cos(heading) - north * np.sin(heading)) / 1.5
        most = max(most, abs(heading - poses.heading_rad[row + 1]))
    assert most < 0.002
    assert np.ptp(poses.heading_rad) > 1.5, "it did turn"


def test_in_reverse_the_receiver_reports_a_course_behind_its_heading():
    """As a receiver does, whose speed over ground has no sign."""
    scenario = changed(lanes={"pattern": "back_and_forth", "count": 1})
    motion = Motion(scenario, 5.0)
    receiver = Receiver(scenario, motion, 1_772_000_000 * 10**9, np.random.default_rng(1))
    arrivals = receiver.arrivals(0.0, motion.arrive_s)
    decoder = GnssDecoder()
    fixes = [fix for _, payload in arrivals for fix in decoder.feed(payload)]
    moving = [fix for fix in fixes if fix.speed_m_s > 0.5]
    assert min(fix.speed_m_s for fix in fixes) >= 0.0
    behind = [round(abs(fix.course_deg - fix.heading_deg)) for fix in moving]
    assert set(behind) == {0, 180}


@settings(max_examples=30, deadline=None)
@given(
    roll=st.floats(0.0, 1.5),
    pitch=st.floats(0.0, 1.5),
    bounce=st.floats(0.0, 0.06),
    slope=st.sampled_from([0.0, 0.02]),
    trailer=st.sampled_from([None, Trailer(length_m=1.0)]),
)
def test_coils_stay_within_the_height_that_is_calibrated_for(roll, pitch, bounce, slope, trailer):
    """Above the plane, upright to it, and about as far as said when everything comes together."""
    scenario = changed(
        head={"height_m": 0.2},
        vehicle=VehicleModel(sway_roll_deg=roll, sway_pitch_deg=pitch, bounce_m=bounce, sway_length_m=4.0),
        terrain=TerrainModel(slope_east=slope, slope_north=-slope),
        trailer=trailer,
    )
    coils = coil_positions(Motion(scenario, 5.0).poses(np.arange(0.0, 300.0, 0.05)), scenario)
    east, north = scenario.slope
    above = (coils[..., 2] - east * coils[..., 0] - north * coils[..., 1]) / np.sqrt(1.0 + east**2 + north**2)
    reach_m = highest_coil_m(scenario) - 0.2
    assert 0.55 * reach_m - 0.001 <= np.abs(above - 0.2).max() <= reach_m + 0.001


def test_the_calibration_counts_what_the_vehicle_does():
    """More sway or bounce, a weaker worst response; and the trailer's array, over its axle, pitches without rising."""
    high = changed(head={"height_m": 0.2})
    still = worst_reading(changed(high, vehicle=VehicleModel(sway_roll_deg=0.0, sway_pitch_deg=0.0)))
    swaying = worst_reading(high)
    assert worst_reading(changed(high, vehicle=VehicleModel(bounce_m=0.05))) < 0.8 * swaying
    assert swaying < worst_reading(changed(high, trailer=Trailer(length_m=2.0))) < still


def test_an_operator_keeps_the_lane_as_well_as_said():
    """Sigma over many lanes; another seed errs elsewhere, the same seed the same."""
    scenario = changed(lanes={"count": 20, "length_m": 100.0}, operator=Operator(wander_m=0.06, wander_length_m=3.0))
    found = []
    for seed in (1, 1, 2):
        motion = Motion(scenario, 0.0, seed)
        poses = motion.poses(np.arange(0.0, motion.arrive_s, 1.0))
        east, north = reference_m(poses).T
        is_on = (north > 0.0) & (north < 95.0) & (np.abs(np.sin(poses.heading_rad)) < 0.2) & (east > -1.0)
        found.append((east - np.round(east / 0.95) * 0.95)[is_on])
    assert found[0].tolist() == found[1].tolist() != found[2].tolist()
    assert found[0].std() == pytest.approx(0.06, rel=0.15)
    assert abs(found[0].mean()) < 0.02


def test_a_day_takes_its_operators_wander_from_the_seed():
    """Two seeds, two truths of the same lanes; without wander the way is the same."""
    short = changed(load_scenario("first-lane"), lanes={"pattern": "serpentine"})
    wandering = changed(short, operator=Operator(wander_m=0.1))
    for scenario, is_same in ((short, True), (wandering, False)):
        days = [plan(scenario, seed) for seed in (1, 2)]
        one, other = (np.concatenate([part.coils_m for part in day.truth.parts()]) for day in days)
        # A way that wanders is longer or shorter, too.
        shared = min(len(one), len(other))
        assert (np.abs(one[:shared] - other[:shared]).max() < 1e-9) == is_same


def test_the_missed_lane_is_driven_too_far_from_the_last_one():
    """That lane alone."""
    scenario = changed(operator=Operator(missed_overlap_lane=3, missed_overlap_m=0.4))
    motion = Motion(scenario, 0.0)
    poses = motion.poses(np.arange(0.0, motion.arrive_s, 0.5))
    is_on = (np.abs(poses.north_m - 6.0) < 2.0) & (np.abs(np.sin(poses.heading_rad)) < 1e-6) & (poses.east_m > -1.0)
    lanes = sorted({round(float(east), 2) for east in reference_m(poses)[is_on][:, 0]})
    assert lanes == pytest.approx([0.0, 0.95, 2.3, 2.85, 3.8, 4.75])


def test_the_array_and_not_the_antenna_is_where_a_stretch_begins():
    """Slower from 4 to 8 m of the lane, as the array drives it, northward and southward alike."""
    for lane in (1, 2):
        stretch = Stretch(lane=lane, from_m=4.0, to_m=8.0, speed_m_s=0.3)
        scenario = changed(lanes={"pattern": "serpentine", "count": 2, "stretch": (stretch,)})
        motion = Motion(scenario, 0.0)
        poses = motion.poses(np.arange(0.0, motion.arrive_s, 0.02))
        coils = coil_positions(poses, scenario).mean(axis=1)
        slow = np.abs(np.abs(poses.speed_m_s) - 0.3) < 1e-9
        assert coils[slow, 1].min() == pytest.approx(4.0, abs=0.08)  # of twelve metres, the middle third both ways
        assert coils[slow, 1].max() == pytest.approx(8.0, abs=0.08)
        assert (np.abs(coils[slow, 0] - 0.95 * (lane - 1)) < 0.1).all()


REFUSED = [
    ("[[lanes.stop]]\nlane = 7\nat_m = 1.0\nfor_s = 1.0\n", "lane 7 is outside"),
    ("[[lanes.stop]]\nlane = 1\nat_m = 12.5\nfor_s = 1.0\n", r"12.5 m of lane 1 is outside"),
    ("[[lanes.stretch]]\nlane = 1\nfrom_m = 5.0\nto_m = 5.0\nspeed_m_s = 1.0\n", "from_m"),
    ("[operator]\nmissed_overlap_lane = 7\nmissed_overlap_m = 0.3\n", "7 of 6 lanes"),
    ("[operator]\nmissed_overlap_lane = 2\nmissed_overlap_m = 0.95\n", "spacing_m"),
    ("[vehicle]\nsway_roll_deg = 3.0\nsway_pitch_deg = 3.0\n[terrain]\nslope_east = 0.05\n", "sway_roll_deg"),
    ("[vehicle]\nbounce_m = 0.07\n", r"raise \[head\] height_m"),
    ("[vehicle]\nsway_roll_deg = 3.0\nsway_length_m = 2.0\n[[lanes.stretch]]\n"
     "lane = 1\nfrom_m = 1.0\nto_m = 5.0\nspeed_m_s = 3.0\n", "sway_length_m"),
    ('[trailer]\nlength_m = 2.0\nantennas = "vehicle"\n', "one rigid body"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_a_vehicle_that_cannot_drive_so_is_refused_by_its_key(tmp_path, text, words):
    """Outside the lanes, too lively for what is stated, into the ground, or unknown to the controller."""
    path, shipped = tmp_path / "mine.toml", (files("sim") / "scenarios" / "lanes.toml").read_text()
    path.write_text(shipped + text)
    with pytest.raises(ConfigError, match=words):
        driven(load_scenario(str(path)))


def driven(scenario):
    return highest_coil_m(scenario), Motion(scenario, 0.0)


def test_the_edges_of_what_is_refused_are_driven(tmp_path):
    """The last lane, its last metre, and as lively as the coils' height leaves."""
    text = """
[[lanes.stop]]
lane = 6
at_m = 12.0
for_s = 1.0
[operator]
missed_overlap_lane = 6
missed_overlap_m = 0.9
[vehicle]
bounce_m = 0.05
[trailer]
length_m = 2.0
"""
    path = tmp_path / "mine.toml"
    path.write_text((files("sim") / "scenarios" / "lanes.toml").read_text() + text)
    assert driven(load_scenario(str(path)))[0] > 0.13


def test_a_trailer_is_neither_reversed_nor_folded_up(tmp_path):
    """Backing, it would fold up; in a half turn as tight as its lanes, too."""
    trailer, path = Trailer(length_m=2.0), tmp_path / "mine.toml"
    shipped = (files("sim") / "scenarios" / "demo.toml").read_text()
    path.write_text(shipped.replace("serpentine", "back_and_forth") + "[trailer]\nlength_m = 2.0\n")
    with pytest.raises(ConfigError, match="folds up in reverse"):
        load_scenario(str(path))
    with pytest.raises(ConfigError, match="folds up in the turns"):
        Motion(changed(lanes={"pattern": "serpentine"}, trailer=trailer), 0.0)
    wide = changed(lanes={"pattern": "serpentine", "spacing_m": 5.0}, trailer=trailer)
    assert Motion(wide, 0.0).arrive_s > 0.0


def test_all_of_a_turn_is_driven_at_the_pace_that_its_tightest_place_allows():
    """A vehicle twice as fast slows down for its turns, with its usual acceleration, and is fast on its lanes."""
    scenario = changed(lanes={"pattern": "serpentine", "speed_m_s": 2.0, "run_in_m": 6.0})
    motion = Motion(scenario, 0.0)
    poses = motion.poses(np.arange(0.0, motion.arrive_s, STEP_S))
    is_turning = np.abs(np.sin(poses.heading_rad)) > 0.1
    assert poses.speed_m_s[is_turning].max() < 1.0
    assert poses.speed_m_s.max() == pytest.approx(2.0)
    assert np.abs(np.diff(poses.speed_m_s)).max() <= ACCELERATION_M_S2 * STEP_S * 1.001
