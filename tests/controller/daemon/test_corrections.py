"""Corrections pass through core checked, and say where they come from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.daemon.corrections import WAITING_MAX, CorrectionQueue

# RTCM 10403.3's own example of a 1005, station 2003.
STATION_FRAME = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")


def test_a_station_is_told_once_and_again_when_it_changes():
    """Repeated every few seconds on the wire; the core hears of it when it is new."""
    queue = CorrectionQueue()
    for _ in range(3):
        queue.add(STATION_FRAME)
    payloads, seen = queue.take()
    assert payloads == [STATION_FRAME] * 3
    assert [station.station_id for station in seen] == [2003]
    assert seen[0].x_m == pytest.approx(1_114_104.5999, abs=1e-4)
    queue.add(STATION_FRAME)
    assert queue.take() == ([STATION_FRAME], ())


@pytest.mark.parametrize("payload", [b"", STATION_FRAME[:-1], STATION_FRAME * 2, b"x" + STATION_FRAME])
def test_anything_but_one_whole_frame_is_counted_and_dropped(payload):
    """What link sends is checked again: nothing else reaches the receiver's port (P7)."""
    queue = CorrectionQueue()
    queue.add(payload)
    assert queue.take() == ([], ())
    assert queue.refused == 1


@given(st.binary(max_size=100))
def test_no_other_bytes_ever_pass(payload):
    """Whatever they are."""
    queue = CorrectionQueue()
    queue.add(payload)
    assert queue.take() == ([], ())


def test_a_flood_keeps_the_newest():
    """Old corrections are worth nothing; memory is bounded."""
    queue = CorrectionQueue()
    for _ in range(10 * WAITING_MAX):
        queue.add(STATION_FRAME)
    assert len(queue.take()[0]) == WAITING_MAX
