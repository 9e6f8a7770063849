"""What a head's electronics make of noise-free readings."""

import numpy as np

from firmware_bridge.records import BoolArray, FloatArray
from sim.noise import Mains, Pink, gains, temperature_c
from sim.scenario import Scenario

SWING_UV = 20.0  # how far a coil's zero wanders where the scenario says nothing


class Electronics:
    """A head that measures on and on: what it remembers goes over from one stretch of samples to the next."""

    def __init__(self, scenario: Scenario, random: np.random.Generator) -> None:
        model, channels = scenario.noise, scenario.head.channels
        self._model = model
        self._white = scenario.white_noise
        self._swing = model.swing
        if self._swing is None:
            self._swing = SWING_UV if scenario.magnetometer is None else 0.0
        # Each kind of noise has its own numbers, so that cutting the day elsewhere changes none of them.
        white, own, pink, mains, gain = random.spawn(5)
        self._random, self._own = white, own
        self._gains = gains(channels, model.gain_mismatch, gain) if model.gain_mismatch else None
        step_s = 1.0 / scenario.head.rate_hz
        self._pink = Pink(channels, step_s, model.pink, model.pink_longest_s, pink) if model.pink else None
        self._mains = Mains(model.mains, model.mains_hz, channels, mains) if model.mains else None
        self._held = np.full(channels, np.nan)

    def measure(self, values: FloatArray, times_s: FloatArray, dead: BoolArray, stuck: BoolArray) -> FloatArray:
        """
        What the head sends for the next samples: float64 (n, channels), as `values`, `dead` and `stuck` are.

        A dead channel hears its own white noise; a stuck one repeats what it measured last.
        """
        model = self._model
        if self._gains is not None:
            values = values * self._gains
        values = values + self._random.normal(0.0, self._white, values.shape)
        values += self._swing * np.sin(times_s * 0.02 + np.arange(values.shape[1])[:, None]).T
        if self._pink is not None:
            values += self._pink.take(len(values))
        if model.drift_per_c:
            values += model.drift_per_c * temperature_c(times_s, 0.0, model.warm_up_c, model.warm_up_s)[:, None]
        if self._mains is not None:
            values += self._mains.at(times_s)
        rows = dead.any(axis=1)
        own = self._own.normal(0.0, self._white, (int(rows.sum()), values.shape[1]))
        values[rows] = np.where(dead[rows], own, values[rows])
        for channel in np.flatnonzero(stuck.any(axis=0)).tolist():
            self._stick(values[:, channel], stuck[:, channel], channel)
        self._held = values[-1].copy()
        return values

    def _stick(self, values: FloatArray, stuck: BoolArray, channel: int) -> None:
        """Overwrite one channel's stuck samples by the last one before them."""
        rows = np.where(stuck, 0, np.arange(1, len(values) + 1))
        source = np.maximum.accumulate(rows)  # 0 is the sample before this stretch
        held = np.concatenate([[self._held[channel]], values])[source]
        values[stuck] = np.where(np.isnan(held), values, held)[stuck]
