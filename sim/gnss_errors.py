"""
How far off a receiver is: error vectors epoch by epoch, in equal steps of time, by the models of a scenario.

`bounded` : the slow error keeps to a circle just inside its bound and moves along it as fast as it may, nearly the
            worst that the receiver's statement allows; the white part is uniform within its disc. Nothing sound may
            ever over-claim.
`honest`  : an Ornstein-Uhlenbeck process and white noise, 95 % of it within the stated error; the rest is beyond it.
`preset`  : the same with the figures usual for the receiver's class of fix, whatever it states.
"""

import math
from typing import Protocol

import msgspec
import numpy as np

from firmware_bridge.records import FixClass, FloatArray
from sim.noise import Wander
from sim.scenario import Scenario, slow_sigma_m
from sim.sections import GnssModel

BOUND_SHARE = 0.9  # share of each bound that is used: the wire rounds, and a bound is a bound
VERTICAL = 1.5  # of the horizontal error, as a rule of thumb for GNSS


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """Usual for a class of fix: sigma of each axis and time constant of the slow part, sigma of the white one."""

    slow_m: float
    correlation_s: float
    white_m: float


PRESETS = {
    FixClass.SINGLE: Preset(slow_m=2.0, correlation_s=80.0, white_m=0.0),
    FixClass.DGNSS: Preset(slow_m=0.7, correlation_s=100.0, white_m=0.0),
    FixClass.FLOAT: Preset(slow_m=0.3, correlation_s=200.0, white_m=0.0),
    FixClass.FIXED: Preset(slow_m=0.015, correlation_s=60.0, white_m=0.005),
}


class ErrorModel(Protocol):
    """Error vectors of consecutive epochs; what is drawn does not depend on how many are asked for at a time."""

    def take(self, times_s: FloatArray) -> FloatArray:
        """Errors of the next epochs, east, north and up: float64 (n, 3)."""


def preset_of(gnss: GnssModel) -> Preset:
    """The figures of a receiver that is not bounded."""
    if gnss.error_model == "preset":
        return PRESETS[FixClass[gnss.fix_class.upper()]]
    return Preset(slow_m=slow_sigma_m(gnss), correlation_s=gnss.correlation_s, white_m=gnss.white_m)


def error_model(gnss: GnssModel, step_s: float, random: np.random.Generator) -> ErrorModel:
    """The scenario's model for epochs `step_s` apart."""
    if gnss.error_model == "bounded":
        return _Bounded(gnss, random)
    return Gaussian(preset_of(gnss), step_s, random)


class Gaussian:
    """A slow part that wanders and a white one, Gaussian in each axis."""

    def __init__(self, preset: Preset, step_s: float, random: np.random.Generator) -> None:
        slow, self._white = random.spawn(2)
        self._slow = Wander(3, step_s, 1.0, preset.correlation_s, slow)
        self._preset = preset

    def take(self, times_s: FloatArray) -> FloatArray:
        """As `ErrorModel` says."""
        white = self._white.normal(0.0, 1.0, (len(times_s), 3))
        errors = self._preset.slow_m * self._slow.take(len(times_s)) + self._preset.white_m * white
        scaled: FloatArray = errors * np.array([1.0, 1.0, VERTICAL])
        return scaled


class _Bounded:
    """Never longer than the stated error, never drifting faster than stated."""

    def __init__(self, gnss: GnssModel, random: np.random.Generator) -> None:
        self._gnss = gnss
        self._random = random
        self._phase = random.uniform(0.0, 2.0 * math.pi)

    def take(self, times_s: FloatArray) -> FloatArray:
        """As `ErrorModel` says."""
        gnss = self._gnss
        radius = BOUND_SHARE * (gnss.stated_error_95_m - gnss.white_m)
        angle = self._phase + BOUND_SHARE * gnss.drift_m_s / radius * times_s
        drawn = self._random.uniform(0.0, 1.0, (len(times_s), 2))
        length, turn = gnss.white_m * np.sqrt(drawn[:, 0]), 2.0 * math.pi * drawn[:, 1]
        east = radius * np.sin(angle) + length * np.sin(turn)
        north = radius * np.cos(angle) + length * np.cos(turn)
        return np.stack([east, north, VERTICAL * radius * np.sin(angle / 3.0)], axis=1)


def coverage(scenario: Scenario, epochs: int, random: np.random.Generator) -> tuple[int, int]:
    """In how many of so many epochs the stated error covers the true one, and how many there were."""
    gnss = scenario.gnss
    step_s = 1.0 / gnss.rate_hz
    errors = error_model(gnss, step_s, random).take(step_s * np.arange(epochs, dtype=np.float64))
    return int((np.hypot(errors[:, 0], errors[:, 1]) <= gnss.stated_error_95_m).sum()), epochs
