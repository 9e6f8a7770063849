"""Leap seconds, week roll-over and midnight as the core meets them: a wrong time never places a sample."""

import pytest
from core_machine import LATENCY_NS, MS, SECOND, START_NS, UTC_NS, fix, site

from controller.core.fixes import LATE_FIX, LIVE_UTC_NS_MIN
from controller.core.inputs import Arrival, Inputs, Origin
from controller.core.state import begin
from controller.core.step import step
from firmware_bridge.codec.fix_part import DAY_NS, days_from_date

STEP_NS = 100 * MS
WEEKS_1024_NS = 1024 * 7 * DAY_NS
NEW_YEAR_NS = days_from_date(2027, 1, 1) * DAY_NS


def drive(epochs, origin=Origin.LIVE, delays=None):
    """Fixes at the given UTC, one each 100 ms from `START_NS`, each at its true place: 1 m/s eastwards."""
    state = begin(site(), origin)
    for count, changes in enumerate(epochs):
        truth_ns = START_NS + count * STEP_NS
        arrival_ns = truth_ns + LATENCY_NS + (delays or {}).get(count, 0)
        record = fix(0, count * STEP_NS / SECOND, 0.0, **changes)
        arrival = Arrival(link="gnss", arrival_ns=arrival_ns, record=record)
        step(state, Inputs(now_ns=arrival_ns, arrivals=(arrival,), requests=()))
    return state


def dated(utc_ns):
    return {"utc_ns": utc_ns}


def placing_errors_ns(state):
    """How far each kept fix is from the instant at which the vehicle was there."""
    return [kept.mono_ns - START_NS - round(kept.east_m * SECOND) for kept in state.track.fixes]


def counts_over(start_ns, before, after, repeated_ns):
    """UTC of epochs at 10 Hz whose clock steps back by `repeated_ns` after `before` of them."""
    return [dated(start_ns + n * STEP_NS) for n in range(before)] + [
        dated(start_ns + n * STEP_NS - repeated_ns) for n in range(before, before + after)
    ]


def bounded(state):
    """Places of the kept fixes, counted in epochs, whose time has a bound: only they may carry credit."""
    return [round(kept.east_m * 10) for kept in state.track.fixes if kept.time_error_ns is not None]


def test_no_fix_is_kept_at_a_wrong_instant_over_a_leap_second():
    """Second 60 counts on; then the clock steps back, and ten seconds pass until the new one is believed."""
    state = drive(counts_over(NEW_YEAR_NS - 10 * SECOND, 110, 140, SECOND))
    assert max(map(abs, placing_errors_ns(state))) <= 1 * MS
    assert bounded(state) == [*range(100, 110), *range(210, 250)]


@pytest.mark.parametrize("seconds", [1, 2, 4])
def test_a_receiver_that_learns_of_leap_seconds_places_nothing_wrong(seconds):
    """Its epochs step back by whole seconds when it has heard of them: ten seconds of them make the new clock."""
    state = drive(counts_over(UTC_NS, 120, 120, seconds * SECOND))
    assert max(map(abs, placing_errors_ns(state))) <= 1 * MS
    assert bounded(state) == [*range(100, 120), *range(220, 240)]


def test_a_step_that_looks_like_a_delay_is_refused_until_the_envelope_has_followed():
    """At one epoch a second the leap second's stamp comes twice: nothing goes back, everything is late."""
    state = begin(site(), Origin.LIVE)
    for count in range(60):
        epoch_ns = count * SECOND if count < 30 else (count - 1) * SECOND
        arrival_ns = START_NS + count * SECOND + LATENCY_NS
        record = fix(epoch_ns, float(count), 0.0)
        step(
            state,
            Inputs(
                now_ns=arrival_ns, arrivals=(Arrival(link="gnss", arrival_ns=arrival_ns, record=record),), requests=()
            ),
        )
    assert state.refused["gnss", LATE_FIX] == 10
    assert max(map(abs, placing_errors_ns(state))) <= 1 * MS
    assert len(state.track.fixes) == 50


def test_a_negative_leap_second_is_followed_at_once():
    """An epoch that comes early can be no delay: the old mapping was wrong, or the clock stepped forward."""
    state = drive(counts_over(UTC_NS, 60, 60, -SECOND))
    assert ("gnss", LATE_FIX) not in state.refused
    errors = placing_errors_ns(state)
    assert abs(errors[-1]) <= 1 * MS


def test_a_fix_that_is_only_slow_places_nothing_either():
    """Half a second and more cannot be told from a step; less is an ordinary delay and keeps its epoch."""
    epochs = [dated(UTC_NS + n * STEP_NS) for n in range(40)]
    state = drive(epochs, delays={20: 400 * MS, 30: 600 * MS})
    assert state.refused["gnss", LATE_FIX] == 1
    assert set(placing_errors_ns(state)) <= set(range(-MS, MS))
    assert len(state.track.fixes) == 39


def test_a_live_date_of_1024_weeks_ago_is_not_believed():
    """The receiver's week has rolled over: no UTC is reported, and the fixes are placed all the same."""
    state = drive([dated(UTC_NS - WEEKS_1024_NS + n * STEP_NS) for n in range(30)])
    assert state.utc_ns(START_NS) is None
    assert len(state.track.fixes) == 30
    assert max(map(abs, placing_errors_ns(state))) <= 1 * MS
    ((cause, count),) = [(cause, n) for (link, cause), n in state.refused.items() if link == "gnss"]
    assert "week has rolled over" in cause
    assert count == 30


def test_a_date_once_believed_is_not_lost_to_an_implausible_one():
    """The time of day goes on, on the day that the receiver had said before."""
    good = [dated(UTC_NS + n * STEP_NS) for n in range(20)]
    bad = [dated(UTC_NS - WEEKS_1024_NS + n * STEP_NS) for n in range(20, 40)]
    state = drive(good + bad)
    assert state.utc_ns(START_NS) == pytest.approx(UTC_NS, abs=MS)
    assert len(state.track.fixes) == 40


@pytest.mark.parametrize("origin", [Origin.REPLAYED, Origin.SIMULATED])
def test_recordings_keep_their_dates(origin):
    """A survey of 2012 was in 2012."""
    utc_ns = days_from_date(2012, 6, 30) * DAY_NS
    state = drive([dated(utc_ns + n * STEP_NS) for n in range(20)], origin)
    assert state.utc_ns(START_NS) == pytest.approx(utc_ns, abs=MS)


def test_the_oldest_live_date_is_that_of_this_program():
    """One nanosecond earlier is none; the constant is the date that its comment says."""
    assert days_from_date(2025, 1, 1) * DAY_NS == LIVE_UTC_NS_MIN
    assert drive([dated(LIVE_UTC_NS_MIN)]).is_dated
    assert not drive([dated(LIVE_UTC_NS_MIN - 1)]).is_dated
    last = days_from_date(2044, 8, 1) * DAY_NS
    assert last - WEEKS_1024_NS < LIVE_UTC_NS_MIN


def test_times_of_day_pass_midnight_without_a_date():
    """GGA alone: every fix at its instant, before and after."""
    start = DAY_NS - 2 * SECOND
    epochs = [{"utc_ns": None, "time_of_day_ns": (start + n * STEP_NS) % DAY_NS} for n in range(40)]
    state = drive(epochs)
    assert len(state.track.fixes) == 40
    assert max(map(abs, placing_errors_ns(state))) <= 1 * MS
    assert state.utc_ns(START_NS) is None
