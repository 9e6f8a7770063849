"""What a check proves and what ends it: retests, reported changes, calibrations anew, a missed item."""

import msgspec
import pytest
from core_machine import CHANNELS, Machine, calibration, dictionary

from controller.core.check_events import (
    BlockEnded,
    ChangeReported,
    CheckBegun,
    CheckEnded,
    GroundSuspended,
    Verdict,
)
from controller.core.effects import RequestRefused
from controller.core.inputs import (
    BeginCheck,
    BeginCheckPart,
    CheckPart,
    EndCheck,
    HeadChange,
    ReportChange,
    ReportMissedItem,
)

WEAK = [100.0] * (CHANNELS - 1) + [50.0]  # the last channel has lost half of its response


def searched():
    """A machine with a second of good ground behind it."""
    machine = Machine().ready()
    machine.drive(4.0)
    return machine


def verdicts(machine):
    return [(verdict.block, verdict.number, verdict.state) for verdict in machine.of(Verdict)]


def retest(machine, **changes):
    """The check's first request says that it is a retest; the rest is a check like any other."""
    ask = machine.ask
    begin = msgspec.structs.replace(BeginCheck(person="op-1", head="head"), is_untouched_retest=True)
    machine.ask = lambda request: ask(begin if isinstance(request, BeginCheck) else request)
    machine.check(**changes)
    machine.ask = ask


def test_an_untouched_retest_that_passes_gives_back_what_the_failed_check_took():
    """With a higher verdict, whose cause names both checks; and ground counts again."""
    machine = searched()
    machine.check(response=WEAK)
    assert verdicts(machine) == [(1, 1, "voided")]
    retest(machine)
    assert verdicts(machine) == [(1, 1, "voided"), (1, 2, "passed")]
    assert machine.of(Verdict)[-1].cause == "check 3 passed: untouched retest of check 2"
    assert [begun.retest_of for begun in machine.of(CheckBegun)] == [None, None, 2]
    machine.drive(3.0)
    assert machine.credit_reasons == set()


def test_there_is_one_retest():
    """What fails twice has failed; the next check that passes gives nothing back."""
    machine = searched()
    machine.check(response=WEAK)
    retest(machine, response=WEAK)
    machine.ask(BeginCheck(person="op-1", head="head", is_untouched_retest=True))
    assert "no check to repeat untouched" in machine.of(RequestRefused)[-1].why
    machine.check()
    assert verdicts(machine) == [(1, 1, "voided")]
    assert [ended.passed for ended in machine.of(CheckEnded)] == [True, False, False, True]


def test_a_check_that_is_no_retest_gives_nothing_back_and_neither_does_one_after_it():
    """Somebody may have turned a screw: only a person's word that nothing was touched makes it a retest."""
    machine = searched()
    machine.check(response=WEAK)
    machine.check()
    machine.ask(BeginCheck(person="op-1", head="head", is_untouched_retest=True))
    assert machine.of(RequestRefused)
    assert verdicts(machine) == [(1, 1, "voided")]


@pytest.mark.parametrize("change", HeadChange)
def test_nothing_is_untouched_after_a_reported_change(change):
    """Whatever it was."""
    machine = searched()
    machine.check(response=WEAK)
    machine.ask(ReportChange(person="op-1", head="head", change=change))
    machine.ask(BeginCheck(person="op-1", head="head", is_untouched_retest=True))
    assert machine.of(RequestRefused)[-1].request == "begin_check"


def test_a_retest_comes_soon_or_not_at_all():
    """A quarter of an hour later it is another check."""
    machine = searched()
    machine.check(response=WEAK)
    machine.run(900.0)
    machine.ask(BeginCheck(person="op-1", head="head", is_untouched_retest=True))
    assert machine.of(RequestRefused)


@pytest.mark.parametrize("change", [HeadChange.POWER, HeadChange.KNOCK, HeadChange.OPERATOR])
def test_a_reported_change_ends_the_block_and_the_next_check_judges_it(change):
    """The calibration still holds: what passes now was good before."""
    machine = searched()
    machine.ask(ReportChange(person="op-2", head="head", change=change))
    machine.run(1.5)
    assert machine.credit_reasons == {"not_checked"}
    (reported,) = machine.of(ChangeReported)
    assert (reported.person, reported.change) == ("op-2", change.value)
    assert machine.of(BlockEnded)[-1].why == f"{change.value} reported"
    machine.check()
    assert verdicts(machine) == [(1, 1, "passed")]


@pytest.mark.parametrize("change", [HeadChange.HEIGHT, HeadChange.CONFIGURATION])
def test_a_change_that_ends_the_calibration_leaves_the_block_without_a_closing_check(change):
    """No check of the head as it is now can prove what it was."""
    machine = searched()
    machine.ask(ReportChange(person="op-2", head="head", change=change))
    assert verdicts(machine) == [(1, 1, "voided")]
    assert machine.of(Verdict)[-1].cause == f"no closing check: {change.value} reported"
    machine.ask(BeginCheck(person="op-1", head="head"))
    assert "not calibrated" in machine.of(RequestRefused)[-1].why
    machine.ask(calibration())
    machine.check()
    assert verdicts(machine) == [(1, 1, "voided")]


def test_ground_of_a_former_calibration_cannot_be_proved_by_a_check_against_another():
    """A head that has lost its reach passes once it is calibrated for that."""
    machine = searched()
    weaker = tuple(msgspec.structs.replace(channel, check_response=50.0) for channel in calibration().channels)
    machine.ask(calibration(channels=weaker))
    machine.check(response=50.0)
    assert verdicts(machine) == [(1, 1, "voided")]
    assert machine.of(Verdict)[0].cause == "no closing check: calibrated anew"


def test_the_very_same_calibration_again_changes_nothing_that_was_proved():
    """Its check judges the ground before it."""
    machine = searched()
    machine.ask(calibration())
    machine.check()
    assert verdicts(machine) == [(1, 1, "passed")]


def test_another_heads_check_cannot_prove_the_ground_of_the_one_before():
    """A swapped head takes the check that runs with it, and the open block."""
    machine = searched()
    machine.ask(BeginCheck(person="op-1", head="head"))
    machine.step(records=[("head", dictionary(8))])
    assert [ended.passed for ended in machine.of(CheckEnded)] == [True, False]
    assert verdicts(machine) == [(1, 1, "voided")]
    machine.step(requests=[calibration(dictionary_id=8)])
    assert not machine.of(RequestRefused)


def test_a_change_during_a_check_fails_it_and_leaves_no_retest():
    """All its values may be good."""
    machine = Machine().ready()
    begin = machine.ask

    def knocked(*requests):
        if any(isinstance(request, EndCheck) for request in requests):
            begin(ReportChange(person="op-1", head="head", change=HeadChange.KNOCK))
        return begin(*requests)

    machine.ask = knocked
    machine.check()
    machine.ask = begin
    ended = machine.of(CheckEnded)[-1]
    assert [result.part for result in ended.results if not result.passed] == ["undisturbed"]
    machine.ask(BeginCheck(person="op-1", head="head", is_untouched_retest=True))
    assert machine.of(RequestRefused)


def test_a_head_that_restarts_during_a_check_cannot_pass_it():
    """Half of what was measured belongs to the head as it was before."""
    machine = Machine().ready()
    machine.ask(BeginCheck(person="op-1", head="head"))
    machine.clock_leap_ns = -60 * 1_000_000_000  # a clock that begins anew
    machine.run(5.0)
    machine.ask(EndCheck(person="op-1", head="head", is_alarm_seen_and_heard=True))
    assert "undisturbed" in {result.part for result in machine.of(CheckEnded)[-1].results if not result.passed}


def test_a_missed_item_suspends_all_ground_of_the_head_and_specification_at_once():
    """Passed blocks, too; another calibration and check begin anew, and give nothing back."""
    machine = searched()
    machine.check()
    machine.drive(3.0)
    machine.ask(ReportMissedItem(person="ql-1", head="head", note="item under lane 3"))
    (suspended,) = machine.of(GroundSuspended)
    assert (suspended.blocks, suspended.person, suspended.note) == ((1, 2), "ql-1", "item under lane 3")
    assert verdicts(machine)[0] == (1, 1, "passed")
    assert {block: state for block, _, state in verdicts(machine)} == {1: "voided", 2: "voided"}
    machine.ask(BeginCheck(person="op-1", head="head"))
    assert "not calibrated" in machine.of(RequestRefused)[-1].why
    before = len(verdicts(machine))
    machine.ask(calibration())
    machine.check()
    machine.drive(3.0)
    assert machine.credit_reasons == set()
    assert len(verdicts(machine)) == before


def test_a_missed_item_before_any_calibration_is_refused_in_words():
    """There is nothing that it could suspend."""
    machine = Machine()
    machine.ask(ReportMissedItem(person="ql-1", head="head", note=""))
    assert "never calibrated in this session" in machine.of(RequestRefused)[-1].why


def test_a_check_that_was_ended_twice_is_refused():
    """And so is a part without a check."""
    machine = Machine().ready()
    machine.ask(EndCheck(person="op-1", head="head", is_alarm_seen_and_heard=True))
    machine.ask(BeginCheckPart(person="op-1", head="head", part=CheckPart.BACKGROUND))
    assert [refused.why for refused in machine.of(RequestRefused)] == ["no function check is running"] * 2
