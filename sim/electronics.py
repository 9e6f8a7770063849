"""What a head's electronics make of noise-free readings."""

import numpy as np

from firmware_bridge.records import BoolArray, FloatArray
from sim.noise import fail, gains, mains, pink, temperature_c
from sim.scenario import Scenario

SWING_UV = 20.0  # how far a coil's zero wanders where the scenario says nothing


def measured(
    scenario: Scenario,
    values: FloatArray,
    times_s: FloatArray,
    alive: BoolArray,
    random: np.random.Generator,
) -> tuple[FloatArray, BoolArray]:
    """
    What the head sends, and which channels were alive: both (n, channels), as `values` and `alive` are.

    A channel that is not alive hears its own white noise; one that fails by the scenario is no longer alive either.
    """
    noise, model, channels = scenario.white_noise, scenario.noise, np.arange(scenario.head.channels)
    swing = model.swing
    if swing is None:
        swing = SWING_UV if scenario.magnetometer is None else 0.0
    if model.gain_mismatch:
        values = values * gains(len(channels), model.gain_mismatch, random)
    values = values + random.normal(0.0, noise, values.shape)
    values += swing * np.sin(times_s * 0.02 + channels[:, None]).T
    if model.pink:
        step_s = 1.0 / scenario.head.rate_hz
        values += pink(len(values), len(channels), step_s, model.pink, model.pink_longest_s, random)
    if model.drift_per_c:
        values += model.drift_per_c * temperature_c(times_s, 0.0, model.warm_up_c, model.warm_up_s)[:, None]
    if model.mains:
        values += mains(times_s, model.mains, model.mains_hz, len(channels), random)
    values[~alive] = random.normal(0.0, noise, int((~alive).sum()))
    if model.failed_channel is not None:
        channel, row = model.failed_channel - 1, int(np.searchsorted(times_s, model.failed_from_s))
        values = fail(values, channel, row, model.failure, noise, random)
        alive = alive.copy()
        alive[row:, channel] = False
    return values, alive
