"""Ticks that do not drift, and how late they were taken."""

import select

from controller.daemon.timer import Ticker
from firmware_bridge.clock import now_ns

PERIOD_NS = 10_000_000


def test_ticks_come_at_their_times_and_none_before():
    """Ten of them take ten periods, whatever each wake-up costs."""
    begun = now_ns()
    ticker = Ticker(begun + PERIOD_NS, PERIOD_NS)
    for count in range(1, 11):
        assert select.select([ticker.fileno()], [], [], 2.0)[0]
        taken = now_ns()
        assert taken >= begun + count * PERIOD_NS
        ticker.lateness_ns(taken)
    ticker.close()


def test_lateness_is_that_of_the_oldest_tick_nobody_took():
    """A loop that was held up for 35 ms is 35 ms late once, and on time again after."""
    ticker = Ticker(now_ns() + 3_600 * 1_000_000_000, PERIOD_NS)
    due = ticker._due_ns
    assert ticker.lateness_ns(due - 1) == 0
    assert ticker.lateness_ns(due + 35_000_000) == 35_000_000
    assert ticker.lateness_ns(due + 36_000_000) == 0
    assert ticker.lateness_ns(due + 4 * PERIOD_NS) == 0, "due this very moment"
    assert ticker.lateness_ns(due + 5 * PERIOD_NS + 7) == 7
    ticker.close()
