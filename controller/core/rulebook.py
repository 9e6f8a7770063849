"""
The profile's rows, judged: what each measured value withholds, and the verdicts that go into the record.

A rule is kept by a sample where its metric is known, within the limit, and was so throughout the rule's window before.
Unknown is never good. Every row's verdict is recorded with its value and limit whenever it changes, and once more as
totals over the blocks of a head when they are judged.
"""

import math

import msgspec
import numpy as np

from controller.core.check_events import RuleTotals, RuleVerdict
from controller.core.reasons import NO_REASONS, Reason
from controller.core.site import Metric, Profile, Rule
from controller.core.timebase import SECOND
from firmware_bridge.records import BoolArray, FloatArray, IntArray, MonoNs, UtcNs

REASONS = {
    Metric.SPEED: Reason.TOO_FAST,
    Metric.POSITION_ERROR: Reason.POSITION_ERROR,
    Metric.FIX_GAP: Reason.FIX_STALE,
    Metric.HEADING_ERROR: Reason.HEADING_UNKNOWN,
    Metric.SAMPLE_SPACING: Reason.TOO_FAST,  # at this sample rate
    Metric.CLOCK_ERROR: Reason.CLOCK_UNSYNCED,
    Metric.CHECK_AGE: Reason.CHECK_EXPIRED,
    Metric.SIGNAL_SHARE: Reason.SIGNAL_DENSITY,
    Metric.STOPPING: Reason.TOO_FAST,
}


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A measured value and the limit in force; None where nothing could be measured or no limit applies."""

    value: float | None
    limit: float | None


class _Row(msgspec.Struct, kw_only=True):
    """One rule, when it was last broken, and what is not in the record yet: of a second, and in total of blocks."""

    rule: Rule
    broken_ns: int | None = None
    judged: int = 0
    broken: int = 0
    worst: float | None = None
    announced: bool | None = None
    total_judged: int = 0
    total_broken: int = 0
    total_worst: float | None = None


class RuleBook:
    """The rules of one head, with what they found."""

    def __init__(self, profile: Profile, measured: dict[Reason, Measured]) -> None:
        self._rows = {metric: [_Row(rule=rule) for rule in profile.rule if rule.metric is metric] for metric in Metric}
        self._measured = measured
        withheld = {rule.metric for rule in profile.rule if rule.action == "withhold"}
        self._limits = {metric: profile.limit(metric) for metric in Metric if metric in withheld}
        self._latest: dict[Metric, Measured] = {}

    def judge(self, metric: Metric, value: float | None, times_ns: IntArray, is_counted: BoolArray) -> IntArray:
        """
        One value that holds for all samples: the reasons that it withholds credit for, int64 (n,).

        times_ns : int64 (n,), ascending from call to call      is_counted : bool (n,), samples that belong to a block
        """
        each = np.full(len(times_ns), math.nan if value is None else value)
        return self.judge_each(metric, each, times_ns, is_counted)

    def judge_each(self, metric: Metric, values: FloatArray, times_ns: IntArray, is_counted: BoolArray) -> IntArray:
        """
        A value of each sample, or of each channel of it: sets of reasons, int64 in the shape of `values`.

        values : float64 (n,) or (n, channels), NaN where unknown      times_ns, is_counted : as in `judge`
        """
        channels = values.reshape(len(values), -1)
        reasons = np.full(channels.shape, NO_REASONS, dtype=np.int64)
        worst = _worst(values)
        if metric in self._limits:
            self._show(metric, worst)
        for row in self._rows[metric]:
            is_broken = ~(channels <= row.rule.limit)
            if row.rule.window_s:
                is_broken |= _within_window(row, is_broken, times_ns)
            if row.rule.action == "withhold":
                reasons |= np.where(is_broken, REASONS[metric].bit, 0)
            _note(row, worst, is_broken, is_counted)
        return reasons.reshape(values.shape)

    def miss(self, metrics: tuple[Metric, ...], until_ns: MonoNs) -> None:
        """Nothing could be measured for samples up to a time: no window that reaches back to it was kept."""
        for row in (row for metric in metrics for row in self._rows[metric]):
            row.broken_ns = until_ns

    def _show(self, metric: Metric, value: float | None) -> None:
        """What screens are told of a reason is the worse, by its limit, of the metrics that share it."""
        self._latest[metric] = Measured(value=value, limit=self._limits[metric])
        reason = REASONS[metric]
        sharing = [measured for other, measured in self._latest.items() if REASONS[other] is reason]
        self._measured[reason] = max(sharing, key=_excess)

    def take_verdicts(self, head: str, mono_ns: MonoNs, utc_ns: UtcNs | None) -> list[RuleVerdict]:
        """The rules that are now kept, or broken, and were not so when they were last told; once a second."""
        verdicts = []
        for row in (row for rows in self._rows.values() for row in rows):
            if row.judged:
                is_kept = row.broken == 0
                if is_kept is not row.announced:
                    row.announced = is_kept
                    verdicts.append(_verdict(row, head, mono_ns, utc_ns, is_kept=is_kept))
                row.judged = row.broken = 0
                row.worst = None
        return verdicts

    def take_totals(self) -> tuple[RuleTotals, ...]:
        """What the samples of blocks have shown since the last call, one entry a row."""
        totals = []
        for row in (row for rows in self._rows.values() for row in rows):
            totals.append(
                RuleTotals(
                    rule=row.rule.id,
                    metric=row.rule.metric.value,
                    worst=row.total_worst,
                    limit=row.rule.limit,
                    samples=row.total_judged,
                    broken=row.total_broken,
                )
            )
            row.total_judged = row.total_broken = 0
            row.total_worst = None
        return tuple(totals)


def _verdict(row: _Row, head: str, mono_ns: MonoNs, utc_ns: UtcNs | None, *, is_kept: bool) -> RuleVerdict:
    rule = row.rule
    return RuleVerdict(
        mono_ns=mono_ns,
        utc_ns=utc_ns,
        head=head,
        rule=rule.id,
        metric=rule.metric.value,
        value=row.worst,
        limit=rule.limit,
        window_s=rule.window_s,
        severity=rule.severity,
        action=rule.action,
        is_kept=is_kept,
    )


def _excess(measured: Measured) -> float:
    """The value in units of its limit; what is unknown is beyond every number."""
    assert measured.limit is not None, "every metric has one"
    return math.inf if measured.value is None else measured.value / measured.limit


def _worst(values: FloatArray) -> float | None:
    """The largest value; None where any is unknown, since that is worse than every number."""
    largest = float(values.max())
    return None if math.isnan(largest) else largest


def _within_window(row: _Row, is_broken: BoolArray, times_ns: IntArray) -> BoolArray:
    """Samples no further than the rule's window after one that broke it: bool (n, 1) from bool (n, channels)."""
    never = np.iinfo(np.int64).min // 2
    before = never if row.broken_ns is None else row.broken_ns
    last = np.maximum.accumulate(np.where(is_broken.any(axis=1), times_ns, before))
    if int(last[-1]) != never:
        row.broken_ns = int(last[-1])
    is_late: BoolArray = times_ns - last <= round(row.rule.window_s * SECOND)
    return is_late[:, None]


def _note(row: _Row, worst: float | None, is_broken: BoolArray, is_counted: BoolArray) -> None:
    is_broken_sample = is_broken.any(axis=1)
    count, broken = len(is_broken), int(np.count_nonzero(is_broken_sample))
    row.worst = worst if row.judged == 0 else _larger(row.worst, worst)
    row.judged += count
    row.broken += broken
    counted = int(np.count_nonzero(is_counted))
    if counted:
        row.total_worst = worst if row.total_judged == 0 else _larger(row.total_worst, worst)
        row.total_judged += counted
        row.total_broken += int(np.count_nonzero(is_broken_sample & is_counted))


def _larger(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else max(first, second)
