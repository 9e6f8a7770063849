"""
The instant alarm's arithmetic: per channel, on samples alone.

Baseline is a running median that holds while a channel is in signal; noise is the median absolute deviation about it.
The threshold in force is min(site threshold, max(k * sigma, floor)): adaptivity may only make it more sensitive.
All operations are comparisons, medians and single products, so the result is the same on every machine; state moves
by the sample count, so it does not depend on how samples were grouped into blocks.

A channel without a reading in a sample (NaN) is neither above nor below: its runs stand still, its reading is learned
as ground when the next one comes, and the sample is a fault for it, so it earns nothing. Instruments that read their
coils in turn therefore alarm at the n-th reading above. This can only add to what alarms: runs above grow at least as
far, runs of quiet at most as far, as if a missing reading were a quiet one. A channel that stays without a reading has
left the signal all the same, or it would keep the alarms of its neighbours from being told apart.
"""

import math

import msgspec
import numpy as np

from controller.core.reasons import Reason
from controller.core.site import Head, Profile
from firmware_bridge.records import BoolArray, FloatArray, IntArray, StatusBit

RING = 128  # readings the running median stands on: 8 % standard error of sigma, 40 us to sort 16 channels
RING_MIN = 16  # below this no baseline is given
UPDATE_S = 0.1  # how often baseline and noise are taken anew
RECOVERY_S = 0.5  # after saturation, until credit
MISSING_S = 0.5  # a channel without a reading for longer is in no signal; and at least two turns of all channels
# Readings that repeat each other exactly. Of noise as small as one step of the instrument so many in a row come once in
# a million; nothing that depends on a channel being alive is decided before it has shown another reading.
STUCK_SAMPLES = 12
MAD_TO_SIGMA = 1.4826  # for a Gaussian: 1 / Phi^-1(3/4)

_UNTRUSTED = int(StatusBit.FAULT | StatusBit.TRANSMITTER_OFF | StatusBit.SELF_TEST)


class Thresholds(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Per channel, from a calibration: float64 (channels,) each, in the channel's unit."""

    site: FloatArray
    reference_min: FloatArray


class SignalEdge(msgspec.Struct, frozen=True, kw_only=True):
    """
    A signal began or ended at sample `row` of the block.

    channels   : those above their threshold (began), or that were at any time (ended)
    value      : signal of the strongest channel so far; `channel` is that one, `peak_index` its sample's count
    """

    is_begin: bool
    row: int
    channels: tuple[int, ...]
    channel: int
    value: float | None
    threshold: float
    peak_index: int
    samples: int


class Detected(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    reasons : int64 (n, channels), sets of `Reason`     signal : float64 (n, channels), NaN without baseline
    stuck   : channels that were found stuck just now, each with the count of its first repeated sample
    """

    edges: tuple[SignalEdge, ...]
    reasons: IntArray
    signal: FloatArray
    stuck: tuple[tuple[int, int], ...] = ()


class Detector:
    """Detection state of one head with a fixed set of channels."""

    def __init__(self, head: Head, profile: Profile, channels: int, rate_hz: float, first_index: int = 0) -> None:
        self._head = head
        self._profile = profile
        self._stride = max(1, round(rate_hz * profile.baseline_s / RING))
        self._period = max(self._stride, round(rate_hz * UPDATE_S))
        self._settle = round(profile.settle_s * rate_hz)
        self._hold_max = round(profile.hold_s_max * rate_hz)
        self._recovery = round(RECOVERY_S * rate_hz)
        self._missing_max = max(round(MISSING_S * rate_hz), 2 * channels)
        self._ring = np.full((RING, channels), np.nan)
        self._ring_count = np.zeros(channels, dtype=np.int64)
        self._baseline = np.full(channels, np.nan)
        self.sigma = np.full(channels, np.nan)
        self._thresholds: Thresholds | None = None
        self.threshold = np.full(channels, head.alarm_floor)
        self._standing = self._standing_reasons()
        self._is_calm = True
        self._settle_left = np.full(channels, self._settle, dtype=np.int64)
        self._recover_left = np.zeros(channels, dtype=np.int64)
        self._is_due = np.zeros(channels, dtype=np.bool_)
        self._above_run = np.zeros(channels, dtype=np.int64)
        self._missing_run = np.zeros(channels, dtype=np.int64)
        self._quiet_run = np.zeros(channels, dtype=np.int64)
        self._held = np.zeros(channels, dtype=np.int64)
        self._active = np.zeros(channels, dtype=np.bool_)
        self._ever_active = np.zeros(channels, dtype=np.bool_)
        self._peak = (0, -math.inf, 0)
        self._peak_value = math.nan
        self._begun_index = 0
        self._index = first_index
        self._last_value = np.full(channels, np.nan)
        self._repeats = np.zeros(channels, dtype=np.int64)
        self._is_moving = True
        self._has_missing = False

    @property
    def index(self) -> int:
        """Samples seen so far: the count of the next one."""
        return self._index

    @property
    def is_in_signal(self) -> bool:
        """Whether any channel is in signal."""
        return bool(self._active.any())

    @property
    def unproven(self) -> int:
        """How many of the last samples may be those of a channel that is stuck; none as a rule."""
        if self._is_moving:
            return 0
        return int(self._repeats[self._repeats < STUCK_SAMPLES].max(initial=0))

    @property
    def peak(self) -> tuple[int, int]:
        """Channel and count of the strongest sample of the signal that is, or was last, present."""
        return self._peak[0], self._peak[2]

    def cut(self) -> SignalEdge | None:
        """The end of a signal that is cut off because no further sample will come; None without a signal."""
        if not self._ever_active.any():
            return None
        edge = self._edge_record(is_begin=False, row=0)
        self._ever_active[:] = False
        return edge

    def calibrate(self, thresholds: Thresholds) -> None:
        """Use these site thresholds from the next sample on."""
        self._thresholds = thresholds
        self._update_threshold()

    def detect(self, values: FloatArray, status: IntArray) -> Detected:
        """Take the next samples: values float64 (n, channels), NaN where there is no reading; status int64 (n,)."""
        reasons = np.zeros(values.shape, dtype=np.int64)
        signal = np.full(values.shape, np.nan)
        edges: list[SignalEdge] = []
        row = 0
        while row < len(values):
            count = min(len(values) - row, self._period - self._index % self._period)
            rows = slice(row, row + count)
            self._run(values[rows], status[rows], reasons[rows], signal[rows], edges, row)
            row += count
            if self._index % self._period == 0:
                self._update_baseline()
        stuck = self._find_stuck(values, status, reasons)
        return Detected(edges=tuple(edges), reasons=reasons, signal=signal, stuck=stuck)

    def _find_stuck(self, values: FloatArray, status: IntArray, reasons: IntArray) -> tuple[tuple[int, int], ...]:
        """
        Channels found stuck in these samples, which get their reason from there on.

        A missing reading says nothing; one that is clipped repeats itself because it is clipped.
        """
        both = np.concatenate((self._last_value[None], values))
        if self._is_moving and not self._has_missing and not (both[1:] == both[:-1]).any():
            self._last_value = values[-1]
            return ()
        stuck = []
        is_saturated = self._saturated(values, status)
        for row, reading in enumerate(values):
            is_there = ~np.isnan(reading)
            is_same = reading == self._last_value
            if is_saturated is not None:
                is_same &= ~is_saturated[row]
            self._repeats = np.where(is_same, self._repeats + 1, np.where(is_there, 0, self._repeats))
            self._last_value = np.where(is_there, reading, self._last_value)
            reasons[row] |= np.where(self._repeats >= STUCK_SAMPLES, Reason.HEAD_FAULT.bit, 0)
            for channel in np.flatnonzero(is_same & (self._repeats == STUCK_SAMPLES)).tolist():
                stuck.append((channel, self._index - len(values) + row - STUCK_SAMPLES + 1))
        self._is_moving = not self._repeats.any()
        return tuple(stuck)

    def _run(
        self,
        values: FloatArray,
        status: IntArray,
        reasons: IntArray,
        signal: FloatArray,
        edges: list[SignalEdge],
        first_row: int,
    ) -> None:
        """Samples under one baseline. Quiet ones go at once, others one by one."""
        deviation = values - self._baseline
        signal[:] = deviation if self._head.is_signed else np.abs(deviation)
        is_missing = np.isnan(values)
        is_saturated = self._saturated(values, status)
        is_above = signal >= self.threshold
        reasons |= self._standing
        has_missing = bool(is_missing.any())
        self._has_missing |= has_missing
        if has_missing or status.any():
            reasons |= np.where(is_missing | (status & _UNTRUSTED != 0)[:, None], Reason.HEAD_FAULT.bit, 0)
        if is_saturated is None:
            is_saturated = np.zeros(values.shape, dtype=np.bool_)
        else:
            is_above |= is_saturated
            reasons |= np.where(is_saturated, Reason.SATURATED.bit, 0)
        if self._is_calm and not is_above.any():
            self._run_quiet(values, reasons)
            return
        for row in range(len(values)):
            self._sample(values[row], signal[row], is_above[row], is_saturated[row], reasons[row])
            self._edge(signal[row], first_row + row, edges)
            self._index += 1
        self._is_calm = self._is_quiet()

    def _is_quiet(self) -> bool:
        return not (self._active.any() or self._recover_left.any() or self._above_run.any() or self._held.any())

    def _run_quiet(self, values: FloatArray, reasons: IntArray) -> None:
        count = len(values)
        self._mark_countdown(self._settle_left, reasons, Reason.BASELINE_UNSETTLED)
        first = -self._index % self._stride
        # A due channel that is missing is looked for in every row; else one row a stride is enough.
        has_missing = self._is_due.any() or (first < count and np.isnan(values[first :: self._stride]).any())
        for row in range(0 if has_missing else first, count, 1 if has_missing else self._stride):
            self._remember(values[row], self._index + row)
        self._index += count

    def _sample(
        self,
        values: FloatArray,
        signal: FloatArray,
        is_above: BoolArray,
        is_saturated: BoolArray,
        reasons: IntArray,
    ) -> None:
        self._recover_left[is_saturated] = self._recovery + 1
        self._mark_countdown(self._settle_left, reasons[None, :], Reason.BASELINE_UNSETTLED)
        self._mark_countdown(self._recover_left, reasons[None, :], Reason.RECOVERING)
        is_missing = np.isnan(values) & ~is_above
        self._missing_run = np.where(is_missing, self._missing_run + 1, 0)
        is_missing &= self._missing_run <= self._missing_max
        self._above_run = np.where(is_missing, self._above_run, np.where(is_above, self._above_run + 1, 0))
        is_quiet = ~is_above & ~(signal > self._profile.release_share * self.threshold)
        self._quiet_run = np.where(is_missing, self._quiet_run, np.where(is_quiet, self._quiet_run + 1, 0))
        self._active |= self._above_run >= self._profile.alarm_samples
        self._active &= self._quiet_run < self._profile.alarm_samples
        # A signal still under way when its sample count is short must not be learned as ground either.
        self._held = np.where(self._active | is_above, self._held + 1, 0)
        for channel in np.nonzero(self._held > self._hold_max)[0].tolist():
            self._restart_baseline(channel)
        reasons |= np.where(self._settle_left > 0, Reason.BASELINE_UNSETTLED.bit, 0)
        # One alarm may hide a second item beside the first: what a quiet channel did not see stays without credit.
        reasons |= np.where(self._active | is_above, Reason.SIGNAL_PRESENT.bit, 0)
        self._remember(values, self._index, (self._held != 0) | is_saturated)

    def _edge(self, signal: FloatArray, row: int, edges: list[SignalEdge]) -> None:
        """Report when the first channel enters, or the last leaves, the signal."""
        was_active = bool(self._ever_active.any())
        if not self._active.any() and not was_active:
            return
        if not was_active:
            self._peak = (0, -math.inf, self._index)
            self._begun_index = self._index
        self._ever_active |= self._active
        strength = np.where(np.isnan(signal), -math.inf, signal / self.threshold)
        channel = int(np.argmax(strength))
        if strength[channel] > self._peak[1]:
            self._peak = (channel, float(strength[channel]), self._index)
            self._peak_value = float(signal[channel])
        if not was_active or not self._active.any():
            edges.append(self._edge_record(is_begin=not was_active, row=row))
        if not self._active.any():
            self._ever_active[:] = False

    def _edge_record(self, *, is_begin: bool, row: int) -> SignalEdge:
        channel, strength, peak_index = self._peak
        # A saturated channel that never had a baseline is in signal without a number to show for it.
        value = self._peak_value if strength > -math.inf else None
        return SignalEdge(
            is_begin=is_begin,
            row=row,
            channels=tuple(np.nonzero(self._ever_active)[0].tolist()),
            channel=channel,
            value=value,
            threshold=float(self.threshold[channel]),
            peak_index=peak_index,
            samples=self._index - self._begun_index + 1,
        )

    def _mark_countdown(self, left: IntArray, reasons: IntArray, reason: Reason) -> None:
        """Give `reason` to the samples that fall within each channel's countdown, and count them down."""
        if left.any():
            steps = np.arange(len(reasons), dtype=np.int64)[:, None]
            reasons |= np.where(steps < left[None, :], reason.bit, 0)
            np.maximum(left - len(reasons), 0, out=left)

    def _standing_reasons(self) -> IntArray:
        """What holds for every sample until baseline and noise are taken anew."""
        is_unknown = np.isnan(self.sigma)
        reasons = np.where(is_unknown, Reason.NOISE_UNKNOWN.bit, 0)
        # Real electronics always move: a channel without any noise is stuck.
        reasons |= np.where(self.sigma == 0.0, Reason.HEAD_FAULT.bit, 0)
        if self._thresholds is not None:
            margin = self._thresholds.reference_min - self._thresholds.site
            reasons |= np.where(margin < self._profile.k_noise * self.sigma, Reason.NOISE_HIGH.bit, 0)
        return reasons.astype(np.int64)

    def _saturated(self, values: FloatArray, status: IntArray) -> BoolArray | None:
        """By the head's own word for its strongest channel, or by the configured level; None where neither says so."""
        told = (status & StatusBit.SATURATED != 0).nonzero()[0]
        if not len(told) and self._head.saturation_level is None:
            return None
        saturated = np.zeros(values.shape, dtype=np.bool_)
        if len(told):
            magnitude = np.where(np.isnan(values[told]), -1.0, np.abs(values[told]))
            saturated[told] = magnitude == magnitude.max(axis=1)[:, None]
        if self._head.saturation_level is not None:
            saturated |= np.abs(values) >= self._head.saturation_level
        return saturated

    def _remember(self, values: FloatArray, index: int, is_barred: BoolArray | None = None) -> None:
        """Once a stride each channel's reading, or its next one where it has none, is learned unless it is barred."""
        if index % self._stride == 0:
            self._is_due[:] = True
        elif not self._is_due.any():
            return
        is_there = self._is_due & ~np.isnan(values)
        self._is_due &= ~is_there
        channels = np.nonzero(is_there if is_barred is None else is_there & ~is_barred)[0]
        self._ring[self._ring_count[channels] % RING, channels] = values[channels]
        self._ring_count[channels] += 1

    def _restart_baseline(self, channel: int) -> None:
        """The signal outlasted the hold: learn the ground anew, without credit. Its alarm stays open."""
        self._ring[:, channel] = np.nan
        self._ring_count[channel] = 0
        self._baseline[channel] = np.nan
        self.sigma[channel] = np.nan
        self._settle_left[channel] = self._settle
        self._held[channel] = 0
        self._above_run[channel] = 0
        self._active[channel] = False
        self._standing = self._standing_reasons()

    def _update_baseline(self) -> None:
        ready = self._ring_count >= RING_MIN
        if ready.all() and (self._ring_count >= RING).all():
            baseline = np.median(self._ring, axis=0)
            deviation = np.median(np.abs(self._ring - baseline), axis=0)
        elif ready.any():
            baseline, deviation = np.full(len(ready), np.nan), np.full(len(ready), np.nan)
            baseline[ready] = np.nanmedian(self._ring[:, ready], axis=0)
            deviation[ready] = np.nanmedian(np.abs(self._ring[:, ready] - baseline[ready]), axis=0)
        else:
            return
        self._baseline = baseline
        self.sigma = deviation * MAD_TO_SIGMA
        self._update_threshold()

    def _update_threshold(self) -> None:
        adaptive = np.maximum(self._profile.k_sigma * self.sigma, self._head.alarm_floor)
        adaptive = np.where(np.isnan(adaptive), self._head.alarm_floor, adaptive)
        self.threshold = adaptive if self._thresholds is None else np.minimum(self._thresholds.site, adaptive)
        self._standing = self._standing_reasons()
