"""
What coils see: a softened dipole, common to a coincident transmit and receive loop.

A loop's field at distance d falls off as (a^2 + d^2)^(-3/2) with its radius a, on its axis exactly so; transmit and
receive together go with its square. Responses are relative to the reference item under the coil's centre.
"""

import numpy as np

from firmware_bridge.records import FloatArray
from sim.scenario import Scenario, Target


def response_uv(
    scenario: Scenario, horizontal_m: FloatArray, depth_m: float, strength: float, height_m: FloatArray | float
) -> FloatArray:
    """Noise-free response, in microvolts, of an item at horizontal distances from coils at heights above ground."""
    head, reference_m = scenario.head, scenario.world.reference_depth_m
    nearest = head.coil_radius_m**2 + (head.height_m + reference_m) ** 2
    distance = head.coil_radius_m**2 + (height_m + depth_m) ** 2 + horizontal_m**2
    response: FloatArray = head.reference_uv * strength * (nearest / distance) ** 3
    return response


def field_uv(scenario: Scenario, coils_m: FloatArray, targets: tuple[Target, ...]) -> FloatArray:
    """Sum of all targets' responses at coils' east, north, height: float64 (n, channels, 3) -> (n, channels)."""
    total = np.zeros(coils_m.shape[:2])
    for target in targets:
        square = (coils_m[:, :, 0] - target.east_m) ** 2 + (coils_m[:, :, 1] - target.north_m) ** 2
        total += response_uv(scenario, np.sqrt(square), target.depth_m, target.strength, coils_m[:, :, 2])
    return total
