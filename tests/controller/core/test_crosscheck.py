"""Two receivers on one body: what does not fit the distance of their antennas counts for nothing."""

import msgspec
import pytest

from controller.core.fold import MapFold
from firmware_bridge.records import FixClass
from tests.controller.core.core_machine import Machine, calibration, site

BEHIND_M = 1.2


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


def test_a_false_fix_across_the_line_between_the_antennas_is_not_seen_until_the_machine_turns(machine):
    """0.2 m sideways changes the distance of antennas 1.2 m apart by 17 mm: agreeing, by itself, proves little."""
    false_m = 0.2
    machine.second_fix = lambda seconds, east_m, north_m: {"east_m": east_m + false_m, "north_m": north_m - BEHIND_M}
    machine.drive(5.0)
    machine.run(1.0)
    assert totals(machine).provisional_m2 > 1.0, "and so it counted"
    machine.second_fix = lambda seconds, east_m, north_m: {"east_m": east_m + false_m - BEHIND_M, "north_m": north_m}
    machine.run(2.0)
    assert totals(machine).provisional_m2 == 0.0, "once it shows, what was credited before is taken too"
    assert totals(machine).out_of_spec_m2["sources_disagree"] > 1.0


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
