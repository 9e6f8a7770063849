"""What speaks against positions takes the credit that rests on them; only a known point gives trust back."""

import math

import msgspec
import numpy as np
import pytest
from core_machine import PLANE, Machine, calibration, site
from test_crosscheck import BEHIND_M, good, two_receivers

from controller.core import trust
from controller.core.check_events import BlockOpened, CheckEnded, Revoked, Verdict
from controller.core.effects import RequestRefused, TileWritten
from controller.core.fold import MapFold
from controller.core.inputs import BeginCheck, BeginCheckPart, CheckPart, EndCheck, Origin, StationSeen
from controller.core.reasons import Reason
from controller.core.state import begin
from controller.core.step import step
from firmware_bridge.records import FixClass


def folded(machine):
    fold = MapFold(machine.state.site.profile.masking_radius_m)
    for event in machine.events:
        fold.add(event)
    return fold.totals()


def credited_m2(machine):
    totals = folded(machine)
    return totals.provisional_m2 + totals.searched_m2


def jump(machine, metres=0.5):
    """From now on the antenna is said to be elsewhere."""
    east_m, north_m = machine.path(machine.seconds)
    machine.path = lambda seconds: (east_m + metres, north_m)


def still_jump(machine):
    """The receivers of these tests state no speed, with which a jump would have to be metres wide: one that does."""
    machine.fix_changes = lambda seconds: {"speed_m_s": 0.0}
    machine.run(1.0)
    jump(machine)
    machine.run(1.0)
    machine.fix_changes = lambda seconds: {}


def station(**changes):
    fields = {"station_id": 7, "is_virtual": False, "x_m": 4e6, "y_m": 5e5, "z_m": 4.9e6}
    return StationSeen(person="corrections", **{**fields, **changes})


def change_base(machine):
    machine.fix_changes = lambda seconds: {"reference_station": "0002"}
    machine.run(1.0)


def move_station(machine):
    machine.ask(station())
    machine.run(1.0)
    machine.ask(station(x_m=4e6 + 0.02))
    machine.run(1.0)


FAULTS = {"position_jump": still_jump, "base_changed": change_base}


@pytest.fixture
def known_machine():
    """A machine that is checked on a known point, where it stands."""
    latitude, longitude = PLANE.unproject(0.0, 0.0)
    base = site()
    task = msgspec.structs.replace(
        base.task, known_point_latitude_deg=float(latitude), known_point_longitude_deg=float(longitude)
    )
    machine = Machine(msgspec.structs.replace(base, task=task))
    machine.run(2.0)
    machine.ask(calibration())
    machine.check(on_point_s=6.0)
    return machine


def travel(machine, *to_m):
    """Smoothly to another place, with 1.5 m/s2 at most; a long way is driven too fast to count."""
    from_m, begun = machine.path(machine.seconds), machine.seconds
    needed_s = math.sqrt(6.0 * math.dist(from_m, to_m) / 1.5) + 0.02

    def path(seconds):
        done = min(max((seconds - begun) / needed_s, 0.0), 1.0)
        share = done**2 * (3.0 - 2.0 * done)
        return tuple(start + share * (stop - start) for start, stop in zip(from_m, to_m, strict=True))

    machine.path = path
    machine.run(needed_s + 1.0)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(still_jump, "position_jump"), (change_base, "base_changed"), (move_station, "base_changed")],
)
def test_a_fault_of_position_takes_what_was_credited_before_it_and_all_that_follows(ready_machine, fault, reason):
    """Which side of a jump was true is not known, nor since when a base stood elsewhere: all of it goes (P1)."""
    ready_machine.drive(6.0)
    ready_machine.run(1.5)
    before = credited_m2(ready_machine)
    assert before > 1.5
    fault(ready_machine)
    ready_machine.run(1.0)
    (revoked,) = ready_machine.of(Revoked)
    opened = ready_machine.of(BlockOpened)[0]
    assert (revoked.block, revoked.from_ns, revoked.reason) == (opened.block, opened.mono_ns, reason)
    assert revoked.cells_lost * 0.0025 >= before
    assert credited_m2(ready_machine) == 0.0
    assert folded(ready_machine).out_of_spec_m2[reason] >= before
    ready_machine.drive(4.0)
    ready_machine.end()
    assert credited_m2(ready_machine) == 0.0
    assert len(ready_machine.of(Revoked)) == 1


def test_the_event_and_its_tiles_leave_in_one_turn(ready_machine):
    """Where one step is enough; no tile claims what an event before it took away, wherever the record is cut (P5)."""
    ready_machine.drive(5.0)
    ready_machine.run(2.0)
    still_jump(ready_machine)
    (events,) = [e.events for e in ready_machine.effects if any(isinstance(event, Revoked) for event in e.events)]
    (revoked,) = [event for event in events if isinstance(event, Revoked)]
    written = {(tile.block, tile.tx, tile.ty) for tile in ready_machine.of(TileWritten) if tile.block == revoked.block}
    with_it = {(tile.block, tile.tx, tile.ty) for tile in events if isinstance(tile, TileWritten)}
    assert with_it == written


def test_blocks_that_passed_their_check_are_taken_too(ready_machine):
    """A function check without a known point says nothing of positions: the doubt goes back through all of them."""
    ready_machine.drive(5.0)
    ready_machine.check()
    ready_machine.drive(5.0)
    assert folded(ready_machine).searched_m2 > 1.0
    still_jump(ready_machine)
    ready_machine.end()
    assert [event.block for event in ready_machine.of(Revoked)] == [1, 2]
    assert [verdict.state for verdict in ready_machine.of(Verdict)] == ["passed"]
    assert credited_m2(ready_machine) == 0.0


@pytest.mark.parametrize("reason", FAULTS)
def test_a_check_without_a_known_point_does_not_give_trust_back(ready_machine, reason):
    """It proves detection, not position: to the session's end nothing counts (P6)."""
    ready_machine.drive(3.0)
    FAULTS[reason](ready_machine)
    ready_machine.check()
    ready_machine.drive(4.0)
    assert ready_machine.of(CheckEnded)[-1].passed
    assert ready_machine.credit_reasons == {reason}
    assert credited_m2(ready_machine) == 0.0


def test_a_jump_before_the_first_block_is_past_when_it_opens(machine):
    """A receiver that converges jumps; nothing was credited yet."""
    machine.run(2.0)
    still_jump(machine)
    machine.ask(calibration())
    machine.check()
    machine.drive(5.0)
    machine.run(1.0)
    assert machine.of(Revoked) == []
    assert credited_m2(machine) > 1.0


def test_another_base_station_before_the_first_block_is_not(machine):
    """It stays where it is, and nobody has said that it stands well."""
    machine.run(2.0)
    change_base(machine)
    machine.ask(calibration())
    machine.check()
    machine.drive(5.0)
    assert machine.credit_reasons == {"base_changed"}


def test_what_a_known_point_has_proved_is_never_taken(known_machine):
    """Credit up to the last proof stands; what came after it goes (P1)."""
    known_machine.drive(5.0)
    travel(known_machine, 0.0, 0.0)
    known_machine.check(on_point_s=6.0)
    proved = folded(known_machine).searched_m2
    assert proved > 1.0
    travel(known_machine, 20.0, 0.0)
    known_machine.drive(5.0)
    known_machine.run(1.0)
    assert credited_m2(known_machine) > proved + 1.0
    still_jump(known_machine)
    known_machine.end()
    assert {event.block for event in known_machine.of(Revoked)} == {2}
    assert folded(known_machine).searched_m2 == proved


@pytest.mark.parametrize("reason", FAULTS)
def test_a_check_passed_on_a_known_point_gives_trust_back(known_machine, reason):
    """New passes count again; what was revoked stays revoked (P6)."""
    known_machine.drive(5.0)
    FAULTS[reason](known_machine)
    assert reason in known_machine.credit_reasons
    travel(known_machine, 0.0, 0.0)
    known_machine.check(on_point_s=6.0)
    assert known_machine.of(CheckEnded)[-1].passed
    known_machine.run(2.5)
    assert known_machine.credit_reasons == set()
    assert folded(known_machine).searched_m2 == 0.0
    known_machine.drive(5.0)
    known_machine.end()
    assert folded(known_machine).provisional_m2 > 1.0


def test_a_known_point_that_is_found_elsewhere_takes_the_credit(known_machine):
    """Smooth, fixed, and six centimetres beside the point: the check fails, and says so of every position since."""
    known_machine.drive(5.0)
    travel(known_machine, 0.06, 0.0)
    known_machine.check(on_point_s=6.0)
    failed = [result for result in known_machine.of(CheckEnded)[-1].results if not result.passed]
    assert [result.part for result in failed] == ["known_point_distance_m"]
    assert failed[0].value == pytest.approx(0.06, abs=0.001)
    assert failed[0].high == 0.05
    assert {event.reason for event in known_machine.of(Revoked)} == {"check_failed"}
    assert credited_m2(known_machine) == 0.0


@pytest.mark.parametrize(
    ("seconds", "changes"),
    [
        (3.0, {}),
        (6.0, {"fix_class": FixClass.FLOAT}),
        (6.0, {"horizontal_error_95_m": 0.06}),
        (6.0, {"horizontal_error_95_m": None}),
        (6.0, None),
    ],
)
def test_a_known_point_needs_five_seconds_of_fixes_that_may_carry_credit(known_machine, seconds, changes):
    """Too short, of a lesser class, too coarse, without an accuracy, or none at all: not passed (P3)."""
    known_machine.fix_changes = lambda now: changes
    known_machine.check(on_point_s=seconds)
    assert not known_machine.of(CheckEnded)[-1].passed


def test_a_check_without_its_known_point_part_fails_where_there_is_one(known_machine):
    """Left out is not passed."""
    known_machine.check()
    failed = {result.part for result in known_machine.of(CheckEnded)[-1].results if not result.passed}
    assert failed == {"known_point_distance_m", "known_point_s", "part_known_point_done"}


def test_a_fault_after_the_known_point_and_before_the_end_of_its_check_fails_it(known_machine):
    """What was proved was proved before the fault."""
    known_machine.ask(BeginCheck(person="op-1", head="head"))
    known_machine.ask(BeginCheckPart(person="op-1", head="head", part=CheckPart.KNOWN_POINT))
    known_machine.run(7.0)
    known_machine.ask(BeginCheckPart(person="op-1", head="head", part=CheckPart.BACKGROUND))
    change_base(known_machine)
    known_machine.ask(EndCheck(person="op-1", head="head", is_alarm_seen_and_heard=True))
    results = {result.part: result.value for result in known_machine.of(CheckEnded)[-1].results}
    assert results["known_point_distance_m"] is None
    assert results["part_known_point_done"] == 1.0


def test_a_known_point_part_is_refused_where_there_is_no_known_point(ready_machine):
    """With the keys to set."""
    ready_machine.ask(BeginCheck(person="op-1", head="head"))
    ready_machine.ask(BeginCheckPart(person="op-1", head="head", part=CheckPart.KNOWN_POINT))
    assert "known_point_latitude_deg" in ready_machine.of(RequestRefused)[-1].why


def test_two_receivers_that_contradict_each_other_take_the_credit_since_trust_began():
    """A false fix across the line between the antennas shows only after a turn: their agreement was no proof."""
    machine = Machine(two_receivers())
    machine.second_fix = good
    machine.ready()
    machine.drive(5.0)
    machine.run(1.0)
    assert credited_m2(machine) > 1.0
    machine.second_fix = lambda seconds, east_m, north_m: None
    machine.run(2.0)
    assert machine.of(Revoked) == [], "one that is silent contradicts nothing"
    assert credited_m2(machine) > 1.0
    machine.second_fix = lambda seconds, east_m, north_m: {"east_m": east_m, "north_m": north_m - BEHIND_M - 0.2}
    machine.run(2.0)
    assert {event.reason for event in machine.of(Revoked)} == {"sources_disagree"}
    machine.second_fix = good
    machine.drive(4.0)
    machine.end()
    assert credited_m2(machine) == 0.0


def test_samples_that_waited_while_positions_were_in_doubt_earn_nothing_after_the_proof(known_machine):
    """The proof is of an instant: what was taken before its check ended stays in doubt, whenever it is placed."""
    change_base(known_machine)
    travel(known_machine, 0.0, 0.0)
    known_machine.check(on_point_s=6.0)
    until_ns = known_machine.of(BlockOpened)[-1].mono_ns
    withheld = trust.reasons_of(known_machine.state, np.array([until_ns - 1, until_ns]))
    assert withheld.tolist() == [Reason.BASE_CHANGED.bit, 0]


def test_the_same_inputs_with_a_jump_in_them_give_the_same_record(known_machine):
    """Revocations, tiles and all (P4)."""
    known_machine.drive(4.0)
    still_jump(known_machine)
    travel(known_machine, 0.0, 0.0)
    known_machine.check(on_point_s=6.0)
    known_machine.drive(3.0)
    known_machine.end()
    state = begin(known_machine.state.site, Origin.LIVE)
    events = []
    for inputs in known_machine.inputs:
        state, effects = step(state, inputs)
        events += effects.events
    assert any(isinstance(event, Revoked) for event in events)
    assert events == known_machine.events
