"""
Two u-blox F9P on one rigid pole, moved by hand: the cross-check keeps what is good and rejects false fixes at once.

The recording has baselines (UBX-NAV-RELPOSNED) of both to one station; their difference is the separation.
"""

import io
import struct

import numpy as np
import pytest
from pyubx2 import UBXReader

from controller.core.crosscheck import separation_m
from controller.core.site import PositionSource
from controller.core.track import Track, TrackFix
from firmware_bridge.records import FixClass

pytestmark = pytest.mark.recorded

LENGTH_M = 1.9155
LIMIT_M = PositionSource(link="gnss", relative_error_m=0.0, drift_m_s=0.0).baseline_error_m
GAP_NS = 350_000_000
FIXED = 2


def fixes(path):
    """Every valid epoch as a fix on the receivers' own time, and whether it says fixed."""
    found = []
    for _, message in UBXReader(io.BytesIO(path.read_bytes()), quitonerror=0):
        if message is None or message.identity != "NAV-RELPOSNED" or not message.relPosValid:
            continue
        (time_of_week_ms,) = struct.unpack_from("<I", message.payload, 4)
        fix = TrackFix(
            mono_ns=time_of_week_ms * 1_000_000,
            east_m=message.relPosE / 100,
            north_m=message.relPosN / 100,
            up_m=-message.relPosD / 100,
            fix_class=FixClass.FIXED if message.carrSoln == FIXED else FixClass.FLOAT,
            error_95_m=None,
            time_error_ns=0,
            speed_m_s=None,
            heading_rad=None,
            heading_error_95_rad=None,
            reference_station=None,
        )
        found.append(fix)
    return found


def separations(folder, name):
    """Per epoch of rover A that says fixed while B's neighbours do: the separation in metres, float64 (n,)."""
    second = fixes(folder / f"{name}_RoverB.ubx")
    apart, position = [], 0
    for fix in fixes(folder / f"{name}_RoverA.ubx"):
        if fix.fix_class is not FixClass.FIXED:
            continue
        while position + 1 < len(second) and second[position + 1].mono_ns <= fix.mono_ns:
            position += 1
        track = Track()
        for neighbour in second[max(0, position - 1) : position + 3]:
            if neighbour.fix_class is FixClass.FIXED:
                track.add_fix(neighbour)
        distance = separation_m(fix, track, GAP_NS)
        if distance is not None:
            apart.append(distance)
    return np.array(apart)


@pytest.fixture(scope="module")
def folder(recordings):
    return recordings / "gnss" / "f9p_rigid_pole"


def test_good_epochs_are_kept_and_agree_to_millimetres(folder):
    """At least 95 % of the epochs that both call fixed pass; the separation of those has a sigma of 9 mm or less."""
    apart = separations(folder, "Hello")
    assert len(apart) > 2_000
    kept = apart[np.abs(apart - LENGTH_M) <= LIMIT_M]
    assert len(kept) / len(apart) >= 0.95
    assert kept.std() <= 0.009
    assert abs(np.median(kept) - LENGTH_M) < 0.003


def test_false_fixes_are_rejected_at_once(folder):
    """Both say fixed while the pole seems to stretch: what is more than 5 cm off is rejected in its own epoch (P1)."""
    apart = separations(folder, "false_fix_tail")
    off = np.abs(apart - LENGTH_M)
    assert (off > 0.05).sum() > 50
    assert (off[off > 0.05] > LIMIT_M).mean() >= 0.95
