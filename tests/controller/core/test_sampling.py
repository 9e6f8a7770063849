"""A head whose clock, count or identity is not what it was: what it measured is placed right, or not at all."""

import msgspec
import numpy as np
import pytest
from core_machine import MS, RATE_HZ, dictionary

from controller.core.alarm_events import AlarmRaised
from controller.core.check_events import BlockEnded, HeadIdentified
from controller.core.effects import LinkCounters
from controller.core.reasons import Reason
from firmware_bridge.records import DictionaryRequest, SampleBlock

TICK_NS = 10**9 // RATE_HZ


def placed(machine):
    """(sequence, where the first channel was in tenths of a millimetre, its reasons) of what was placed, in order."""
    return [
        (int(sequence), tuple(position[0].tolist()), int(reasons[0]))
        for run in machine.placed
        for sequence, position, reasons, is_there in zip(
            run.sequence, run.position_dmm, run.reasons, run.is_placed, strict=True
        )
        if is_there
    ]


@pytest.mark.parametrize("leap_ns", [2_000 * MS, 150 * MS, -2_000 * MS])
def test_a_clock_that_is_set_places_no_sample_where_the_head_was_not(ready_machine, leap_ns):
    """Forward or back: what counts stands where the vehicle was, until the fit is anew, and it ends the block."""
    ready_machine.path = lambda seconds: (0.0, 0.8 * seconds)
    ready_machine.run(3.0)
    before = ready_machine.sequence
    ready_machine.clock_leap_ns = leap_ns
    ready_machine.run(5.0)
    assert ready_machine.of(BlockEnded)[-1].why == "head restarted"
    assert [reasons for sequence, _, reasons in placed(ready_machine) if sequence == before + 2] != [0]
    lever_m = placed(ready_machine)[-1][1][1] / 10_000 - 0.8 * (placed(ready_machine)[-1][0] / RATE_HZ)
    for sequence, (_, north_dmm), reasons in placed(ready_machine):
        if reasons & ~Reason.NOT_CHECKED.bit == 0 and sequence > before - 100:
            assert north_dmm / 10_000 == pytest.approx(0.8 * sequence / RATE_HZ + lever_m, abs=0.05)


@pytest.mark.parametrize("back", [1, 2, 5])
def test_samples_that_come_twice_or_late_are_taken_once(ready_machine, back):
    """By the head's own count and clock; they are counted, and neither alarm nor credit hears of them."""
    ready_machine.run(2.0)
    sequence, samples = ready_machine.sequence, ready_machine.state.heads[0].samples
    old = SampleBlock(
        dictionary_id=7,
        sequence=np.array([sequence - back + 1]),
        device_time_ns=np.array([(ready_machine._tick - back + 1) * TICK_NS - ready_machine.sample_age_ns]),
        values=np.full((1, 4), 500.0),
        status=np.array([0]),
    )
    ready_machine.step(records=[("head", old)])
    assert ready_machine.state.heads[0].samples == samples
    assert not [alarm for alarm in ready_machine.of(AlarmRaised) if alarm.check is None]
    ready_machine.run(1.5)
    causes = [event.cause for event in ready_machine.of(LinkCounters)]
    assert causes == ["samples that came twice, or after later ones"]


def test_a_head_that_falls_silent_is_asked_who_it_is_until_it_answers(ready_machine):
    """Another one may have taken its place, whose samples cannot be read without its dictionary."""
    ready_machine.run(1.0)
    asked = len(ready_machine.commands)
    ready_machine.drop_sample = lambda seconds: True
    ready_machine.run(4.0)
    requests = [c for c in ready_machine.commands[asked:] if isinstance(c.record, DictionaryRequest)]
    assert 2 <= len(requests) <= 4
    other = msgspec.structs.replace(dictionary(), dictionary_id=8)
    ready_machine.step(records=[("head", other)])
    assert ready_machine.of(HeadIdentified)[-1].dictionary_id == 8
    assert ready_machine.of(BlockEnded)[-1].why == "head identified itself anew"


def test_what_a_channel_measured_before_it_was_found_stuck_earns_nothing_either(ready_machine):
    """From its first repeated reading on, though that is found out only a dozen samples later."""
    ready_machine.path = lambda seconds: (0.0, 0.8 * seconds)
    ready_machine.run(2.0)
    first = ready_machine.sequence + 1
    begun = ready_machine.seconds
    ready_machine.stuck = {0: 0.125}
    ready_machine.run(0.6)
    ready_machine.stuck = {}
    ready_machine.run(2.0)
    assert begun < ready_machine.seconds
    by_sequence = {sequence: reasons for sequence, _, reasons in placed(ready_machine)}
    stuck = range(first + 1, first + round(0.6 * RATE_HZ))
    assert all(by_sequence[sequence] & Reason.HEAD_FAULT.bit for sequence in stuck)
    assert not any(by_sequence[sequence] & Reason.HEAD_FAULT.bit for sequence in range(first - 50, first))
    assert not by_sequence[ready_machine.sequence - 30] & Reason.HEAD_FAULT.bit


def test_a_channel_that_is_quiet_for_less_than_that_goes_on_counting(ready_machine):
    """A few equal readings are chance."""
    ready_machine.run(2.0)
    first = ready_machine.sequence + 1
    ready_machine.stuck = {0: 0.125}
    ready_machine.run(10 / RATE_HZ)
    ready_machine.stuck = {}
    ready_machine.run(2.0)
    by_sequence = {sequence: reasons for sequence, _, reasons in placed(ready_machine)}
    assert not any(by_sequence[sequence] & Reason.HEAD_FAULT.bit for sequence in range(first, first + 12))


def test_samples_after_which_nothing_came_wait_and_then_earn_nothing(ready_machine):
    """Nothing shows that their channels were alive when they were taken."""
    ready_machine.run(2.0)
    ready_machine.stuck = {0: 0.125}
    ready_machine.run(5 / RATE_HZ)
    last = ready_machine.sequence
    ready_machine.drop_sample = lambda seconds: True
    ready_machine.run(2.0)
    assert max(sequence for sequence, _, _ in placed(ready_machine)) < last
    ready_machine.run(3.0)
    by_sequence = {sequence: reasons for sequence, _, reasons in placed(ready_machine)}
    assert by_sequence[last] & Reason.HEAD_FAULT.bit
