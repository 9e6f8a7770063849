"""The judge is judged: bugs planted in the record itself, not in the truth, are found, and in reasonable time."""

import msgspec
import numpy as np
import pytest

from controller.core.alarm_events import AlarmLocated, AlarmRaised
from controller.core.effects import TileWritten
from controller.core.fold import MapFold
from controller.core.tiles import CellMark, pack_cells, unpack_cells
from controller.profile_files import load_profile
from controller.summary import read_map
from sim import oracle
from sim.day import plan
from sim.inproc import run
from sim.scenario import load_scenario
from tests.sim.forged_truth import ForgedTruth

FIRST_LANE = load_scenario("first-lane")


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """A simulated first lane: its truth and what its ledger says."""
    planned = plan(FIRST_LANE, 4)
    directory = tmp_path_factory.mktemp("day") / "session"
    for _ in run(planned, directory):
        pass
    return planned, read_map(directory)


@pytest.fixture
def judged(day, monkeypatch, tmp_path):
    """The verdict on a ledger whose events were changed."""
    planned, session = day

    def judge(change, truth=planned.truth):
        events = tuple(change(list(session.events)))
        fold = MapFold(load_profile(FIRST_LANE.profile).masking_radius_m)
        for event in events:
            fold.add(event)
        forged = msgspec.structs.replace(session, events=events, fold=fold)
        monkeypatch.setattr(oracle, "read_map", lambda directory: forged)
        return oracle.judge(tmp_path, planned.scenario, truth)

    return judge


def newest_tiles(events, change):
    """Every tile's newest version with its marks changed."""
    for event in events:
        if isinstance(event, TileWritten) and event.cells:
            marks, sets = unpack_cells(event.cells)
            yield msgspec.structs.replace(event, cells=pack_cells(change(marks.copy()), sets))
        else:
            yield event


def test_the_record_as_it_is_stands(judged):
    """The yardstick: the same way through the test, nothing changed."""
    verdict = judged(lambda events: events)
    assert verdict.over_claimed_m2 == 0.0
    assert (verdict.targets_found, verdict.targets_missed, verdict.alarms_without_target) == (2, 0, 0)


@pytest.mark.parametrize("axis", [0, 1])
def test_credit_shifted_by_two_decimetres_is_found(judged, axis):
    """Four cells, north or east: a strip beside the whole pass."""
    shifted = judged(lambda events: newest_tiles(events, lambda marks: np.roll(marks, 4, axis=axis)))
    assert shifted.over_claimed_m2 > 0.3


def test_a_single_cell_beyond_the_pass_is_found(judged):
    """Nothing is too small to be seen: one cell a tile, far from any pass."""

    def add(marks):
        marks[200, 200] = CellMark.CREDITED
        return marks

    assert judged(lambda events: newest_tiles(events, add)).over_claimed_m2 >= 0.0025


def test_credit_for_ground_passed_before_the_opening_check_is_found(judged, day):
    """The same ground, but the machine had passed it before any block was open."""
    planned, _ = day

    def early(part):
        return msgspec.structs.replace(part, mono_ns=part.mono_ns - 200 * 10**9)

    verdict = judged(lambda events: events, ForgedTruth(planned.truth, early))
    assert verdict.over_claimed_m2 > 5.0


def test_credit_under_a_channel_that_was_dead_is_found(judged, day):
    """The outermost channel saw nothing all day."""
    planned, _ = day

    def dead(part):
        alive = part.alive.copy()
        alive[:, -1] = False
        return msgspec.structs.replace(part, alive=alive)

    assert judged(lambda events: events, ForgedTruth(planned.truth, dead)).over_claimed_m2 > 0.3


def credit_all_passed(marks):
    """What was withheld, ground in signal above all, counted after all."""
    marks[marks == CellMark.OUT_OF_SPEC] = CellMark.CREDITED
    return marks


def test_a_deleted_alarm_is_a_missed_target(judged):
    """Raised in the field, taken out of the record again, and the ground it withheld counted."""

    def delete(events):
        first = next(event.alarm for event in events if isinstance(event, AlarmRaised) and event.check is None)
        kept = [event for event in events if getattr(event, "alarm", None) != first]
        return newest_tiles(kept, credit_all_passed)

    verdict = judged(delete)
    assert (verdict.targets_found, verdict.targets_missed) == (1, 1)


def test_an_alarm_without_a_place_finds_nothing(judged):
    """It counts as an alarm without target, and the target under credited ground as missed."""

    def unlocate(events):
        first = next(event.alarm for event in events if isinstance(event, AlarmRaised) and event.check is None)
        kept = [event for event in events if not (isinstance(event, AlarmLocated) and event.alarm == first)]
        return newest_tiles(kept, credit_all_passed)

    verdict = judged(unlocate)
    assert (verdict.targets_missed, verdict.alarms_without_target) == (1, 1)


def test_a_deleted_alarm_alone_leaves_its_target_unsearched(judged):
    """The ground in signal had earned nothing, so nothing false is claimed of it."""

    def delete(events):
        first = next(event.alarm for event in events if isinstance(event, AlarmRaised) and event.check is None)
        return [event for event in events if getattr(event, "alarm", None) != first]

    verdict = judged(delete)
    assert (verdict.targets_found, verdict.targets_missed, verdict.targets_not_searched) == (1, 0, 1)


def test_a_record_that_claims_everything_is_judged_too(judged):
    """The worst record there is must not be the one that the judge never finishes."""
    verdict = judged(lambda events: newest_tiles(events, lambda marks: np.full_like(marks, CellMark.CREDITED)))
    assert verdict.over_claimed_m2 > 100.0
