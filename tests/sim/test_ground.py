"""The ground: statistics of its fields, lift-off against closed forms and a direct integral, clutter's numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ellipe, ellipk

from sim.fields import Circle, Polygon, rectangle
from sim.ground import ROUGH_SIGMAS, Soil, Terrain, image_flux_m, lift_off, random_field, strew
from sim.induction import CoilPair, coincident

SEED = st.integers(0, 2**32 - 1)
CIRCLE = coincident(Circle(radius_m=0.12))


@pytest.mark.parametrize("length_m", [0.3, 2.0])
def test_a_random_field_has_its_variance_and_correlation_length(length_m):
    """Over many fields: 1 at a point, exp(-1/2) between points one length apart, in any direction."""
    random = np.random.default_rng(1)
    places = np.array([[3.0, -2.0], [3.0 + length_m, -2.0], [3.0, -2.0 + length_m], [3.0, -2.0 + 4 * length_m]])
    found = np.array([random_field(length_m, random).at(*places.T) for _ in range(4_000)])
    assert found.mean(axis=0) == pytest.approx([0.0] * 4, abs=0.06)
    correlation = (found[:, :1] * found).mean(axis=0)
    assert correlation == pytest.approx([1.0, np.exp(-0.5), np.exp(-0.5), 0.0], abs=0.06)


@given(seed=SEED)
def test_a_point_answers_the_same_whatever_is_asked_with_it(seed):
    """Alone or in a grid, and never beyond the field's bound."""
    field = random_field(1.0, np.random.default_rng(seed))
    east, north = np.random.default_rng(seed + 1).uniform(-50.0, 50.0, (2, 4, 5))
    together = field.at(east, north)
    assert together[2, 3] == float(field.at(east[2, 3], north[2, 3]))
    assert np.abs(together).max() <= field.bound


@given(seed=SEED)
def test_terrain_stays_within_three_of_its_sigmas_about_its_plane(seed):
    """A bound for responses may stand on it; and it does undulate."""
    field = random_field(1.0, np.random.default_rng(seed))
    terrain = Terrain(slope=(0.02, -0.01), undulation_m=0.01, field=field)
    east, north = np.random.default_rng(seed + 1).uniform(-50.0, 50.0, (2, 200))
    rough = terrain.height_m(east, north) - (0.02 * east - 0.01 * north)
    assert np.abs(rough).max() <= ROUGH_SIGMAS * 0.01 + 1e-12
    assert np.ptp(rough) > 0.01


@pytest.mark.parametrize("height_m", [0.02, 0.08, 0.5])
def test_the_image_of_a_circle_has_maxwells_mutual_inductance(height_m):
    """M / mu0 = sqrt(ab) [(2/k - k) K - 2/k E] for coaxial circles, here 2 h apart."""
    a, b, apart = 0.12, 0.1, 2.0 * height_m
    m = 4.0 * a * b / ((a + b) ** 2 + apart**2)
    k = np.sqrt(m)
    expected = np.sqrt(a * b) * ((2.0 / k - k) * ellipk(m) - 2.0 / k * ellipe(m))
    pair = CoilPair(transmit=Circle(radius_m=a), receive=Circle(radius_m=b))
    assert image_flux_m(pair, np.array([height_m]))[0] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("pair", [CIRCLE, coincident(rectangle(0.3, 0.2))])
def test_the_image_is_twice_the_integral_over_the_ground(pair):
    """The soil's signal arises throughout the half-space; summed directly over cells of ground it is the same."""
    height = 0.15
    edges = np.sinh(np.linspace(-4.0, 4.0, 121)) * 0.1
    down = height + 0.1 * (np.exp(np.linspace(0.0, 4.5, 61)) - 1.0)
    middle, wide = (edges[1:] + edges[:-1]) / 2.0, np.diff(edges)
    deep, thick = (down[1:] + down[:-1]) / 2.0, np.diff(down)
    east, north, below = np.meshgrid(middle, middle, -deep, indexing="ij")
    field = pair.transmit.field_per_m(np.stack([east, north, below], axis=-1))
    volume = wide[:, None, None] * wide[None, :, None] * thick
    assert 2.0 * ((field**2).sum(axis=-1) * volume).sum() == pytest.approx(
        image_flux_m(pair, np.array([height]))[0], rel=0.02
    )


def test_a_polygon_of_many_sides_mirrors_as_a_circle_does():
    """Two ways to spread the nodes, one flux."""
    angles = np.arange(180) * 2.0 * np.pi / 180
    corners = np.stack([0.12 * np.cos(angles), 0.12 * np.sin(angles), np.zeros(180)], axis=1)
    many = coincident(Polygon(corners_m=tuple(map(tuple, corners.tolist()))))
    heights = np.array([0.05, 0.2])
    assert image_flux_m(many, heights) == pytest.approx(image_flux_m(CIRCLE, heights), rel=2e-3)


def test_ten_percent_lower_is_up_to_37_percent_more():
    """The known figure is that of a loop much smaller than its height; a wide loop near the ground gains less."""
    gain = [lift_off(coincident(Circle(radius_m=a)), np.array([0.09]), 0.1)[0] for a in (0.001, 0.05, 0.12)]
    assert gain[0] == pytest.approx(0.9**-3, abs=0.001)
    assert gain[0] > gain[1] > gain[2] > 1.1


def test_lift_off_between_its_steps_is_the_flux_itself():
    """Interpolated to a thousandth."""
    heights = np.random.default_rng(1).uniform(0.04, 0.3, 500)
    expected = image_flux_m(CIRCLE, heights) / image_flux_m(CIRCLE, np.array([0.08]))
    assert lift_off(CIRCLE, heights, 0.08) == pytest.approx(expected, rel=1e-3)


def test_a_coil_on_the_ground_is_refused():
    """The image would lie in the loop itself."""
    with pytest.raises(ValueError, match="touches the ground"):
        lift_off(CIRCLE, np.array([0.0, 0.1]), 0.1)


def test_soil_decays_as_one_over_t_and_is_log_normal_over_the_site():
    """Twice the gate, half the signal; median and sigma of its logarithm as asked."""
    east, north = np.random.default_rng(2).uniform(-500.0, 500.0, (2, 5_000))
    soil = Soil(
        median=50.0, log_sigma=0.4, height_m=0.08, gate_s=80e-6, field=random_field(1.0, np.random.default_rng(3))
    )
    early, late = (soil.response(CIRCLE, east, north, np.full(5_000, 0.08), gate) for gate in (80e-6, 160e-6))
    assert late == pytest.approx(early / 2.0)
    assert np.log(early).mean() == pytest.approx(np.log(50.0), abs=0.05)
    assert np.log(early).std() == pytest.approx(0.4, rel=0.1)


@settings(max_examples=20)
@given(seed=SEED)
def test_clutter_lies_in_its_rectangle(seed):
    """And as deep and as positive as it may."""
    found = strew(2.0, (-3.0, 5.0), (10.0, 20.0), 0.1, 0.2, 0.8, np.random.default_rng(seed))
    east, north, depth, strength = found.T
    assert ((east >= -3.0) & (east <= 5.0) & (north >= 10.0) & (north <= 20.0)).all()
    assert ((depth >= 0.0) & (depth <= 0.1) & (strength > 0.0)).all()
    assert (found == strew(2.0, (-3.0, 5.0), (10.0, 20.0), 0.1, 0.2, 0.8, np.random.default_rng(seed))).all()


def test_clutter_has_its_density_and_its_strengths():
    """Half an item a square metre over 10,000; median and sigma of the logarithm of strengths."""
    found = strew(0.5, (0.0, 100.0), (0.0, 100.0), 0.1, 0.2, 0.8, np.random.default_rng(6))
    assert len(found) == pytest.approx(5_000, rel=0.05)
    assert np.exp(np.log(found[:, 3]).mean()) == pytest.approx(0.2, rel=0.05)
    assert np.log(found[:, 3]).std() == pytest.approx(0.8, rel=0.05)
