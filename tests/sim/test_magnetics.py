"""Magnetometers against closed forms: what they see of iron, the day and the vehicle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.earth import offsets_enu
from sim.fields import MU0, dipole_field_t, earth_field_t, sphere_moment_am2
from sim.induction import attitude
from sim.magnetics import (
    DAY_S,
    Platform,
    daily,
    in_sensor_frame,
    moment_am2,
    total_field_t,
)

SEED = st.integers(0, 2**32 - 1)
EARTH = earth_field_t(36e-6, 5.0, 2.0)
BALL_M3 = 4.0 * np.pi * 0.02**3 * np.ones(3)


def anomaly_t(earth_t, added_t):
    """What is added to a total-field reading to first order: the projection on the Earth's field."""
    return added_t @ (earth_t / np.linalg.norm(earth_t))


def axes_at(headings_deg, roll_deg=0.0, pitch_deg=0.0):
    """The vehicle's axes in east, north, up: rows x, y, z."""
    headings = np.radians(np.asarray(headings_deg, dtype=float))
    return offsets_enu(np.eye(3), headings, *(np.full_like(headings, np.radians(a)) for a in (roll_deg, pitch_deg)))


def test_a_ball_is_an_item_of_three_equal_volumes():
    """4 pi R^3 along every axis, in any attitude; and what it keeps turns with it."""
    nothing = np.zeros(3)
    assert moment_am2(attitude(20, 30), BALL_M3, nothing, EARTH) == pytest.approx(sphere_moment_am2(0.02, EARTH))
    kept = moment_am2(attitude(90.0, 0.0), np.zeros(3), np.array([0.01, 0.0, 0.0]), EARTH)
    assert kept == pytest.approx([0.01, 0.0, 0.0], abs=1e-12)


@settings(deadline=None)
@given(seed=SEED)
def test_the_projection_is_the_total_field_to_first_order(seed):
    """The reading exceeds the projection, by no more than the square of what is added over twice the field."""
    random = np.random.default_rng(seed)
    earth, added = random.normal(size=3) * 3e-5, random.normal(size=(50, 3)) * 1e-7
    size = np.linalg.norm(earth)
    excess = total_field_t(earth + added) - size - anomaly_t(earth, added)
    assert (excess >= -1e-18).all()
    assert (excess <= (added**2).sum(axis=1) / (2.0 * size) * 1.1 + 1e-18).all()


def test_over_a_ball_near_the_magnetic_equator_the_field_is_weaker():
    """A level field: minus one over the ball, plus two along it, zero where 3 cos^2 = 1."""
    earth = earth_field_t(36e-6, 0.0, 0.0)
    moment = moment_am2(np.eye(3), BALL_M3, np.zeros(3), earth)
    sensors = np.array([[0.0, 0.0, 0.4], [0.0, 0.4, 0.0], [0.0, 0.4 / 2**0.5, 0.4]])
    found = anomaly_t(earth, dipole_field_t(moment, sensors))
    unit = MU0 / (4.0 * np.pi) * np.linalg.norm(moment) / 0.4**3
    assert found == pytest.approx([-unit, 2.0 * unit, 0.0], abs=unit * 1e-9)


def test_three_axes_read_the_field_in_the_vehicles_frame():
    """Heading east, north is to the left; nose up, the field from above comes from behind too."""
    north = np.array([0.0, 1.0, 0.0])
    assert in_sensor_frame(north, axes_at([0.0]))[0] == pytest.approx([1.0, 0.0, 0.0], abs=1e-12)
    assert in_sensor_frame(north, axes_at([90.0]))[0] == pytest.approx([0.0, 1.0, 0.0], abs=1e-12)
    assert in_sensor_frame(np.array([0.0, 0.0, 1.0]), axes_at([33.0], pitch_deg=30.0))[0] == pytest.approx(
        [0.5, 0.0, 0.75**0.5]
    )


@given(heading=st.floats(-180, 180), roll=st.floats(-30, 30), pitch=st.floats(-30, 30))
def test_turning_a_three_axis_sensor_keeps_the_fields_length(heading, roll, pitch):
    """So a total field does not depend on the sensor's attitude."""
    found = in_sensor_frame(EARTH, axes_at([heading], roll, pitch))[0]
    assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(EARTH))


def test_a_platform_adds_by_heading_what_its_terms_say():
    """What it keeps gives one wave a turn; what is induced in it, two; both as hand-made."""
    level = earth_field_t(36e-6, 0.0, 0.0)
    headings = np.arange(0.0, 360.0, 10.0)
    kept = Platform(permanent_t=(1e-8, 0.0, 0.0), induced=((0.0,) * 3,) * 3)
    found = anomaly_t(level, kept.field_t(level, axes_at(headings)))
    assert found == pytest.approx(1e-8 * np.cos(np.radians(headings)), abs=1e-15)
    iron = Platform(permanent_t=(0.0,) * 3, induced=((1e-3, 0.0, 0.0), (0.0,) * 3, (0.0,) * 3))
    found = anomaly_t(level, iron.field_t(level, axes_at(headings)))
    assert found == pytest.approx(36e-9 * np.cos(np.radians(headings)) ** 2, abs=1e-15)


@settings(deadline=None)
@given(seed=SEED, span=st.floats(20e-9, 50e-9))
def test_the_day_stays_within_its_span_and_is_smooth_and_periodic(seed, span):
    """Never more than the span; never faster than its harmonics allow; the next day the same."""
    times = np.arange(0.0, DAY_S, 30.0)
    found = daily(span, np.random.default_rng(seed)).at(times)
    assert np.ptp(found) <= span
    assert np.ptp(found) > 0.3 * span
    sizes = np.array([1.0, 1 / 4, 1 / 9, 1 / 16])
    steepest = span / 2.0 * 2.0 * np.pi / DAY_S * (sizes * [1, 2, 3, 4]).sum() / sizes.sum()
    assert np.abs(np.gradient(found, times)).max() <= steepest
    again = daily(span, np.random.default_rng(seed)).at(times + DAY_S)
    assert again == pytest.approx(found, abs=1e-15)
