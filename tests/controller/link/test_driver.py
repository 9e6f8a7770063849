"""What the driver's screen is told, from snapshots and a map that is followed."""

import msgspec
import numpy as np
import pytest

from controller.core.cells import CellState
from controller.core.effects import PlaneSet, TileWritten
from controller.core.fold import MapFold
from controller.core.shown import HeadSnapshot, Snapshot
from controller.core.tiles import CellMark, pack_cells
from controller.link.driver import Driver, nearest_gap, pose_of, states_at
from controller.link.live_map import LiveMap

HEAD = HeadSnapshot(
    head="head", channels=("c0", "c1"), coils_m=((1.0, 0.1), (1.0, -0.1)), radius_m=(0.2, 0.2), signal=(None, None),
    threshold=(1.0, 1.0), sigma=(None, None), age_ns=0, reasons=(), block=1, check=None, check_part=None, reach_m=0.15,
    time_error_ns=0, clock_residual_ns=None, clock_drift_ppm=None,
)  # fmt: skip
SNAPSHOT = Snapshot(
    now_ns=10_000_000_000, utc_ns=None, origin="simulated", fix_class="fixed", fix_age_ns=0, fix_error_95_m=0.02,
    position_dmm=(40_000, 20_000), heading_deg=0.0, speed_m_s=0.5, speed_limit_m_s=1.2, speed_limit_by="profile",
    antenna_m=(0.5, 0.0), contacts_m=((0.4, 0.3), (0.4, -0.3)), heads=(HEAD,), alarms=0, sounding=(),
    unacknowledged=0, unmarked=0, is_paused=False, is_ended=False, lateness_ns=0, backlog_ns=0, epoch_error_ns=0,
    fix_latency_ns=None,
)  # fmt: skip


@pytest.fixture
def live_map():
    """Ground that counts from 2 m to 3 m east, over the whole tile, with a hole of ten by ten cells at its middle."""
    marks = np.zeros((256, 256), dtype=np.uint8)
    marks[:, 40:60] = CellMark.CREDITED
    marks[120:130, 45:55] = 0
    made = LiveMap(MapFold(0.5))
    made.add(PlaneSet(mono_ns=0, utc_ns=None, task=None, latitude_deg=1.0, longitude_deg=2.0, altitude_m=3.0))
    cells = pack_cells(marks, np.zeros_like(marks))
    made.add(TileWritten(mono_ns=0, utc_ns=None, spec=None, block=0, tx=0, ty=0, version=1, cells=cells))
    made.refresh()
    return made


def later(seconds, **changes):
    return msgspec.structs.replace(SNAPSHOT, now_ns=SNAPSHOT.now_ns + round(seconds * 1e9), **changes)


def test_the_pose_is_that_of_the_vehicle_and_not_of_its_antenna():
    """Half a metre behind the antenna, whichever way it stands."""
    assert (pose_of(SNAPSHOT).east_m, pose_of(SNAPSHOT).north_m) == pytest.approx((4.0, 1.5))
    east = pose_of(later(0, heading_deg=90.0))
    assert (east.east_m, east.north_m) == pytest.approx((3.5, 2.0))


@pytest.mark.parametrize(
    "changes", [{"position_dmm": None}, {"heading_deg": None}, {"fix_age_ns": None}, {"fix_age_ns": 1_000_000_001}]
)
def test_nobody_is_guided_from_an_unknown_place(live_map, changes):
    """No lane, no gap, and no word about wheels; what the errors take is known all the same."""
    driver = Driver()
    driver.hear(later(0, **changes))
    (told,) = driver.guidance(live_map)
    assert (told.offset_m, told.missing, told.is_on_unsearched) == (None, None, None)
    assert driver.around(live_map) is None


def test_the_lane_is_where_the_map_has_it(live_map):
    """The strip ends at 3 m; the machine is at 4 m: half the bar and the reach, 0.75 m short of it, to the left."""
    driver = Driver()
    driver.hear(SNAPSHOT)
    (told,) = driver.guidance(live_map)
    assert told.overlap_m == pytest.approx(-0.75, abs=0.051)
    assert told.offset_m == pytest.approx(0.05 - told.overlap_m)


def test_wheels_are_told_where_they_were_four_seconds_ago(live_map):
    """Standing on the strip they are known only once that time has passed."""
    driver = Driver()
    driver.hear(later(0, position_dmm=(25_000, 20_000)))
    assert driver.guidance(live_map)[0].is_on_unsearched is None
    driver.hear(later(4.0))
    assert driver.guidance(live_map)[0].is_on_unsearched is False
    driver.hear(later(8.1))
    assert driver.guidance(live_map)[0].is_on_unsearched is True


def test_the_nearest_gap_is_the_hole_that_searched_ground_goes_round(live_map):
    """Its near edge is 6 m up the tile and 2.75 m across; the direction is no route."""
    driver = Driver()
    driver.hear(later(0, position_dmm=(25_000, 20_000)))
    gap = nearest_gap(*driver.around(live_map))
    assert (gap.cause, gap.area_m2, gap.bearing_deg) == ("not_visited", 0.25, 0.0)
    assert gap.distance_m == pytest.approx(6.0 - 1.5)
    assert gap.warning == "not a safe route"


def test_places_off_the_map_were_not_visited(live_map):
    """Beyond every tile, and below zero."""
    places = np.array([[2.5, 1.0], [900.0, 900.0], [-0.01, -0.01], [2.5, 6.2]])
    searched, *others = states_at(live_map, places).tolist()
    assert searched == CellState.PROVISIONAL
    assert set(others) == {CellState.NOT_VISITED}
