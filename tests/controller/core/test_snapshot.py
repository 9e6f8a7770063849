"""What screens are told: often enough, complete, with ages, and never better than it is."""

import numpy as np
import pytest

from controller.core.inputs import AcknowledgeAlarm
from tests.controller.core.core_machine import CHANNELS, SECOND


def last_snapshot(machine):
    return next(effects.snapshot for effects in reversed(machine.effects) if effects.snapshot is not None)


def test_a_snapshot_comes_in_every_interval_of_the_clock(ready_machine):
    """A loop at 50 Hz gives one in each 50 ms: twenty a second."""
    first = len(ready_machine.effects)
    ready_machine.run(2.0)
    shown = [effects.snapshot for effects in ready_machine.effects[first:] if effects.snapshot is not None]
    assert len(shown) == 40


def test_a_snapshot_says_what_counts_and_where_the_coils_are(ready_machine):
    """The block, its radius, the coils to scale in the vehicle frame, and no reason: it is counting."""
    ready_machine.run(2.0)
    (head,) = last_snapshot(ready_machine).heads
    assert head.reasons == ()
    assert head.block == 1
    assert head.radius_m == (0.2,) * CHANNELS
    assert np.allclose(head.coils_m, [(1.5, (index - 1.5) * 0.15) for index in range(CHANNELS)])
    assert last_snapshot(ready_machine).fix_class == "fixed"


def test_the_strongest_signal_between_two_snapshots_is_shown(ready_machine):
    """One sample above the threshold between two snapshots is not lost on the screen."""
    ready_machine.run(1.0)
    at = ready_machine.seconds + 0.02
    ready_machine.signal = lambda seconds: (
        np.array([90.0, 0, 0, 0]) if abs(seconds - at) < 0.005 else np.zeros(CHANNELS)
    )
    first = len(ready_machine.effects)
    ready_machine.run(0.12)
    shown = [e.snapshot.heads[0].signal[0] for e in ready_machine.effects[first:] if e.snapshot is not None]
    assert max(value for value in shown if value is not None) == pytest.approx(90.0, abs=3.0)


def test_unknown_is_shown_as_unknown(machine):
    """Before anything arrived there is no signal, no noise, no reason to count and no position (P3)."""
    snapshot = machine.effects[0].snapshot
    (head,) = snapshot.heads
    assert snapshot.fix_class is snapshot.fix_age_ns is snapshot.position_dmm is None
    assert set(head.signal) == set(head.sigma) == {None}
    assert head.age_ns is None
    assert head.reasons is None or head.reasons[0].reason == "head_silent"


def test_ages_grow_while_nothing_arrives(ready_machine):
    """A head and a receiver that fall silent age on the screen."""
    ready_machine.drop_sample = lambda seconds: True
    ready_machine.fix_changes = lambda seconds: None
    ready_machine.run(3.0)
    snapshot = last_snapshot(ready_machine)
    assert snapshot.heads[0].age_ns >= 2.9 * SECOND
    assert snapshot.fix_age_ns >= 2.9 * SECOND


def test_alarms_are_listed_until_heard(ready_machine):
    """A sounding alarm is in both lists; afterwards it stays unacknowledged."""
    ready_machine.signal = lambda seconds: np.array([90.0, 0, 0, 0])
    ready_machine.run(0.5)
    during = last_snapshot(ready_machine)
    number = during.alarms
    assert during.sounding == (number,)
    assert during.unacknowledged == number
    ready_machine.signal = lambda seconds: np.zeros(CHANNELS)
    ready_machine.run(1.0)
    after = last_snapshot(ready_machine)
    assert after.sounding == ()
    assert after.unacknowledged == number
    for _ in range(2):
        ready_machine.ask(AcknowledgeAlarm(person="op-1", alarm=number))
    ready_machine.run(0.2)
    assert last_snapshot(ready_machine).unacknowledged == number - 1
