"""Two receivers on one body: what does not fit the distance of their antennas counts for nothing."""

import msgspec
import pytest

from controller.core.crosscheck import disagreement
from controller.core.fold import MapFold
from controller.core.track import Track, TrackFix
from firmware_bridge.records import FixClass
from tests.controller.core.core_machine import Machine, calibration, site

BEHIND_M = 1.2
MS = 1_000_000
FIX = {
    "north_m": 0.0,
    "up_m": 2.0,
    "fix_class": FixClass.FIXED,
    "error_95_m": 0.02,
    "time_error_ns": 0,
    "speed_m_s": 0.0,
    "heading_error_95_rad": None,
    "reference_station": None,
}


def two_receivers():
    """The second antenna stands 1.2 m behind the first, on the same level."""
    one = site()
    return msgspec.structs.replace(
        one,
        vehicle=msgspec.structs.replace(one.vehicle, second_antenna_m=(-BEHIND_M, 0.0, 2.0)),
        position=msgspec.structs.replace(one.position, second_link="gnss2"),
    )


def good(seconds, east_m, north_m):
    """Where it must be: the machine of these tests heads north."""
    return {"east_m": east_m, "north_m": north_m - BEHIND_M}


@pytest.fixture
def machine():
    """Calibrated and checked, both receivers good."""
    machine = Machine(two_receivers())
    machine.second_fix = good
    machine.run(2.0)
    machine.ask(calibration())
    machine.check()
    return machine


def totals(machine):
    fold = MapFold(machine.state.site.profile.masking_radius_m)
    for event in machine.events:
        fold.add(event)
    return fold.totals()


def test_two_receivers_that_agree_cost_nothing(machine):
    """Ground counts as with one."""
    machine.drive(6.0)
    machine.run(1.0)
    assert totals(machine).provisional_m2 > 1.0
    assert "sources_disagree" not in machine.credit_reasons


@pytest.mark.parametrize(
    "second",
    [
        lambda seconds, east_m, north_m: {"east_m": east_m + 0.4, "north_m": north_m - BEHIND_M},
        lambda seconds, east_m, north_m: {"east_m": east_m, "north_m": north_m - BEHIND_M - 0.09},
        lambda seconds, east_m, north_m: {"east_m": east_m, "north_m": north_m - BEHIND_M, "altitude_m": 1200.6},
        lambda seconds, east_m, north_m: {"east_m": east_m, "north_m": north_m - BEHIND_M, "altitude_m": None},
        lambda seconds, east_m, north_m: {**good(seconds, east_m, north_m), "fix_class": FixClass.FLOAT},
        lambda seconds, east_m, north_m: {**good(seconds, east_m, north_m), "utc_ns": None},
        lambda seconds, east_m, north_m: None,
    ],
    ids=["sideways", "along", "above", "no altitude", "float", "no time", "silent"],
)
def test_a_second_receiver_that_does_not_bear_the_first_one_out_withholds_credit(machine, second):
    """Moved in any direction, unable to say, of a lesser class, without a time, or gone (P1, P3)."""
    machine.drive(2.0)
    machine.run(1.0)
    before = totals(machine)
    machine.second_fix = second
    machine.run(0.4)
    machine.drive(4.0)
    machine.run(1.0)
    machine.end()
    after = totals(machine)
    assert after.provisional_m2 - before.provisional_m2 < 0.15
    assert after.out_of_spec_m2["sources_disagree"] > 0.9


def test_a_false_fix_across_the_line_between_the_antennas_is_seen_by_the_heading(machine):
    """0.2 m sideways changes the distance of antennas 1.2 m apart by 17 mm, and the vector between them by 0.2 m."""
    machine.drive(6.0)
    machine.run(1.0)
    assert totals(machine).provisional_m2 > 1.0
    machine.second_fix = lambda seconds, east_m, north_m: {"east_m": east_m + 0.2, "north_m": north_m - BEHIND_M}
    machine.run(2.0)
    assert totals(machine).provisional_m2 == 0.0, "once it shows, what was credited before is taken too"
    assert totals(machine).out_of_spec_m2["sources_disagree"] > 1.0


def test_without_a_heading_an_error_across_the_line_is_not_seen():
    """Agreeing in distance, by itself, proves little."""
    fixes = [TrackFix(**FIX, mono_ns=at_ns, east_m=0.0, heading_rad=None) for at_ns in (0, 100 * MS)]
    second = Track()
    for at_ns in (-50 * MS, 50 * MS, 150 * MS):
        second.add_fix(TrackFix(**{**FIX, "north_m": -BEHIND_M}, mono_ns=at_ns, east_m=0.2, heading_rad=None))
    blind = disagreement(tuple(fixes), second, two_receivers())
    assert blind.value == pytest.approx(0.0166, abs=0.001)
    seeing = [msgspec.structs.replace(fix, heading_rad=0.0, heading_error_95_rad=0.005) for fix in fixes]
    assert disagreement(tuple(seeing), second, two_receivers()).value == pytest.approx(0.2, abs=0.001)


def test_no_sample_beside_a_fix_that_is_contradicted_earns_credit(machine):
    """Judged at the samples' own instants, so that nothing is credited while the news is on its way."""
    machine.drive(3.0)
    wrong_from = machine.seconds
    machine.second_fix = lambda seconds, east_m, north_m: {
        "east_m": east_m,
        "north_m": north_m - BEHIND_M - (0.2 if seconds >= wrong_from + 0.1 else 0.0),
    }
    machine.placed.clear()
    machine.drive(2.0)
    machine.end()
    waiting = sum(len(block.sequence) for block in machine.placed if not block.reasons.any())
    assert waiting <= 20, "samples between fixes that agreed, and none after them"
