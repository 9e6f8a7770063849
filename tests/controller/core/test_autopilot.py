"""What the core says to an autopilot: when it asks for messages, that it lives, and of alarms. Nothing else."""

import msgspec
import numpy as np
import pytest
from core_machine import CHANNELS, MS, RATE_HZ, SECOND, START_NS, Machine, site

from controller.core.alarm_events import AlarmRaised
from controller.core.autopilot import alarm_text
from controller.core.inputs import BeginCheck, Origin
from controller.core.reasons import Reason
from firmware_bridge.autopilot_records import AlertText, AutopilotMessage, CompanionHeartbeat, MessageIntervalRequest
from firmware_bridge.records import OutputCommand

ATTITUDE_20_HZ = MessageIntervalRequest(system_id=1, message=AutopilotMessage.ATTITUDE, interval_us=50_000)


@pytest.fixture
def waiting_machine():
    """A machine whose autopilot sends only heartbeats until it is asked."""
    machine = Machine()
    machine.waits_to_be_asked = True
    return machine


def sent(machine, kind):
    """(seconds since the start, record) of everything of one kind that went to the autopilot."""
    return [
        (index * 20 * MS / SECOND, command.record)
        for index, effects in enumerate(machine.effects)
        for command in effects.commands
        if command.link == "autopilot" and isinstance(command.record, kind)
    ]


def attitude_age_ns(machine):
    return START_NS + round(machine.seconds * SECOND) - machine.state.track.last_attitude_ns


def test_an_autopilot_is_asked_at_its_first_heartbeat_and_then_left_alone(waiting_machine):
    """Nothing before the heartbeat at 1 s, one request with it, none while attitudes flow."""
    waiting_machine.run(20.0)
    assert sent(waiting_machine, MessageIntervalRequest) == [(1.0, ATTITUDE_20_HZ)]
    assert attitude_age_ns(waiting_machine) < 200 * MS


def test_an_autopilot_that_does_not_obey_is_asked_once_a_second(waiting_machine):
    """The rate is bounded while it is deaf, and the asking ends when it is not."""
    waiting_machine.is_deaf = True
    waiting_machine.run(10.0)
    times = [at for at, _ in sent(waiting_machine, MessageIntervalRequest)]
    assert len(times) == 10
    assert min(np.diff(times)) >= 1.0
    waiting_machine.is_deaf = False
    waiting_machine.run(10.0)
    assert len(sent(waiting_machine, MessageIntervalRequest)) == 11


def test_a_restarted_autopilot_is_asked_again(waiting_machine):
    """It falls silent but for heartbeats: after 3 s without attitude it is asked, and its attitudes are used again."""
    waiting_machine.run(10.0)
    waiting_machine.restart_autopilot()
    waiting_machine.run(10.0)
    (first, _), (second, _) = sent(waiting_machine, MessageIntervalRequest)
    assert first == 1.0
    assert 12.5 <= second <= 14.0
    assert attitude_age_ns(waiting_machine) < 200 * MS


def test_a_boot_clock_that_goes_back_asks_at_once(waiting_machine):
    """A quick restart with slow streams of its own: the attitudes never stay away, but their clock shows it."""
    waiting_machine.run(10.0)
    waiting_machine.restart_autopilot()
    waiting_machine.waits_to_be_asked = False
    waiting_machine.run(5.0)
    times = [at for at, _ in sent(waiting_machine, MessageIntervalRequest)]
    assert len(times) == 2
    assert 10.0 <= times[1] <= 10.2


def test_a_late_datagram_is_no_restart(waiting_machine):
    """A boot time half a second back asks for nothing."""
    waiting_machine.run(10.0)
    waiting_machine.booted_ns += 500 * MS
    waiting_machine.run(5.0)
    assert len(sent(waiting_machine, MessageIntervalRequest)) == 1


def test_a_stream_of_a_few_messages_a_second_is_asked_to_be_faster(waiting_machine):
    """Attitudes at 2 Hz are there, but they do not flow: what was asked for is 20."""
    waiting_machine.is_deaf = True
    for _ in range(10):
        waiting_machine.asked = {AutopilotMessage.ATTITUDE}
        waiting_machine.run(0.1)
        waiting_machine.asked = set()
        waiting_machine.run(0.9)
    assert len(sent(waiting_machine, MessageIntervalRequest)) == 10


def test_nobody_is_asked_while_no_heartbeat_comes(waiting_machine):
    """A dead link gets our heartbeat and no requests, from 3 s after its last heartbeat on."""
    waiting_machine.is_deaf = True
    waiting_machine.run(5.0)
    waiting_machine.has_heartbeat = False
    waiting_machine.run(10.0)
    times = [at for at, _ in sent(waiting_machine, MessageIntervalRequest)]
    assert 7.0 <= times[-1] <= 8.0


def test_the_controller_says_once_a_second_that_it_is_there(machine):
    """From the first step on, whether anybody is heard or not."""
    machine.has_heartbeat = machine.has_attitude = False
    machine.run(10.0)
    times = [at for at, _ in sent(machine, CompanionHeartbeat)]
    assert len(times) == 11
    assert set(np.round(np.diff(times), 6)) == {1.0}


def test_an_alarm_in_the_field_is_told_behind_the_heads_commands(ready_machine):
    """Once, with its number and channels, and after lamp and buzzer."""
    values = np.zeros(CHANNELS)
    values[1:3] = 60.0
    begun = len(ready_machine.effects)
    number = len(ready_machine.of(AlarmRaised)) + 1
    ready_machine.signal = lambda seconds: values
    ready_machine.run(1.0)
    turn = next(e for e in ready_machine.effects[begun:] if any(isinstance(ev, AlarmRaised) for ev in e.events))
    kinds = [type(command.record) for command in turn.commands]
    assert kinds[0] is OutputCommand
    assert kinds.index(AlertText) > max(i for i, command in enumerate(turn.commands) if command.link == "head")
    texts = [text for at, text in sent(ready_machine, AlertText) if at >= begun * 0.02]
    assert texts == [AlertText(system_id=1, text=f"ANOMALY {number} c1 c2")]


def test_an_alarm_in_a_check_is_not_told(ready_machine):
    """The check piece is no anomaly of the field."""
    before = len(sent(ready_machine, AlertText))
    ready_machine.ask(BeginCheck(person="op-1", head="head"))
    ready_machine.signal = lambda seconds: np.full(CHANNELS, 60.0)
    ready_machine.run(1.0)
    assert ready_machine.of(AlarmRaised)[-1].check is not None
    assert len(sent(ready_machine, AlertText)) == before == 0


def test_a_machine_without_a_known_autopilot_sends_it_nothing():
    """No system id, no words: what is on the wire could be anybody's."""
    machine = Machine(msgspec.structs.replace(site(), autopilots=()))
    machine.run(5.0)
    machine.signal = lambda seconds: np.full(CHANNELS, 60.0)
    machine.run(1.0)
    assert machine.of(AlarmRaised)
    assert {command.link for command in machine.commands} == {"head"}


@pytest.mark.parametrize(
    ("channels", "text"),
    [
        (("c5", "c6"), "ANOMALY 17 c5 c6"),
        (tuple(f"c{n}" for n in range(24)), "ANOMALY 17 c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 c10 +13"),
        (("left\ncoil", "Spüle"), "ANOMALY 17 left?coil Sp?le"),
        (("x" * 80,), "ANOMALY 17 +1"),
        ((), "ANOMALY 17"),
    ],
)
def test_the_text_of_an_alarm_fits_the_message(channels, text):
    """Fifty printable ASCII characters; what does not fit is counted, and what is not live says so (P8)."""
    alarm = AlarmRaised(
        mono_ns=0, utc_ns=None, alarm=17, head="head", channels=channels, sequence=1, sample_ns=None, value=1.0,
        threshold=1.0, check=None,
    )  # fmt: skip
    assert alarm_text(alarm, Origin.LIVE) == text
    assert len(text) <= 50
    assert alarm_text(alarm, Origin.SIMULATED).startswith("SIMULATED ANOMALY 17")
    assert alarm_text(alarm, Origin.REPLAYED).startswith("REPLAYED ANOMALY 17")
    assert len(alarm_text(alarm, Origin.SIMULATED)) <= 50


def withheld_for_attitude(machine, first_s, last_s):
    """Whether every sample between two times was withheld for its attitude, and whether any was."""
    return [
        bool(mask & Reason.ATTITUDE_UNKNOWN.bit)
        for run in machine.placed
        for sequence, reasons in zip(run.sequence, run.reasons, strict=True)
        for mask in reasons.tolist()[:1]
        if first_s <= int(sequence) / RATE_HZ < last_s
    ]


def test_an_estimator_that_calls_itself_bad_lends_no_attitude_until_it_calls_itself_good(ready_machine):
    """From its word on, and no longer than until an attitude after the next good word."""
    begun_s = ready_machine.seconds
    ready_machine.estimator = lambda seconds: not 3.0 <= seconds - begun_s < 6.0
    ready_machine.run(12.0)
    assert all(withheld_for_attitude(ready_machine, begun_s + 3.3, begun_s + 5.8))
    assert not any(withheld_for_attitude(ready_machine, begun_s, begun_s + 2.5))
    assert not any(withheld_for_attitude(ready_machine, begun_s + 7.0, begun_s + 11.0))


def test_an_estimator_that_falls_silent_lends_no_attitude_after_three_seconds(ready_machine):
    """Attitudes go on; whoever has once said how good they are must go on saying so (P3)."""
    begun_s = ready_machine.seconds
    ready_machine.estimator = lambda seconds: True if seconds - begun_s < 2.0 else None
    ready_machine.run(10.0)
    assert not any(withheld_for_attitude(ready_machine, begun_s, begun_s + 4.0))
    assert all(withheld_for_attitude(ready_machine, begun_s + 6.0, begun_s + 9.0))
