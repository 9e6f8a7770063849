"""Thresholds, baselines and edges of the instant alarm."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.detection import RING_MIN, Detector, Thresholds
from controller.core.reasons import Reason
from controller.core.site import Head
from controller.profile_files import load_profile

RATE = 50.0


def detector(channels=2, floor=5.0, alarm_samples=1, rate_hz=RATE, **head):
    fields = {"id": "h", "link": "h", "mount_m": (0.0, 0.0, 0.0), "nominal_radius_m": 0.2, "alarm_floor": floor}
    profile = msgspec.structs.replace(load_profile("ap-shallow"), alarm_samples=alarm_samples)
    return Detector(Head(**{**fields, **head}), profile, channels, rate_hz)


def quiet(samples, channels=2, sigma=1.0, seed=0):
    return np.random.default_rng(seed).normal(0.0, sigma, (samples, channels))


def in_turn(values):
    """As an instrument sends them that reads one channel a line: each is missing in the others' lines."""
    rows, channels = np.indices(values.shape)
    return np.where(rows % values.shape[1] == channels, values, np.nan)


def feed(target, values):
    return target.detect(values, np.zeros(len(values), dtype=np.int64))


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 799), max_size=30),
    bursts=st.lists(st.tuples(st.integers(0, 790), st.integers(1, 60), st.floats(-90, 90)), max_size=5),
    silences=st.lists(st.tuples(st.integers(0, 790), st.integers(1, 60)), max_size=5),
    alarm_samples=st.integers(1, 3),
    turn=st.integers(1, 2),
)
def test_the_result_does_not_depend_on_how_samples_are_grouped(cuts, bursts, silences, alarm_samples, turn):
    """One block, single samples or anything between: the same reasons, signals and edges, bit for bit."""
    values = quiet(800)
    for start, length, height in bursts:
        values[start : start + length, start % 2] += height
    for start, length in silences:
        values[start : start + length, start % 2] = np.nan
    values = in_turn(values) if turn == 2 else values
    whole = feed(detector(alarm_samples=alarm_samples), values)
    pieces = detector(alarm_samples=alarm_samples)
    reasons, signal, edges = [], [], []
    for start, stop in zip([0, *sorted(set(cuts))], [*sorted(set(cuts)), 800], strict=True):
        found = feed(pieces, values[start:stop])
        reasons.append(found.reasons)
        signal.append(found.signal)
        edges += [(edge.is_begin, start + edge.row, edge.channels, edge.value) for edge in found.edges]
    assert (np.concatenate(reasons) == whole.reasons).all()
    assert np.array_equal(np.concatenate(signal), whole.signal, equal_nan=True)
    assert edges == [(edge.is_begin, edge.row, edge.channels, edge.value) for edge in whole.edges]


def test_the_threshold_is_never_less_sensitive_than_the_site_threshold():
    """min(site, max(k sigma, floor)): a noisy channel is out of spec, never deaf."""
    noisy = detector()
    noisy.calibrate(Thresholds(site=np.array([20.0, 20.0]), reference_min=np.array([40.0, 40.0])))
    found = feed(noisy, quiet(500, sigma=8.0))
    assert noisy.threshold.tolist() == [20.0, 20.0]
    assert (found.reasons[-1] & Reason.NOISE_HIGH.bit).all()


def test_the_threshold_follows_the_noise_down_to_the_floor():
    """A quiet channel is as sensitive as its noise and the floor allow."""
    target = detector(floor=2.0)
    target.calibrate(Thresholds(site=np.array([20.0, 20.0]), reference_min=np.array([40.0, 40.0])))
    feed(target, quiet(500, sigma=0.1))
    assert target.threshold.tolist() == [2.0, 2.0]
    feed(target, quiet(500, sigma=1.0))
    assert target.threshold == pytest.approx([6.0, 6.0], rel=0.25)


def test_credit_waits_until_the_baseline_has_settled():
    """`baseline_unsettled` for exactly the settle time, per sample."""
    found = feed(detector(), quiet(200))
    unsettled = (found.reasons & Reason.BASELINE_UNSETTLED.bit != 0).all(axis=1)
    assert unsettled.tolist() == [True] * 150 + [False] * 50


def test_a_signal_does_not_become_the_baseline():
    """Ten seconds in signal: the baseline holds, the signal stays as strong as it was."""
    target = detector()
    values = quiet(900)
    values[300:, 0] += 50.0
    found = feed(target, values)
    assert found.signal[-1, 0] == pytest.approx(50.0, abs=4.0)
    assert [edge.is_begin for edge in found.edges] == [True]


def test_a_channel_in_signal_earns_nothing_and_its_neighbour_does():
    """Only a quiet sample shows that nothing is there: `signal_present`, per channel, until it is quiet again (P1)."""
    values = quiet(500)
    values[300:330, 0] += 50.0
    found = feed(detector(), values)
    in_signal = found.reasons & Reason.SIGNAL_PRESENT.bit != 0
    assert in_signal[:, 0].nonzero()[0].tolist() == list(range(300, 330))
    assert not in_signal[:, 1].any()


def test_slow_drift_is_followed():
    """A tenth of a unit a second is not a signal."""
    values = quiet(3000, sigma=0.5) + np.arange(3000)[:, None] * (0.1 / RATE)
    assert feed(detector(), values).edges == ()


def test_missing_readings_are_faults_and_never_signals():
    """NaN: `head_fault` for that channel alone, no edge, and the baseline is not moved by it."""
    target = detector()
    values = quiet(400)
    values[300:320, 1] = np.nan
    found = feed(target, values)
    assert (found.reasons[300:320, 1] & Reason.HEAD_FAULT.bit != 0).all()
    assert (found.reasons[300:320, 0] & Reason.HEAD_FAULT.bit == 0).all()
    assert found.edges == ()


@settings(max_examples=60, deadline=None)
@given(
    channels=st.integers(2, 4),
    alarm_samples=st.integers(1, 5),
    rate_hz=st.sampled_from([5.0, 10.0, 50.0, 100.0, 250.0]),
    channel=st.integers(0, 3),
    begin=st.integers(0, 200),
)
def test_channels_that_are_read_in_turn_alarm_at_their_own_nth_reading(
    channels, alarm_samples, rate_hz, channel, begin
):
    """A line that says nothing of a channel neither breaks its run nor keeps its ground from being learned (P2)."""
    channel %= channels
    target = detector(channels, alarm_samples=alarm_samples, rate_hz=rate_hz)
    ground = max(round(rate_hz * 12), 2 * RING_MIN * channels)
    first = ground + begin
    values = quiet(first + channels * (alarm_samples + 1), channels)
    values[first:, channel] += 200.0
    found = feed(target, in_turn(values))
    rows = [row for row in range(first, len(values)) if row % channels == channel]
    assert [(edge.is_begin, edge.row, edge.channels) for edge in found.edges] == [
        (True, rows[alarm_samples - 1], (channel,))
    ]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1000), alarm_samples=st.integers(1, 4), length=st.integers(1, 60), data=st.data())
def test_a_missing_reading_never_takes_an_alarm_away_or_earns_credit(seed, alarm_samples, length, data):
    """Readings lost around a signal: it begins at the n-th reading above; none of the lost ones is free (P1, P2)."""
    values = quiet(500, seed=seed)
    values[300 : 300 + length, 0] += 60.0
    lost = data.draw(st.lists(st.integers(290, 380), max_size=40, unique=True))
    values[lost, 0] = np.nan
    found = feed(detector(alarm_samples=alarm_samples), values)
    above = [row for row in range(300, 300 + length) if row not in lost]
    gaps = np.diff(above)
    if len(above) >= alarm_samples and (gaps <= 0.5 * RATE).all():
        assert [edge.row for edge in found.edges if edge.is_begin] == [above[alarm_samples - 1]]
    assert found.reasons[lost, 0].all()
    assert (found.reasons[above, 0] & Reason.SIGNAL_PRESENT.bit != 0).all()


def test_a_lost_reading_does_not_end_a_signal_and_a_lost_channel_does():
    """Half a second without readings ends it, so that a dead channel cannot swallow its neighbours' alarms (P2)."""
    values = quiet(600)
    values[300:, 0] += 60.0
    values[305:315, 0] = np.nan
    values[320:, 0] = np.nan
    values[400:410, 1] += 60.0
    edges = feed(detector(alarm_samples=2), values).edges
    assert [(edge.is_begin, edge.row, edge.channels) for edge in edges] == [
        (True, 301, (0,)), (False, 320 + round(0.5 * RATE) + 1, (0,)), (True, 401, (1,)), (False, 411, (1,)),
    ]  # fmt: skip


def test_a_level_of_saturation_alarms_and_recovers_without_credit():
    """Saturated, then half a second of `recovering`."""
    target = detector(saturation_level=1000.0)
    values = quiet(400)
    values[300:303, 0] = 1000.0
    found = feed(target, values)
    assert (found.reasons[300:303, 0] & Reason.SATURATED.bit != 0).all()
    assert (found.reasons[303:328, 0] & Reason.RECOVERING.bit != 0).all()
    assert not found.reasons[330:, 0].any()
    assert [edge.is_begin for edge in found.edges] == [True, False]


def test_only_positive_signals_count_where_the_instrument_is_signed():
    """A dip is not an item for a signed instrument, and is for one that is not."""
    values = quiet(400)
    values[300:310, 0] -= 60.0
    assert feed(detector(is_signed=True), values).edges == ()
    assert len(feed(detector(), values).edges) == 2


def test_a_cut_signal_ends_with_its_peak():
    """When no further sample will come, the signal that is present ends, once."""
    target = detector()
    values = quiet(400)
    values[380:, 1] += np.linspace(20, 60, 20)
    feed(target, values)
    edge = target.cut()
    assert edge is not None
    assert (edge.channel, edge.peak_index) in {(1, index) for index in range(396, 400)}
    assert target.cut() is None


def test_white_noise_raises_no_alarm_at_six_sigma():
    """A million samples of Gaussian noise, adaptive threshold alone: none expected at k = 6."""
    target = detector(channels=16, floor=0.001)
    values = quiet(65_000, channels=16)
    assert feed(target, values).edges == ()
