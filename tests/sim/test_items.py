"""Items as tensors: strength means the same for every shape, attitude turns, metals differ by gate."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.fields import earth_field_t
from sim.items import NATURES, SHAPES, STRENGTH_GATE_S, items_of, reference_principal
from sim.scenario import load_scenario
from sim.sections import Target

WORLD = load_scenario("first-lane").world
EARTH = earth_field_t(36e-6, 20.0, 3.0)


def made(*targets, world=WORLD, gate_s=STRENGTH_GATE_S, ground_m=None):
    ground_m = np.zeros(len(targets)) if ground_m is None else ground_m
    return items_of(targets, world, gate_s, EARTH, ground_m)


def target(**changes):
    return Target(**{"east_m": 1.0, "north_m": 2.0, "depth_m": 0.1, "strength": 1.0, **changes})


@given(
    shape=st.sampled_from(sorted(SHAPES)),
    azimuth=st.floats(-360, 360),
    dip=st.floats(-90, 90),
    strength=st.floats(0.01, 100),
)
def test_strength_is_the_mean_over_attitudes(shape, azimuth, dip, strength):
    """A third of the trace, whatever the shape and however it lies; the greatest value is the shape's."""
    items = made(target(shape=shape, azimuth_deg=azimuth, dip_deg=dip, strength=strength))
    assert np.trace(items.tensors[0]) / 3.0 == pytest.approx(strength)
    assert items.greatest[0, 0] == pytest.approx(strength * max(SHAPES[shape]))
    assert items.tensors[0] == pytest.approx(items.tensors[0].T)


def test_a_rod_answers_along_its_axis_and_a_plate_across():
    """Lying northward: greatest along north, least along north."""
    rod, plate = made(*(target(shape=shape, dip_deg=0.0) for shape in ("rod", "plate"))).tensors
    assert np.diag(rod) == pytest.approx([0.5, 2.0, 0.5])
    assert np.diag(plate) == pytest.approx([1.335, 0.33, 1.335])


def test_a_reference_item_has_the_worlds_shape():
    """An isotropic one as a rule, another where the scenario says so."""
    assert made(target()).tensors[0] == pytest.approx(np.eye(3))
    world = msgspec.structs.replace(WORLD, reference_shape="rod")
    assert np.diag(made(target(), world=world).tensors[0]) == pytest.approx([0.5, 0.5, 2.0])
    assert reference_principal(world) == pytest.approx([2.0, 0.5, 0.5])


@pytest.mark.parametrize("metal", sorted(NATURES))
def test_a_metal_has_its_size_at_one_gate_and_falls_in_its_own_way(metal):
    """The reference is the measure at every gate; low metal is gone late, large steel stands out more and more."""
    sizes = [np.trace(made(target(metal=metal), gate_s=gate).tensors[0]) / 3.0 for gate in (80e-6, 400e-6, 1200e-6)]
    assert sizes[0] == pytest.approx(NATURES[metal].size)
    falls = {"reference": [1.0, 1.0], "low_metal": [0.0, 0.1], "large_steel": [1.5, 1e9]}
    if metal in falls:
        assert falls[metal][0] <= sizes[2] / sizes[0] + 1e-12
        assert sizes[2] / sizes[0] <= falls[metal][1] + 1e-12


def test_moments_are_those_of_the_reference_ball_in_the_field():
    """1 along the Earth's field; none without iron; what is kept lies along the item's own axis."""
    direction = EARTH / np.linalg.norm(EARTH)
    ball, light, magnet = made(
        target(), target(metal="aluminium"), target(remanent=3.0, dip_deg=0.0, azimuth_deg=90.0)
    ).moments
    assert ball == pytest.approx(direction)
    assert light == pytest.approx(np.zeros(3))
    assert magnet == pytest.approx(direction + np.array([3.0, 0.0, 0.0]))


def test_items_lie_below_the_ground_where_they_lie():
    """Depth counts from the ground's own height there."""
    items = made(target(), target(depth_m=0.0), ground_m=np.array([0.02, -0.01]))
    assert items.places_m.tolist() == [[1.0, 2.0, pytest.approx(-0.08)], [1.0, 2.0, -0.01]]


def test_no_items_are_items_too():
    """Empty arrays of the right shapes."""
    items = made()
    assert (items.places_m.shape, items.tensors.shape, items.moments.shape) == ((0, 3), (0, 3, 3), (0, 3))
    assert items.greatest.shape == (0, 2)
