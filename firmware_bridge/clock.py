"""
The one file that reads a clock. Everything else is told the time.
"""

import time

from firmware_bridge.records import MonoNs, UtcNs


def now_ns() -> MonoNs:
    """The host's monotonic clock (CLOCK_MONOTONIC): the same for every process since the host was started."""
    return MonoNs(time.monotonic_ns())


def utc_now_ns() -> UtcNs:
    """
    The host's wall clock, as wrong as it may be: on a computer without a clock chip by years, and it may jump.

    Nothing that is decided or recorded stands on it; the timestamps of signed MAVLink frames do.
    """
    return UtcNs(time.time_ns())
