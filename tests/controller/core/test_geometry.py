"""The plane against PROJ, lever arms against rotation matrices."""

import math

import numpy as np
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.geometry import Plane, lever_arms, to_dmm, wrap_angle

LATITUDES = st.floats(-80, 80)
LONGITUDES = st.floats(-180, 180)
METRES = st.floats(-5_000, 5_000)


@given(latitude=LATITUDES, longitude=LONGITUDES, altitude=st.floats(-400, 5000), east=METRES, north=METRES)
def test_the_plane_inverts_to_a_micrometre(latitude, longitude, altitude, east, north):
    """Degrees to metres and back are one to one."""
    plane = Plane(latitude, longitude, altitude)
    found = plane.project(*plane.unproject(east, north))
    assert found[0] == pytest.approx(east, abs=1e-6)
    assert found[1] == pytest.approx(north, abs=1e-6)


@given(latitude=LATITUDES, longitude=st.floats(-179, 179), east=METRES, north=METRES)
def test_the_plane_agrees_with_proj(latitude, longitude, east, north):
    """PROJ's topocentric conversion (EPSG method 9837) of the same points, an independent implementation."""
    plane = Plane(latitude, longitude, 500.0)
    point_latitude, point_longitude = plane.unproject(east, north)
    proj = pyproj.Transformer.from_pipeline(
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=cart +ellps=WGS84 "
        f"+step +proj=topocentric +ellps=WGS84 +lat_0={latitude!r} +lon_0={longitude!r} +h_0=500"
    )
    expected = proj.transform(float(point_longitude), float(point_latitude), 500.0)
    assert expected[0] == pytest.approx(east, abs=1e-5)
    assert expected[1] == pytest.approx(north, abs=1e-5)


ANGLES = st.floats(-math.pi, math.pi)
TILTS = st.floats(-0.5, 0.5)


@given(heading=ANGLES, roll=TILTS, pitch=TILTS, lever=st.tuples(*[st.floats(-3, 3)] * 3))
def test_lever_arms_follow_the_aerospace_rotation(heading, roll, pitch, lever):
    """R = Rz(yaw) Ry(pitch) Rx(roll) from forward-right-down to north-east-down, as matrices."""
    sin, cos = math.sin, math.cos
    rz = np.array([[cos(heading), -sin(heading), 0], [sin(heading), cos(heading), 0], [0, 0, 1]])
    ry = np.array([[cos(pitch), 0, sin(pitch)], [0, 1, 0], [-sin(pitch), 0, cos(pitch)]])
    rx = np.array([[1, 0, 0], [0, cos(roll), -sin(roll)], [0, sin(roll), cos(roll)]])
    north, east, _ = rz @ ry @ rx @ np.array([lever[0], -lever[1], -lever[2]])
    found = lever_arms(np.array([lever]), *(np.array([angle]) for angle in (heading, roll, pitch)))
    assert found[0, 0] == pytest.approx([east, north], abs=1e-12)


def test_nose_up_brings_a_low_point_forward():
    """Two metres below the antenna, five degrees nose up: 0.17 m ahead (the figure every survey crew knows)."""
    arms = lever_arms(np.array([[0.0, 0.0, -2.0]]), np.array([0.0]), np.array([0.0]), np.array([math.radians(5.0)]))
    assert arms[0, 0] == pytest.approx([0.0, 0.174], abs=0.001)


def test_positions_are_rounded_to_tenths_of_a_millimetre():
    """Half up or down does not matter; the unit does."""
    assert to_dmm([1.00004, -1.00006]).tolist() == [10_000, -10_001]


@given(angle=st.floats(-50, 50))
def test_wrapping_keeps_the_direction(angle):
    """Within [-pi, pi), the same sine and cosine."""
    wrapped = wrap_angle(angle)
    assert -math.pi <= wrapped <= math.pi
    assert math.cos(wrapped) == pytest.approx(math.cos(angle), abs=1e-9)
    assert math.sin(wrapped) == pytest.approx(math.sin(angle), abs=1e-9)
