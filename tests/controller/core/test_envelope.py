"""The lower envelope of arrivals, and the times of plain-text instruments that stand on it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.envelope import ArrivalEnvelope, LineClock
from controller.core.site import ChannelSite, Head, LinkTiming

MS = 1_000_000
SECOND = 1_000_000_000
BYTE_NS = 10e9 / 9600
PERIOD_NS = 100 * MS


def envelope(**changes):
    fields = {"window_ns": 10 * SECOND, "drift_ppm": 200, "support_ns": 100 * MS, "step_ns": 5 * SECOND}
    return ArrivalEnvelope(**{**fields, **changes})


def line_clock(latency_ms=30.0, latency_error_ms=2.0, byte_ns=0.0, **changes):
    head = Head(
        id="h",
        link="l",
        mount_m=(0.0, 0.0, 0.1),
        nominal_radius_m=0.2,
        alarm_floor=1.0,
        channels=(ChannelSite(name="c", unit="nT", position_m=(0.0, 0.0, 0.0)),),
        rate_hz=10.0,
        **changes,
    )
    timing = LinkTiming(
        name="l", timebase="host", latency_ms=latency_ms, latency_error_ms=latency_error_ms, byte_ns=byte_ns
    )
    return LineClock(head, timing)


def take(clock, number, arrival_ns, stamp_ns=None, wire_bytes=0):
    """One sample's time and bound."""
    stamps = None if stamp_ns is None else np.array([stamp_ns])
    (time_ns,), bound_ns = clock.times(np.array([number]), stamps, wire_bytes, arrival_ns)
    return time_ns, bound_ns


def test_a_full_window_of_arrivals_makes_an_envelope():
    """Those of the first seconds may all have been slow; the bound is what the clocks can drift within the window."""
    found = envelope()
    for count in range(101):
        assert found.error_ns is None
        found.add(count * 100 * MS, count * 100 * MS + 40 * MS + count % 3 * MS)
    assert (found.offset_ns, found.error_ns) == (40 * MS, 2 * MS)


def test_a_few_arrivals_in_a_long_time_make_none():
    """A link that speaks every two seconds may have been stalled each time."""
    found = envelope()
    for count in range(9):
        found.add(count * 2 * SECOND, count * 2 * SECOND + 40 * MS)
    assert found.error_ns is None


def test_one_stamp_from_the_future_withholds_the_time_until_it_has_left_the_window():
    """It would place everything after it too early; nothing supports it."""
    found = envelope()
    known = []
    for count in range(400):
        stamp_ns = count * 100 * MS + (3 * SECOND if count == 200 else 0)
        found.add(stamp_ns, count * 100 * MS + 40 * MS)
        if found.error_ns is not None:
            assert found.offset_ns == 40 * MS
            known.append(count)
    assert known == [*range(100, 200), *range(201 + 100, 400)]


def test_a_clock_that_goes_back_starts_anew_and_swapped_arrivals_do_not():
    """A restarted device counts from zero; two datagrams may overtake each other."""
    found = envelope()
    for count in (*range(1_000), 1_001, 1_000, 1_002):
        found.add(count * 10 * MS, count * 10 * MS + 40 * MS)
    assert found.error_ns is not None
    found.add(0, 11 * SECOND)
    assert found.error_ns is None


def test_without_recent_support_nothing_is_known():
    """All of the last three seconds came late: the clock may have been stepped."""
    found = envelope()
    for count in range(150):
        found.add(count * 100 * MS, count * 100 * MS + (40 * MS if count < 110 else 190 * MS))
        assert (found.error_ns is not None) == (100 <= count < 138), count


def test_an_arrival_stands_for_itself_where_nothing_better_is_stated():
    """Arrival less the time on the wire less the measured latency."""
    time_ns, bound_ns = take(line_clock(byte_ns=BYTE_NS), 0, SECOND, wire_bytes=24)
    assert time_ns == SECOND - 25 * MS - 30 * MS
    assert bound_ns == 2 * MS
    assert take(line_clock(latency_error_ms=None), 0, SECOND)[1] is None


def test_lines_of_different_length_are_timed_alike():
    """What stood on the wire longer arrived later by as much."""
    clock = line_clock(byte_ns=BYTE_NS)
    starts = []
    for number, wire_bytes in enumerate((12, 30, 12, 24)):
        arrival_ns = SECOND + number * PERIOD_NS + round(wire_bytes * BYTE_NS)
        starts.append(take(clock, number, arrival_ns, wire_bytes=wire_bytes)[0] - number * PERIOD_NS)
    assert len(set(starts)) == 1


@given(
    source=st.sampled_from([{"rate_error_ppm": 300.0}, {"device_clock_error_ms": 1.0}]),
    ppm=st.floats(-190, 190),
    jitters=st.lists(st.integers(0, 45 * MS), min_size=130, max_size=200),
    latency_error=st.integers(-2 * MS, 2 * MS),
    lost=st.sets(st.integers(30, 190), max_size=3),
)
def test_samples_are_within_their_bound_whatever_the_jitter_and_the_losses(source, ppm, jitters, latency_error, lost):
    """One arrival in ten is as quick as measured, clocks drift, lines vanish: a stated bound holds."""
    clock, number, known = line_clock(**source), 0, 0
    for count, jitter in enumerate(jitters):
        truth_ns = 5 * SECOND + round(count * PERIOD_NS * (1 + ppm * 1e-6))
        arrival_ns = truth_ns + 30 * MS + latency_error + (0 if count % 10 == 5 else jitter)
        if count in lost:
            continue
        # Stamps are cut to whole milliseconds, as an instrument would print them.
        time_ns, bound_ns = take(clock, number, arrival_ns, stamp_ns=count * PERIOD_NS // MS * MS)
        number += 1
        if bound_ns is not None:
            known += 1
            assert abs(time_ns - truth_ns) <= bound_ns
    if not lost:
        assert known >= len(jitters) - 101


def test_a_lost_line_withholds_the_time_of_samples_that_are_counted():
    """The count is one short from then on; two seconds later the new count is known."""
    clock = line_clock(rate_error_ppm=100.0)
    bounds = []
    for number in range(80):
        count = number + (number >= 30)
        bounds.append(take(clock, number, SECOND + count * PERIOD_NS + 30 * MS)[1])
    assert [number for number, bound in enumerate(bounds) if bound is None] == [*range(20), *range(30, 50)]


@pytest.mark.parametrize(("latency_error_ms", "is_known"), [(24.0, True), (25.0, False)])
def test_counting_needs_a_latency_known_to_a_quarter_of_a_period(latency_error_ms, is_known):
    """With more, a lost line would look like a slow one."""
    clock = line_clock(rate_error_ppm=100.0, latency_error_ms=latency_error_ms)
    for number in range(30):
        bound_ns = take(clock, number, SECOND + number * PERIOD_NS + 30 * MS)[1]
    assert (bound_ns is not None) == is_known


def test_a_line_without_its_stamp_has_no_bound():
    """The instrument is timed by its stamps, and this line has none."""
    assert take(line_clock(device_clock_error_ms=1.0), 0, SECOND) == (SECOND - 30 * MS, None)
