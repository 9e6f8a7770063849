"""The conversions of stated accuracies, and the calendar."""

import datetime
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codec.fix_part import (
    GPS_EPOCH_DAYS,
    date_from_days,
    days_from_date,
    heading_95_from_sigma,
    is_on_earth,
    radius_95_from_axes,
    radius_95_from_sigma,
    sigma_from_radius_95,
)

EPOCH = datetime.date(1970, 1, 1)


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


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, 180.0, 42_949.67295])
def test_nonsense_is_no_heading_accuracy(sigma):
    """A receiver without a direction states 180 degrees, or all bits set."""
    assert heading_95_from_sigma(sigma) is None


def test_a_position_must_be_on_earth():
    """Both bounds are inside; beyond them, and NaN, is no position."""
    assert is_on_earth(90.0, -180.0)
    assert not is_on_earth(90.0000001, 0.0)
    assert not is_on_earth(0.0, -180.0000001)
    assert not is_on_earth(math.nan, 0.0)


@given(st.dates(min_value=EPOCH, max_value=datetime.date(2200, 1, 1)))
def test_the_calendar_agrees_with_the_standard_library(date):
    """Days since 1970 and back, for every date to 2200."""
    days = days_from_date(date.year, date.month, date.day)
    assert days == (date - EPOCH).days
    assert date_from_days(days) == (date.year, date.month, date.day)


@pytest.mark.parametrize(
    "date", [(2023, 2, 29), (2100, 2, 29), (2024, 4, 31), (2024, 0, 1), (2024, 13, 1), (1969, 1, 1)]
)
def test_a_date_that_does_not_exist_is_none(date):
    """A damaged date never becomes another date."""
    assert days_from_date(*date) is None


def test_gps_time_began_on_6_january_1980():
    """The start of GPS week 0."""
    assert date_from_days(GPS_EPOCH_DAYS) == (1980, 1, 6)
