"""
A source's own clock against the monotonic one, by the lower envelope of its arrivals.

Nothing arrives before it happened, so the smallest arrival - stamp of the last seconds belongs to the arrival that
waited least. Everything here rests on one assumption, which `docs/SAFETY.md` names: within any window one arrival is as
quick as the latency that was measured, within its stated error.
"""

import math
from collections import deque
from typing import Literal

from controller.core.site import Head, LinkTiming
from firmware_bridge.records import IntArray, MonoNs

MS = 1_000_000
SECOND = 1_000_000_000

DRIFT_PPM_MAX = 200  # between two clocks: twice the tolerance of an ordinary +-100 ppm crystal
SUPPORTS_MIN = 10  # a few arrivals side by side may all be of one stall
SUPPORT_AGE_NS_MAX = 3 * SECOND  # three epochs of the slowest receivers
WINDOW_NS = 10 * SECOND
RATE_WINDOW_NS = 2 * SECOND  # a nominal rate is a worse clock than a crystal: look back less far


class ArrivalEnvelope:
    """
    The smallest arrival - stamp within a window.

    A stamp that goes back by more than `support_ns`, or an arrival later than `step_ns` above the envelope, is another
    clock than before and starts anew; nothing is known until the window is full. An arrival within `support_ns` above
    the envelope supports it; without enough support, and recent, nothing is known either. So a single stamp from the
    future withholds the time until it has left the window.

    drift_ppm : bound on the difference of the two clocks' rates
    """

    def __init__(self, *, window_ns: int, drift_ppm: float, support_ns: int, step_ns: int) -> None:
        self._window_ns = window_ns
        self._support_ns = support_ns
        self._step_ns = step_ns
        self._drift_ns = math.ceil(window_ns * drift_ppm * 1e-6)
        self._recent: deque[tuple[int, int]] = deque()  # offsets rise from left to right: a monotonic queue
        self._last = (0, 0)
        self._since_ns = 0
        self._supports = 0
        self._supported_ns = 0

    def add(self, stamp_ns: int, arrival_ns: MonoNs) -> None:
        """A stamp arrived."""
        offset = arrival_ns - stamp_ns
        if self._recent and (
            stamp_ns < self._last[0] - self._support_ns or offset - self._recent[0][1] > self._step_ns
        ):
            self.clear()
        if not self._recent:
            self._since_ns = arrival_ns
        self._last = (stamp_ns, arrival_ns)
        if self._recent and self._recent[0][1] - offset > self._support_ns:
            self._supports = 0  # nothing before was near the envelope as it is known now
        while self._recent and self._recent[-1][1] >= offset:
            self._recent.pop()
        self._recent.append((arrival_ns, offset))
        while self._recent[0][0] < arrival_ns - self._window_ns:
            self._recent.popleft()
        if offset - self._recent[0][1] <= self._support_ns:
            self._supports += 1
            self._supported_ns = arrival_ns

    def clear(self) -> None:
        """Forget everything: another clock."""
        self._recent.clear()
        self._supports = 0

    @property
    def offset_ns(self) -> int | None:
        """Smallest arrival - stamp; None before any."""
        return self._recent[0][1] if self._recent else None

    @property
    def error_ns(self) -> int | None:
        """Bound on what the clocks' drift may have changed since the smallest; None while it is not well supported."""
        is_full = self._last[1] - self._since_ns >= self._window_ns
        is_recent = self._last[1] - self._supported_ns <= SUPPORT_AGE_NS_MAX
        return self._drift_ns if is_full and is_recent and self._supports >= SUPPORTS_MIN else None


class LineClock:
    """
    Times of a plain-text instrument's samples: by its own stamps, by its stated rate, or arrival by arrival.

    Of an arrival, the time that the line took on the wire is taken off first: lines differ in length. What is left of
    the latency was measured.
    """

    def __init__(self, head: Head, timing: LinkTiming) -> None:
        self._timing = timing
        self._period_ns = 0.0 if head.rate_hz is None else SECOND / head.rate_hz
        self._stamp_error_ns = 0
        self._source: Literal["stamps", "rate", "arrivals"] = "arrivals"
        self._envelope: ArrivalEnvelope | None = None
        if head.device_clock_error_ms is not None:
            self._source = "stamps"
            self._stamp_error_ns = math.ceil(head.device_clock_error_ms * MS)
            self._envelope = ArrivalEnvelope(
                window_ns=WINDOW_NS, drift_ppm=DRIFT_PPM_MAX, support_ns=100 * MS, step_ns=5 * SECOND
            )
        elif head.rate_error_ppm is not None and head.rate_hz is not None:
            self._source = "rate"
            # Half a period late may be a line that was lost: the count then no longer tells the time.
            half_ns = round(self._period_ns / 2)
            self._envelope = ArrivalEnvelope(
                window_ns=RATE_WINDOW_NS, drift_ppm=head.rate_error_ppm, support_ns=half_ns, step_ns=half_ns
            )

    def times(
        self, sequence: IntArray, device_time_ns: IntArray | None, wire_bytes: int, arrival_ns: MonoNs
    ) -> tuple[list[int], int | None]:
        """
        Monotonic instants of a block's samples and the bound on their error, None where unknown.

        sequence, device_time_ns : int64 (n,) each; all n samples ended with the same arrival
        """
        end_ns = MonoNs(arrival_ns - round(wire_bytes * self._timing.byte_ns))
        latency_ns = round((self._timing.latency_ms or 0.0) * MS)
        stated = self._timing.latency_error_ms
        error_ns = None if stated is None else math.ceil(stated * MS)
        stamps = self._stamps(sequence, device_time_ns)
        if self._envelope is None or stamps is None:
            is_bounded = self._envelope is None
            return [end_ns - latency_ns] * len(sequence), error_ns if is_bounded else None
        for stamp in stamps:
            self._envelope.add(stamp, end_ns)
        offset_ns, drift_ns = self._envelope.offset_ns, self._envelope.error_ns
        assert offset_ns is not None, "a stamp was just added"
        times = [stamp + offset_ns - latency_ns for stamp in stamps]
        if error_ns is None or drift_ns is None:
            return times, None
        # A lost line shows as a whole period late, less twice what the envelope itself may be off.
        if self._source == "rate" and 2 * error_ns + drift_ns >= self._period_ns / 2:
            return times, None
        return times, error_ns + drift_ns + self._stamp_error_ns

    def _stamps(self, sequence: IntArray, device_time_ns: IntArray | None) -> list[int] | None:
        if self._source == "stamps":
            return None if device_time_ns is None else device_time_ns.tolist()
        return [round(number * self._period_ns) for number in sequence.tolist()]
