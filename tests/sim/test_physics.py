"""The world as a head meets it: bounds hold for every direction, and each part of the ground shows."""

import functools
import time

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.errors import ConfigError
from sim.crew import calibration_of
from sim.motion import Motion, coil_positions, vehicle_axes
from sim.physics import Piece, Surroundings, check_reading, readings, surroundings_of, worst_reading
from sim.scenario import load_scenario
from sim.sections import ClutterModel, CoilModel, Magnetometer, NoiseModel, SoilModel, Target, TerrainModel

LANES = load_scenario("lanes")
EMPTY = msgspec.structs.replace(LANES, world=msgspec.structs.replace(LANES.world, targets=()))
DRIVE_S = np.arange(0.0, 500.0, 0.05)


def with_head(scenario, **changes):
    return msgspec.structs.replace(scenario, head=msgspec.structs.replace(scenario.head, **changes))


def with_magnetometer(**changes):
    model = Magnetometer(
        noise_nt=0.05, reference_nt=200.0, intensity_nt=36_000.0, inclination_deg=5.0, declination_deg=2.0
    )
    scenario = with_head(EMPTY, noise_uv=None, reference_uv=None, height_m=0.3, detection_radius_m=0.12)
    return msgspec.structs.replace(scenario, magnetometer=msgspec.structs.replace(model, **changes))


LONG = with_head(EMPTY, transmit=CoilModel(size_m=(0.6, 0.15)))
VARIANTS = {
    "circle": EMPTY,
    "rectangle": LONG,
    "separate": with_head(EMPTY, transmit=CoilModel(size_m=(0.4, 0.2)), receive=CoilModel(radius_m=0.08, up_m=0.05)),
    "rod": msgspec.structs.replace(EMPTY, world=msgspec.structs.replace(EMPTY.world, reference_shape="rod")),
    "rough": msgspec.structs.replace(EMPTY, terrain=TerrainModel(undulation_m=0.008, correlation_m=0.5)),
    "slope": msgspec.structs.replace(EMPTY, terrain=TerrainModel(slope_east=0.04, slope_north=-0.03)),
    "long on a slope": msgspec.structs.replace(LONG, terrain=TerrainModel(slope_east=-0.05, slope_north=0.05)),
    "magnetometers on a slope": msgspec.structs.replace(
        with_magnetometer(reading="total_gradient"), terrain=TerrainModel(slope_north=0.05)
    ),
    "gains": msgspec.structs.replace(EMPTY, noise=NoiseModel(gain_mismatch=0.1)),
    "total field": with_magnetometer(),
    "pair": with_magnetometer(reading="total_gradient"),
    "upright pair": with_magnetometer(reading="vertical_gradient", inclination_deg=60.0),
}


@functools.cache
def worst_of(name):
    return worst_reading(VARIANTS[name])


def driven(scenario, times_s):
    poses = Motion(scenario, 5.0).poses(times_s)
    return coil_positions(poses, scenario), vehicle_axes(poses)


@pytest.mark.parametrize("name", VARIANTS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_reference_item_within_the_radius_answers_less_than_the_worst(name, seed):
    """Anywhere on the real drive: any place within the radius of any coil, any depth, any attitude of the item."""
    random, scenario = np.random.default_rng(seed), VARIANTS[name]
    times = random.uniform(0.0, 500.0, 60)
    coils, axes = driven(scenario, times)
    around = surroundings_of(scenario, random)
    nothing = readings(scenario, around, times, coils, axes)
    worst = worst_of(name)
    assert worst > 0.0
    for row, channel in enumerate(random.integers(0, scenario.head.channels, 60).tolist()):
        direction, distance = random.uniform(0.0, 2.0 * np.pi), scenario.head.detection_radius_m
        distance *= random.choice([1.0, np.sqrt(random.uniform())])
        item = Target(
            east_m=coils[row, channel, 0] + distance * np.sin(direction),
            north_m=coils[row, channel, 1] + distance * np.cos(direction),
            depth_m=random.choice([1.0, random.uniform()]) * scenario.world.reference_depth_m,
            strength=1.0,
            azimuth_deg=random.uniform(0.0, 360.0),
            dip_deg=np.degrees(np.arcsin(random.uniform(-1.0, 1.0))),
        )
        world = msgspec.structs.replace(scenario.world, targets=(item,))
        one = slice(row, row + 1)
        found = readings(msgspec.structs.replace(scenario, world=world), around, times[one], coils[one], axes[one])
        lowest_gain = 1.0 - scenario.noise.gain_mismatch
        assert abs(found[0, channel] - nothing[row, channel]) * lowest_gain >= worst * 0.995


def test_the_worst_direction_is_not_assumed_but_found():
    """A coil four times as long as wide hears far less across than along; the bound is that of across."""
    edge, deep = LONG.head.detection_radius_m, LONG.world.reference_depth_m
    coils, axes = driven(LONG, np.zeros(1))
    shares = []
    for ahead in (axes[0, 0], axes[0, 1]):
        place = coils[0, 3] + edge * ahead
        item = Target(east_m=place[0], north_m=place[1], depth_m=deep, strength=1.0)
        scenario = msgspec.structs.replace(LONG, world=msgspec.structs.replace(LONG.world, targets=(item,)))
        shares.append(readings(scenario, surroundings_of(scenario, np.random.default_rng(1)), np.zeros(1), coils, axes))
    along, across = (float(share[0, 3]) for share in shares)
    assert across < 0.6 * along
    assert 0.6 * across < worst_reading(LONG) < across


def test_the_calibration_is_a_lower_bound_for_the_moving_machine():
    """Its figure is below the worst, by what noise takes; the threshold is below it again."""
    channel = calibration_of(LANES).channels[0]
    assert channel.site_threshold < channel.reference_response_min < worst_reading(LANES)
    assert channel.check_response == LANES.head.reference_uv


@pytest.mark.parametrize(
    "scenario",
    [
        with_magnetometer(inclination_deg=35.26),  # nothing to see right above the ball
        with_head(with_magnetometer(), detection_radius_m=0.6),  # beyond the line where its anomaly changes sign
        with_head(VARIANTS["rod"], detection_radius_m=0.3),
    ],
    ids=["latitude", "sign", "rod"],
)
def test_a_head_that_is_blind_somewhere_within_the_radius_is_not_calibrated(scenario):
    """Where any place or attitude goes unheard, no figure is made up."""
    with pytest.raises(ConfigError, match="detection_radius_m"):
        calibration_of(scenario)


def test_where_an_anomaly_changes_sign_the_worst_is_nothing():
    """Whatever the grid's nearest points to that line happen to give."""
    assert worst_reading(with_head(with_magnetometer(), detection_radius_m=0.6)) == 0.0


@pytest.mark.parametrize("name", ["circle", "separate", "total field", "upright pair"])
def test_the_check_piece_gives_its_figure_under_each_coil(name):
    """While it lies there, under that coil most, and nowhere afterwards."""
    scenario = VARIANTS[name]
    times = np.arange(8) * 0.1
    coils, axes = driven(scenario, times)
    around = surroundings_of(scenario, np.random.default_rng(1))
    pieces = [Piece(is_on=times < 0.35, channel=2), Piece(is_on=times > 0.55, channel=5)]
    empty = readings(scenario, around, times, coils, axes)
    found = np.abs(readings(scenario, around, times, coils, axes, pieces) - empty)
    assert found[:4, 2] == pytest.approx([check_reading(scenario)] * 4, rel=0.03)  # the vehicle is not quite level
    assert found[6:, 5] == pytest.approx([check_reading(scenario)] * 2, rel=0.03)
    assert found[:4].argmax(axis=1).tolist() == [2] * 4
    assert np.abs(found[4:6]).max() == 0.0


def test_soil_follows_height_and_place():
    """Its median at the head's height; it moves with the sway and along the way; none where none is asked for."""
    soil = SoilModel(median_uv=30.0, log_sigma=0.3, correlation_m=1.0)
    coils, axes = driven(EMPTY, DRIVE_S)
    found = {}
    for name, scenario in (
        ("none", EMPTY),
        ("even", msgspec.structs.replace(EMPTY, soil=msgspec.structs.replace(soil, log_sigma=0.0))),
        ("soil", msgspec.structs.replace(EMPTY, soil=soil)),
    ):
        around = surroundings_of(scenario, np.random.default_rng(3))
        found[name] = readings(scenario, around, DRIVE_S, coils, axes)
    assert np.abs(found["none"]).max() == 0.0
    assert np.median(found["even"]) == pytest.approx(30.0, rel=0.05)
    correlation = np.corrcoef(found["even"].ravel(), coils[..., 2].ravel())[0, 1]
    assert correlation < -0.9, "nearer is more"
    assert np.log(found["soil"] / found["even"]).std() == pytest.approx(0.3, rel=0.35)


def test_soil_that_rises_answers_as_if_the_coil_came_down():
    """Over undulating ground, the signal is that of each coil's height above the very ground below it."""
    even = msgspec.structs.replace(EMPTY, soil=SoilModel(median_uv=30.0, log_sigma=0.0))
    rough = msgspec.structs.replace(even, terrain=TerrainModel(undulation_m=0.01, correlation_m=1.0))
    coils, axes = driven(rough, DRIVE_S)
    around = surroundings_of(rough, np.random.default_rng(4))
    lowered = coils.copy()
    lowered[..., 2] -= around.terrain.height_m(coils[..., 0], coils[..., 1])
    level = msgspec.structs.replace(around, terrain=None)
    expected = readings(even, level, DRIVE_S, lowered, axes)
    assert readings(rough, around, DRIVE_S, coils, axes) == pytest.approx(expected)
    assert np.ptp(lowered[..., 2] - coils[..., 2]) > 0.02


def test_terrain_raises_and_lowers_items():
    """An item lies as deep as said below the ground's own height."""
    item = Target(east_m=0.0, north_m=0.0, depth_m=0.1, strength=1.0)
    world = msgspec.structs.replace(LANES.world, targets=(item,))
    flat = msgspec.structs.replace(LANES, world=world)
    rough = msgspec.structs.replace(flat, terrain=TerrainModel(undulation_m=0.01, correlation_m=1.0))
    coils, axes = np.array([[[0.0, 0.0, 0.08]]]), np.array([[[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]])
    for seed in range(5):
        around = surroundings_of(rough, np.random.default_rng(seed))
        height = float(around.terrain.height_m(np.zeros(1), np.zeros(1))[0])
        at_depth = msgspec.structs.replace(
            flat, world=msgspec.structs.replace(world, targets=(msgspec.structs.replace(item, depth_m=0.1 - height),))
        )
        level = Surroundings(clutter=(), terrain=None, soil=None, day=around.day)
        expected = readings(at_depth, level, np.zeros(1), coils, axes)
        assert readings(rough, around, np.zeros(1), coils, axes) == pytest.approx(expected)


def test_clutter_is_heard_and_is_nobodys_target():
    """Drawn by the seed, the same from the same; the scenario's own targets stay as they were."""
    clutter = ClutterModel(density_per_m2=1.0, east_m=(-1.0, 6.0), north_m=(0.0, 12.0))
    scenario = msgspec.structs.replace(EMPTY, clutter=clutter)
    one, same, other = (surroundings_of(scenario, np.random.default_rng(seed)).clutter for seed in (1, 1, 2))
    assert one == same != other
    assert 50 < len(one) < 120
    coils, axes = driven(scenario, DRIVE_S)
    around = surroundings_of(scenario, np.random.default_rng(1))
    assert readings(scenario, around, DRIVE_S, coils, axes).max() > 20.0
    assert scenario.world.targets == ()


def test_sixteen_coils_and_ten_targets_cost_far_less_than_a_hundredth_of_real_time():
    """Targets close together and right under the array, so that nothing can be left out; the best of some runs."""
    targets = tuple(Target(east_m=0.1 * n, north_m=0.5, depth_m=0.1, strength=1.0) for n in range(10))
    scenario = msgspec.structs.replace(
        with_head(LANES, channels=16), world=msgspec.structs.replace(LANES.world, targets=targets)
    )
    times = np.arange(1_000) / 100.0
    coils = np.zeros((1_000, 16, 3)) + np.array([0.0, 0.5, 0.08])
    coils[..., 0] = 0.1 * np.arange(16)
    axes = np.broadcast_to(np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), (1_000, 3, 3))
    around, taken = surroundings_of(scenario, np.random.default_rng(1)), []
    for _ in range(5):
        begun = time.perf_counter()
        readings(scenario, around, times, coils, axes)
        taken.append(time.perf_counter() - begun)
    assert min(taken) < 0.1, "ten seconds of samples"
