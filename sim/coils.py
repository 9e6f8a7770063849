"""
A pulse-induction array: what each coil reads of the items around it.

Each coil has its own transmit and receive loop and its own turn; coils do not hear each other. Readings are in
microvolts: the scenario says what the upright reference item gives at its depth under a coil's centre, and everything
else follows from loops and tensors.
"""

import numpy as np

from firmware_bridge.records import FloatArray
from sim.fields import Circle, Loop, rectangle
from sim.induction import CoilPair, attitude, polarizability_m3_s, reach_m, voltage_v, weakest_v
from sim.items import Items, reference_principal
from sim.scenario import Scenario
from sim.sections import CoilModel, HeadModel

NEGLIGIBLE = 1e-3  # of the white noise: what one item may add to a coil that is too far off to be computed
WINDOW = 256  # samples that are taken together


def pair_of(head: HeadModel) -> CoilPair:
    """The loops as drawn; one circle where none is."""
    transmit = Circle(radius_m=head.coil_radius_m) if head.transmit is None else _loop(head.transmit)
    return CoilPair(transmit=transmit, receive=transmit if head.receive is None else _loop(head.receive))


def gain_uv(scenario: Scenario) -> float:
    """Microvolts for each volt of an item whose mean polarizability is 1 m^3/s."""
    head, world = scenario.head, scenario.world
    upright = polarizability_m3_s(attitude(0.0, 90.0), reference_principal(world))
    point = np.array([0.0, 0.0, -head.height_m - world.reference_depth_m])
    return scenario.reference_reading / float(voltage_v(pair_of(head), point, upright))


def induction_uv(scenario: Scenario, coils_m: FloatArray, axes: FloatArray, items: Items) -> FloatArray:
    """
    Sum of all items' voltages: float64 (n, channels).

    coils_m : float64 (n, channels, 3) east, north, up     axes : float64 (n, 3, 3), rows are the coils' x, y, z

    An item is left out only where the bound of `reach_m` says that it gives less than a thousandth of the noise.
    """
    pair, gain = pair_of(scenario.head), gain_uv(scenario)
    least_v = NEGLIGIBLE * scenario.white_noise / gain
    reaches = np.array([reach_m(pair, greatest, least_v) for greatest in items.greatest[:, 0].tolist()])
    total = np.zeros(coils_m.shape[:2])
    for start in range(0, len(coils_m), WINDOW):
        window = coils_m[start : start + WINDOW]
        low, high = window.min(axis=(0, 1)) - reaches[:, None], window.max(axis=(0, 1)) + reaches[:, None]
        among = np.flatnonzero(((items.places_m >= low) & (items.places_m <= high)).all(axis=1))
        if not len(among):
            continue
        offsets = items.places_m[among] - window[:, :, None]
        row, channel, item = np.nonzero((offsets * offsets).sum(axis=-1) < reaches[among] ** 2)
        turned = axes[start + row]
        points = np.einsum("pij,pj->pi", turned, offsets[row, channel, item])
        volts = voltage_v(pair, points, items.tensors[among[item]], turned)
        flat = np.bincount(row * window.shape[1] + channel, weights=volts, minlength=window.shape[0] * window.shape[1])
        total[start : start + WINDOW] += gain * flat.reshape(window.shape[:2])
    return total


def weakest_uv(scenario: Scenario, offsets_m: FloatArray, axes: FloatArray) -> FloatArray:
    """The reference item's least response over all its attitudes, at offsets (n, 3) from coils that stand as `axes`."""
    points = np.einsum("nij,nj->ni", axes, offsets_m)
    return gain_uv(scenario) * weakest_v(pair_of(scenario.head), points, reference_principal(scenario.world))


def _loop(model: CoilModel) -> Loop:
    if model.radius_m is not None:
        return Circle(radius_m=model.radius_m, up_m=model.up_m)
    assert model.size_m is not None, "checked when it was loaded"
    return rectangle(*model.size_m, model.up_m)
