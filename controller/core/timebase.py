"""
From device clocks and epochs to the monotonic clock, each with a bound on its error.

A head's clock is fitted over time queries; GNSS epochs and autopilot boot times over the lower envelope of their
arrivals less a measured latency. A constant latency cannot be seen from arrivals: its bound is configured, or pulses
show it, or the time is unsynchronised and earns no credit.
"""

import enum
import math
import operator
from collections import deque

from controller.core.envelope import DRIFT_PPM_MAX, WINDOW_NS, ArrivalEnvelope
from controller.core.site import LinkTiming
from firmware_bridge.records import MonoNs

MS = 1_000_000
SECOND = 1_000_000_000
DAY = 86_400 * SECOND

QUERIES_KEPT = 64  # at one query a second: the last minute
QUERIES_MIN = 4
REPLY_AGE_NS_MAX = 10 * SECOND
REPLY_NS_MAX = 250 * MS  # from query to reply; a stalled line's replies would bend the fit for a minute
ROUNDING_NS = 4  # of middles, halves and device ticks to whole nanoseconds
# Of an arrival over the quickest of the last ten seconds: what lasts may be a clock that was stepped, and no delay.
LATE_NS_MAX = 500 * MS
EPOCH_STEP_NS_MAX = 5 * SECOND  # a larger change of offset is a stepped device clock, not a slow arrival
PULSES_MIN = 3
PULSE_AGE_NS_MAX = 10 * SECOND
PULSE_LEAD_NS = 950 * MS  # a pulse's own second is at most this much ahead of what arrivals tell of the time


class ClockReply(enum.Enum):
    """What a reply to a time query was good for."""

    TAKEN = "taken"
    UNASKED = "unasked"  # no query with this token is waiting
    LATE = "late"  # it took so long that it says nothing of the clock
    RESTARTED = "restarted"  # the device clock went backwards or leapt: the head was switched off, or is another one


class DeviceClock:
    """
    A head's clock against the monotonic one, from queries sent at t1, answered at device time d, received at t3.

    d happened between t1 and t3, whatever the latency; a line through the middles is fitted by least squares. Its
    error is bounded by |residual| + (t3 - t1) / 2 at every reply, and between two replies, both clocks being linear,
    by the larger of theirs: the best reply of the older half and that of the newer half are taken.
    """

    def __init__(self) -> None:
        self._sent: dict[int, MonoNs] = {}
        self._points: deque[tuple[int, int, int]] = deque(maxlen=QUERIES_KEPT)
        self._origin = (0, 0)
        self._slope = 0.0
        self._offset = 0.0
        self._residual_ns = 0
        self._anchors = ((0, 0), (0, 0))

    @property
    def replies(self) -> int:
        """Replies the present fit stands on."""
        return len(self._points)

    @property
    def residual_ns(self) -> int | None:
        """Largest distance of a kept reply from the fitted line; None before there are enough."""
        return self._residual_ns if len(self._points) >= QUERIES_MIN else None

    @property
    def drift_ppm(self) -> float | None:
        """How much faster the monotonic clock runs, as fitted; None before there are enough replies."""
        return self._slope * 1e6 if len(self._points) >= QUERIES_MIN else None

    def sent(self, token: int, now_ns: MonoNs) -> None:
        """A query went out. Only the last few are waited for."""
        self._sent[token] = now_ns
        while len(self._sent) > 8:
            del self._sent[next(iter(self._sent))]

    def replied(self, token: int, device_ns: int, arrival_ns: MonoNs) -> ClockReply:
        """A reply came in; a device clock that went backwards or leapt began again, and so does the fit."""
        sent = self._sent.pop(token, None)
        if sent is None or arrival_ns < sent:
            return ClockReply.UNASKED
        if self._points and self._has_leapt(device_ns, sent, arrival_ns):
            self.reset()
            return ClockReply.RESTARTED
        if arrival_ns - sent > REPLY_NS_MAX:
            return ClockReply.LATE
        self._points.append((device_ns, (sent + arrival_ns) // 2, (arrival_ns - sent) // 2))
        self._fit()
        return ClockReply.TAKEN

    def reset(self) -> None:
        """Forget everything: another device, or its clock began again."""
        self._points.clear()
        self._sent.clear()

    def to_mono(self, device_ns: int) -> MonoNs:
        """The monotonic instant of a device time; only after enough replies (`error_ns` is not None)."""
        since = device_ns - self._origin[0]
        return MonoNs(self._origin[1] + since + round(self._slope * since + self._offset))

    def error_ns(self, device_ns: int) -> int | None:
        """Bound on the error of `to_mono`; None while there are too few replies or the last is too old."""
        if len(self._points) < QUERIES_MIN:
            return None
        if abs(device_ns - self._points[-1][0]) > REPLY_AGE_NS_MAX:
            return None
        (early, early_bound), (late, late_bound) = self._anchors
        outside = max(early - device_ns, device_ns - late, 0)
        growth = min((early_bound + late_bound) / (late - early), 2 * DRIFT_PPM_MAX * 1e-6)
        return max(early_bound, late_bound) + round(outside * growth) + ROUNDING_NS

    def _has_leapt(self, device_ns: int, sent: MonoNs, arrival_ns: MonoNs) -> bool:
        """Whether no two clocks as steady as is assumed can have shown both this reply and the last one."""
        device, middle, half = self._points[-1]
        passed = device_ns - device
        drift = math.ceil(abs(passed) * DRIFT_PPM_MAX * 1e-6)
        shortest, longest = sent - (middle + half + 1), arrival_ns - (middle - half - 1)
        return passed <= 0 or passed + drift < shortest or passed - drift > longest

    def _fit(self) -> None:
        """Least squares of (middle - device) over device time; pure Python keeps the order of additions fixed."""
        device0, middle0, _ = self._points[0]
        self._origin = (device0, middle0)
        xs = [float(device - device0) for device, _, _ in self._points]
        ys = [float((middle - middle0) - (device - device0)) for device, middle, _ in self._points]
        count = len(xs)
        mean_x, mean_y = sum(xs) / count, sum(ys) / count
        spread = sum((x - mean_x) ** 2 for x in xs)
        # Under five seconds the round trip's jitter would pass for drift: assume none.
        is_long = xs[-1] - xs[0] >= 5 * SECOND
        slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread if is_long else 0.0
        self._slope = min(max(slope, -DRIFT_PPM_MAX * 1e-6), DRIFT_PPM_MAX * 1e-6)
        self._offset = mean_y - self._slope * mean_x
        residuals = [round(abs(y - self._slope * x - self._offset)) for x, y in zip(xs, ys, strict=True)]
        self._residual_ns = max(residuals)
        bounds = [
            (device, residual + half) for (device, _, half), residual in zip(self._points, residuals, strict=True)
        ]
        middle = (count + 1) // 2
        if count >= QUERIES_MIN:
            early = min(bounds[:middle], key=operator.itemgetter(1))
            newest = bounds[-1][0]

            def bound_now(entry: tuple[int, int]) -> float:
                """What an entry's bound grows to by the newest reply."""
                return entry[1] + (newest - entry[0]) * (early[1] + entry[1]) / (entry[0] - early[0])

            self._anchors = (early, min(bounds[middle:], key=bound_now))


class EpochClock:
    """
    Epochs (UTC or time since boot, in nanoseconds) against the monotonic clock.

    By the lower envelope of arrivals less the measured latency; or, where the receiver's time pulse is wired to a head,
    by the pulses, which no latency delays. With `timebase = utc` the recording's stamps are UTC already, and an epoch
    maps by itself.
    """

    def __init__(self, timing: LinkTiming, utc_at_mono_zero_ns: int | None) -> None:
        assert timing.timebase == "host" or utc_at_mono_zero_ns is not None
        self._timing = timing
        self._utc_zero = utc_at_mono_zero_ns
        self._envelope = ArrivalEnvelope(
            window_ns=WINDOW_NS, drift_ppm=DRIFT_PPM_MAX, support_ns=100 * MS, step_ns=EPOCH_STEP_NS_MAX
        )
        self._pulses: deque[tuple[int, int, int]] = deque(maxlen=PULSES_MIN)
        self._last_ns = MonoNs(0)

    def add(self, epoch_ns: int, arrival_ns: MonoNs) -> None:
        """An epoch arrived."""
        self._envelope.add(epoch_ns, arrival_ns)
        self._last_ns = arrival_ns

    def add_pulse(self, mono_ns: MonoNs, error_ns: int) -> bool:
        """
        A pulse marked a whole second of the epochs' clock; `error_ns` bounds the error of its instant.

        False where it does not follow the pulse before it by whole seconds: the series begins anew with it. Which
        second it was follows from the arrivals, whose latency is taken to be below 0.95 s.
        """
        offset_ns = self._envelope.offset_ns
        if offset_ns is None or self._timing.timebase == "utc":
            return True
        second_ns = (mono_ns - offset_ns + PULSE_LEAD_NS) // SECOND * SECOND
        pulse = (mono_ns, mono_ns - second_ns, error_ns)
        follows = True
        if self._pulses:
            before_ns, before, before_error_ns = self._pulses[-1]
            slack_ns = before_error_ns + error_ns + _drift_ns(mono_ns - before_ns)
            follows = mono_ns > before_ns and abs(pulse[1] - before) <= slack_ns
            if not follows:
                self._pulses.clear()
        self._pulses.append(pulse)
        return follows

    def is_late(self, epoch_ns: int, arrival_ns: MonoNs) -> bool:
        """
        Whether an epoch, once added, arrived so late that its delay cannot be told from a step of its clock.

        The one maps to the right instant, the other to one that is seconds wrong; after ten seconds the envelope has
        followed a step. Never of a recording that has UTC stamps.
        """
        if self._timing.timebase == "utc":
            return False
        offset_ns = self._envelope.offset_ns
        assert offset_ns is not None, "it was added"
        return arrival_ns - epoch_ns - offset_ns > LATE_NS_MAX

    def to_mono(self, epoch_ns: int) -> MonoNs:
        """The monotonic instant of an epoch."""
        return MonoNs(epoch_ns + self._offset_ns())

    def to_epoch(self, mono_ns: MonoNs) -> int:
        """Inverse of `to_mono`."""
        return mono_ns - self._offset_ns()

    @property
    def has_offset(self) -> bool:
        """Whether anything maps yet."""
        is_utc = self._utc_zero is not None and self._timing.timebase == "utc"
        return is_utc or self._envelope.offset_ns is not None

    @property
    def error_ns(self) -> int | None:
        """
        Bound on the error of `to_mono`; None while unsettled, where the latency is neither measured nor shown by
        pulses, and where pulses contradict the latency that was measured.
        """
        stated = self._timing.latency_error_ms
        if self._timing.timebase == "utc":
            return None if stated is None else round(stated * MS)
        drift_ns, pulse = self._envelope.error_ns, self._pulse()
        if drift_ns is None:
            return None
        by_arrivals = None if stated is None else round(stated * MS) + drift_ns
        if pulse is None:
            return by_arrivals
        by_pulses = pulse[2] + _drift_ns(self._last_ns - pulse[0])
        if by_arrivals is not None and abs(pulse[1] - self._by_arrivals()) > by_arrivals + by_pulses:
            return None
        return by_pulses

    @property
    def latency_ns(self) -> int | None:
        """Latency of the quickest arrival of late, as pulses show it; None without them."""
        pulse, offset_ns = self._pulse(), self._envelope.offset_ns
        return None if pulse is None or offset_ns is None else offset_ns - pulse[1]

    def nearest_day(self, time_of_day_ns: int, arrival_ns: MonoNs) -> int:
        """A time of day as an epoch: on the day that brings it nearest to the arrival's UTC, or to the last epoch."""
        reference = arrival_ns - self._offset_ns() if self.has_offset else time_of_day_ns
        days = (reference - time_of_day_ns + DAY // 2) // DAY
        return time_of_day_ns + days * DAY

    def _offset_ns(self) -> int:
        if self._timing.timebase == "utc":
            assert self._utc_zero is not None
            return -self._utc_zero
        pulse = self._pulse()
        return self._by_arrivals() if pulse is None else pulse[1]

    def _by_arrivals(self) -> int:
        offset_ns = self._envelope.offset_ns
        assert offset_ns is not None, "nothing maps before the first epoch"
        return offset_ns - round((self._timing.latency_ms or 0.0) * MS)

    def _pulse(self) -> tuple[int, int, int] | None:
        """
        (mono, mono - epoch, error bound) of the last pulse of a series that is long and recent enough.

        None where the arrivals have moved since it was given its second: the epochs' clock was stepped, or they had
        been wrong then.
        """
        offset_ns = self._envelope.offset_ns
        if offset_ns is None or len(self._pulses) < PULSES_MIN:
            return None
        pulse = self._pulses[-1]
        is_borne_out = PULSE_LEAD_NS - SECOND <= offset_ns - pulse[1] <= PULSE_LEAD_NS
        return pulse if is_borne_out and self._last_ns - pulse[0] <= PULSE_AGE_NS_MAX else None


def _drift_ns(elapsed_ns: int) -> int:
    """How far two clocks may drift apart within a time, either way."""
    return math.ceil(abs(elapsed_ns) * DRIFT_PPM_MAX * 1e-6)
