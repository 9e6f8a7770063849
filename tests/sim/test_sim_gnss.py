"""What a receiver says when something is wrong with it, read back from its bytes; the truth stays where it is."""

import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.geometry import Plane
from firmware_bridge.codec.gnss import GnssDecoder
from firmware_bridge.records import FixClass
from sim.gnss import Receiver, antenna_places
from sim.motion import Motion
from sim.scenario import load_scenario
from sim.sections import Fault, SecondReceiver, TerrainModel

LANES = load_scenario("lanes")
DEPART_S, UNTIL_S = 5.0, 45.0
UTC_NS = 1_772_000_000 * 10**9
SECOND = SecondReceiver(antenna_m=(-1.2, 0.0, 2.0))


def said(*faults, link="gnss", cuts=(), **changes):
    """(seconds after setting off, fix, its distance from the truth east and north) of every epoch."""
    scenario = msgspec.structs.replace(LANES, fault=faults, **changes)
    motion = Motion(scenario, DEPART_S)
    receiver = Receiver(scenario, motion, UTC_NS, np.random.default_rng(1), link)
    edges = [0.0, *cuts, UNTIL_S]
    arrivals = [one for part in itertools.pairwise(edges) for one in receiver.arrivals(*part)]
    decoder = GnssDecoder()
    fixes = [fix for _, payload in arrivals for fix in decoder.feed(payload)] + decoder.finish()
    times = np.arange(1, len(fixes) + 1) / scenario.gnss.rate_hz
    second = np.array(SECOND.antenna_m) - np.array([0.0, 0.0, 2.0]) if link == "gnss2" else np.zeros(3)
    truth = antenna_places(motion.poses(times), scenario, second)
    plane = Plane(*scenario.world.origin)
    found = []
    for seconds, fix, place in zip(times.tolist(), fixes, truth, strict=True):
        off = None
        if fix.latitude_deg is not None:
            east, north = plane.project(fix.latitude_deg, fix.longitude_deg)
            up = fix.altitude_m - scenario.world.altitude_m
            off = np.array([float(east), float(north), up]) - place
        found.append((seconds - DEPART_S, fix, off))
    return found


def during(found, first, last):
    return [one for one in found if first <= one[0] < last]


@pytest.mark.parametrize("protocol", ["ubx", "nmea"])
def test_an_outage_leaves_a_receiver_that_speaks_and_knows_nothing(protocol):
    """No class, no place; before and after it is fixed."""
    gnss = msgspec.structs.replace(LANES.gnss, protocol=protocol)
    found = said(Fault(kind="outage", from_s=10.0, until_s=15.0), gnss=gnss)
    assert {fix.fix_class for _, fix, _ in during(found, 10.0, 15.0)} == {FixClass.NONE}
    assert all(off is None for _, _, off in during(found, 10.0, 15.0))
    assert {fix.fix_class for at, fix, _ in found if not 10.0 <= at < 15.0} == {FixClass.FIXED}


@pytest.mark.parametrize(("kind", "metres"), [("false_fix", 0.3), ("base_moved", 0.5), ("base_switched", 0.5)])
@pytest.mark.parametrize("protocol", ["ubx", "nmea"])
def test_a_false_position_is_fixed_by_its_own_word_and_as_far_off_as_asked(kind, metres, protocol):
    """The same accuracy is stated; only another base says another id, where the protocol has one."""
    gnss = msgspec.structs.replace(LANES.gnss, protocol=protocol)
    found = said(Fault(kind=kind, from_s=10.0, until_s=20.0), gnss=gnss)
    plain = said(gnss=gnss)
    for (at, fix, off), (_, usual, usual_off) in zip(found, plain, strict=True):
        wanted = metres if 10.0 <= at < 20.0 else 0.0
        assert np.hypot(*(off - usual_off)[:2]) == pytest.approx(wanted, abs=0.025)
        assert (fix.fix_class, fix.horizontal_error_95_m) == (FixClass.FIXED, usual.horizontal_error_95_m)
    stations = {fix.reference_station for at, fix, _ in during(found, 10.0, 20.0)}
    if (kind, protocol) == ("base_switched", "nmea"):
        assert stations.isdisjoint({fix.reference_station for _, fix, _ in plain})
    else:
        assert stations == {fix.reference_station for _, fix, _ in plain}


def test_without_corrections_it_floats_then_grows_worse_and_comes_back():
    """Float five seconds later, stating more; fixed three seconds after they are back."""
    found = said(Fault(kind="corrections_lost", from_s=2.0, until_s=25.0))
    assert {fix.fix_class for _, fix, _ in during(found, 7.2, 27.9)} == {FixClass.FLOAT}
    assert {fix.fix_class for at, fix, _ in found if at < 7.0 or at > 28.1} == {FixClass.FIXED}
    stated = [fix.horizontal_error_95_m for _, fix, _ in during(found, 18.0, 27.0)]
    assert min(stated) > 0.5


def test_a_frozen_receiver_repeats_its_last_place_and_its_time_runs_on():
    """Until the fault ends; then it is where the vehicle is."""
    found = said(Fault(kind="receiver_freeze", from_s=10.0, until_s=15.0))
    frozen = during(found, 10.0, 15.0)
    assert len({(fix.latitude_deg, fix.longitude_deg, fix.speed_m_s) for _, fix, _ in frozen}) == 1
    assert len({fix.utc_ns for _, fix, _ in frozen}) == len(frozen)
    assert np.hypot(*frozen[-1][2][:2]) > 3.0
    assert np.hypot(*during(found, 15.1, 16.0)[0][2][:2]) < 0.03


def test_a_clock_that_steps_dates_its_epochs_wrong():
    """By two seconds, and by nothing before."""
    plain, found = said(), said(Fault(kind="receiver_clock_step", from_s=10.0))
    steps = {(at >= 10.0, fix.utc_ns - usual.utc_ns) for (at, fix, _), (_, usual, _) in zip(found, plain, strict=True)}
    assert steps == {(False, 0), (True, 2 * 10**9)}


def test_a_second_receiver_errs_by_itself_and_takes_only_its_own_faults():
    """Its antenna stands elsewhere; a fault of the other does not touch it."""
    fault = Fault(kind="false_fix", link="gnss2", from_s=10.0)
    first = said(fault, gnss2=SECOND)
    second = said(fault, link="gnss2", gnss2=SECOND)
    assert max(np.hypot(*off[:2]) for _, _, off in first) < 0.03
    assert min(np.hypot(*off[:2]) for _, _, off in during(second, 10.0, 40.0)) > 0.25
    assert max(np.hypot(*off[:2]) for _, _, off in during(second, -5.0, 10.0)) < 0.03


def test_on_a_slope_the_stated_height_follows_the_antenna():
    """Within the vertical error of the model; nobody says the origin's altitude everywhere."""
    found = said(terrain=TerrainModel(slope_north=0.05))
    assert max(abs(off[2]) for _, _, off in found) < 0.03
    assert np.ptp([fix.altitude_m for _, fix, _ in found]) > 0.4


def classes(found, first, last):
    return {fix.fix_class for _, fix, _ in during(found, first, last)}


@pytest.mark.parametrize("is_outage_first", [True, False])
def test_without_satellites_no_other_fault_gives_a_place(is_outage_first):
    """Corrections that are missing meanwhile change nothing, in whichever order the scenario says them."""
    faults = [Fault(kind="outage", from_s=15.0, until_s=20.0), Fault(kind="corrections_lost", from_s=2.0, until_s=25.0)]
    found = said(*(faults if is_outage_first else faults[::-1]))
    assert classes(found, 15.0, 20.0) == {FixClass.NONE}
    assert classes(found, 8.0, 15.0) == {FixClass.FLOAT}


@pytest.mark.parametrize("is_freeze_first", [True, False])
def test_a_frozen_receiver_goes_on_saying_its_class_and_accuracy(is_freeze_first):
    """Corrections that it loses meanwhile are not told until it thaws."""
    faults = [Fault(kind="receiver_freeze", from_s=10.0, until_s=25.0), Fault(kind="corrections_lost", from_s=11.0)]
    found = said(*(faults if is_freeze_first else faults[::-1]))
    assert len({(fix.fix_class, fix.horizontal_error_95_m) for _, fix, _ in during(found, 10.0, 25.0)}) == 1
    assert classes(found, 10.0, 25.0) == {FixClass.FIXED}
    assert classes(found, 25.0, 40.0) == {FixClass.FLOAT}


@pytest.mark.parametrize("fix_class", ["single", "dgnss", "float"])
def test_losing_corrections_makes_no_class_better(fix_class):
    """What was worse than float stays so."""
    gnss = msgspec.structs.replace(LANES.gnss, error_model="preset", fix_class=fix_class, stated_error_95_m=5.0)
    found = said(Fault(kind="corrections_lost", from_s=2.0, until_s=25.0), gnss=gnss)
    assert classes(found, -5.0, 40.0) == {FixClass[fix_class.upper()]}


def test_a_receiver_without_corrections_tells_no_age_and_no_station():
    """GGA leaves both fields empty."""
    gnss = msgspec.structs.replace(
        LANES.gnss, protocol="nmea", error_model="preset", fix_class="single", stated_error_95_m=5.0
    )
    assert {(fix.correction_age_s, fix.reference_station) for _, fix, _ in said(gnss=gnss)} == {(None, None)}


def bytes_of(faults, cuts):
    """Every arrival, undecoded, of a day that is cut there."""
    scenario = msgspec.structs.replace(LANES, fault=faults)
    receiver = Receiver(scenario, Motion(scenario, DEPART_S), UTC_NS, np.random.default_rng(1))
    return [one for part in itertools.pairwise([0.0, *cuts, UNTIL_S]) for one in receiver.arrivals(*part)]


@st.composite
def any_faults(draw):
    """Up to four faults of a receiver, of the same kind and at the same time as it happens."""
    kinds = ("receiver_freeze", "corrections_lost", "false_fix", "base_switched", "outage", "receiver_clock_step")
    faults = []
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=4)):
        from_s = draw(st.floats(-4.0, 35.0))
        until_s = draw(st.none() | st.floats(0.1, 20.0).map(lambda lasts_s, from_s=from_s: from_s + lasts_s))
        faults.append(Fault(kind=kind, from_s=from_s, until_s=until_s))
    return tuple(faults)


@settings(max_examples=60, deadline=None)
@given(faults=any_faults(), cuts=st.lists(st.floats(0.1, UNTIL_S - 0.1), max_size=4, unique=True).map(sorted))
def test_where_the_day_is_cut_changes_no_byte(faults, cuts):
    """Nor when it arrives, whatever is wrong meanwhile, and however often."""
    assert bytes_of(faults, cuts) == bytes_of(faults, ())
