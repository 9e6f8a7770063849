"""Every fault of the catalogue, lived through: what it withholds, how soon, and that nothing false is ever claimed."""

import ast
from pathlib import Path

import msgspec
import pytest

from controller.core.alarm_events import AlarmRaised
from controller.core.check_events import Revoked
from controller.core.effects import CreditState
from controller.store.ledger import read_events
from firmware_bridge.errors import ConfigError
from sim.day import plan
from sim.faults import CATALOGUE, SYSTEM, USUAL_FROM_S, table, usual
from sim.inproc import run
from sim.oracle import judge
from sim.scenario import load_scenario
from sim.sections import Fault, SecondReceiver

ROOT = Path(__file__).parents[2]
SHIPPED = load_scenario("first-lane")
# One lane and no way home: what a fault does is seen until the closing check.
LANE = msgspec.structs.replace(SHIPPED.lanes, pattern="serpentine", length_m=14.0)
FIRST_LANE = msgspec.structs.replace(SHIPPED, profile="ap-shallow", lanes=LANE)
BESIDES = {"signal_present"}  # what withholds at times in the first lane without any fault
EVERY = [(row, link) for row in CATALOGUE for link in row.links if link != "gnss2"]


def lived_through(directory, fault=None, seed=7):
    """A first lane with a fault: its plan, its events with their seconds after setting off, the verdict."""
    day = plan(msgspec.structs.replace(FIRST_LANE, fault=() if fault is None else (fault,)), seed)
    for _ in run(day, directory):
        pass
    begun_ns = day.truth.begun_ns + round(day.array.motion.depart_s * 1e9)
    events = [((event.mono_ns - begun_ns) / 1e9, event) for event in read_events(directory)]
    return day, events, judge(directory, day.scenario, day.truth)


def alarms(events):
    return [(event.sequence, event.channels) for _, event in events if isinstance(event, AlarmRaised)]


@pytest.fixture(scope="module")
def without_fault(tmp_path_factory):
    """The alarms of the same day with nothing wrong."""
    _, events, verdict = lived_through(tmp_path_factory.mktemp("day") / "session")
    assert (verdict.targets_found, verdict.over_claimed_m2) == (2, 0.0)
    return alarms(events)


@pytest.mark.parametrize(("row", "link"), EVERY, ids=[f"{row.kind}-{link}" for row, link in EVERY])
def test_the_system_does_what_the_catalogue_says(tmp_path, without_fault, row, link):
    """Withheld in time and no longer than said; no ground over-claimed, no target missed, no alarm changed."""
    fault = usual(f"{row.kind}:{link}")
    day, events, verdict = lived_through(tmp_path / "session", fault)
    assert verdict.over_claimed_m2 == 0.0
    assert verdict.targets_missed == 0
    if link != "head":
        assert alarms(events) == without_fault
    states = [(at, {value.reason for value in event.reasons}) for at, event in events if isinstance(event, CreditState)]
    in_time = [reasons for at, reasons in states if USUAL_FROM_S <= at <= USUAL_FROM_S + row.within_s]
    wanted = set(row.withheld.get(link, ()))
    if wanted:
        assert any(wanted & reasons for reasons in in_time), f"withheld in time: {in_time}"
    counting = [at for at, reasons in states if at > USUAL_FROM_S and reasons <= BESIDES]
    arrived_s = day.array.motion.arrive_s - day.array.motion.depart_s
    if row.back_s is None and wanted:
        assert not [at for at in counting if fault.from_s + row.within_s < at < arrived_s], "counts by itself again"
    elif fault.until_s is not None and wanted:
        assert [at for at in counting if fault.until_s <= at <= fault.until_s + row.back_s], f"never counts: {states}"


@pytest.mark.parametrize("link", ["gnss", "gnss2"])
def test_two_receivers_that_disagree_earn_nothing_whichever_of_them_lies(tmp_path, link):
    """Eighteen centimetres, too little for a jump, in a direction that the seed draws: each is seen, none believed."""
    lie = Fault(kind="false_fix", link=link, from_s=USUAL_FROM_S, until_s=USUAL_FROM_S + 6.0, size=0.18)
    scenario = msgspec.structs.replace(FIRST_LANE, gnss2=SecondReceiver(antenna_m=(-1.2, 0.0, 2.0)), fault=(lie,))
    for seed in range(1, 4):
        day = plan(scenario, seed)
        for _ in run(day, tmp_path / str(seed)):
            pass
        assert judge(tmp_path / str(seed), day.scenario, day.truth).over_claimed_m2 == 0.0
        revoked = [event for event in read_events(tmp_path / str(seed)) if isinstance(event, Revoked)]
        assert [event.reason for event in revoked] == ["sources_disagree"]


def test_the_table_of_the_safety_page_is_the_catalogue():
    """Printed by `python -m sim faults`; whoever changes one changes the other."""
    assert table() in (ROOT / "docs" / "SAFETY.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("test", [test for row in SYSTEM for test in row.shown_by])
def test_what_a_simulated_day_cannot_have_is_shown_by_a_test_that_exists(test):
    """By its name in its file."""
    path, name = test.split("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sabotage", "there are flip, drop"),
        ("full_disk", "needs running processes"),
        ("outage:head", "cannot have it; one of gnss"),
    ],
)
def test_a_fault_that_is_not_there_is_refused_with_those_there_are(name, words):
    """By kind, by link, and with the place where the others are tested."""
    with pytest.raises(ConfigError, match=words):
        usual(name)
