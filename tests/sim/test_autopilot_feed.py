"""What an autopilot says when something is wrong with it, read back from its bytes."""

import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.codec.decoders import make_decoder
from firmware_bridge.records import Attitude
from sim.autopilot import ASTRAY_DEG, BOOT_NS, AutopilotFeed
from sim.day import plan
from sim.machinery import Machinery
from sim.motion import Motion
from sim.scenario import load_scenario
from sim.sections import Fault

LANES = load_scenario("lanes")
DEPART_S, UNTIL_S = 5.0, 45.0


def said(*faults, cuts=()):
    """(instant in ns, attitude) of every attitude that it could send."""
    scenario = msgspec.structs.replace(LANES, fault=faults)
    feed = AutopilotFeed(scenario, Motion(scenario, DEPART_S), np.random.default_rng(1))
    edges = [0.0, *cuts, UNTIL_S]
    arrivals = [one for part in itertools.pairwise(edges) for one in feed.arrivals(*part)]
    decoder = make_decoder("mavlink", system_id=1)
    return [
        (at, record) for at, payload in arrivals for record in decoder.feed(payload) if isinstance(record, Attitude)
    ]


def test_a_failed_estimate_wanders_by_degrees_while_it_lasts():
    """Both angles are as before afterwards."""
    wrong_ones = said(Fault(kind="ekf_failed", from_s=10.0, until_s=20.0))
    off = [
        (at / 1e9 - DEPART_S, abs(wrong.roll_rad - right.roll_rad))
        for (at, wrong), (_, right) in zip(wrong_ones, said(), strict=True)
    ]
    assert max(error for at, error in off if 10.1 < at < 20.0) == pytest.approx(np.radians(ASTRAY_DEG), rel=0.01)
    assert max(error for at, error in off if at < 10.0 or at > 20.2) < 1e-9


def test_a_reboot_is_silence_and_a_clock_that_begins_anew():
    """Eight seconds of it; the time since boot counts from there."""
    found = said(Fault(kind="autopilot_reboot", from_s=10.0))
    instants = np.array([at for at, _ in found]) / 1e9 - DEPART_S
    gap = int(np.diff(instants).argmax())
    assert np.diff(instants).max() == pytest.approx(8.0, abs=0.11)
    before, after = found[gap][1].device_time_ns, found[gap + 1][1].device_time_ns
    assert before > BOOT_NS
    assert after < 10**9


def test_a_reboot_forgets_what_was_asked_for():
    """Whoever wants attitudes has to ask again."""
    scenario = msgspec.structs.replace(LANES, fault=(Fault(kind="autopilot_reboot", from_s=1.0),))
    day = plan(scenario, 1)
    machinery = Machinery(day)
    machinery.autopilot._intervals_us[30] = 50_000.0
    until_ns = round((day.array.motion.depart_s + 9.5) * 1e9)
    for now_ns in range(0, until_ns, 20_000_000):
        machinery.arrive(now_ns)
    assert machinery.autopilot.intervals_us == {}


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.floats(0.1, UNTIL_S - 0.1), max_size=4, unique=True).map(sorted))
def test_where_the_day_is_cut_changes_nothing_it_says(cuts):
    """Through a reboot and a failed estimate."""
    faults = Fault(kind="autopilot_reboot", from_s=5.0), Fault(kind="ekf_failed", from_s=20.0, until_s=25.0)
    assert said(*faults, cuts=cuts) == said(*faults)
