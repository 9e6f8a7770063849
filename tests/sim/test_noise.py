"""What instruments add: statistics of long runs, spectra, folding, and the same from the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import welch

from sim.noise import Mains, Pink, Wander, alias_hz, clip, gains, temperature_c

STEP_S = 0.01


@pytest.mark.parametrize("time_constant_s", [0.02, 0.5, 5.0])
def test_a_wander_has_the_sigma_and_the_time_constant_asked_for(time_constant_s):
    """Over a long run of many channels: sigma within 2 %, time constant, by the correlation at its lag, within 10 %."""
    step_s = time_constant_s / 10.0
    found = Wander(16, step_s, 3.0, time_constant_s, np.random.default_rng(1)).take(20_000)
    assert found.std() == pytest.approx(3.0, rel=0.02)
    lag = 10
    correlation = (found[lag:] * found[:-lag]).mean() / (found**2).mean()
    assert -lag * step_s / np.log(correlation) == pytest.approx(time_constant_s, rel=0.1)


def test_a_wander_is_exact_whatever_the_step():
    """From the first sample on, and at steps far longer than its time constant: the same sigma."""
    for step_s in (0.001, 1.0, 1000.0):
        found = Wander(100_000, step_s, 2.0, 1.0, np.random.default_rng(2)).take(3)
        assert found.std(axis=1) == pytest.approx([2.0] * 3, rel=0.02)


def test_pink_noise_falls_as_one_over_f():
    """Slope of the power density -1 within 0.1 over two and a half decades, no octave off by more than 0.7 dB."""
    found = Pink(32, STEP_S, 1.5, 60.0, np.random.default_rng(3)).take(2**16)
    assert found.std() == pytest.approx(1.5, rel=0.05)
    frequency, power = welch(found, 1.0 / STEP_S, nperseg=2**13, axis=0)
    power = power.mean(axis=1)
    is_between = (frequency > 0.05) & (frequency < 10.0)
    slope, level = np.polyfit(np.log10(frequency[is_between]), np.log10(power[is_between]), 1)
    assert slope == pytest.approx(-1.0, abs=0.1)
    octaves = 0.05 * 2.0 ** np.arange(7)
    for low in octaves:
        band = (frequency >= low) & (frequency < 2 * low)
        off = np.log10(power[band]).mean() - (slope * np.log10(frequency[band]) + level).mean()
        assert abs(10.0 * off) < 0.7


def test_mains_pick_up_appears_where_sampling_folds_it():
    """The spectrum's one line lies at the folded frequency, for both mains and several rates."""
    for mains_hz, rate_hz, folded_hz in (
        (50.0, 48.0, 2.0),
        (60.0, 100.0, 40.0),
        (50.0, 1000.0, 50.0),
        (60.0, 25.0, 10.0),
    ):
        assert alias_hz(mains_hz, rate_hz) == pytest.approx(folded_hz)
        found = Mains(5.0, mains_hz, 3, np.random.default_rng(4)).at(np.arange(4_000) / rate_hz)
        power = np.abs(np.fft.rfft(found, axis=0)) ** 2
        lines = np.fft.rfftfreq(4_000, 1.0 / rate_hz)[power.argmax(axis=0)]
        assert lines == pytest.approx([folded_hz] * 3, abs=rate_hz / 4_000)
        assert 1.0 < np.abs(found).max() <= 5.0


def test_a_head_warms_up_to_where_it_settles():
    """Switched on at its start, 63 % of the way after one time constant."""
    found = temperature_c(np.array([0.0, 600.0, 1e6]), 20.0, 35.0, 600.0)
    assert found == pytest.approx([20.0, 35.0 - 15.0 * np.exp(-1.0), 35.0])


@given(seed=st.integers(0, 2**32 - 1), mismatch=st.floats(0.0, 0.5))
def test_no_gain_is_off_by_more_than_the_mismatch(seed, mismatch):
    """A bound for responses may stand on it."""
    assert (np.abs(gains(64, mismatch, np.random.default_rng(seed)) - 1.0) <= mismatch + 1e-12).all()


def test_clipping_is_told_by_sample():
    """What is beyond the level stands at it, and its sample is marked; what reaches it is not."""
    found, clipped = clip(np.array([[1.0, -5.0], [4.0, 0.0], [0.0, 4.5]]), 4.0)
    assert found.tolist() == [[1.0, -4.0], [4.0, 0.0], [0.0, 4.0]]
    assert clipped.tolist() == [True, False, True]


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_same_seed_gives_the_same_noise(seed):
    """And another seed another one."""
    kinds = [
        lambda random: Wander(2, STEP_S, 1.0, 1.0, random).take(50),
        lambda random: Pink(2, STEP_S, 1.0, 10.0, random).take(50),
        lambda random: Mains(1.0, 49.0, 2, random).at(np.arange(50) * STEP_S),
        lambda random: gains(2, 0.1, random),
    ]
    for kind in kinds:
        one, same, other = (kind(np.random.default_rng(s)) for s in (seed, seed, seed + 1))
        assert (one == same).all()
        assert (one != other).any()
