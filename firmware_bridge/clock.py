"""
The one file that reads a clock. Everything else is told the time.
"""

import time

from firmware_bridge.records import MonoNs


def now_ns() -> MonoNs:
    """The host's monotonic clock (CLOCK_MONOTONIC): the same for every process since the host was started."""
    return MonoNs(time.monotonic_ns())
