"""Every shipped scenario shows what its description says; the long ones are planned and begun."""

import functools
import tempfile
from importlib.resources import files
from pathlib import Path

import pytest

from controller.core.check_events import CheckEnded, Revoked
from controller.store.ledger import read_events
from controller.summary import summarize
from sim.day import plan
from sim.inproc import run
from sim.oracle import judge
from sim.scenario import load_scenario

SHIPPED = sorted(path.name.removesuffix(".toml") for path in (files("sim") / "scenarios").iterdir())
LONG = {"night-shift"}


@functools.cache
def lived(name, seed=1):
    """A scenario lived through once: its summary, verdict and events."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / "session"
        day = plan(load_scenario(name), seed)
        for _ in run(day, directory):
            pass
        return summarize(directory), judge(directory, day.scenario, day.truth), list(read_events(directory))


@pytest.mark.parametrize("name", [name for name in SHIPPED if name not in LONG])
def test_no_scenario_over_claims_or_has_a_target_under_searched_ground(name):
    """Whatever happens in it."""
    _, verdict, _ = lived(name)
    assert (verdict.over_claimed_m2, verdict.targets_missed) == (0.0, 0)


def test_a_missed_overlap_leaves_its_target_unsearched():
    """The strip is not credited, and nobody was told of the item in it."""
    summary, verdict, _ = lived("missed-overlap")
    assert (verdict.targets_found, verdict.targets_not_searched) == (2, 1)
    assert summary.searched_m2 > 30.0


def test_ground_driven_without_corrections_does_not_count():
    """Float is no class for shallow anti-personnel work; before and after it counts."""
    summary, verdict, _ = lived("rtk-lost")
    assert summary.out_of_spec_m2["fix_class"] > 5.0
    assert summary.searched_m2 > 50.0
    assert verdict.targets_found == 3


def test_a_moved_base_is_shown_by_the_jump_and_by_the_known_point():
    """Nothing stands of what was credited before; the closing check fails on the peg alone."""
    summary, _, events = lived("base-moved")
    assert summary.searched_m2 == summary.provisional_m2 == 0.0
    assert [event.reason for event in events if isinstance(event, Revoked)] == ["position_jump"]
    checks = [event for event in events if isinstance(event, CheckEnded)]
    assert [check.passed for check in checks] == [True, False]
    assert [result.part for result in checks[1].results if not result.passed] == ["known_point_distance_m"]


@pytest.mark.parametrize(
    ("name", "searched_m2"), [("steep-slope", 70.0), ("mineralised-soil", 50.0), ("training-field", 90.0)]
)
def test_hard_ground_and_a_training_field_are_searched_and_their_items_found(name, searched_m2):
    """Slope, magnetic soil with clutter, items of several metals and shapes."""
    summary, verdict, _ = lived(name)
    assert summary.searched_m2 > searched_m2
    assert verdict.targets_not_searched == 0


def test_too_much_noise_earns_nothing_and_silences_no_alarm():
    """The check fails by it; every target is found all the same."""
    summary, verdict, _ = lived("noisy-array")
    assert summary.searched_m2 == summary.provisional_m2 == 0.0
    assert summary.out_of_spec_m2["noise_high"] > 50.0
    assert verdict.targets_found == 3


def test_a_failed_closing_check_withdraws_everything():
    """It is due for research again."""
    summary, _, _ = lived("failed-check")
    assert summary.searched_m2 == summary.provisional_m2 == 0.0
    assert summary.research_due_m2 > 50.0


def test_the_items_of_the_competition_field_are_found_within_half_a_metre():
    """All five, by a robot with two coils; no alarm without an item."""
    _, verdict, _ = lived("hratc-field")
    assert (verdict.targets_found, verdict.alarms_without_target) == (5, 0)


def test_a_night_shift_is_ten_hours_of_bytes_in_order():
    """Planned whole, begun: the first minutes' arrivals come in order, and it ends in the morning."""
    day = plan(load_scenario("night-shift"), 1)
    assert 9.5 < day.until_s / 3600.0 < 10.5
    last = 0
    for at, _, _ in day.arrivals():
        assert at >= last
        last = at
        if at > 300 * 10**9:
            break
    assert sum(len(part.mono_ns) for part, _ in zip(day.truth.parts(), range(10), strict=False)) == 30_000
