"""Fields against magpylib, an independent implementation, against closed forms, and against published figures."""

import magpylib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ellipe, ellipkm1

from sim.fields import MU0, Circle, Polygon, _elliptic, dipole_field_t, earth_field_t, rectangle, sphere_moment_am2

SIDE = st.floats(0.05, 3.0)
SEED = st.integers(0, 2**32 - 1)


def points_off(loop, seed, size=200):
    """Random points from the loop's middle to thirty times its size, none nearer to its plane than 1 % of it."""
    random = np.random.default_rng(seed)
    directions = random.normal(size=(size, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    points = directions * loop.reach_m * 10.0 ** random.uniform(-2.0, 1.5, (size, 1))
    return points[np.abs(points[:, 2]) > 0.01 * loop.reach_m]


def assert_equal_fields(found, expected, share=1e-8):
    """The difference is small against the field's length, component by component."""
    assert (np.abs(found - expected) <= share * np.linalg.norm(expected, axis=-1, keepdims=True)).all()


@settings(max_examples=30, deadline=None)
@given(length=SIDE, width=SIDE, seed=SEED)
def test_a_rectangle_has_magpylibs_field(length, width, seed):
    """To 1e-8 of its length, near and far."""
    loop = rectangle(length, width)
    points = points_off(loop, seed)
    corners = [*loop.corners_m, loop.corners_m[0]]
    assert_equal_fields(loop.field_per_m(points), magpylib.current.Polyline(current=1.0, vertices=corners).getH(points))


@settings(max_examples=30, deadline=None)
@given(seed=SEED, sides=st.integers(3, 9))
def test_any_polygon_in_space_has_magpylibs_field(seed, sides):
    """Corners anywhere, not in one plane."""
    corners = np.random.default_rng(seed).uniform(-1.0, 1.0, (sides, 3))
    loop = Polygon(corners_m=tuple(map(tuple, corners.tolist())))
    points = 3.0 + np.random.default_rng(seed + 1).uniform(0.0, 3.0, (50, 3))
    reference = magpylib.current.Polyline(current=1.0, vertices=[*corners, corners[0]])
    assert_equal_fields(loop.field_per_m(points), reference.getH(points))


@settings(max_examples=30, deadline=None)
@given(radius=SIDE, up=st.floats(-0.5, 0.5), seed=SEED)
def test_a_circle_has_magpylibs_field(radius, up, seed):
    """To 1e-8 of its length, at any height of the wire."""
    loop = Circle(radius_m=radius, up_m=up)
    points = points_off(Circle(radius_m=radius), seed) + np.array([0.0, 0.0, up])
    reference = magpylib.current.Circle(current=1.0, diameter=2.0 * radius, position=(0.0, 0.0, up))
    assert_equal_fields(loop.field_per_m(points), reference.getH(points))


@pytest.mark.parametrize("rho", [0.0, 1e-12, 0.9e-7, 1.1e-7, 1e-6, 1e-4])
def test_a_circle_is_exact_to_its_axis(rho):
    """a^2 / 2 (a^2 + z^2)^1.5 upward, and outward what a field without divergence has."""
    a, z = 0.1, 0.15
    found = Circle(radius_m=a).field_per_m(np.array([rho, 0.0, z]))
    assert found[2] == pytest.approx(a**2 / 2.0 / (a**2 + z**2) ** 1.5, rel=1e-5)
    assert found[0] == pytest.approx(0.75 * a**2 * z / (a**2 + z**2) ** 2.5 * rho, rel=1e-4, abs=1e-30)


def test_a_polygon_of_many_sides_is_a_circle():
    """The two closed forms, which share nothing, meet: 720 sides are within 1e-4 of a circle of the same area."""
    angles = np.arange(720) * 2.0 * np.pi / 720
    corners = np.stack([np.cos(angles), np.sin(angles), np.zeros(720)], axis=1)
    many = Polygon(corners_m=tuple(map(tuple, corners.tolist())))
    points = points_off(Circle(radius_m=1.0), 5)
    points = points[np.abs(np.hypot(points[:, 0], points[:, 1]) - 1.0) > 0.1]
    assert many.area_m2 == pytest.approx(Circle(radius_m=1.0).area_m2, rel=1e-4)
    assert_equal_fields(many.field_per_m(points), Circle(radius_m=1.0).field_per_m(points), 1e-4)


@given(exponent=st.floats(-15.0, -1e-3))
def test_elliptic_integrals_are_scipys(exponent):
    """K and E from far out (parameter near 0) to next to the wire (near 1)."""
    for parameter, complement in ((10.0**exponent, 1.0 - 10.0**exponent), (1.0 - 10.0**exponent, 10.0**exponent)):
        integral, s = _elliptic(np.array(complement**0.5), np.array(parameter))
        assert float(integral) == pytest.approx(ellipkm1(complement), rel=1e-12)
        assert float(integral * (1.0 - s)) == pytest.approx(ellipe(parameter), rel=1e-10)


@settings(max_examples=30, deadline=None)
@given(seed=SEED)
def test_a_dipole_has_magpylibs_field(seed):
    """Any moment, any place, in tesla."""
    random = np.random.default_rng(seed)
    moment, points = random.normal(size=3), random.uniform(0.1, 3.0, (50, 3))
    assert_equal_fields(dipole_field_t(moment, points), magpylib.misc.Dipole(moment=moment).getB(points))


def test_far_away_a_loop_is_a_dipole_of_its_area():
    """One ampere round a 1.0 x 0.5 m rectangle is 0.5 A m^2; units of both meet."""
    points = np.array([[30.0, 20.0, -40.0], [0.0, 0.0, 50.0]])
    dipole = dipole_field_t(np.array([0.0, 0.0, 0.5]), points)
    assert_equal_fields(MU0 * rectangle(1.0, 0.5).field_per_m(points), dipole, 1e-3)


@pytest.mark.parametrize(("distance_m", "published_nt"), [(0.3, 30.0), (0.5, 6.4)])
def test_a_steel_ball_has_its_published_anomaly(distance_m, published_nt):
    """R = 20 mm in 50 uT, along the field, in nanoteslas."""
    earth = earth_field_t(50e-6, 90.0, 0.0)
    anomaly = dipole_field_t(sphere_moment_am2(0.02, earth), np.array([0.0, 0.0, distance_m]))
    assert np.linalg.norm(anomaly) * 1e9 == pytest.approx(published_nt, rel=0.02)


def test_a_spheres_permeability_matters_little_for_steel_and_all_for_air():
    """(mu - 1)/(mu + 2): 0 in air, 0.97 at 100; magpylib's sphere of that magnetisation has the same field."""
    field = np.array([1e-5, -2e-5, 3e-5])
    assert sphere_moment_am2(0.02, field, 1.0) == pytest.approx([0.0, 0.0, 0.0])
    moment = sphere_moment_am2(0.02, field, 100.0)
    assert moment == pytest.approx(sphere_moment_am2(0.02, field) * 99.0 / 102.0)
    ball = magpylib.magnet.Sphere(diameter=0.04, magnetization=moment / (4.0 / 3.0 * np.pi * 0.02**3))
    points = np.array([[0.1, 0.2, -0.1]])
    assert_equal_fields(dipole_field_t(moment, points), ball.getB(points))


@given(intensity=st.floats(2e-5, 7e-5), inclination=st.floats(-90.0, 90.0), declination=st.floats(-180.0, 180.0))
def test_the_earths_field_leads_back_to_its_angles(intensity, inclination, declination):
    """Down is positive inclination, east of north positive declination."""
    east, north, up = earth_field_t(intensity, inclination, declination)
    assert np.linalg.norm([east, north, up]) == pytest.approx(intensity)
    assert np.degrees(np.arcsin(np.clip(-up / intensity, -1.0, 1.0))) == pytest.approx(inclination, abs=1e-4)
    if abs(inclination) < 89.0:
        assert np.cos(np.arctan2(east, north) - np.radians(declination)) == pytest.approx(1.0)
