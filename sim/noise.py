"""
What instruments add: noise of several colours, drift, mains pick-up, clipping.

Signals are float64 (n, channels) in the instrument's unit, samples evenly `step_s` apart; every random number comes
from the generator that is passed.
"""

import math

import numpy as np

from firmware_bridge.records import BoolArray, FloatArray


class Wander:
    """
    A wander with a spring in each channel: Gaussian of `sigma` at every sample, correlation exp(-lag / time constant).

    Exact whatever the step: x' = a x + sigma sqrt(1 - a^2) w, a = exp(-step / time constant); the first sample is
    drawn from where the process dwells.
    """

    def __init__(
        self, channels: int, step_s: float, sigma: float, time_constant_s: float, random: np.random.Generator
    ) -> None:
        self._random = random
        self._sigma = sigma
        self._keep = math.exp(-step_s / time_constant_s)
        self._fresh = math.sqrt(-math.expm1(-2.0 * step_s / time_constant_s))
        self._last: FloatArray | None = None
        self._channels = channels

    def take(self, samples: int) -> FloatArray:
        """The next so many samples: float64 (samples, channels)."""
        steps = self._random.normal(0.0, self._sigma, (samples, self._channels))
        last = self._last
        for row in range(samples):
            if last is not None:
                steps[row] = self._keep * last + self._fresh * steps[row]
            last = steps[row]
        self._last = None if last is None else last.copy()
        return steps


class Pink:
    """
    Noise whose power density falls as 1/f between 1/(2 pi longest) and a quarter of the sampling rate.

    sigma : of the whole, at every sample

    A sum of Ornstein-Uhlenbeck processes of equal variance, two for each octave of time constants (van der Ziel 1950):
    no window of the record is special, and each sample follows from those before it.
    """

    def __init__(
        self, channels: int, step_s: float, sigma: float, longest_s: float, random: np.random.Generator
    ) -> None:
        constants = time_constants_s(step_s, longest_s)
        self._random = random
        self._keep = np.exp(-step_s / np.array(constants))[:, None]
        share = sigma / math.sqrt(len(constants))
        self._fresh = share * np.sqrt(-np.expm1(-2.0 * step_s / np.array(constants)))[:, None]
        self._state = random.normal(0.0, share, (len(constants), channels))

    def take(self, samples: int) -> FloatArray:
        """The next so many samples: float64 (samples, channels)."""
        total = np.empty((samples, self._state.shape[1]))
        for row in range(samples):
            total[row] = self._state.sum(axis=0)
            self._state = self._keep * self._state + self._fresh * self._random.standard_normal(self._state.shape)
        return total


def time_constants_s(step_s: float, longest_s: float) -> list[float]:
    """From a third of a step, which is nearly white, to the longest, by half octaves."""
    count = max(1, math.ceil(2.0 * math.log2(3.0 * longest_s / step_s))) + 1
    return [longest_s * 2.0 ** (-index / 2.0) for index in range(count)]


def temperature_c(times_s: FloatArray, start_c: float, settled_c: float, time_constant_s: float) -> FloatArray:
    """Warming up after switching on at time zero: float64 (n,)."""
    return settled_c + (start_c - settled_c) * np.exp(-times_s / time_constant_s)


class Mains:
    """
    Pick-up of a power line: one phase for the line, another amplitude for each coil, none above `amplitude`.

    The sine is taken at the samples' instants, so that it appears where sampling folds it: 50 Hz sampled at 100 Hz
    stands still or alternates, at 48 Hz it swings with 2 Hz. No filter stands before it.
    """

    def __init__(self, amplitude: float, frequency_hz: float, channels: int, random: np.random.Generator) -> None:
        self._phase = random.uniform(0.0, 2.0 * math.pi)
        self._sizes = amplitude * random.uniform(0.5, 1.0, channels)
        self._frequency_hz = frequency_hz

    def at(self, times_s: FloatArray) -> FloatArray:
        """At n times: float64 (n, channels)."""
        wave: FloatArray = np.sin(2.0 * math.pi * self._frequency_hz * times_s + self._phase)[:, None] * self._sizes
        return wave


def alias_hz(frequency_hz: float, rate_hz: float) -> float:
    """Where sampling folds a frequency to."""
    return abs(frequency_hz - rate_hz * round(frequency_hz / rate_hz))


def gains(channels: int, mismatch: float, random: np.random.Generator) -> FloatArray:
    """One factor a channel, uniform within 1 -+ mismatch: bounded, so that a bound on responses can stand on it."""
    return random.uniform(1.0 - mismatch, 1.0 + mismatch, channels)


def clip(values: FloatArray, level: float) -> tuple[FloatArray, BoolArray]:
    """Values within -+ level, and in which samples any channel was clipped: bool (n,)."""
    return np.clip(values, -level, level), np.asarray((np.abs(values) > level).any(axis=1))
