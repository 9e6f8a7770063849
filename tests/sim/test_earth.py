"""The simulator's own geometry against PROJ, against known turns, and against the core that it must not share."""

import math

import numpy as np
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.geometry import Plane, lever_arms
from sim.earth import geographic, offsets_enu

METRES = st.floats(-5_000, 5_000)


@given(latitude=st.floats(-80, 80), longitude=st.floats(-179, 179), east=METRES, north=METRES)
def test_points_of_the_field_lie_where_proj_puts_them(latitude, longitude, east, north):
    """PROJ's topocentric conversion, an independent implementation, leads back to the same east and north."""
    found = geographic((latitude, longitude, 500.0), np.array([east]), np.array([north]))
    proj = pyproj.Transformer.from_pipeline(
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=cart +ellps=WGS84 "
        f"+step +proj=topocentric +ellps=WGS84 +lat_0={latitude!r} +lon_0={longitude!r} +h_0=500"
    )
    expected = proj.transform(float(found[1][0]), float(found[0][0]), 500.0)
    assert expected[:2] == pytest.approx((east, north), abs=1e-5)


def test_the_date_line_is_crossed():
    """East of 180 degrees comes -180."""
    _, longitude = geographic((-17.0, 179.99999, 0.0), np.array([10.0]), np.array([0.0]))
    assert -180.0 <= longitude[0] < -179.999


@pytest.mark.parametrize(
    ("heading", "roll", "pitch", "point", "place"),
    [
        (0.0, 0.0, 0.0, (1.5, 0.5, 0.2), (-0.5, 1.5, 0.2)),
        (90.0, 0.0, 0.0, (1.5, 0.5, 0.2), (1.5, 0.5, 0.2)),
        (0.0, 90.0, 0.0, (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),  # right side down: the left goes up
        (0.0, 0.0, 90.0, (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),  # nose up
    ],
)
def test_known_turns(heading, roll, pitch, point, place):
    """Signs are MAVLink's, said in words beside each."""
    angles = (np.radians([angle]) for angle in (heading, roll, pitch))
    assert offsets_enu(np.array([point]), *angles)[0, 0] == pytest.approx(place, abs=1e-12)


TILTS = st.floats(-0.5, 0.5)


@given(heading=st.floats(-math.pi, math.pi), roll=TILTS, pitch=TILTS, lever=st.tuples(*[st.floats(-3, 3)] * 3))
def test_core_and_simulator_agree_without_sharing_a_line(heading, roll, pitch, lever):
    """Two implementations of the same lever arm."""
    angles = [np.array([angle]) for angle in (heading, roll, pitch)]
    places = offsets_enu(np.array([lever]), *angles)
    assert places[0, 0, :2] == pytest.approx(lever_arms(np.array([lever]), *angles)[0, 0], abs=1e-12)


@given(east=METRES, north=METRES)
def test_the_planes_of_core_and_simulator_agree(east, north):
    """To a tenth of what the record keeps."""
    origin = (8.5, 39.25, 1600.0)
    found = Plane(*origin).project(*geographic(origin, np.array([east]), np.array([north])))
    assert float(found[0][0]) == pytest.approx(east, abs=1e-5)
    assert float(found[1][0]) == pytest.approx(north, abs=1e-5)
