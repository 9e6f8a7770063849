"""The whole policy, stepped with records: what counts, what withholds, what is raised, what is withdrawn."""

import msgspec
import numpy as np
import pytest
from core_machine import CHANNELS, MS, SECOND, Machine, calibration, dictionary, fix, site

from controller.core.alarm_events import (
    AlarmAcknowledged,
    AlarmEnded,
    AlarmLocated,
    AlarmMarked,
    AlarmRaised,
    AlarmUnlocated,
)
from controller.core.alarms import AlarmState
from controller.core.cells import CellState
from controller.core.check_events import (
    BlockEnded,
    BlockOpened,
    CheckEnded,
    RuleVerdict,
    SelfTested,
    SpecSet,
    Verdict,
)
from controller.core.effects import (
    CreditState,
    LinkCounters,
    OriginLatched,
    RequestRefused,
    SessionEnded,
    StationChanged,
)
from controller.core.fold import MapFold
from controller.core.inputs import (
    AcknowledgeAlarm,
    BeginCheck,
    BeginCheckPart,
    CheckPart,
    EndCheck,
    EndSession,
    MarkAlarm,
    RunSelfTest,
    SetPaused,
    StationSeen,
)
from controller.core.reasons import Reason
from controller.core.site import Metric
from firmware_bridge.records import (
    DictionaryRequest,
    FixClass,
    HelloReply,
    HostHello,
    OutputCommand,
    SelfTestReply,
    SelfTestRequest,
    StatusBit,
    TimeReply,
)


def folded(machine):
    fold = MapFold(machine.state.site.profile.masking_radius_m)
    for event in machine.events:
        fold.add(event)
    return fold.totals()


def spike(channel=1, at_s=0.0, lasting_s=0.2, value=60.0):
    def signal(seconds):
        values = np.zeros(CHANNELS)
        if at_s <= seconds < at_s + lasting_s:
            values[channel] = value
        return values

    return signal


def test_ground_driven_after_a_passed_check_is_provisional(ready_machine):
    """Within every limit, ground counts, provisionally."""
    ready_machine.drive(10.0)
    ready_machine.end()
    totals = folded(ready_machine)
    assert totals.searched_m2 == 0.0
    # 8 m of a bar 0.45 m wide between its outer coils, with 0.2 m of reach less errors on either side.
    assert 0.45 * 8 < totals.provisional_m2 + totals.signal_open_m2 < 0.85 * 9
    assert ready_machine.credit_reasons <= {"no_fix"}


def test_a_passed_closing_check_turns_provisional_ground_to_searched(ready_machine):
    """The verdict of a block comes from its closing check."""
    ready_machine.drive(10.0)
    ready_machine.check()
    ready_machine.end()
    assert [(verdict.block, verdict.state) for verdict in ready_machine.of(Verdict)] == [(1, "passed")]
    assert folded(ready_machine).searched_m2 > 3.0


def test_a_failed_closing_check_withdraws_the_ground_since_the_last_passed_one(ready_machine):
    """One dead channel at the closing check: what was provisional is due for research, and nothing counts after."""
    ready_machine.drive(10.0)
    ready_machine.check(response=[100.0, 100.0, 0.0, 100.0])
    ready_machine.drive(3.0)
    ready_machine.end()
    assert [(verdict.block, verdict.state) for verdict in ready_machine.of(Verdict)] == [(1, "voided")]
    totals = folded(ready_machine)
    assert totals.searched_m2 == totals.provisional_m2 == 0.0
    assert totals.research_due_m2 > 2.0
    assert "check_failed" in totals.out_of_spec_m2


def test_nothing_counts_without_a_check(machine):
    """A calibrated head that was never checked paints `not_checked` and no credit."""
    machine.run(2.0)
    machine.ask(calibration())
    machine.run(6.0)
    machine.drive(5.0)
    machine.end()
    totals = folded(machine)
    assert totals.provisional_m2 == totals.searched_m2 == 0.0
    assert totals.out_of_spec_m2["not_checked"] > 1.0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"horizontal_error_95_m": None}, "position_error"),
        ({"horizontal_error_95_m": 0.051}, "position_error"),
        ({"fix_class": FixClass.FLOAT}, "fix_class"),
        ({"fix_class": FixClass.SIMULATED}, "fix_class"),
        ({"heading_deg": None}, "heading_unknown"),
        ({"heading_error_95_deg": None}, "heading_unknown"),
        ({"heading_error_95_deg": 1.6}, "heading_unknown"),
        ({"reference_station": "0002"}, "base_changed"),
        ({"speed_m_s": 3.0}, "position_jump"),
    ],
)
def test_a_fix_outside_a_limit_earns_nothing(ready_machine, changes, reason):
    """Each limit on a fix, and each missing value, withholds credit with its reason (P1, P3)."""
    before = folded(ready_machine)
    ready_machine.fix_changes = lambda seconds: changes
    ready_machine.run(0.4)
    ready_machine.drive(4.0)
    ready_machine.run(1.0)
    assert reason in ready_machine.credit_reasons
    ready_machine.end()
    after = folded(ready_machine)
    assert after.provisional_m2 - before.provisional_m2 < 0.15, "only what was taken before the change may count"
    assert after.out_of_spec_m2[reason] > 1.0


def test_a_stated_error_exactly_at_its_limit_counts(ready_machine):
    """The limit itself is within the limit."""
    ready_machine.fix_changes = lambda seconds: {"horizontal_error_95_m": 0.05}
    ready_machine.drive(4.0)
    assert ready_machine.credit_reasons == set()


def test_lost_fixes_leave_samples_without_a_place(ready_machine):
    """Without fixes for longer than samples wait, they are stored with `no_fix`; nothing is invented."""
    ready_machine.fix_changes = lambda seconds: None
    ready_machine.drive(5.0)
    assert "no_fix" in ready_machine.credit_reasons
    lost = [placed for placed in ready_machine.placed if not placed.is_placed.all()]
    assert lost
    assert all((placed.reasons & Reason.NO_FIX.bit).all() for placed in lost)


def test_fixes_too_far_apart_place_samples_but_earn_nothing(ready_machine):
    """Between fixes 0.6 s apart samples are placed for the map, with `fix_stale`."""
    ready_machine.fix_changes = lambda seconds: {} if round(seconds * 10) % 6 == 0 else None
    ready_machine.drive(6.0)
    assert "fix_stale" in ready_machine.credit_reasons


def test_speed_above_the_limit_earns_nothing(ready_machine):
    """`too_fast` from the fixes' own distance."""
    ready_machine.drive(5.0, speed_m_s=1.4)
    seen = {name for event in ready_machine.events for name in getattr(event, "reasons", ()) if isinstance(name, str)}
    assert "too_fast" in seen
    assert (
        folded(ready_machine).out_of_spec_m2.get("too_fast", 0)
        + folded(ready_machine).out_of_spec_m2.get("sample_gap", 0)
        > 1.0
    )


def test_missing_attitude_withholds_credit_where_the_profile_needs_it(ready_machine):
    """`attitude_unknown` under ap-shallow."""
    ready_machine.has_attitude = False
    ready_machine.drive(5.0)
    assert "attitude_unknown" in ready_machine.credit_reasons


def test_missing_attitude_costs_reach_but_not_credit_in_training():
    """The worst slope stands in: narrower, but counting."""
    machine = Machine(site("training"))
    machine.has_attitude = False
    machine.ready()
    machine.drive(5.0)
    assert machine.credit_reasons == set()


def test_a_pause_withholds_credit_until_it_ends(ready_machine):
    """A person's pause and resume."""
    ready_machine.ask(SetPaused(person="op-1", is_paused=True))
    ready_machine.run(2.0)
    assert ready_machine.credit_reasons == {"paused"}
    ready_machine.ask(SetPaused(person="op-1", is_paused=False))
    ready_machine.run(2.5)
    assert ready_machine.credit_reasons == set()


@pytest.mark.parametrize(
    ("field", "limit_ns", "reason"),
    [("lateness_ns", 250_000_000, "loop_overrun"), ("backlog_ns", 1_000_000_000, "record_backlog")],
)
def test_a_late_loop_or_a_record_that_is_behind_withholds_credit_past_its_limit(ready_machine, field, limit_ns, reason):
    """At the limit ground still counts; past it nothing does, with the value and the limit in the record (P3, P5)."""
    setattr(ready_machine, field, limit_ns)
    ready_machine.drive(3.0)
    before = folded(ready_machine)
    assert before.provisional_m2 > 0.3
    assert reason not in before.out_of_spec_m2
    setattr(ready_machine, field, limit_ns + 1)
    ready_machine.drive(3.0)
    ready_machine.end()
    after = folded(ready_machine)
    assert after.out_of_spec_m2[reason] > 1.0
    measured = [v for event in ready_machine.of(CreditState) for v in event.reasons if v.reason == reason]
    assert measured[0].value > measured[0].limit == limit_ns / 1e9


def test_a_check_grows_old():
    """Past its maximum age a check no longer carries credit."""
    machine = Machine(site(limits={Metric.CHECK_AGE: 0.01})).ready()
    machine.run(40.0)
    assert machine.credit_reasons == {"check_expired"}


def test_an_alarm_is_raised_in_the_step_that_completes_it(ready_machine):
    """The same step returns the event, and lamp and buzzer are its first command."""
    ready_machine.signal = spike(at_s=ready_machine.seconds + 1.0)
    while not any(isinstance(event, AlarmRaised) and event.check is None for event in ready_machine.events):
        ready_machine.tick()
    effects = ready_machine.effects[-1]
    assert isinstance(effects.commands[0].record, OutputCommand)
    assert effects.commands[0].record.lamp_on
    assert effects.commands[0].record.buzzer_on
    raised = ready_machine.of(AlarmRaised)[-1]
    assert raised.channels == ("c1",)
    assert raised.value == pytest.approx(60.0, abs=3.0)


@pytest.mark.parametrize("without", ["fix", "attitude", "head clock", "credit"])
def test_an_alarm_needs_nothing_but_samples(machine, without):
    """Position, attitude, clock and checks may all be missing: the alarm comes in the same step (P2)."""
    if without == "fix":
        machine.fix_changes = lambda seconds: None
    machine.has_attitude = without != "attitude"
    if without == "head clock":
        machine._answer = lambda command: None
    machine.run(8.0)
    begun = machine.seconds + 0.5
    machine.signal = spike(at_s=begun)
    machine.run(1.0)
    raised = machine.of(AlarmRaised)
    assert len(raised) == 1
    assert raised[0].mono_ns == (100 + round(begun * 50) / 50) * SECOND


def test_one_signal_is_one_alarm_with_its_strongest_sample(ready_machine):
    """No chatter: a signal that swings above the release level stays one alarm, and its peak is found."""
    begun = ready_machine.seconds + 1.0

    def swinging(seconds):
        values = np.zeros(CHANNELS)
        if begun <= seconds < begun + 0.5:
            values[2] = 40.0 + 15.0 * np.sin((seconds - begun) * 40.0)
        return values

    ready_machine.signal = swinging
    ready_machine.drive(3.0)
    ready_machine.run(1.0)
    alarms = [event for event in ready_machine.of(AlarmRaised) if event.check is None]
    assert len(alarms) == 1
    ended = next(event for event in ready_machine.of(AlarmEnded) if event.alarm == alarms[0].alarm)
    assert ended.peak == pytest.approx(55.0, abs=2.5)
    assert ended.peak_channel == "c2"
    assert [event.alarm for event in ready_machine.of(AlarmLocated)].count(alarms[0].alarm) == 1


def test_an_alarm_is_located_at_the_coil_of_its_strongest_sample(ready_machine):
    """Coil c1 is 0.075 m left of the axis and 1.5 m ahead of the antenna."""
    begun = ready_machine.seconds
    ready_machine.signal = spike(at_s=begun + 5.0, lasting_s=0.03)
    ready_machine.drive(8.0)
    located = ready_machine.of(AlarmLocated)[-1]
    # c1 is at y = (1 - 1.5) * 0.15 m, y to the left: 0.075 m to the right of the axis, which is east.
    assert located.east_dmm == pytest.approx(750, abs=20)
    assert located.north_dmm == pytest.approx(15_000 + (5.0 - 0.025) * 8_000, abs=400)
    assert located.error_m is not None
    assert located.error_m > 0.2


def test_an_alarm_without_position_is_to_be_marked_by_hand(machine):
    """No fix ever: the alarm is in the record, unlocated, with the reason."""
    machine.fix_changes = lambda seconds: None
    machine.run(8.0)
    machine.signal = spike(at_s=machine.seconds + 0.5)
    machine.run(8.0)
    assert [event.reasons for event in machine.of(AlarmUnlocated)] == [("no_fix",)]


def test_an_alarm_masks_credited_ground_around_it(ready_machine):
    """Ground near an open alarm does not count, earlier credit included, and stays in the balance."""
    ready_machine.drive(5.0)
    before = folded(ready_machine)
    ready_machine.signal = spike(at_s=ready_machine.seconds + 2.0)
    ready_machine.drive(5.0)
    ready_machine.end()
    assert folded(ready_machine).signal_open_m2 > before.signal_open_m2 + 0.4


def test_acknowledging_keeps_the_alarm_open(ready_machine):
    """An acknowledgement is recorded; the ground stays `signal_open`."""
    ready_machine.signal = spike(at_s=ready_machine.seconds + 1.0)
    ready_machine.drive(4.0)
    before = folded(ready_machine)
    number = ready_machine.of(AlarmRaised)[-1].alarm
    ready_machine.ask(AcknowledgeAlarm(person="op-1", alarm=number))
    ready_machine.run(1.0)
    assert [event.alarm for event in ready_machine.of(AlarmAcknowledged)] == [number]
    assert folded(ready_machine).signal_open_m2 == before.signal_open_m2


def test_marking_keeps_the_alarm_open_and_says_that_it_was_heard(ready_machine):
    """The tag is recorded; the ground stays `signal_open`, and there is one alarm fewer to mark."""
    ready_machine.signal = spike(at_s=ready_machine.seconds + 1.0)
    ready_machine.drive(4.0)
    before, number = folded(ready_machine), ready_machine.of(AlarmRaised)[-1].alarm
    assert ready_machine.state.alarms_unmarked == 1
    for _ in range(2):
        ready_machine.ask(MarkAlarm(person="op-1", alarm=number, tag="A7", is_by_hand=False))
    ready_machine.run(1.0)
    assert [(event.alarm, event.tag, event.is_by_hand) for event in ready_machine.of(AlarmMarked)] == [
        (number, "A7", False)
    ] * 2
    assert ready_machine.state.alarms_unmarked == 0
    assert ready_machine.state.alarms[number].state is AlarmState.MARKED
    assert folded(ready_machine).signal_open_m2 == before.signal_open_m2


def test_a_signal_that_outlasts_the_hold_keeps_its_alarm_and_loses_credit(ready_machine):
    """Standing on something for longer than the hold: the ground is learnt anew without credit."""
    ready_machine.signal = spike(at_s=ready_machine.seconds + 1.0, lasting_s=1e9)
    ready_machine.run(23.0)
    assert "baseline_unsettled" in ready_machine.credit_reasons
    assert len([event for event in ready_machine.of(AlarmRaised) if event.check is None]) == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (StatusBit.FAULT, "head_fault"),
        (StatusBit.TRANSMITTER_OFF, "head_fault"),
        (StatusBit.SELF_TEST, "head_fault"),
        (StatusBit.SATURATED, "saturated"),
    ],
)
def test_what_the_head_says_of_itself_withholds_credit(ready_machine, status, reason):
    """Status bits are believed."""
    ready_machine.status = lambda seconds: int(status)
    ready_machine.run(3.0)
    assert reason in ready_machine.credit_reasons


def test_a_saturated_channel_is_an_alarm(ready_machine):
    """Too strong to measure is not too weak to report (P2)."""
    begun = ready_machine.seconds + 1.0
    ready_machine.status = lambda seconds: int(StatusBit.SATURATED) if begun <= seconds < begun + 0.1 else 0
    ready_machine.run(2.0)
    assert [event for event in ready_machine.of(AlarmRaised) if event.check is None]


def test_a_stuck_channel_is_a_fault(ready_machine):
    """Real electronics always move: a channel without noise earns nothing."""
    ready_machine.noise_uv = 0.0
    ready_machine.run(8.0)
    assert "head_fault" in ready_machine.credit_reasons


def test_noise_that_hides_the_reference_item_withholds_credit(ready_machine):
    """`noise_high` with the measured noise and its limit in the record."""
    ready_machine.noise_uv = 8.0
    ready_machine.run(8.0)
    assert "noise_high" in ready_machine.credit_reasons


def test_a_lost_sample_withholds_the_one_after_it(ready_machine):
    """A gap in the sequence is counted and gives `sample_gap`."""
    ready_machine.drop_sample = lambda seconds: round(seconds * 50) % 25 == 0
    ready_machine.drive(3.0)
    assert "sample_gap" in ready_machine.credit_reasons
    counters = [event for event in ready_machine.of(LinkCounters) if event.cause == "gaps in the sample sequence"]
    assert counters[-1].refused >= 5


def test_a_silent_head_says_so(ready_machine):
    """More than a second without samples: `head_silent`."""
    ready_machine.drop_sample = lambda seconds: True
    ready_machine.run(3.0)
    assert "head_silent" in ready_machine.credit_reasons


def test_a_lamp_that_does_not_answer_takes_the_alarm_path_away(ready_machine):
    """An unanswered command is repeated, then `alarm_path_unproven` until the next passed check."""
    ready_machine.answers_outputs = False
    ready_machine.signal = spike(at_s=ready_machine.seconds + 0.5)
    ready_machine.run(4.0)
    assert "alarm_path_unproven" in ready_machine.credit_reasons
    sent = [command.record for command in ready_machine.commands if isinstance(command.record, OutputCommand)]
    assert len(sent) > 5
    ready_machine.answers_outputs = True
    ready_machine.check()
    ready_machine.run(2.5)
    assert ready_machine.credit_reasons == set()


@pytest.mark.parametrize("seen", [True, False])
def test_a_check_needs_lamp_and_buzzer_seen_and_heard(machine, seen):
    """Without a person's word for the alarm path the check fails."""
    machine.run(2.0)
    machine.ask(calibration())
    machine.check(is_alarm_seen_and_heard=seen)
    assert machine.of(CheckEnded)[-1].passed is seen
    assert bool(machine.of(BlockOpened)) is seen


@pytest.mark.parametrize("response", [79.0, 121.0, 0.0])
def test_a_check_fails_where_a_channel_answers_differently_than_it_was_calibrated(machine, response):
    """Weaker or stronger by more than a fifth: failed, with the value and the limits kept."""
    machine.run(2.0)
    machine.ask(calibration())
    machine.check(response=[100.0, response, 100.0, 100.0])
    ended = machine.of(CheckEnded)[-1]
    assert not ended.passed
    failed = {result.channel for result in ended.results if not result.passed}
    assert failed == {"c1"}


def test_a_check_with_a_part_left_out_fails(machine):
    """Every part is done once, or the check has not passed."""
    machine.run(2.0)
    machine.ask(calibration())
    machine.ask(BeginCheck(person="op-1", head="head"))
    machine.ask(BeginCheckPart(person="op-1", head="head", part=CheckPart.BACKGROUND))
    machine.run(8.0)
    machine.ask(EndCheck(person="op-1", head="head", is_alarm_seen_and_heard=True))
    ended = machine.of(CheckEnded)[-1]
    assert not ended.passed
    assert {result.part for result in ended.results if not result.passed} >= {
        "part_reference_item_done",
        "part_alarm_path_done",
    }


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (calibration(witness="op-1"), "two different people"),
        (calibration(head="other"), "no head 'other'"),
        (calibration(dictionary_id=8), "dictionary 8"),
        (calibration(channels=calibration().channels[:2]), "2 channels"),
        (BeginCheck(person="op-1", head="head"), "not calibrated"),
        (BeginCheckPart(person="op-1", head="head", part=CheckPart.BACKGROUND), "no function check"),
        (EndCheck(person="op-1", head="head", is_alarm_seen_and_heard=True), "no function check"),
        (AcknowledgeAlarm(person="op-1", alarm=99), "no alarm 99"),
        (MarkAlarm(person="op-1", alarm=99, tag="9", is_by_hand=True), "no alarm 99"),
    ],
)
def test_a_request_that_cannot_be_carried_out_is_refused_in_the_record(machine, request_, words):
    """Each refusal says why, and changes nothing."""
    machine.run(1.0)
    machine.ask(request_)
    assert words in machine.of(RequestRefused)[-1].why
    assert not machine.of(SpecSet)
    assert not machine.of(CheckEnded)


def test_another_head_on_the_cable_ends_the_block(ready_machine):
    """A new dictionary: credit stops, and the calibration is gone."""
    ready_machine.step(records=[("head", dictionary(dictionary_id=8))])
    assert ready_machine.of(BlockEnded)[-1].why == "head identified itself anew"
    ready_machine.ask(BeginCheck(person="op-1", head="head"))
    assert "not calibrated" in ready_machine.of(RequestRefused)[-1].why


def test_a_head_whose_clock_starts_again_ends_the_block(ready_machine):
    """A reset head must be checked again before it counts."""
    ready_machine._answer = lambda command: (
        ready_machine._replies.append(TimeReply(token=command.token, device_time_ns=5 * MS))
        if hasattr(command, "token") and not isinstance(command, OutputCommand)
        else None
    )
    ready_machine.run(2.0)
    assert ready_machine.of(BlockEnded)[-1].why == "head restarted"


def test_a_simulated_head_makes_the_session_simulated():
    """The dictionary's flag latches the origin; it never turns back (P8)."""
    machine = Machine()
    machine.step(records=[("head", dictionary(dictionary_id=9, is_simulated=True))])
    machine.step(records=[("head", dictionary(dictionary_id=7))])
    assert [event.origin for event in machine.of(OriginLatched)] == ["simulated"]
    assert machine.state.origin.value == "simulated"


def test_a_simulated_fix_makes_the_session_simulated(machine):
    """GGA quality 8 latches, once."""
    machine.fix_changes = lambda seconds: {"fix_class": FixClass.SIMULATED}
    machine.run(2.0)
    assert len(machine.of(OriginLatched)) == 1


def test_a_fix_without_time_or_older_than_the_last_is_refused_and_counted(machine):
    """Neither can place anything."""
    machine.run(1.0)
    machine.step(records=[("gnss", fix(0, 0.0, 0.0, utc_ns=None))])
    machine.step(records=[("gnss", fix(SECOND - 400 * MS, 0.0, 0.0))])
    machine.run(1.5)
    causes = {event.cause for event in machine.of(LinkCounters) if event.link == "gnss"}
    assert causes == {"fix without a time", "fix not later than the one before"}


def test_the_end_of_a_session_leaves_nothing_waiting(ready_machine):
    """Every sample is placed or has its reason, the totals are in the record, and later inputs change nothing."""
    ready_machine.signal = spike(at_s=ready_machine.seconds, lasting_s=1e9)
    ready_machine.run(3.0)
    ready_machine.ask(EndSession(person="op-1"))
    ended = ready_machine.of(SessionEnded)[-1]
    assert ready_machine.events[-1] is ended
    assert ended.samples == ready_machine.sequence == sum(len(p.sequence) for p in ready_machine.placed)
    raised = {event.alarm for event in ready_machine.of(AlarmRaised)}
    settled = {event.alarm for event in ready_machine.of(AlarmLocated) + ready_machine.of(AlarmUnlocated)}
    assert raised == settled
    count = len(ready_machine.events)
    ready_machine.run(2.0)
    assert len(ready_machine.events) == count


def test_areas_add_up_to_the_ground_that_was_passed(ready_machine):
    """The balance closes: searched, provisional, due, signal and out of spec are all of it."""
    ready_machine.drive(4.0)
    ready_machine.ask(SetPaused(person="op-1", is_paused=True))
    ready_machine.drive(4.0)
    ready_machine.end()
    totals = folded(ready_machine)
    fold = MapFold(0.5)
    for event in ready_machine.events:
        fold.add(event)
    passed = sum(int((tile.states != CellState.NOT_VISITED).sum()) for tile in fold.tiles()) * 0.0025
    parts = totals.searched_m2 + totals.provisional_m2 + totals.research_due_m2 + totals.signal_open_m2
    assert parts + sum(totals.out_of_spec_m2.values()) == pytest.approx(passed, abs=1e-6)


def credited_m2(machine):
    totals = folded(machine)
    return totals.provisional_m2 + totals.signal_open_m2


@pytest.mark.parametrize("error", ["relative_error_m", "horizontal_error_95_m"])
def test_a_larger_error_of_either_kind_earns_less_ground(error):
    """Independent errors shrink the reach, common ones erode the pass: a lane loses both of its sides (P1)."""
    areas = []
    for metres in (0.005, 0.045):
        base = site()
        position = base.position
        if error == "relative_error_m":
            position = msgspec.structs.replace(position, relative_error_m=metres)
        machine = Machine(msgspec.structs.replace(base, position=position))
        if error == "horizontal_error_95_m":
            machine.fix_changes = lambda seconds, metres=metres: {"horizontal_error_95_m": metres}
        machine.ready()
        machine.drive(12.5)
        machine.end()
        areas.append(credited_m2(machine))
    # 10 m of lane, 0.04 m less on each side; the common error is scaled to 99.7 % and rounds up to subcells.
    assert 0.6 <= areas[0] - areas[1] <= 1.6


def test_a_sample_taken_before_the_check_passed_earns_nothing_though_it_arrives_after():
    """The head's clock decides, not the arrival: samples 65 ms late begin before the block's opening."""
    machine = Machine()
    machine.sample_age_ns = 65 * MS
    machine.ready()
    last = machine.sequence
    machine.run(1.0)
    reasons = {
        int(sequence): int(masks.max())
        for placed in machine.placed
        for sequence, masks in zip(placed.sequence, placed.reasons, strict=True)
    }
    assert reasons[last + 1] & Reason.NOT_CHECKED.bit
    assert reasons[last + 2] & Reason.NOT_CHECKED.bit
    assert reasons[last + 4] == 0


def test_a_changed_base_station_is_not_made_good_by_a_check_without_a_known_point(ready_machine):
    """Everything may be smooth and metres wrong: to the end of the session nothing counts (P1, P6)."""
    ready_machine.fix_changes = lambda seconds: {"reference_station": "0002"}
    ready_machine.run(2.0)
    ready_machine.check()
    ready_machine.drive(4.0)
    assert ready_machine.of(CheckEnded)[-1].passed
    assert ready_machine.credit_reasons == {"base_changed"}


@pytest.mark.parametrize(
    ("passed", "is_passed", "is_withheld"),
    [
        ((True,) * 4, True, False),
        ((True, True, False, True), False, True),
        ((True,) * 3, False, True),
        ((None,) * 4, None, False),
        (None, False, True),
    ],
)
def test_a_self_test_that_fails_or_stays_unanswered_withholds_credit(ready_machine, passed, is_passed, is_withheld):
    """One bad channel, one result too few, or no answer in ten seconds; a head without a test is no worse (P3)."""
    ready_machine.commands.clear()
    ready_machine.ask(RunSelfTest(person="op-1", head="head"))
    (token,) = [c.record.token for c in ready_machine.commands if isinstance(c.record, SelfTestRequest)]
    ready_machine.ask(RunSelfTest(person="op-1", head="head"))
    assert ready_machine.of(RequestRefused)[-1].why == "a self-test is running"
    ready_machine.step(records=[("head", SelfTestReply(token=token + 1000, passed=(False,) * 4))])
    assert ready_machine.of(SelfTested) == [], "an answer to another question"
    if passed is None:
        ready_machine.run(10.5)
    else:
        ready_machine.step(records=[("head", SelfTestReply(token=token, passed=passed))])
    (tested,) = ready_machine.of(SelfTested)
    assert (tested.is_passed, tested.passed) == (is_passed, passed or ())
    ready_machine.drive(3.0)
    ready_machine.run(1.0)
    assert ("head_fault" in ready_machine.credit_reasons) == is_withheld


def test_a_passed_self_test_lifts_what_a_failed_one_withheld(ready_machine):
    """And nothing else: the function check's verdict is its own."""
    for passed in ((False,) * 4, (True,) * 4):
        ready_machine.commands.clear()
        ready_machine.ask(RunSelfTest(person="op-1", head="head"))
        (token,) = [c.record.token for c in ready_machine.commands if isinstance(c.record, SelfTestRequest)]
        ready_machine.step(records=[("head", SelfTestReply(token=token, passed=passed))])
    ready_machine.run(2.0)
    ready_machine.events.clear()
    ready_machine.drive(3.0)
    ready_machine.end()
    assert "head_fault" not in ready_machine.credit_reasons


def test_a_head_is_greeted_and_one_that_speaks_no_version_is_refused(machine):
    """Hello and request go out together; the refusal is counted in the record."""
    asked = [type(command.record) for command in Machine(has_dictionary=False).commands]
    assert asked[:2] == [HostHello, DictionaryRequest]
    machine.step(records=[("head", HelloReply(token=1, version=None))])
    machine.run(1.5)
    assert "speaks no version" in machine.of(LinkCounters)[-1].cause


def station(**changes):
    fields = {"station_id": 7, "is_virtual": False, "x_m": 4e6, "y_m": 5e5, "z_m": 4.9e6}
    return StationSeen(person="corrections", **{**fields, **changes})


@pytest.mark.parametrize(
    ("first", "change", "is_withheld"),
    [
        ({}, {}, False),
        ({}, {"x_m": 4e6 + 0.009}, False),
        ({}, {"x_m": 4e6 + 0.011}, True),
        ({}, {"station_id": 8}, True),
        ({}, {"is_virtual": True}, True),
        ({"is_virtual": True}, {"is_virtual": True, "x_m": 4e6 + 900.0}, False),
        ({"is_virtual": True}, {"is_virtual": True, "station_id": 8}, True),
    ],
)
def test_corrections_from_elsewhere_withhold_credit(ready_machine, first, change, is_withheld):
    """Another station, or the same in another place, is metres wrong and smooth; a virtual one may move (P1)."""
    ready_machine.ask(station(**first))
    ready_machine.drive(2.0)
    ready_machine.ask(station(**change))
    ready_machine.drive(3.0)
    ready_machine.run(1.0)
    assert ("base_changed" in ready_machine.credit_reasons) == is_withheld
    seen = ready_machine.of(StationChanged)
    assert [event.is_credit_withheld for event in seen] == [False, is_withheld]
    assert seen[0].moved_m is None


def test_a_plane_is_never_set_at_an_altitude_that_nobody_stated():
    """Without a task the first fix sets the plane; one without altitude is refused and counted (P3)."""
    machine = Machine(msgspec.structs.replace(site(), task=None))
    machine.fix_changes = lambda seconds: {"altitude_m": None} if seconds < 3.0 else {}
    machine.run(2.9)
    assert machine.state.plane is None
    machine.run(3.0)
    assert machine.state.plane.altitude_m == 1200.0
    causes = {event.cause for event in machine.of(LinkCounters)}
    assert "fix without an altitude, before the plane is set" in causes


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"site_threshold": 4.0}, "below the alarm floor"),
        ({"reference_response_min": 20.0}, "does not exceed the site threshold"),
    ],
)
def test_a_calibration_that_could_not_be_heard_is_refused(machine, change, words):
    """The floor may never stand above a site threshold, nor the threshold above the item."""
    machine.run(1.0)
    good = calibration().channels
    machine.ask(calibration(channels=(msgspec.structs.replace(good[0], **change), *good[1:])))
    assert words in machine.of(RequestRefused)[-1].why


def test_a_running_check_refuses_another_a_calibration_and_a_part_done_twice(ready_machine):
    """One check at a time, each part once; all refusals are in the record."""
    ready_machine.ask(BeginCheck(person="op-1", head="head"))
    ready_machine.ask(BeginCheckPart(person="op-1", head="head", part=CheckPart.BACKGROUND))
    ready_machine.ask(
        BeginCheck(person="op-1", head="head"),
        calibration(),
        BeginCheckPart(person="op-1", head="head", part=CheckPart.BACKGROUND),
    )
    whys = [event.why for event in ready_machine.of(RequestRefused)]
    assert [why.split(":")[0] for why in whys[:2]] == [
        "a function check is already running",
        "a function check is running",
    ]
    assert "already done" in whys[2]


def test_a_head_that_said_nothing_yet_cannot_be_calibrated():
    """Its channels are not known."""
    machine = Machine()
    machine.state.heads[0].detector = None
    machine.step(requests=[calibration()])
    assert "which channels" in machine.of(RequestRefused)[-1].why


def test_samples_without_a_dictionary_are_refused_and_counted(machine):
    """No channel is known by which to read them."""
    machine.state.heads[0].detector = None
    machine.run(1.5)
    assert "samples without a dictionary" in {event.cause for event in machine.of(LinkCounters)}


def test_ground_between_signals_without_end_does_not_count(ready_machine):
    """A second of signal in each and a half: most of it. Ten seconds after the last one, ground counts again."""
    start = ready_machine.seconds

    def signal(seconds):
        values = np.zeros(CHANNELS)
        values[1] = 60.0 if start + 1.0 <= seconds < start + 16.0 and (seconds - start) % 1.5 < 1.0 else 0.0
        return values

    ready_machine.signal = signal
    ready_machine.drive(14.0)
    assert "signal_density" in ready_machine.credit_reasons
    density = [event for event in ready_machine.of(RuleVerdict) if event.rule == "signal-share" and not event.is_kept]
    assert density[0].value > density[0].limit == 0.5
    ready_machine.drive(14.0)
    assert "signal_density" not in ready_machine.credit_reasons


def test_a_machine_that_could_not_stop_in_time_is_told_so_and_searches_all_the_same():
    """Unknown brakes, weak brakes, good brakes: the rule is in the record, and credit does not hang on it."""
    verdicts = {}
    for name, changes in {
        "unknown": {},
        "weak": {"contacts_m": ((0.9, 0.0),), "stop_delay_s": 1.0, "braking_m_s2": 0.5},
        "good": {"contacts_m": ((0.5, 0.0),), "stop_delay_s": 0.2, "braking_m_s2": 3.0},
    }.items():
        plan = site()
        vehicle = msgspec.structs.replace(plan.vehicle, **changes)
        driven = Machine(msgspec.structs.replace(plan, vehicle=vehicle)).ready()
        driven.drive(4.0)
        last = [event for event in driven.of(RuleVerdict) if event.rule == "stopping-distance"][-1]
        verdicts[name] = (last.is_kept, last.value is not None and last.value > last.limit)
        assert not driven.credit_reasons
    assert verdicts == {"unknown": (False, False), "weak": (False, True), "good": (True, False)}
