"""Fixes and attitudes in time: brackets, interpolation, jumps."""

import math

import numpy as np
import pytest

from controller.core.track import (
    Track,
    TrackAttitude,
    TrackFix,
    interpolate,
    interpolate_heading,
    is_jump,
)
from firmware_bridge.records import FixClass

MS = 1_000_000


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
