"""
What lies in the ground, as tensors: shapes, metals, attitudes and places, for coils and for magnetometers.

Ratios, sizes and decays are plausible orders of magnitude, chosen so that shapes and metals differ; they are not
measurements, and nothing follows from them about any real item. Rod and plate are of steel: the rod answers most along
its axis, the plate least.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from firmware_bridge.records import FloatArray, IntArray
from sim.fields import MU0
from sim.induction import Decay, attitude, polarizability_m3_s
from sim.magnetics import moment_am2
from sim.sections import Metal, Target, World

STRENGTH_GATE_S = 80e-6  # where a metal's size is what the table says
# Principal values along axis, across, across; their mean is 1, so that strength is that of the mean over attitudes.
SHAPES = {"isotropic": (1.0, 1.0, 1.0), "rod": (2.0, 0.5, 0.5), "plate": (0.33, 1.335, 1.335)}


class _Nature(msgspec.Struct, frozen=True, kw_only=True):
    """Size against the reference item for coils and for magnetometers, and how the voltage falls."""

    size: float
    iron: float
    decay: Decay


def _nature(size: float, iron: float, alpha_us: float, beta: float, gamma_us: float) -> _Nature:
    decay = Decay(k_m3_s=1.0, alpha_s=alpha_us * 1e-6, beta=beta, gamma_s=gamma_us * 1e-6)
    return _Nature(size=size, iron=iron, decay=decay)


NATURES: dict[Metal, _Nature] = {
    "reference": _nature(1.0, 1.0, 100.0, 1.5, 1_000.0),
    "low_metal": _nature(0.1, 0.0, 20.0, 1.5, 80.0),
    "aluminium": _nature(1.0, 0.0, 300.0, 1.0, 2_000.0),
    "small_steel": _nature(1.0, 1.0, 100.0, 1.2, 5_000.0),
    "large_steel": _nature(20.0, 20.0, 300.0, 1.0, 25_000.0),
}


class Items(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    Items as arrays; 1 is the reference item's mean over attitudes.

    places_m : float64 (k, 3) east, north, up     tensors : float64 (k, 3, 3) for coils at their gate
    moments  : float64 (k, 3) in the Earth's field, 1 the reference ball's
    greatest : float64 (k, 2), of the tensor and of the moment
    """

    places_m: FloatArray
    tensors: FloatArray
    moments: FloatArray
    greatest: FloatArray

    def chosen(self, which: IntArray) -> "Items":
        """Some of them, by index."""
        return Items(
            places_m=self.places_m[which],
            tensors=self.tensors[which],
            moments=self.moments[which],
            greatest=self.greatest[which],
        )


def items_of(
    targets: Sequence[Target], world: World, gate_s: float, earth_t: FloatArray | None, ground_m: FloatArray
) -> Items:
    """
    Targets as arrays.

    earth_t : the Earth's field, None where nobody asks for moments     ground_m : float64 (k,) height of the ground
    """
    count = len(targets)
    tensors, moments = np.zeros((count, 3, 3)), np.zeros((count, 3))
    for index, target in enumerate(targets):
        axes = attitude(target.azimuth_deg, target.dip_deg)
        shape = np.array(SHAPES[world.reference_shape if target.shape == "reference" else target.shape])
        tensors[index] = polarizability_m3_s(axes, target.strength * _size(target.metal, gate_s) * shape)
        if earth_t is not None:
            volume = target.strength * NATURES[target.metal].iron
            kept = np.array([target.remanent * volume, 0.0, 0.0])
            # In units of what the field induces in the reference ball, whose volume is 1.
            unit = MU0 / float(np.linalg.norm(earth_t))
            moments[index] = moment_am2(axes, volume * shape, kept / unit, earth_t) * unit
    places = np.array([[target.east_m, target.north_m, -target.depth_m] for target in targets]).reshape(-1, 3)
    places[:, 2] += ground_m
    greatest = [np.abs(np.linalg.eigvalsh(tensors)).max(axis=1, initial=0.0), np.sqrt((moments**2).sum(axis=1))]
    return Items(places_m=places, tensors=tensors, moments=moments, greatest=np.stack(greatest, axis=1))


def _size(metal: Metal, gate_s: float) -> float:
    """Against the reference item at the same gate."""
    nature, reference = NATURES[metal], NATURES["reference"]
    then, now = np.array(STRENGTH_GATE_S), np.array(gate_s)
    fallen = nature.decay.at(now) / nature.decay.at(then)
    return nature.size * float(fallen / (reference.decay.at(now) / reference.decay.at(then)))


def reference_principal(world: World) -> FloatArray:
    """Principal values of the reference item along its axis and across, float64 (3,)."""
    return np.array(SHAPES[world.reference_shape])
