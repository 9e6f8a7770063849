"""
An array of magnetometers: what each reads of iron, the day and the vehicle. Readings in nanoteslas.

The scenario says how strong the reference item is, a ball that keeps no magnetism; everything else follows.
"""

import math

import numpy as np

from firmware_bridge.records import FloatArray
from sim.fields import MU0, dipole_field_t, earth_field_t
from sim.items import Items
from sim.magnetics import Daily, Platform, in_sensor_frame, total_field_t
from sim.scenario import Scenario
from sim.sections import Magnetometer

NANO = 1e-9
NEGLIGIBLE = 1e-3  # of the noise: what one item may add to a sensor that is too far off to be computed
WINDOW = 256  # samples that are taken together


def earth_of(model: Magnetometer) -> FloatArray:
    """The Earth's field at the site, tesla, east, north, up."""
    return earth_field_t(model.intensity_nt * NANO, model.inclination_deg, model.declination_deg)


def platform_of(model: Magnetometer) -> Platform:
    """The vehicle's field; what is induced lies along it, as in a long iron body."""
    share = model.induced_nt / model.intensity_nt
    permanent = tuple(part * NANO for part in model.permanent_nt)
    return Platform(
        permanent_t=(permanent[0], permanent[1], permanent[2]), induced=((share, 0.0, 0.0), (0.0,) * 3, (0.0,) * 3)
    )


def unit_am2(scenario: Scenario) -> float:
    """Moment of the reference item: on its axis, at its distance, it gives `reference_nt`."""
    distance = scenario.head.height_m + scenario.world.reference_depth_m
    return scenario.reference_reading * NANO * distance**3 / 2.0 * 4.0 * math.pi / MU0


def magnetic_nt(
    scenario: Scenario, sensors_m: FloatArray, axes: FloatArray, items: Items, day: Daily, times_s: FloatArray
) -> FloatArray:
    """
    All readings, the Earth's field among them: float64 (n, channels).

    sensors_m : float64 (n, channels, 3) east, north, up, the lower of a pair     axes : float64 (n, 3, 3), rows are
    the vehicle's x, y, z     times_s : float64 (n,), of the day
    """
    model = scenario.magnetometer
    assert model is not None, "asked of a magnetometer alone"
    earth = earth_of(model)
    around = (earth + platform_of(model).field_t(earth, axes))[:, None]
    lower = _read(model, around + items_t(scenario, sensors_m, items), axes)
    if model.reading == "total_field":
        return (lower + day.at(times_s)[:, None]) / NANO
    upper = sensors_m + model.baseline_m * axes[:, None, 2]
    return (lower - _read(model, around + items_t(scenario, upper, items), axes)) / NANO


def items_t(scenario: Scenario, sensors_m: FloatArray, items: Items) -> FloatArray:
    """
    Sum of all items' fields at sensors (n, channels, 3), the same shape.

    A dipole's field is 2 moments / r^3 at most: left out beyond where that is a thousandth of the noise.
    """
    unit = unit_am2(scenario)
    scale = MU0 / (4.0 * math.pi) * 2.0 * unit / (NEGLIGIBLE * scenario.white_noise * NANO)
    reaches = np.cbrt(scale * items.greatest[:, 1])
    total = np.zeros(sensors_m.shape)
    for start in range(0, len(sensors_m), WINDOW):
        window = sensors_m[start : start + WINDOW]
        low, high = window.min(axis=(0, 1)) - reaches[:, None], window.max(axis=(0, 1)) + reaches[:, None]
        for item in np.flatnonzero(((items.places_m >= low) & (items.places_m <= high)).all(axis=1)).tolist():
            total[start : start + WINDOW] += dipole_field_t(unit * items.moments[item], window - items.places_m[item])
    return total


def _read(model: Magnetometer, fields_t: FloatArray, axes: FloatArray) -> FloatArray:
    """What one sensor of each place reads of fields (n, channels, 3)."""
    if model.reading != "vertical_gradient":
        return total_field_t(fields_t)
    upright = [in_sensor_frame(fields_t[:, channel], axes)[:, 2] for channel in range(fields_t.shape[1])]
    return np.stack(upright, axis=1)
