"""Rows of a profile against values: limits at their edges, windows, totals, and what goes into the record."""

import itertools

import msgspec
import numpy as np
import pytest
from core_machine import Machine, site
from hypothesis import given
from hypothesis import strategies as st

from controller.config import load_profile
from controller.core.check_events import BlocksJudged, RuleVerdict
from controller.core.reasons import Reason
from controller.core.rulebook import REASONS, Measured, RuleBook
from controller.core.site import ADVISED, Metric, Rule

PROFILE = load_profile("training")
SPEED = PROFILE.limit(Metric.SPEED)


def book(*rules):
    """The training profile's rules, those of speed replaced."""
    others = tuple(rule for rule in PROFILE.rule if rule.metric is not Metric.SPEED)
    return RuleBook(msgspec.structs.replace(PROFILE, rule=others + rules), {})


def speed_rule(limit=1.0, **changes):
    return Rule(id=changes.pop("id", "speed"), metric=Metric.SPEED, limit=limit, **changes)


def seconds(*times):
    return np.array([round(time * 1e9) for time in times], dtype=np.int64)


def judged(rules, values, times, is_counted=True):
    values, counted = np.array(values, dtype=np.float64), np.full(len(values), is_counted)
    return (rules.judge_each(Metric.SPEED, values, seconds(*times), counted) != 0).tolist()


@pytest.mark.parametrize("metric", [metric for metric in Metric if metric not in ADVISED])
def test_every_metric_withholds_for_its_reason_beyond_its_limit_and_where_it_is_unknown(metric):
    """The limit itself is within the limit."""
    limit = PROFILE.limit(metric)
    values = np.array([0.0, limit, np.nextafter(limit, 2 * limit), np.nan])
    times, counted = seconds(1, 2, 3, 4), np.ones(4, dtype=bool)
    bits = RuleBook(PROFILE, {}).judge_each(metric, values, times, counted)
    assert bits.tolist() == [0, 0, REASONS[metric].bit, REASONS[metric].bit]


def test_a_window_asks_for_the_limit_to_have_been_kept_throughout_it():
    """Three seconds after the value was last too large, samples count again, and across calls."""
    rules = book(speed_rule(window_s=3.0))
    assert judged(rules, [0.5, 2.0, 0.5], [0, 1, 2]) == [False, True, True]
    assert judged(rules, [0.5, 0.5, 0.5], [3, 4, 4.1]) == [True, True, False]


@given(
    values=st.lists(st.sampled_from([0.5, 1.0, 1.5, float("nan")]), min_size=1, max_size=30),
    cuts=st.lists(st.integers(1, 29), max_size=4),
    window=st.sampled_from([0.0, 1.0, 2.5]),
)
def test_how_samples_are_grouped_changes_no_verdict(values, cuts, window):
    """Against each sample's own window, sample by sample."""
    times = np.arange(len(values)) * 0.5
    expected = [
        any(not value <= 1.0 for value, at in zip(values, times, strict=True) if now - window <= at <= now)
        for now in times
    ]
    rules = book(speed_rule(window_s=window))
    edges = sorted({0, len(values), *(cut for cut in cuts if cut < len(values))})
    found = []
    for start, stop in itertools.pairwise(edges):
        found += judged(rules, values[start:stop], times[start:stop])
    assert found == expected


def test_a_rule_that_only_advises_is_recorded_and_withholds_nothing():
    """Beside a larger limit that withholds."""
    rules = book(speed_rule(limit=1.0, id="speed-advice", action="advise"), speed_rule(limit=2.0))
    assert judged(rules, [1.5, 2.5], [0, 1]) == [False, True]
    told = {verdict.rule: verdict for verdict in rules.take_verdicts("head", 5, None)}
    assert {name: (verdict.is_kept, verdict.value, verdict.limit) for name, verdict in told.items()} == {
        "speed-advice": (False, 2.5, 1.0),
        "speed": (False, 2.5, 2.0),
    }


def test_a_verdict_is_told_when_it_changes_and_not_again():
    """The first one, too, so that the record holds every limit in force."""
    rules = book(speed_rule())
    told = []
    for value in (0.5, 0.7, 1.5, 1.6, 0.5):
        judged(rules, [value], [0])
        told += [(verdict.is_kept, verdict.value) for verdict in rules.take_verdicts("head", 5, None)]
    assert told == [(True, 0.5), (False, 1.5), (True, 0.5)]
    assert rules.take_verdicts("head", 5, None) == []


def test_unknown_is_worse_than_every_number():
    """In what is told and in the totals."""
    rules = book(speed_rule())
    judged(rules, [0.5, float("nan"), 9.0], [0, 1, 2])
    assert [verdict.value for verdict in rules.take_verdicts("head", 5, None)] == [None]
    total = next(total for total in rules.take_totals() if total.metric == "speed_m_s")
    assert (total.worst, total.samples, total.broken) == (None, 3, 2)


def test_totals_are_of_samples_in_blocks_and_begin_anew():
    """Ground outside blocks proves nothing about them."""
    rules = book(speed_rule())
    judged(rules, [5.0], [0], is_counted=False)
    judged(rules, [0.5, 1.5], [1, 2])

    def total():
        return next(total for total in rules.take_totals() if total.metric == "speed_m_s")

    first, second = total(), total()
    assert (first.worst, first.limit, first.samples, first.broken) == (1.5, 1.0, 2, 1)
    assert (second.worst, second.samples, second.broken) == (None, 0, 0)


def test_what_was_measured_is_kept_for_screens():
    """With the limit that withholds."""
    measured = {}
    rules = RuleBook(PROFILE, measured)
    rules.judge(Metric.SPEED, 0.4, seconds(1, 2), np.ones(2, dtype=bool))
    assert measured == {Reason.TOO_FAST: Measured(value=0.4, limit=SPEED)}


def test_of_two_metrics_with_one_reason_screens_are_told_the_worse():
    """Too fast by a third, while the samples are as close as ever; and the other way round."""
    measured = {}
    rules, one = RuleBook(PROFILE, measured), np.ones(1, dtype=bool)
    spacing = PROFILE.limit(Metric.SAMPLE_SPACING)
    rules.judge(Metric.SPEED, SPEED * 1.3, seconds(1), one)
    rules.judge(Metric.SAMPLE_SPACING, spacing * 0.1, seconds(1), one)
    assert measured[Reason.TOO_FAST] == Measured(value=SPEED * 1.3, limit=SPEED)
    rules.judge(Metric.SPEED, SPEED * 0.5, seconds(2), one)
    rules.judge(Metric.SAMPLE_SPACING, spacing * 1.1, seconds(2), one)
    assert measured[Reason.TOO_FAST] == Measured(value=spacing * 1.1, limit=spacing)
    rules.judge(Metric.SPEED, None, seconds(3), one)
    assert measured[Reason.TOO_FAST].value is None


def test_a_receiver_that_falls_silent_counts_a_second_after_it_is_back():
    """Unknown is never good: the window of the position error asks for the time without a fix, too."""
    machine = Machine(site()).ready()
    machine.drive(4.0)
    machine.fix_changes = lambda now: None
    machine.drive(5.0)
    machine.fix_changes = lambda now: {}
    before = len(machine.placed)
    machine.drive(4.0)
    placed = [
        (int(placed.utc_ns[row]), int(placed.reasons[row].max()))
        for placed in machine.placed[before:]
        for row in np.flatnonzero(placed.is_placed)
    ]
    late = [utc_ns for utc_ns, reasons in placed if reasons & Reason.POSITION_ERROR.bit]
    counting = [utc_ns for utc_ns, reasons in placed if reasons == 0]
    assert counting
    assert late[-1] < counting[0]
    assert late[-1] - late[0] > 0.5e9


def test_the_record_holds_every_rule_once_it_was_judged_and_its_totals_with_the_verdict_of_the_blocks():
    """A machine that drives, and drives too fast for a while."""
    machine = Machine(site()).ready()
    machine.drive(5.0)
    machine.drive(3.0, speed_m_s=1.5)
    machine.drive(4.0)
    machine.check()
    verdicts = machine.of(RuleVerdict)
    assert {verdict.rule for verdict in verdicts} == {rule.id for rule in machine.state.site.profile.rule}
    speeding = [verdict for verdict in verdicts if verdict.rule == "speed"]
    assert [verdict.is_kept for verdict in speeding] == [True, False, True]
    assert speeding[1].value == pytest.approx(1.5, abs=0.01)
    (judged_blocks,) = machine.of(BlocksJudged)
    assert judged_blocks.blocks == (1,)
    speed = next(total for total in judged_blocks.rules if total.rule == "speed")
    assert speed.worst == pytest.approx(1.5, abs=0.01)
    assert 100 < speed.broken < 200 < speed.samples
