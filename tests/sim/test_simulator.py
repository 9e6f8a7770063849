"""The world, its bytes, and the judge: bounds hold, bytes decode, planted bugs are found."""

import json
import os
import subprocess
import sys
from importlib.resources import files

import msgspec
import numpy as np
import pytest

from controller.config import parse_config
from controller.summary import read_map
from firmware_bridge.codec.decoders import make_decoder
from firmware_bridge.codec.gnss import GnssDecoder
from firmware_bridge.codec.head import HeadDecoder, encode
from firmware_bridge.errors import ConfigError
from firmware_bridge.records import Attitude, AutopilotHeartbeat, FixClass, StatusBit
from sim.array import Array, sample_frames
from sim.autopilot import BOOT_NS, AutopilotFeed
from sim.crew import calibration_of
from sim.day import START_NS, plan
from sim.gnss import Receiver
from sim.head import SCALE_UV, dictionary_of
from sim.inproc import run
from sim.machine_config import config_text
from sim.motion import Motion, coil_positions, highest_coil_m
from sim.oracle import judge
from sim.scenario import load_scenario
from sim.sections import Fault, Scatter, Target, TerrainModel
from tests.sim.forged_truth import ForgedTruth

FIRST_LANE = load_scenario("first-lane")
LANES = load_scenario("lanes")


def scatter(**changes):
    ranges = {"east_m": (-3.0, 3.0), "north_m": (0.0, 6.0), "depth_m": (0.05, 0.1), "strength": (1.0, 2.0)}
    return Scatter(**{"count": 5, "apart_m": 0.8, **ranges, **changes})


def simulate(*arguments, hash_seed="0"):
    return subprocess.run(
        [sys.executable, "-m", "controller.cli", "simulate", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )


STEEP = msgspec.structs.replace(
    FIRST_LANE, name="steep", terrain=TerrainModel(slope_east=0.045, slope_north=-0.039, undulation_m=0.01)
)


@pytest.mark.parametrize("scenario", [FIRST_LANE, LANES, STEEP], ids=lambda scenario: scenario.name)
def test_the_vehicle_keeps_the_bounds_that_its_configuration_states(scenario):
    """Speed, acceleration, yaw acceleration and slope stay within what the core was told."""
    site = parse_config(config_text(scenario), "simulated")
    motion = Motion(scenario, 5.0)
    step_s = 0.1
    times = np.arange(0.0, motion.arrive_s + 5.0, step_s)
    poses = motion.poses(times)
    velocity = np.stack([np.gradient(poses.east_m, step_s), np.gradient(poses.north_m, step_s)])
    acceleration = np.hypot(*np.gradient(velocity, step_s, axis=1))
    yaw_acceleration = np.degrees(np.gradient(np.gradient(poses.heading_rad, step_s), step_s))
    assert np.hypot(*velocity).max() <= scenario.lanes.speed_m_s * 1.03  # the antenna's mast sways, too
    assert acceleration.max() <= site.vehicle.acceleration_m_s2_max
    assert np.abs(yaw_acceleration).max() <= site.vehicle.yaw_acceleration_deg_s2_max
    assert np.degrees(np.hypot(poses.roll_rad, poses.pitch_rad)).max() <= site.vehicle.slope_deg_max


@pytest.mark.parametrize("scenario", [FIRST_LANE, LANES], ids=lambda scenario: scenario.name)
def test_the_receiver_speaks_bytes_that_the_decoder_reads_back(scenario):
    """Every epoch once, of the true class, with its error and heading where the protocol carries them."""
    receiver = Receiver(scenario, Motion(scenario, 5.0), 1_772_000_000 * 10**9, np.random.default_rng(1))
    epochs = receiver.arrivals(0.0, 30.0)
    decoder = GnssDecoder()
    fixes = [fix for _, payload in epochs for fix in decoder.feed(payload)] + decoder.finish()
    assert len(fixes) == len(epochs)
    assert {fix.fix_class for fix in fixes} == {FixClass.FIXED}
    assert all(fix.heading_deg is not None and fix.horizontal_error_95_m >= 0.0199 for fix in fixes)


def test_the_autopilot_speaks_bytes_that_the_decoder_reads_back():
    """Attitude within the configured degree of the truth, and as many heartbeats as seconds."""
    motion = Motion(LANES, 5.0)
    decoder = make_decoder("mavlink", system_id=1)
    arrivals = AutopilotFeed(LANES, motion, np.random.default_rng(1)).arrivals(0.0, 60.0)
    records = [record for _, payload in arrivals for record in decoder.feed(payload)]
    attitudes = [record for record in records if isinstance(record, Attitude)]
    truth = motion.poses(np.array([(attitude.device_time_ns - BOOT_NS) / 1e9 for attitude in attitudes]))
    bound = np.radians(parse_config(config_text(LANES), "simulated").vehicle.attitude_error_deg)
    assert np.abs(truth.roll_rad - [attitude.roll_rad for attitude in attitudes]).max() < bound
    assert np.abs(truth.pitch_rad - [attitude.pitch_rad for attitude in attitudes]).max() < bound
    assert sum(isinstance(record, AutopilotHeartbeat) for record in records) == 60


def array_of(scenario):
    return Array(scenario, Motion(scenario, 5.0), ())


def test_the_head_speaks_bytes_that_the_decoder_reads_back():
    """Its dictionary says simulated; every sample comes back within half a count, and a clipped one says so."""
    values = np.random.default_rng(1).normal(0.0, 100.0, (40, LANES.head.channels))
    values[7, 2] = 1e9
    decoder = HeadDecoder()
    assert decoder.feed(encode(dictionary_of(LANES)))[0].is_simulated
    blocks = [
        block for _, payload in sample_frames(array_of(LANES), np.arange(40), values) for block in decoder.feed(payload)
    ]
    read, status = np.concatenate([b.values for b in blocks]), np.concatenate([b.status for b in blocks])
    is_whole = np.abs(values) < 1e9
    assert np.abs(read - values)[is_whole].max() <= SCALE_UV / 2 + 1e-9
    assert np.nonzero(status & StatusBit.SATURATED)[0].tolist() == [7]


def test_a_head_that_saturates_says_in_which_samples():
    """Below what the wire carries: clipped at the scenario's level, told by status."""
    noise = msgspec.structs.replace(LANES.noise, saturation=200.0)
    values = np.zeros((40, LANES.head.channels))
    values[11, 3], values[12, 0], values[13, 1] = 500.0, -201.0, 200.0
    decoder = HeadDecoder()
    decoder.feed(encode(dictionary_of(LANES)))
    frames = sample_frames(array_of(msgspec.structs.replace(LANES, noise=noise)), np.arange(40), values)
    blocks = [block for _, payload in frames for block in decoder.feed(payload)]
    read, status = np.concatenate([b.values for b in blocks]), np.concatenate([b.status for b in blocks])
    assert np.nonzero(status & StatusBit.SATURATED)[0].tolist() == [11, 12]
    assert np.abs(read).max() == pytest.approx(200.0)


def test_the_calibration_leaves_room_for_the_noise():
    """The reference item at the radius's edge stands above the threshold by more than the profile asks."""
    channel = calibration_of(LANES).channels[0]
    assert channel.reference_response_min - channel.site_threshold > 4.0 * LANES.head.noise_uv


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """A simulated first lane with its truth."""
    planned = plan(FIRST_LANE, 3)
    directory = tmp_path_factory.mktemp("day") / "session"
    for _ in run(planned, directory):
        pass
    return planned, directory


def test_an_honest_day_is_judged_clean(day):
    """Nothing over-claimed, every target found, little missed."""
    planned, directory = day
    verdict = judge(directory, FIRST_LANE, planned.truth)
    assert verdict.over_claimed_m2 == 0.0
    assert (verdict.targets_found, verdict.targets_missed) == (2, 0)
    claimed = sum(int(tile.credit.sum()) for tile in read_map(directory).fold.tiles()) * 0.0025
    assert claimed > 15.0
    assert verdict.missed_claim_m2 <= 0.02 * claimed


def shifted(part):
    return msgspec.structs.replace(part, coils_m=part.coils_m + np.array([0.15, 0.0, 0.0]))


def dead_channel(part):
    alive = part.alive.copy()
    alive[:, 0] = False
    return msgspec.structs.replace(part, alive=alive)


def late(part):
    return msgspec.structs.replace(part, mono_ns=part.mono_ns + 10**12)


def skipped_stretch(part):
    begun_ns = START_NS + 50 * 10**9
    is_skipped = (part.mono_ns > begun_ns) & (part.mono_ns <= begun_ns + 10**9)
    return msgspec.structs.replace(part, alive=part.alive & ~is_skipped[:, None])


@pytest.mark.parametrize("bug", [shifted, dead_channel, late, skipped_stretch])
def test_the_oracle_finds_ground_that_was_not_searched(day, bug):
    """Planted: places wrong by 15 cm, a dead channel credited, credit outside any block, a stretch unseen."""
    planned, directory = day
    assert judge(directory, FIRST_LANE, ForgedTruth(planned.truth, bug)).over_claimed_m2 > 0.01


def test_the_oracle_finds_a_missed_target_and_an_alarm_without_one(day):
    """A target put under credited ground after the fact; and the alarms of those taken away."""
    planned, directory = day
    target = FIRST_LANE.world.targets[0]
    moved = [msgspec.structs.replace(target, north_m=1.0)]
    world = msgspec.structs.replace(FIRST_LANE.world, targets=tuple(moved))
    verdict = judge(directory, msgspec.structs.replace(FIRST_LANE, world=world), planned.truth)
    assert verdict.targets_missed == 1
    assert verdict.alarms_without_target >= 2


def test_a_failed_closing_check_withdraws_the_day(tmp_path):
    """A dead channel at the closing check: nothing stands, all of it is due for research."""
    scenario = msgspec.structs.replace(FIRST_LANE, closing_check="bad")
    for _ in run(plan(scenario, 1), tmp_path / "session"):
        pass
    totals = read_map(tmp_path / "session").fold.totals()
    assert totals.searched_m2 == totals.provisional_m2 == 0.0
    assert totals.research_due_m2 > 15.0


@pytest.mark.parametrize(
    "places",
    [
        [(-0.2, 3.0), (0.2, 3.0)],
        [(-0.2, 3.0), (0.2, 3.0), (0.0, 3.4)],
        [((-1) ** number * 0.15, 1.0 + 0.25 * number) for number in range(16)],
    ],
    ids=["abreast", "three", "row"],
)
@pytest.mark.parametrize("pitch_m", [0.15, 0.3])
def test_an_item_that_shares_one_alarm_with_another_never_lies_under_searched_ground(tmp_path, places, pitch_m):
    """One alarm names one place; ground in signal around it earns nothing, so no item is hidden by its neighbour."""
    targets = tuple(
        Target(east_m=east * pitch_m / 0.15, north_m=north, depth_m=0.1, strength=1.0) for east, north in places
    )
    scenario = msgspec.structs.replace(
        FIRST_LANE,
        world=msgspec.structs.replace(FIRST_LANE.world, targets=targets),
        head=msgspec.structs.replace(FIRST_LANE.head, pitch_m=pitch_m),
    )
    planned = plan(scenario, 1)
    for _ in run(planned, tmp_path / "session"):
        pass
    verdict = judge(tmp_path / "session", scenario, planned.truth)
    assert verdict.targets_missed == 0
    credit = {
        (tile.tx * 256 + column, tile.ty * 256 + row)
        for tile in read_map(tmp_path / "session").fold.tiles()
        for row, column in np.argwhere(tile.credit).tolist()
    }
    assert credit, "the rest of the lane counts"
    assert not [t for t in targets if (int(t.east_m // 0.05), int(t.north_m // 0.05)) in credit]


def test_a_missing_closing_check_leaves_the_day_provisional(tmp_path):
    """No verdict, no searched ground."""
    scenario = msgspec.structs.replace(FIRST_LANE, closing_check="none")
    for _ in run(plan(scenario, 1), tmp_path / "session"):
        pass
    totals = read_map(tmp_path / "session").fold.totals()
    assert totals.searched_m2 == 0.0
    assert totals.provisional_m2 > 15.0


def test_the_reference_scenario_ends_as_the_contract_says(tmp_path):
    """Lanes, seed 1: exit 0, one JSON object, nothing over-claimed, all targets in searched ground found."""
    done = simulate("--scenario", "lanes", "--seed", 1, "--json", "--out", tmp_path / "session")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    oracle = summary["oracle"]
    assert oracle["over_claimed_m2"] == 0.0
    assert (oracle["targets_found"], oracle["targets_missed"], oracle["targets_not_searched"]) == (8, 0, 1)
    assert oracle["alarms_without_target"] == 0
    assert summary["searched_m2"] > 60.0
    assert summary["origin"] == "simulated"
    assert all(detection["origin"] == "simulated" for detection in summary["detections"])


def test_the_same_seed_gives_the_same_record_under_any_hash_seed(tmp_path):
    """And another seed another one (P4)."""
    hashes = []
    for number, (seed, hash_seed) in enumerate([(5, "1"), (5, "4242"), (6, "1")]):
        out = tmp_path / str(number)
        done = simulate("--scenario", "first-lane", "--seed", seed, "--json", "--out", out, hash_seed=hash_seed)
        hashes.append(json.loads(done.stdout)["ledger_hash"])
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scenario", "absent"], "there are base-moved, demo, failed-check, first-lane"),
        (["--scenario", "first-lane", "--seed", "-1"], "--seed"),
        (["--scenario", "first-lane", "--faults", "x"], "there is no fault 'x'; there are flip"),
        (["--scenario", "first-lane", "--fault", "x"], "--fault"),
    ],
)
def test_wrong_use_is_said_in_one_line_with_exit_code_2(arguments, words):
    """What was wrong, and what there is."""
    done = simulate(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_scenario_file_with_a_mistake_is_named(tmp_path):
    """Section, key and range, as for a configuration."""
    path = tmp_path / "mine.toml"
    path.write_text("name = 'x'\n")
    with pytest.raises(ConfigError, match=r"mine\.toml"):
        load_scenario(str(path))


SCATTER = """
[world.scatter]
count = 5
east_m = [-3.0, 3.0]
north_m = [0.0, 6.0]
depth_m = [0.05, 0.1]
strength = [1.0, 2.0]
apart_m = 0.8
"""

MAGNETOMETER = """
[magnetometer]
reading = "total_gradient"
noise_nt = 0.05
reference_nt = 60.0
intensity_nt = 45_000.0
inclination_deg = 65.0
declination_deg = 2.0
permanent_nt = [10.0, 5.0, 0.0]

"""
BACKWARDS = "[clutter]\ndensity_per_m2 = 1.0\neast_m = [1.0, 0.0]\nnorth_m = [0.0, 1.0]\n\n"
COILS_ALONE = ("noise_uv = 1.5\n", "reference_uv = 400.0\n")


@pytest.mark.parametrize(
    ("was", "written", "words"),
    [
        ("white_m = 0.003", "white_m = 0.02", "white_m"),
        ("white_m = 0.003", 'white_m = 0.009\nerror_model = "honest"', "white_m"),
        ("detection_radius_m = 0.18", "detection_radius_m = 0.4", "detection_radius_m"),
        ("depth_m = [0.05, 0.1]", "depth_m = [0.2, 0.1]", "depth_m"),
        ("apart_m = 0.8", "apart_m = 50.0", "apart_m"),
        ("noise_uv = 1.5", "", "noise_uv: is missing"),
        ("[gnss]", "[head.receive]\nradius_m = 0.1\n\n[gnss]", "draw \\[head.transmit\\] too"),
        ("[gnss]", "[head.transmit]\nup_m = 0.1\n\n[gnss]", "either radius_m or size_m"),
        ("[gnss]", "[terrain]\nslope_east = 0.05\nslope_north = 0.05\n\n[gnss]", "steeper"),
        ("[gnss]", MAGNETOMETER + "[gnss]", "belongs to coils"),
        ("[gnss]", "[[fault]]\nkind = 'dead_channel'\nfrom_s = 1.0\nsize = 5\n\n[gnss]", "5 of 4 channels"),
        ("[gnss]", "[[fault]]\nkind = 'flip'\nfrom_s = 1.0\n\n[gnss]", "say which link"),
        (
            "[gnss]",
            "[[fault]]\nkind = 'receiver_freeze'\nlink = 'autopilot'\nfrom_s = 1.0\n[gnss]",
            "one of gnss, gnss2",
        ),
        ("[gnss]", "[[fault]]\nkind = 'outage'\nfrom_s = 2.0\nuntil_s = 1.0\n\n[gnss]", "runs backwards"),
        ("[gnss]", "[[fault]]\nkind = 'drop'\nlink = 'head'\nfrom_s = 2.0\nsize = 1.5\n\n[gnss]", "share"),
        (
            "[gnss]",
            "[clutter]\ndensity_per_m2 = 1.0\neast_m = [1.0, 0.0]\nnorth_m = [0.0, 1.0]\n\n[gnss]",
            "runs backwards",
        ),
    ],
)
def test_a_scenario_that_cannot_be_played_is_refused_by_its_key(tmp_path, was, written, words):
    """A white part beyond the stated error, a radius nothing answers at, a range that runs backwards, no room."""
    text = (files("sim") / "scenarios" / "first-lane.toml").read_text() + SCATTER
    path = tmp_path / "mine.toml"
    path.write_text(text)
    assert plan(load_scenario(str(path)), 1).session_id  # as it was, it can be played
    path.write_text(text.replace(was, written))
    with pytest.raises(ConfigError, match=words):
        plan(load_scenario(str(path)), 1)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("[soil]\nmedian_uv = 30.0\n", "\\[soil\\]"),
        ("", "reference_shape"),
    ],
)
def test_a_magnetometer_has_no_part_in_what_coils_alone_hear(tmp_path, more, words):
    """Magnetic soil, and a reference item that answers by direction, are refused beside it."""
    text = (files("sim") / "scenarios" / "first-lane.toml").read_text()
    for line in COILS_ALONE:
        text = text.replace(line, "")
    if not more:
        text = text.replace("reference_depth_m = 0.13", 'reference_depth_m = 0.13\nreference_shape = "rod"')
    path = tmp_path / "mine.toml"
    path.write_text(text + MAGNETOMETER + more)
    with pytest.raises(ConfigError, match=words):
        load_scenario(str(path))


HARDER = {
    "soil": "[soil]\nmedian_uv = 30.0\n[terrain]\nundulation_m = 0.004\n",
    "slope": "[terrain]\nslope_east = 0.04\nslope_north = -0.03\nundulation_m = 0.004\n",
    "clutter": "[clutter]\ndensity_per_m2 = 0.5\neast_m = [-1.0, 1.0]\nnorth_m = [0.0, 6.0]\n",
    "noise": "[noise]\npink = 1.0\nmains = 3.0\ngain_mismatch = 0.05\ndrift_per_c = 2.0\nsaturation = 1000.0\n",
    "loops": "[head.transmit]\nsize_m = [0.4, 0.24]\n[head.receive]\nradius_m = 0.1\nup_m = 0.02\n",
    "magnetometer": MAGNETOMETER,
}


@pytest.mark.parametrize("name", HARDER)
def test_a_day_on_harder_ground_claims_nothing_false(tmp_path, name):
    """Each model in a whole day: nothing over-claimed, no reference item under credited ground without an alarm."""
    text = (files("sim") / "scenarios" / "first-lane.toml").read_text()
    if name == "magnetometer":
        text = text.replace("height_m = 0.08", "height_m = 0.4")
        for line in COILS_ALONE:
            text = text.replace(line, "")
    path = tmp_path / "mine.toml"
    path.write_text(text + HARDER[name])
    scenario = load_scenario(str(path))
    planned = plan(scenario, 3)
    for _ in run(planned, tmp_path / "session"):
        pass
    verdict = judge(tmp_path / "session", scenario, planned.truth)
    assert (verdict.over_claimed_m2, verdict.targets_missed, verdict.targets_found) == (0.0, 0, 2)
    totals = read_map(tmp_path / "session").fold.totals()
    assert totals.searched_m2 > 5.0


@pytest.mark.parametrize("failure", ["dead", "stuck"])
def test_a_channel_that_fails_underway_earns_nothing_in_the_end(tmp_path, failure):
    """The closing check finds it: the day is withdrawn, and no ground is claimed under it."""
    fault = Fault(kind=f"{failure}_channel", from_s=8.0, size=2)
    scenario = msgspec.structs.replace(FIRST_LANE, fault=(fault,))
    planned = plan(scenario, 1)
    for _ in run(planned, tmp_path / "session"):
        pass
    assert judge(tmp_path / "session", scenario, planned.truth).over_claimed_m2 == 0.0
    totals = read_map(tmp_path / "session").fold.totals()
    assert totals.searched_m2 == totals.provisional_m2 == 0.0
    assert totals.research_due_m2 > 5.0


def test_a_session_id_names_one_day_only():
    """Another seed, or anything else in the scenario, is another session; the same again is the same."""
    noisier = msgspec.structs.replace(
        FIRST_LANE, head=msgspec.structs.replace(FIRST_LANE.head, noise_uv=FIRST_LANE.head.noise_uv + 0.1)
    )
    ids = [plan(FIRST_LANE, 1), plan(FIRST_LANE, 1), plan(FIRST_LANE, 2), plan(noisier, 1)]
    assert len({day.session_id for day in ids}) == 3


def test_strewn_targets_follow_the_seed_and_keep_apart():
    """As many as asked for, within their ranges, at least so far from each other and from the listed ones."""
    world = msgspec.structs.replace(FIRST_LANE.world, scatter=scatter())
    scenario = msgspec.structs.replace(FIRST_LANE, world=world)
    one, same, other = (plan(scenario, seed).scenario.world.targets for seed in (1, 1, 2))
    assert one == same != other
    assert len(one) == len(FIRST_LANE.world.targets) + 5
    places = np.array([[target.east_m, target.north_m] for target in one])
    apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    assert apart[~np.eye(len(one), dtype=bool)].min() >= 0.8
    assert all(0.05 <= target.depth_m <= 0.1 and 1.0 <= target.strength <= 2.0 for target in one[2:])


def test_a_scenario_file_that_is_not_text_is_named(tmp_path):
    """Bytes that are no TOML, in one line."""
    path = tmp_path / "noise.toml"
    path.write_bytes(bytes(range(128, 256)))
    with pytest.raises(ConfigError, match=r"noise\.toml: cannot be read"):
        load_scenario(str(path))


def test_a_session_is_never_written_into_a_directory_with_anything_in_it(tmp_path):
    """Exit 2, and what was there is still there."""
    (tmp_path / "notes.txt").write_text("mine")
    done = simulate("--scenario", "first-lane", "--out", tmp_path)
    assert done.returncode == 2
    assert "is not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_true_coils_are_where_the_lever_arms_put_them():
    """Standing and heading east, the first coil, which is the leftmost, is the northernmost."""
    coils = coil_positions(Motion(FIRST_LANE, 5.0).poses(np.array([0.0])), FIRST_LANE)[0]
    assert coils.shape == (FIRST_LANE.head.channels, 3)
    assert np.diff(coils[:, 1]) == pytest.approx([-FIRST_LANE.head.pitch_m] * 3, abs=0.001)


def test_on_a_slope_the_coils_stay_at_their_height_above_it():
    """Upright to the plane, at every heading, to what the vehicle sways; and level ground is level."""
    for scenario in (FIRST_LANE, STEEP):
        coils = coil_positions(Motion(scenario, 5.0).poses(np.arange(0.0, 90.0, 0.1)), scenario)
        east, north = scenario.slope
        above = (coils[..., 2] - east * coils[..., 0] - north * coils[..., 1]) / np.sqrt(1.0 + east**2 + north**2)
        sway_m = highest_coil_m(scenario) - scenario.head.height_m
        assert np.abs(above - scenario.head.height_m).max() <= sway_m * 1.01
        assert np.ptp(coils[..., 2]) > (0.5 if scenario is STEEP else 0.0)
