"""Fixes and attitudes in time: brackets, interpolation, jumps."""

import math

import numpy as np
import pytest
from core_machine import MS, SECOND
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.track import (
    Track,
    TrackAttitude,
    TrackFix,
    interpolate,
    interpolate_heading,
    is_frozen,
    is_jump,
    is_thrown,
)
from firmware_bridge.records import FixClass


def fix(mono_ms, east_m=0.0, north_m=0.0, **changes):
    fields = {
        "mono_ns": mono_ms * MS,
        "east_m": east_m,
        "north_m": north_m,
        "fix_class": FixClass.FIXED,
        "error_95_m": 0.02,
        "time_error_ns": 0,
        "speed_m_s": None,
        "heading_rad": None,
        "heading_error_95_rad": None,
        "reference_station": None,
    }
    return TrackFix(**{**fields, **changes})


def test_a_bracket_holds_its_first_fix_and_not_its_second():
    """first <= t < second; outside the track there is none: no extrapolation."""
    track = Track()
    for mono_ms in (100, 200, 300):
        assert track.add_fix(fix(mono_ms))
    assert track.bracket(99 * MS) is None
    assert [found.mono_ns // MS for found in track.bracket(100 * MS)] == [100, 200]
    assert [found.mono_ns // MS for found in track.bracket(200 * MS)] == [200, 300]
    assert track.bracket(300 * MS) is None


def test_a_fix_out_of_order_is_refused():
    """Neither an older fix nor a repeated one changes the track."""
    track = Track()
    assert track.add_fix(fix(200))
    assert not track.add_fix(fix(200))
    assert not track.add_fix(fix(100))
    assert len(track.fixes) == 1


def test_positions_lie_on_the_chord_and_headings_go_the_short_way():
    """Linear in time; 350 to 10 degrees passes through north."""
    first = fix(0, 1.0, 2.0, heading_rad=math.radians(350))
    second = fix(100, 3.0, 0.0, heading_rad=math.radians(10))
    position, share = interpolate(first, second, np.array([0, 50 * MS, 75 * MS]))
    assert position.tolist() == [[1.0, 2.0], [2.0, 1.0], [2.5, 0.5]]
    heading = interpolate_heading(first, second, share)
    assert np.sin(heading).tolist() == pytest.approx([math.sin(math.radians(a)) for a in (350, 0, 5)], abs=1e-12)


def test_a_heading_missing_on_either_side_is_no_heading():
    """None is never filled in."""
    with_heading, without = fix(0, heading_rad=1.0), fix(100)
    assert interpolate_heading(with_heading, without, np.array([0.5])) is None


@pytest.mark.parametrize(
    ("distance_m", "speeds", "expected"),
    [
        (0.08, (0.8, 0.8), False),
        (0.30, (0.8, 0.8), True),
        (0.0, (0.8, 0.8), False),  # a decimetre is within the slack
        (0.0, (3.0, 3.0), True),  # a frozen position under a moving machine
        (0.50, (None, None), False),
        (1.50, (None, None), True),
        (1.50, (0.8, None), True),
    ],
)
def test_a_jump_is_a_distance_that_the_speed_cannot_explain(distance_m, speeds, expected):
    """0.1 s between fixes, 0.02 m stated each, 2 m/s2, 1.2 m/s at most."""
    first, second = fix(0, speed_m_s=speeds[0]), fix(100, distance_m, speed_m_s=speeds[1])
    assert is_jump(first, second, 2.0, 1.2) is expected


def test_tilt_is_interpolated_only_between_attitudes_near_enough():
    """Before the first, after the last, or across a gap: None."""
    track = Track()
    for mono_ms, roll in ((0, 0.0), (50, 0.1), (1_000, 0.1)):
        assert track.add_attitude(TrackAttitude(mono_ns=mono_ms * MS, roll_rad=roll, pitch_rad=0.0))
    assert not track.add_attitude(TrackAttitude(mono_ns=1_000 * MS, roll_rad=0.0, pitch_rad=0.0))
    found = track.tilt(np.array([25 * MS, 40 * MS]), 500 * MS)
    assert found is not None
    assert found[0].tolist() == pytest.approx([0.05, 0.08])
    assert track.tilt(np.array([25 * MS, 60 * MS]), 500 * MS) is None
    assert track.tilt(np.array([1_001 * MS]), 500 * MS) is None
    assert track.tilt(np.array([-1 * MS]), 500 * MS) is None


def fixes_of(places, speeds, step_ns=100 * MS, error_m=0.02):
    return [
        TrackFix(
            mono_ns=index * step_ns,
            east_m=float(east),
            north_m=float(north),
            fix_class=FixClass.FIXED,
            error_95_m=error_m,
            time_error_ns=0,
            speed_m_s=speed,
            heading_rad=0.0,
            heading_error_95_rad=0.01,
            reference_station=None,
        )
        for index, ((east, north), speed) in enumerate(zip(places, speeds, strict=True))
    ]


@settings(max_examples=200)
@given(
    begin=st.floats(-1.5, 1.5),
    accelerations=st.lists(st.floats(-2.0, 2.0), min_size=2, max_size=2),
    turn_deg_s=st.floats(-90.0, 90.0),
)
def test_a_vehicle_that_turns_brakes_or_reverses_is_not_taken_for_frozen(begin, accelerations, turn_deg_s):
    """Up to 2 m/s2 either way and a quarter turn a second; a reversal within the second among them."""
    times = np.arange(21) / 10.0
    speed = begin + np.where(times < 1.0, accelerations[0] * times, accelerations[0] + accelerations[1] * (times - 1.0))
    heading = np.radians(turn_deg_s) * times
    east, north = (np.cumsum(speed * part) * 0.1 for part in (np.sin(heading), np.cos(heading)))
    fixes = fixes_of(list(zip(east, north, strict=True)), np.abs(speed).tolist())
    assert not any(is_frozen(fixes[: count + 1], 2.0) for count in range(len(fixes)))


@settings(max_examples=100)
@given(speed=st.floats(0.8, 1.5))
def test_a_place_that_stands_while_the_speed_says_it_moves_is_found_within_a_second(speed):
    """Not with the first fix that repeats the place; with the eleventh at the latest."""
    moving = [(0.0, speed * index / 10.0) for index in range(20)]
    fixes = fixes_of(moving + [moving[-1]] * 11, [speed] * 31)
    assert not is_frozen(fixes[:21], 2.0)
    assert is_frozen(fixes, 2.0)


def test_without_speeds_or_with_a_gap_nothing_is_said():
    """Another rule withholds after a gap."""
    places = [(0.0, 0.0)] * 15
    assert not is_frozen(fixes_of(places, [None] * 15), 2.0)
    assert not is_frozen(fixes_of(places, [1.0] * 15, step_ns=3 * SECOND), 2.0)
    assert is_frozen(fixes_of(places, [1.0] * 15), 2.0)
    assert not is_frozen(fixes_of(places[:1], [1.0]), 2.0)


@settings(max_examples=200)
@given(
    speed=st.floats(0.0, 1.5),
    acceleration=st.tuples(st.floats(-1.4, 1.4), st.floats(-1.4, 1.4)),
    noise=st.lists(st.tuples(st.floats(-0.014, 0.014), st.floats(-0.014, 0.014)), min_size=3, max_size=3),
    step_s=st.sampled_from([0.05, 0.1, 0.2, 1.0]),
)
def test_what_a_carrier_can_do_within_the_stated_errors_throws_no_place(speed, acceleration, noise, step_s):
    """Up to 2 m/s2 in any direction, each place up to 2 cm off as stated."""
    times = np.arange(3) * step_s
    east = 0.5 * acceleration[0] * times**2
    north = speed * times + 0.5 * acceleration[1] * times**2
    places = [(e + off[0], n + off[1]) for e, n, off in zip(east, north, noise, strict=True)]
    fixes = fixes_of(places, [speed] * 3, step_ns=round(step_s * SECOND))
    assert not is_thrown(*fixes, 2.0)


@pytest.mark.parametrize("direction_deg", range(0, 360, 30))
def test_a_place_that_is_thrown_three_decimetres_is_found_in_any_direction(direction_deg):
    """Backwards, too, where the length of the step says nothing."""
    off = 0.3 * np.sin(np.radians(direction_deg)), 0.3 * np.cos(np.radians(direction_deg))
    fixes = fixes_of([(0.0, 0.0), (0.0, 0.08), (off[0], 0.16 + off[1])], [0.8] * 3)
    assert is_thrown(*fixes, 2.0)


def test_across_a_long_gap_nothing_is_said_of_a_throw():
    """Within it the carrier may have done anything."""
    assert not is_thrown(*fixes_of([(0.0, 0.0), (0.0, 1.0), (9.0, 9.0)], [0.8] * 3, step_ns=2 * SECOND), 2.0)
