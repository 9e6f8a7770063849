"""Limits at their edges, and the two kinds of error against simulated worst cases."""

import math

import msgspec
import numpy as np
import pytest
from core_machine import site
from hypothesis import given
from hypothesis import strategies as st
from test_track import fix

from controller.core.geometry import lever_arms
from controller.core.reasons import Reason, members
from controller.core.rules import ANGLE_SCALE, independent_error_m, judge_bracket
from controller.core.site import Metric
from firmware_bridge.records import FixClass

SITE = site()


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({}, {}, set()),
        ({"fix_class": FixClass.FLOAT}, {}, {Reason.FIX_CLASS}),
        ({}, {"fix_class": FixClass.SINGLE}, {Reason.FIX_CLASS}),
        ({}, {"north_m": 1.2}, {Reason.POSITION_JUMP}),
    ],
)
def test_a_class_and_a_jump_withhold_credit_whatever_the_limits_are(first, second, expected):
    """Either fix of a bracket is enough."""
    assert set(members(judge_bracket(fix(0, **first), fix(100, **second), SITE).reasons)) == expected


@pytest.mark.parametrize(
    ("metric", "first", "second", "expected"),
    [
        (Metric.POSITION_ERROR, {"error_95_m": 0.05}, {"error_95_m": 0.02}, 0.05),
        (Metric.POSITION_ERROR, {}, {"error_95_m": None}, None),
        (Metric.SPEED, {}, {"north_m": 0.12}, 1.2),
        (Metric.FIX_GAP, {}, {"mono_ns": 350_000_000}, 0.35),
        (Metric.HEADING_ERROR, {}, {}, None),
    ],
)
def test_what_rules_are_about_is_the_worse_of_two_fixes(metric, first, second, expected):
    """None where either does not say."""
    assert judge_bracket(fix(0, **first), fix(100, **second), SITE).metrics[metric] == (
        None if expected is None else pytest.approx(expected)
    )


def test_the_position_error_is_scaled_to_the_confidence_of_the_profile():
    """95 % to 99.7 % of a Rayleigh radius: sqrt(ln 0.003 / ln 0.05)."""
    bracket = judge_bracket(fix(0, error_95_m=0.01), fix(100, error_95_m=0.03), SITE)
    assert bracket.common_error_m == pytest.approx(0.03 * math.sqrt(math.log(0.003) / math.log(0.05)), rel=1e-4)
    training = judge_bracket(fix(0, error_95_m=0.01), fix(100, error_95_m=0.03), site("training"))
    assert training.common_error_m == pytest.approx(0.03)


@pytest.mark.parametrize("profile", ["ap-shallow", "training"])
def test_the_bend_between_two_fixes_counts_against_the_limit_of_the_heading(profile):
    """In degrees at 95 %, whatever the profile's confidence."""
    machine_site = site(profile)
    pair = [fix(ms, heading_rad=0.0, heading_error_95_rad=math.radians(0.1)) for ms in (0, 100)]
    bracket = judge_bracket(*pair, machine_site)
    bend_deg = machine_site.vehicle.yaw_acceleration_deg_s2_max * 0.1**2 / 8.0
    scale = ANGLE_SCALE[machine_site.profile.confidence]
    assert bracket.metrics[Metric.HEADING_ERROR] == pytest.approx(0.1 + bend_deg / scale)
    assert bracket.heading_error_rad == pytest.approx(math.radians(0.1 * scale + bend_deg))


def test_a_fix_without_known_time_error_bounds_nothing():
    """`time_error_ns` None is passed on as None, which withholds credit elsewhere."""
    assert judge_bracket(fix(0, time_error_ns=None), fix(100), SITE).time_error_ns is None


@given(
    lever=st.tuples(st.floats(-2, 2), st.floats(-2, 2), st.floats(-2.5, 0)),
    heading=st.floats(-3, 3),
    roll=st.floats(-0.08, 0.08),
    pitch=st.floats(-0.08, 0.08),
    wrong=st.tuples(*[st.floats(-1, 1)] * 4),
)
def test_the_independent_error_bounds_what_heading_tilt_and_time_errors_do_to_a_coil(
    lever, heading, roll, pitch, wrong
):
    """Displace heading, roll, pitch and time within their bounds: the coil stays within the stated error."""
    heading_error, tilt_error = math.radians(0.5), math.radians(SITE.vehicle.attitude_error_deg)
    first = fix(0, heading_rad=heading, heading_error_95_rad=heading_error, time_error_ns=5_000_000)
    second = fix(100, 0.08, heading_rad=heading + 0.05, heading_error_95_rad=heading_error, time_error_ns=5_000_000)
    bracket = judge_bracket(first, second, SITE)
    points = np.array([lever])
    bound = independent_error_m(points, bracket, SITE, 3_000_000, has_attitude=True)[0]

    def coil(seconds, heading_, roll_, pitch_):
        arm = lever_arms(points, np.array([heading_ + 0.5 * seconds]), np.array([roll_]), np.array([pitch_]))
        return np.array([0.8 * seconds, 0.0]) + arm[0, 0]

    assert bracket.heading_error_rad is not None
    moved = coil(
        0.05 + wrong[0] * 0.008,
        heading + wrong[1] * bracket.heading_error_rad,
        # Roll and pitch share one bound; their errors together stay within it.
        roll + wrong[2] * tilt_error / math.sqrt(2),
        pitch + wrong[3] * tilt_error / math.sqrt(2),
    )
    assert np.hypot(*(moved - coil(0.05, heading, roll, pitch))) <= bound


def test_without_attitude_the_worst_slope_stands_in():
    """Two metres of antenna at five degrees: 0.17 m, which a narrow head cannot afford."""
    bracket = judge_bracket(fix(0), fix(100), SITE)
    high = np.array([[0.0, 0.0, -2.0]])
    level = independent_error_m(high, bracket, SITE, 0, has_attitude=True)[0]
    sloped = independent_error_m(high, bracket, SITE, 0, has_attitude=False)[0]
    assert sloped - level == pytest.approx(0.174 - 0.035, abs=0.002)


@pytest.mark.parametrize(
    ("fix_error_ms", "sample_error_ms", "turn_rad", "expected_m"),
    [(10, 0, 0.0, 0.008), (0, 10, 0.0, 0.008), (10, 10, 0.0, 0.016), (10, 0, 0.05, 0.008 + 1.5 * 0.5 * 0.01)],
)
def test_an_error_in_time_is_an_error_in_place(fix_error_ms, sample_error_ms, turn_rad, expected_m):
    """Linear in speed, and in the rate of turn times the lever: 0.8 m/s, half a radian a second, 1.5 m."""
    lever = np.array([[1.5, 0.0, 0.0]])

    def bound(fix_ms, sample_ms):
        pair = [
            fix(ms, east, heading_rad=heading, heading_error_95_rad=0.0, time_error_ns=fix_ms * 1_000_000)
            for ms, east, heading in ((0, 0.0, 0.0), (100, 0.08, turn_rad))
        ]
        bracket = judge_bracket(*pair, SITE)
        return independent_error_m(lever, bracket, SITE, sample_ms * 1_000_000, has_attitude=True)[0]

    assert bound(fix_error_ms, sample_error_ms) - bound(0, 0) == pytest.approx(expected_m, rel=1e-6)


def test_drift_within_a_window_and_receiver_noise_are_independent_errors():
    """Both enter the bound in full."""
    bracket = judge_bracket(fix(0), fix(100), SITE)
    still = np.zeros((1, 3))

    def bound(**changes):
        position = msgspec.structs.replace(SITE.position, **changes)
        return independent_error_m(
            still, bracket, msgspec.structs.replace(SITE, position=position), 0, has_attitude=True
        )[0]

    quiet = bound(relative_error_m=0.0, drift_m_s=0.0)
    assert bound(relative_error_m=0.02, drift_m_s=0.0) - quiet == pytest.approx(0.02)
    assert bound(relative_error_m=0.0, drift_m_s=0.002) - quiet == pytest.approx(0.002 * 3.5)
