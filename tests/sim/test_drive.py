"""Speed along the way: within its limits and its acceleration, standing where it must."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.drive import ACCELERATION_M_S2, Drive

SPEEDS = st.floats(0.1, 3.0)


@st.composite
def drives(draw):
    length_m = draw(st.floats(0.5, 60.0))
    places = st.floats(0.0, length_m, allow_subnormal=False)
    limits = [(0.0, draw(SPEEDS)), *sorted(draw(st.dictionaries(places, SPEEDS, max_size=4)).items())]
    stops = draw(st.dictionaries(places, st.floats(0.5, 5.0), max_size=3))
    return length_m, limits, stops


@settings(max_examples=100, deadline=None)
@given(drive=drives())
def test_speed_keeps_limits_and_acceleration_and_arrives(drive):
    """At every place its limit, between any two instants the acceleration; the way is the speed's integral."""
    length_m, limits, stops = drive
    driven = Drive(length_m, limits, stops)
    times = np.linspace(0.0, driven.duration_s, 4_001)
    along, speed = driven.at(times)
    step_s = times[1]
    froms = np.array([at for at, _ in limits])
    allowed = np.array([cap for _, cap in limits])
    inner = along[(along > 1e-6) & (along < length_m - 1e-6)]
    cap = allowed[np.searchsorted(froms, along + 1e-6, side="right") - 1]
    before = allowed[np.maximum(np.searchsorted(froms, along - 1e-6, side="right") - 1, 0)]
    assert (speed <= np.maximum(cap, before) + 1e-6).all()
    assert np.abs(np.diff(speed)).max() <= ACCELERATION_M_S2 * step_s * (1.0 + 1e-6) + 1e-9
    assert (np.diff(along) >= -1e-9).all()
    assert len(inner) > 0
    assert np.diff(along) == pytest.approx(step_s * (speed[1:] + speed[:-1]) / 2, abs=ACCELERATION_M_S2 * step_s**2)
    assert (along[0], speed[0], speed[-1]) == pytest.approx((0.0, 0.0, 0.0), abs=1e-12)
    assert along[-1] == pytest.approx(length_m)


@settings(max_examples=50, deadline=None)
@given(drive=drives())
def test_the_vehicle_stands_at_every_stop_for_as_long_as_asked(drive):
    """Nobody moves there for so many seconds; before and after the whole drive nobody moves either."""
    length_m, limits, stops = drive
    stops = {round(at, 1): stand_s for at, stand_s in stops.items() if 0.3 < round(at, 1) < length_m - 0.3}
    driven = Drive(length_m, limits, stops)
    times = np.linspace(0.0, driven.duration_s, 20_001)
    along, _ = driven.at(times)
    for at, stand_s in stops.items():
        stood = times[np.abs(along - at) < 1e-9]
        assert stood[-1] - stood[0] == pytest.approx(stand_s, abs=3 * times[1])
    outside, speeds = driven.at(np.array([driven.duration_s + 10.0, -5.0]))
    assert outside.tolist() == pytest.approx([length_m, 0.0])
    assert speeds.tolist() == [0.0, 0.0]


def test_a_steady_drive_takes_as_long_as_the_textbook_says():
    """Way over speed, and half a ramp at either end."""
    assert Drive(20.0, [(0.0, 0.8)], {}).duration_s == pytest.approx(20.0 / 0.8 + 0.8 / ACCELERATION_M_S2)
