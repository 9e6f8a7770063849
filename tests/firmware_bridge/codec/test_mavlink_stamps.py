"""Timestamps of our own frames: they rise, they follow the time, and they survive the process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codec.mavlink_signing import BEHIND_MAX, STAMP_MAX
from firmware_bridge.codec.mavlink_stamps import RESERVE, RESERVE_LAST, SECOND, UNIT_NS, UTC_2015_NS, StampClock

# 2026-01-01T00:00:00Z, by `date -u -d 2026-01-01 +%s`.
UTC_NS = 1_767_225_600_000_000_000
STAMP = (1_767_225_600 - 1_420_070_400) * 100_000
NO_CLOCK_NS = 0  # a computer that was switched on without a clock chip believes in 1970


def at(utc_ns, seconds=0.0):
    """Monotonic time and wall clock so many seconds after the start."""
    passed_ns = round(seconds * 1e9)
    return 7_000_000_000 + passed_ns, utc_ns + passed_ns


def ready(kept=0, utc_ns=UTC_NS):
    """A clock whose first reservation is on the disk."""
    clock = StampClock(kept)
    clock.reserve(clock.wanted(*at(utc_ns)))
    return clock


def test_a_timestamp_is_ten_microseconds_since_2015():
    """The day that `date` gives."""
    assert UTC_2015_NS == 1_420_070_400 * 1_000_000_000
    assert ready().take(*at(UTC_NS)) == STAMP
    assert ready().take(*at(UTC_NS, 1.5)) == STAMP + 150_000


def test_frames_of_one_instant_differ_by_one():
    """Even where the clock stands still or is put back."""
    clock = ready()
    assert [clock.take(*at(UTC_NS)) for _ in range(3)] == [STAMP, STAMP + 1, STAMP + 2]
    assert clock.take(*at(UTC_NS - 3_600_000_000_000)) == STAMP + 3


def test_nothing_is_taken_that_is_not_reserved():
    """Before the first reservation, and past its end."""
    clock = StampClock(0)
    assert clock.take(*at(UTC_NS)) is None
    clock.reserve(STAMP + RESERVE)
    assert clock.take(*at(UTC_NS, 20.0)) == STAMP + RESERVE
    assert clock.take(*at(UTC_NS, 20.0)) is None


def test_a_reservation_is_asked_for_every_ten_seconds():
    """At one frame a second, as a heartbeat comes: few writes, and each with ten seconds to spare."""
    clock, asked = ready(), []
    for second in range(61):
        wanted = clock.wanted(*at(UTC_NS, second))
        if wanted is not None:
            asked.append(second)
            clock.reserve(wanted)
        assert clock.take(*at(UTC_NS, second)) is not None
    assert asked == [10, 20, 30, 40, 50, 60]


def test_after_a_crash_the_next_timestamp_is_beyond_the_reservation():
    """Whatever was used before lies below it."""
    kept = STAMP + RESERVE
    assert ready(kept).take(*at(UTC_NS, 1.0)) == kept + 1
    assert ready(kept).take(*at(UTC_NS, 60.0)) is None, "the first reservation has run out by then"
    assert ready(kept, UTC_NS + 60_000_000_000).take(*at(UTC_NS, 60.0)) == STAMP + 60 * SECOND


def test_after_a_crash_a_peer_whose_clock_is_right_is_not_a_minute_behind():
    """Our own time, which its first frame is compared with, is at most the reservation ahead."""
    clock = StampClock(STAMP + RESERVE)
    assert clock.current(*at(UTC_NS)) - BEHIND_MAX < STAMP - 30 * SECOND


def test_many_crashes_in_a_row_move_the_timestamps_little():
    """Two seconds each, not the whole reservation."""
    kept = 0
    for _ in range(100):
        clock = ready(kept)
        clock.take(*at(UTC_NS))
        kept = clock.wanted(*at(UTC_NS)) or clock._reserved
    assert kept <= STAMP + RESERVE + 100 * RESERVE_LAST


def test_without_a_clock_chip_it_goes_on_from_what_was_kept_until_somebody_is_heard():
    """Then in real time from there: the autopilot's clock is ours."""
    clock = ready(STAMP, NO_CLOCK_NS)
    assert clock.take(*at(NO_CLOCK_NS, 5.0)) == STAMP + 1
    clock.hear(STAMP + 3_600 * SECOND, *at(NO_CLOCK_NS, 6.0))
    assert clock.current(*at(NO_CLOCK_NS, 16.0)) == STAMP + 3_610 * SECOND
    assert clock.take(*at(NO_CLOCK_NS, 16.0)) is None, "none of that is reserved yet"
    clock.reserve(clock.wanted(*at(NO_CLOCK_NS, 16.0)))
    assert clock.take(*at(NO_CLOCK_NS, 16.0)) == STAMP + 3_610 * SECOND


def test_a_clock_that_is_put_right_later_is_followed():
    """From 1970 to the present, as when a receiver gives the time."""
    clock = ready(0, NO_CLOCK_NS)
    assert clock.take(*at(NO_CLOCK_NS)) == 1
    clock.reserve(clock.wanted(*at(UTC_NS, 30.0)))
    assert clock.take(*at(UTC_NS, 30.0)) == STAMP + 30 * SECOND


def test_the_next_timestamp_is_beyond_what_was_heard():
    """A little ahead of ours is no other time, but ours must not stay behind it either."""
    clock = ready()
    clock.hear(STAMP + 5 * SECOND, *at(UTC_NS))
    assert clock.take(*at(UTC_NS)) == STAMP + 5 * SECOND + 1
    clock.hear(STAMP, *at(UTC_NS))
    assert clock.take(*at(UTC_NS)) == STAMP + 5 * SECOND + 2


def test_a_peer_that_has_used_up_all_timestamps_leaves_none():
    """48 bits end in 2104: nothing is signed then, and nothing raises."""
    clock = ready()
    clock.hear(STAMP_MAX, *at(UTC_NS))
    clock.reserve(clock.wanted(*at(UTC_NS)))
    assert clock.take(*at(UTC_NS)) is None
    assert clock.wanted(*at(UTC_NS)) is None


STEPS = st.one_of(
    st.just("crash"),
    st.tuples(st.just("wait"), st.integers(0, 40 * 10**9)),
    st.tuples(st.just("set"), st.integers(0, 2 * UTC_NS)),
    st.tuples(st.just("hear"), st.integers(0, STAMP_MAX - 10**12)),
)


@given(st.lists(STEPS, max_size=30), st.booleans())
def test_timestamps_only_rise_whatever_clocks_peers_and_power_do(steps, is_disk_slow):
    """Over crashes, clocks that jump and peers from the future; a write may come too late, never a timestamp twice."""
    disk, now_ns, utc_ns, last = 0, 0, UTC_NS, -1
    clock = StampClock(disk)
    for step in steps:
        match step:
            case "crash":
                clock = StampClock(disk)
            case ("wait", passed_ns):
                now_ns, utc_ns = now_ns + passed_ns, utc_ns + passed_ns
            case ("set", utc):
                utc_ns = utc
            case ("hear", stamp):
                clock.hear(stamp, now_ns, utc_ns)
        wanted = clock.wanted(now_ns, utc_ns)
        taken = clock.take(now_ns, utc_ns) if is_disk_slow else None
        if wanted is not None:
            disk = wanted
            clock.reserve(disk)
        taken = clock.take(now_ns, utc_ns) if taken is None else taken
        if taken is not None:
            assert last < taken <= disk
            last = taken
        assert clock.current(now_ns, utc_ns) >= last


@pytest.mark.parametrize("rate_hz", [1, 100])
def test_a_peer_that_is_a_little_ahead_costs_few_writes(rate_hz):
    """Half a minute ahead of our clock, in real time: at most one write a second, however often it speaks."""
    clock, writes = ready(), 0
    for tick in range(60 * rate_hz):
        instant = at(UTC_NS, tick / rate_hz)
        clock.hear(STAMP + 30 * SECOND + tick * SECOND // rate_hz, *instant)
        wanted = clock.wanted(*instant)
        if wanted is not None:
            writes += 1
            clock.reserve(wanted)
        assert clock.take(*instant) is not None
    assert writes <= 60
    assert UNIT_NS * SECOND == 1_000_000_000
