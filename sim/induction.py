"""
Electromagnetic induction: what a pair of loops hears of a small metal item.

The transmit loop's field h_p at the item induces a moment by the item's polarizability L, and the receive loop hears
it by reciprocity with its own field h_r: V = mu0 h_r . (A^T L A) h_p for each ampere and turn. L is that of the
voltage (the derivative of the moment's), in m^3/s, and falls with the gate's time. Fields vary little over an item
that is small against its distance; items do not hear each other, nor does the ground weaken the field.
"""

import math

import msgspec
import numpy as np

from firmware_bridge.records import FloatArray
from sim.fields import MU0, Loop


class Decay(msgspec.Struct, frozen=True, kw_only=True):
    """
    k (1 + sqrt(t / alpha))^-beta exp(-t / gamma), a usual law for compact metal: early flat, then a power, then out.

    k_m3_s : polarizability at time zero
    """

    k_m3_s: float
    alpha_s: float
    beta: float
    gamma_s: float

    def at(self, gates_s: FloatArray) -> FloatArray:
        """Polarizability in m^3/s at times after the transmitter's end, the same shape as these."""
        power = (1.0 + np.sqrt(gates_s / self.alpha_s)) ** -self.beta
        value: FloatArray = self.k_m3_s * power * np.exp(-gates_s / self.gamma_s)
        return value


class CoilPair(msgspec.Struct, frozen=True, kw_only=True):
    """Transmit and receive loop in the coil's own frame; coincident where they are the same."""

    transmit: Loop
    receive: Loop


def coincident(loop: Loop) -> CoilPair:
    """One loop that transmits and then receives."""
    return CoilPair(transmit=loop, receive=loop)


def attitude(azimuth_deg: float, dip_deg: float, roll_deg: float = 0.0) -> FloatArray:
    """
    A: rows are the item's axes in east, north, up; float64 (3, 3).

    azimuth, dip : of the first axis, clockwise from north and downward    roll : of the other two about it
    """
    turn, dip, roll = (math.radians(angle) for angle in (azimuth_deg, dip_deg, roll_deg))
    first = [math.sin(turn) * math.cos(dip), math.cos(turn) * math.cos(dip), -math.sin(dip)]
    level = np.array([math.cos(turn), -math.sin(turn), 0.0])
    third = np.cross(first, level)
    return np.array(
        [first, math.cos(roll) * level + math.sin(roll) * third, math.cos(roll) * third - math.sin(roll) * level]
    )


def polarizability_m3_s(axes: FloatArray, principal_m3_s: FloatArray) -> FloatArray:
    """A^T L A in east, north, up: axes as from `attitude`, principal values float64 (..., 3) -> (..., 3, 3)."""
    tensor: FloatArray = (axes.T * principal_m3_s[..., None, :]) @ axes
    return tensor


def voltage_v(
    pair: CoilPair, points_m: FloatArray, tensor_m3_s: FloatArray, axes: FloatArray | None = None
) -> FloatArray:
    """
    Volts for each ampere and turn of items at points of the coil's frame.

    points_m    : float64 (..., 3)
    tensor_m3_s : float64 (..., 3, 3) in the coil's frame, or in that of `axes`; broadcast against the points
    axes        : float64 (..., 3, 3), rows are the coil's x, y, z in the tensors' frame
    """
    transmitted, received = _fields(pair, points_m, axes)
    volts: FloatArray = MU0 * np.einsum("...i,...ij,...j->...", received, tensor_m3_s, transmitted)
    return volts


def weakest_v(pair: CoilPair, points_m: FloatArray, principal_m3_s: FloatArray) -> FloatArray:
    """
    The least magnitude of the voltage over all attitudes of an item: float64 (...), 0 where some attitude is not heard.

    points_m : float64 (..., 3)     principal_m3_s : float64 (3,), not negative

    L = l 1 + sum of the rest: over unit vectors n, (h_r.n)(h_p.n) lies between (h_r.h_p -+ |h_r||h_p|) / 2, so the
    least is min(L) h_r.h_p - (max(L) - min(L)) (|h_r||h_p| - h_r.h_p) / 2. Exact where one axis differs from two equal
    ones that are smaller; otherwise no greater than the truth, since the two greater axes count at most one by one.
    """
    transmitted, received = _fields(pair, points_m, None)
    both = (transmitted * received).sum(axis=-1)
    lengths = np.sqrt((transmitted**2).sum(axis=-1) * (received**2).sum(axis=-1))
    least, middle, greatest = np.sort(principal_m3_s)
    spread = (greatest - least) + (middle - least)
    lowest = least * both - spread * (lengths - both) / 2.0
    highest = least * both + spread * (lengths + both) / 2.0
    weakest: FloatArray = MU0 * np.maximum(np.maximum(lowest, -highest), 0.0)
    return weakest


def reach_m(pair: CoilPair, polarizability_max_m3_s: float, least_v: float) -> float:
    """
    Distance from the coil's origin beyond which no attitude of an item gives more than `least_v`.

    A flat loop is a sheet of dipoles within its outline, the nearest of them d - c away, with c the wire's greatest
    distance from the origin: |h| <= area / (2 pi (d - c)^3) for each loop, so the bound holds for every direction.
    """
    reach = max(pair.transmit.reach_m, pair.receive.reach_m)
    areas = pair.transmit.area_m2 * pair.receive.area_m2
    ratio = MU0 * polarizability_max_m3_s * areas / (4.0 * math.pi**2 * least_v)
    return reach + math.pow(ratio, 1.0 / 6.0)


def _fields(pair: CoilPair, points_m: FloatArray, axes: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Transmit and receive loop's H, turned into the frame of `axes` where there is one."""
    transmitted = _turned(pair.transmit.field_per_m(points_m), axes)
    if pair.receive == pair.transmit:
        return transmitted, transmitted
    return transmitted, _turned(pair.receive.field_per_m(points_m), axes)


def _turned(field: FloatArray, axes: FloatArray | None) -> FloatArray:
    return field if axes is None else np.einsum("...ji,...j->...i", axes, field)
