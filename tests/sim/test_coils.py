"""An array of coils: the scenario's figures are met, and what is left out is negligible."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.coils import NEGLIGIBLE, gain_uv, induction_uv, pair_of, weakest_uv
from sim.earth import offsets_enu
from sim.fields import Circle, rectangle
from sim.induction import reach_m, voltage_v
from sim.items import items_of
from sim.scenario import load_scenario
from sim.sections import CoilModel, Target

LANES = load_scenario("lanes")
SEPARATE = msgspec.structs.replace(
    LANES,
    head=msgspec.structs.replace(
        LANES.head, transmit=CoilModel(size_m=(0.5, 0.25)), receive=CoilModel(radius_m=0.08, up_m=0.03)
    ),
)
SCENARIOS = [LANES, SEPARATE]
IDS = ["circle", "separate"]


def poses(headings_deg, rolls_deg, pitches_deg):
    return offsets_enu(np.eye(3), *np.radians([headings_deg, rolls_deg, pitches_deg]))


def items(*targets, scenario=LANES):
    return items_of(targets, scenario.world, scenario.head.gate_us * 1e-6, None, np.zeros(len(targets)))


def target(**changes):
    return Target(**{"east_m": 0.0, "north_m": 0.0, "depth_m": 0.13, "strength": 1.0, **changes})


def test_loops_are_as_drawn():
    """A circle where nothing is; a receiver of its own; a rectangle's length along travel."""
    assert pair_of(LANES.head).transmit == pair_of(LANES.head).receive == Circle(radius_m=0.12)
    pair = pair_of(SEPARATE.head)
    assert pair.transmit == rectangle(0.5, 0.25)
    assert pair.receive == Circle(radius_m=0.08, up_m=0.03)
    head = msgspec.structs.replace(LANES.head, transmit=CoilModel(size_m=(1.0, 0.5)))
    assert pair_of(head).receive == rectangle(1.0, 0.5)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=IDS)
@pytest.mark.parametrize("shape", ["isotropic", "rod", "plate"])
def test_the_upright_reference_item_under_a_coil_gives_its_figure(scenario, shape):
    """Whatever the loops and the item's shape, at any heading."""
    scenario = msgspec.structs.replace(scenario, world=msgspec.structs.replace(scenario.world, reference_shape=shape))
    coils = np.array([[[0.0, 0.0, scenario.head.height_m]]])
    found = induction_uv(scenario, coils, poses([77.0], [0.0], [0.0]), items(target(), scenario=scenario))
    assert found == pytest.approx(scenario.head.reference_uv)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=IDS)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_an_array_is_the_sum_over_items_of_single_voltages(scenario, seed):
    """Windows, culling and turning change nothing but the negligible: item by item, coil by coil, without any."""
    random = np.random.default_rng(seed)
    targets = [target(east_m=40.0)]  # left out as a whole, so that the others are no longer counted from zero
    targets += [
        target(
            east_m=east, north_m=north, depth_m=random.uniform(0.0, 0.3), strength=random.uniform(0.1, 5.0),
            shape=shape, azimuth_deg=random.uniform(0.0, 360.0), dip_deg=random.uniform(-90.0, 90.0),
        )
        for shape in ("isotropic", "rod", "plate")
        for east, north in random.uniform(-3.0, 3.0, (2, 2))
    ]  # fmt: skip
    coils = np.concatenate([random.uniform(-4.0, 4.0, (300, 3, 2)), random.uniform(0.05, 0.12, (300, 3, 1))], axis=2)
    axes = poses(*random.uniform([[-180.0], [-3.0], [-3.0]], [[180.0], [3.0], [3.0]], (3, 300)))
    made = items(*targets, scenario=scenario)
    found = induction_uv(scenario, coils, axes, made)
    expected = np.zeros((300, 3))
    pair, gain = pair_of(scenario.head), gain_uv(scenario)
    for place, tensor in zip(made.places_m, made.tensors, strict=True):
        for channel in range(3):
            inside = np.einsum("nij,nj->ni", axes, place - coils[:, channel])
            turned = np.einsum("nij,jk,nlk->nil", axes, tensor, axes)
            expected[:, channel] += gain * voltage_v(pair, inside, turned)
    assert np.abs(found - expected).max() <= len(targets) * NEGLIGIBLE * scenario.head.noise_uv
    assert found.max() > 10.0


@given(near=st.floats(0.0, 1.0), farther=st.floats(0.001, 1.0), depth=st.floats(0.0, 0.5))
def test_a_response_to_a_ball_falls_with_distance_and_depth(near, farther, depth):
    """Under a circle: monotonic, positive."""
    level = poses([0.0] * 3, [0.0] * 3, [0.0] * 3)
    below = -LANES.head.height_m - depth
    offsets = np.array([[near, 0.0, below], [near + farther, 0.0, below], [near, 0.0, below - 0.1]])
    one, beside, deeper = weakest_uv(LANES, offsets, level)
    assert one > beside > 0.0
    assert one > deeper


def test_a_rod_that_lies_level_is_seen_on_both_sides_and_not_between():
    """Along travel the array shows what the field shows: twin peaks."""
    north = np.linspace(-0.5, 0.5, 201)
    coils = np.stack([0 * north, north, 0 * north + 0.08], axis=1)[:, None]
    rod = items(target(shape="rod", dip_deg=0.0))
    found = induction_uv(LANES, coils, poses(*np.zeros((3, 201))), rod)[:, 0]
    assert found[100] < 0.9 * found.max()
    assert found[:100].max() == pytest.approx(found[101:].max())


def test_an_item_is_heard_as_far_as_the_reach_says():
    """Right below, a little nearer than where it may be left out, a little is read; a little farther, nothing."""
    least_v = NEGLIGIBLE * LANES.head.noise_uv / gain_uv(LANES)
    reach = reach_m(pair_of(LANES.head), 1.0, least_v)
    coils, level = np.zeros((1, 1, 3)), poses([0.0], [0.0], [0.0])
    near, far = (
        float(induction_uv(LANES, coils, level, items(target(depth_m=share * reach)))[0, 0]) for share in (0.99, 1.01)
    )
    assert 0.5 * NEGLIGIBLE * LANES.head.noise_uv < near < 1.1 * NEGLIGIBLE * LANES.head.noise_uv
    assert far == 0.0


def test_no_item_gives_nothing():
    """Zeros, not an error."""
    coils = np.zeros((5, 2, 3)) + 0.08
    assert induction_uv(LANES, coils, poses(*np.zeros((3, 5))), items()).tolist() == [[0.0, 0.0]] * 5


def test_the_weakest_attitude_of_a_rod_is_when_it_lies():
    """Under the centre the field is upright: across the rod, a quarter of what it answers upright."""
    scenario = msgspec.structs.replace(LANES, world=msgspec.structs.replace(LANES.world, reference_shape="rod"))
    under = np.array([[0.0, 0.0, -LANES.head.height_m - LANES.world.reference_depth_m]])
    assert weakest_uv(scenario, under, poses([0.0], [0.0], [0.0]))[0] == pytest.approx(LANES.head.reference_uv / 4.0)
