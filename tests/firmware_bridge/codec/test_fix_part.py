"""The calendar, and what a position may be."""

import datetime
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codec.fix_part import (
    GPS_EPOCH_DAYS,
    date_from_days,
    days_from_date,
    is_on_earth,
)

EPOCH = datetime.date(1970, 1, 1)


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
