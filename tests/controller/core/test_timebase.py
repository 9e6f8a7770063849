"""Device clocks and epochs on the monotonic clock, with bounds that hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.site import LinkTiming
from controller.core.timebase import DAY, MS, SECOND, ClockReply, DeviceClock, EpochClock

UTC_NS = 1_772_000_000 * SECOND
BOUND_NS = 7 * MS  # 5 ms stated, and 200 ppm of drift over ten seconds


def timing(**changes):
    return LinkTiming(**{"name": "x", "timebase": "host", "latency_ms": 80.0, "latency_error_ms": 5.0, **changes})


@given(
    offset=st.integers(-(10**15), 10**15),
    ppm=st.floats(-100, 100),
    delays=st.lists(st.tuples(st.integers(0, 8 * MS), st.integers(0, 8 * MS)), min_size=4, max_size=60),
)
def test_a_fitted_clock_is_within_its_stated_bound(offset, ppm, delays):
    """Whatever the way out and back took, any instant near the replies maps within the bound."""
    clock = DeviceClock()

    def device_at(mono_ns):
        return offset + round(mono_ns * (1 + ppm * 1e-6))

    for count, (out, back) in enumerate(delays):
        sent = 10 * SECOND + count * SECOND
        clock.sent(count, sent)
        assert clock.replied(count, device_at(sent + out), sent + out + back) is ClockReply.TAKEN
    last = 10 * SECOND + (len(delays) - 1) * SECOND
    for moment in (last - SECOND // 2, last, last + 2 * SECOND):
        device = device_at(moment)
        error = clock.error_ns(device)
        assert error is not None
        assert abs(clock.to_mono(device) - moment) <= error + 2


def test_a_clock_without_enough_or_recent_replies_has_no_bound():
    """Unknown is None: fewer than four replies, or the last more than ten seconds away."""
    clock = DeviceClock()
    for count in range(4):
        assert clock.error_ns(0) is None
        clock.sent(count, count * SECOND)
        clock.replied(count, count * SECOND + MS, count * SECOND + 2 * MS)
    assert clock.error_ns(3 * SECOND) is not None
    assert clock.error_ns(20 * SECOND) is None


def test_a_device_clock_that_goes_backwards_starts_the_fit_anew():
    """A reset is told apart from a reply that nobody asked for."""
    clock = DeviceClock()
    clock.sent(1, 0)
    assert clock.replied(1, 500 * SECOND, MS) is ClockReply.TAKEN
    assert clock.replied(9, 501 * SECOND, 2 * MS) is ClockReply.UNASKED
    clock.sent(2, SECOND)
    assert clock.replied(2, 1 * SECOND, SECOND + MS) is ClockReply.RESTARTED
    assert clock.replies == 0


@pytest.mark.parametrize("leap_ns", [20 * MS, 2 * SECOND, -20 * MS])
def test_a_device_clock_that_leaps_starts_the_fit_anew(leap_ns):
    """No two steady clocks can have shown both replies; within the way out and back they can."""
    clock = DeviceClock()
    for count in range(5):
        clock.sent(count, count * SECOND)
        leap = MS if count == 3 else 0
        assert clock.replied(count, count * SECOND + MS + leap, count * SECOND + 3 * MS) is ClockReply.TAKEN
    clock.sent(5, 5 * SECOND)
    assert clock.replied(5, 5 * SECOND + MS + leap_ns, 5 * SECOND + 3 * MS) is ClockReply.RESTARTED
    assert clock.replies == 0


def test_a_reply_that_a_stalled_line_held_back_bends_no_fit():
    """It says only that the device's instant lay within seconds."""
    clock = DeviceClock()
    for count in range(8):
        clock.sent(count, count * SECOND)
        arrival = count * SECOND + (900 * MS if count == 6 else 2 * MS)
        verdict = clock.replied(count, count * SECOND + MS, arrival)
        assert verdict is (ClockReply.LATE if count == 6 else ClockReply.TAKEN)
    assert clock.replies == 7
    assert clock.error_ns(7 * SECOND) <= 2 * MS


@given(
    latency=st.integers(30 * MS, 120 * MS),
    jitters=st.lists(st.integers(0, 40 * MS), min_size=102, max_size=200),
)
def test_the_lower_envelope_recovers_epochs_whatever_the_jitter(latency, jitters):
    """With one arrival in the window as quick as measured, epochs map exactly; never earlier than the truth."""
    clock = EpochClock(timing(latency_ms=latency / MS), None)
    epoch = 1_772_000_000 * SECOND
    jitters[-15] = 0
    for count, jitter in enumerate(jitters):
        now = 50 * SECOND + count * 100 * MS
        clock.add(epoch + now, now + latency + jitter)
    assert clock.to_mono(epoch + 60 * SECOND) == 60 * SECOND
    assert clock.to_epoch(60 * SECOND) == epoch + 60 * SECOND
    assert clock.error_ns == BOUND_NS


def test_an_unmeasured_latency_gives_no_bound():
    """`latency_error_ms` missing: the time is unsynchronised however many epochs came."""
    clock = EpochClock(timing(latency_error_ms=None), None)
    for count in range(30):
        clock.add(count * 100 * MS, count * 100 * MS + 50 * MS)
    assert clock.error_ns is None


def test_few_epochs_give_no_bound():
    """The first arrivals may all have been slow."""
    clock = EpochClock(timing(), None)
    for count in range(10):
        clock.add(count * SECOND, count * SECOND + 80 * MS)
        assert clock.error_ns is None
    clock.add(10 * SECOND, 10 * SECOND + 80 * MS)
    assert clock.error_ns == BOUND_NS


def test_a_stepped_epoch_starts_the_envelope_anew():
    """A receiver that finds its date, or a rebooted autopilot, is not a slow arrival."""
    clock = EpochClock(timing(), None)
    for count in range(20):
        clock.add(count * 100 * MS, count * 100 * MS + 80 * MS)
    clock.add(DAY, 2_080 * MS)
    assert clock.error_ns is None
    assert clock.to_mono(DAY) == 2_000 * MS


def test_a_recording_of_utc_stamps_maps_epochs_by_themselves():
    """With `timebase = utc` the arrival does not matter, not even one before its own epoch."""
    zero = 79_836 * SECOND
    clock = EpochClock(timing(timebase="utc", latency_ms=None), zero)
    epoch = clock.nearest_day(79_836_800 * MS, 414 * MS)
    clock.add(epoch, 414 * MS)
    assert clock.to_mono(epoch) == 800 * MS


@pytest.mark.parametrize(("day_ns", "expected"), [(DAY - MS, DAY - MS), (MS, DAY + MS)])
def test_a_time_of_day_is_on_the_day_nearest_to_its_arrival(day_ns, expected):
    """Around midnight the day before and the day after are told apart."""
    clock = EpochClock(timing(timebase="utc"), DAY - 10 * SECOND)
    assert clock.nearest_day(day_ns, 10 * SECOND) == expected


def pulsed(count=5, error_ns=100_000, **changes):
    """A clock with epochs each second and pulses on them; the true latency is 83 ms."""
    clock = EpochClock(timing(**changes), None)
    for second in range(20):
        clock.add(UTC_NS + second * SECOND, second * SECOND + 83 * MS)
        if second >= 20 - count:
            assert clock.add_pulse(second * SECOND + error_ns // 2, error_ns)
    return clock


def test_pulses_show_the_latency_that_nobody_measured():
    """Three pulses in a row give the offset itself, with the bound of the head's clock and a second's drift."""
    clock = pulsed(latency_ms=None, latency_error_ms=None)
    assert clock.to_mono(UTC_NS + 5 * SECOND) == 5 * SECOND + 50_000
    assert 100_000 <= clock.error_ns <= 100_000 + 200_000
    assert clock.latency_ns == 83 * MS - 50_000
    assert pulsed(count=2, latency_error_ms=None).error_ns is None, "two pulses are no series"


def test_pulses_that_contradict_a_measured_latency_leave_nothing_known():
    """83 ms against 80 +- 5 agree; against 60 +- 5 one of the two is wrong."""
    assert pulsed().error_ns is not None
    assert pulsed(latency_ms=60.0).error_ns is None


def test_a_pulse_off_the_second_begins_the_series_anew():
    """A receiver's pulse that is not once a second, or whose oscillator runs on without a fix, is not believed."""
    clock = pulsed(latency_error_ms=None)
    assert not clock.add_pulse(20 * SECOND + 300 * MS, 100_000)
    assert clock.error_ns is None
    assert clock.latency_ns is None


@pytest.mark.parametrize("step_s", [3, -3])
def test_a_pulse_that_was_given_its_second_by_a_stepped_clock_places_nothing(step_s):
    """The receiver's clock leaps by whole seconds: until the next pulse, the last one's second is that of the old."""
    clock = EpochClock(timing(latency_ms=None, latency_error_ms=None), None)
    known = []
    for tick in range(1, 700):
        now_ns = tick * 50 * MS
        epoch_ns = UTC_NS + now_ns + (step_s * SECOND if tick > 400 else 0)
        clock.add(epoch_ns, now_ns + 83 * MS)
        if clock.error_ns is not None:
            known.append(tick)
            assert abs(clock.to_mono(epoch_ns) - now_ns) <= clock.error_ns
        if tick % 20 == 0:
            clock.add_pulse(now_ns, 100_000)
    assert min(known) < 400
    assert max(known) == 699


def test_old_pulses_are_forgotten():
    """Ten seconds without one: the configured latency stands in, if there is any."""
    clock = pulsed()
    by_pulses = clock.error_ns
    for second in range(20, 32):
        clock.add(UTC_NS + second * SECOND, second * SECOND + 83 * MS)
    assert by_pulses < BOUND_NS == clock.error_ns
    assert clock.latency_ns is None


@given(latency=st.integers(0, 900 * MS), ppm=st.floats(-150, 150), error=st.integers(0, MS), at=st.integers(0, 10**12))
def test_with_pulses_epochs_map_within_the_stated_bound(latency, ppm, error, at):
    """Whatever the latency below 0.9 s and the drift of the two clocks."""
    clock = EpochClock(timing(latency_ms=None, latency_error_ms=None), None)

    def mono(epoch):
        return at + epoch + round(epoch * ppm * 1e-6)

    for second in range(15):
        clock.add(second * SECOND, mono(second * SECOND) + latency)
        clock.add_pulse(mono(second * SECOND) + error, error)
    bound = clock.error_ns
    assert bound is not None
    assert abs(clock.to_mono(14 * SECOND) - mono(14 * SECOND)) <= bound
