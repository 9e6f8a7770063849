"""The conversions of stated accuracies to 95 %."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codec.accuracy import (
    angle_95_from_sigma,
    radius_95_from_axes,
    radius_95_from_cep,
    radius_95_from_drms,
    radius_95_from_ellipse,
    radius_95_from_sigma,
    sigma_from_angle_95,
    sigma_from_radius_95,
)

SHAPES = (1.0, 0.8, 0.5, 0.2, 0.05, 0.0)  # of an error ellipse: its minor axis by its major one


def test_a_circular_error_of_one_metre_sigma_lies_within_2_4477_metres():
    """The 95 % point of the Rayleigh distribution, as tables print it."""
    assert radius_95_from_sigma(1.0) == pytest.approx(2.4477, abs=1e-4)
    assert sigma_from_radius_95(2.4477) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("correlation", [-1.0, -0.6, 0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("ratio", [1.0, 0.6, 0.2, 0.01])
def test_two_sigmas_of_unknown_correlation_give_a_bound(correlation, ratio):
    """Whatever the correlation, at least 95 % of the errors lie within the radius that the two sigmas give."""
    east, north = np.random.default_rng(7).standard_normal((2, 400_000))
    latitude = north
    longitude = ratio * (correlation * north + math.sqrt(1 - correlation**2) * east)
    radius_m = radius_95_from_axes(1.0, ratio)
    assert np.mean(np.hypot(latitude, longitude) <= radius_m) >= 0.949


@pytest.mark.parametrize("sigma", [None, 0.0, -1.0, math.nan, math.inf, 10_000.0, 4_294_967.295])
def test_nonsense_is_no_accuracy(sigma):
    """Zero, all bits set and other marks for "unknown" never become an error that could satisfy a limit (P3)."""
    assert radius_95_from_sigma(sigma) is None
    assert radius_95_from_axes(sigma, 1.0) is None
    assert radius_95_from_axes(1.0, sigma) is None
    assert radius_95_from_cep(sigma) is None
    assert radius_95_from_drms(sigma) is None
    assert radius_95_from_ellipse(sigma, sigma, sigma) is None


@pytest.mark.parametrize("sigma", [None, 0.0, -1.0, math.nan, 180.0, 42_949.67295])
def test_nonsense_is_no_heading_accuracy(sigma):
    """A receiver without a direction states 180 degrees, or all bits set."""
    assert angle_95_from_sigma(sigma) is None


@pytest.mark.parametrize("shape", SHAPES)
def test_cep_and_drms_of_any_ellipse_give_a_bound(shape):
    """At least 95 % of the errors lie within the radius, and for the error along a line exactly 95 %."""
    east, north = np.random.default_rng(11).standard_normal((2, 400_000))
    radii = np.hypot(north, shape * east)
    bounds = radius_95_from_cep(float(np.median(radii))), radius_95_from_drms(math.sqrt(np.mean(radii**2)))
    for bound in bounds:
        within = np.mean(radii <= bound)
        assert within >= 0.949
        if shape == 0.0:
            assert within <= 0.951


@pytest.mark.parametrize("shape", SHAPES)
def test_the_semi_major_axis_of_any_ellipse_gives_a_bound(shape):
    """Exact for a circle."""
    east, north = np.random.default_rng(13).standard_normal((2, 400_000))
    within = np.mean(np.hypot(north, shape * east) <= radius_95_from_ellipse(1.0, None, None))
    assert within >= 0.949
    if shape == 1.0:
        assert within <= 0.951


def test_published_factors_of_a_circular_error_are_covered():
    """CEP x 2.08, DRMS x 1.73 and 68 % x 1.62 (NovAtel APN-029, Rayleigh distribution) are all below what is used."""
    assert radius_95_from_cep(1.0) == pytest.approx(2.9059, abs=1e-4)
    assert radius_95_from_cep(1.0) > 2.0789
    assert radius_95_from_drms(1.0) == pytest.approx(1.96, abs=1e-4)
    assert radius_95_from_drms(1.0) > 1.7308
    assert radius_95_from_sigma(1.0) > 2.0789


def test_an_ellipse_that_contradicts_itself_is_taken_at_its_worst():
    """No sigma of latitude can exceed the semi-major axis; if one does, it counts."""
    assert radius_95_from_ellipse(0.01, 0.03, 0.02) == radius_95_from_sigma(0.03)
    assert radius_95_from_ellipse(0.03, 0.01, None) == radius_95_from_sigma(0.03)
    assert radius_95_from_ellipse(None, 0.03, 0.04) == radius_95_from_axes(0.03, 0.04)
    assert radius_95_from_ellipse(0.0, 0.03, 0.04) == radius_95_from_axes(0.03, 0.04)
    assert radius_95_from_ellipse(0.01, 20_000.0, 0.0) == radius_95_from_sigma(0.01)
    assert radius_95_from_ellipse(None, 0.03, None) is None


@given(st.floats(0.0001, 9_999.0))
def test_writing_undoes_reading(sigma):
    """To a float's resolution."""
    assert sigma_from_radius_95(radius_95_from_sigma(sigma)) == pytest.approx(sigma)
    if sigma < 180.0:
        assert sigma_from_angle_95(angle_95_from_sigma(sigma)) == pytest.approx(sigma)
