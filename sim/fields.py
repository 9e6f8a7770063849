"""
Static and quasi-static magnetic fields: wire loops by Biot and Savart, dipoles, a sphere in a field, the Earth.

Metres, amperes, teslas, ampere square metres. A loop's field is given for one ampere: A/m for each ampere, so 1/m.
Arrays of points have shape (..., 3); every function works on all of them at once. Not defined on a wire or in a
dipole itself.
"""

import math

import msgspec
import numpy as np

from firmware_bridge.records import FloatArray

MU0 = 1.256_637_061_27e-6  # N/A^2, CODATA 2022
AGM_ROUNDS = 7  # each doubles the digits; enough for a point 1e-9 radii from the wire


class Polygon(msgspec.Struct, frozen=True, kw_only=True):
    """A closed wire of straight sides, counter-clockwise as seen from +z for a positive area; corners in metres."""

    corners_m: tuple[tuple[float, float, float], ...]

    @property
    def area_m2(self) -> float:
        """Length of the vector area."""
        corners = np.array(self.corners_m)
        return float(np.linalg.norm(np.cross(corners, np.roll(corners, -1, axis=0)).sum(axis=0))) / 2.0

    @property
    def reach_m(self) -> float:
        """Greatest distance of the wire from the origin."""
        return max(math.hypot(*corner) for corner in self.corners_m)

    def field_per_m(self, points_m: FloatArray) -> FloatArray:
        """
        H in 1/m, the same shape as the points.

        Each side from r1 to r2, both as seen from its ends: r1 x r2 (|r1|+|r2|) / (|r1||r2| (|r1||r2| + r1.r2)) / 4 pi
        (Hanson and Hirshman, Compact expressions for the Biot-Savart fields of a filamentary segment, 2002).
        """
        x, y, z = (points_m[..., axis] for axis in range(3))
        ends = [(x - a, y - b, z - c) for a, b, c in self.corners_m]
        lengths = [np.sqrt(dx * dx + dy * dy + dz * dz) for dx, dy, dz in ends]
        field = np.zeros(points_m.shape)
        for index, (x1, y1, z1) in enumerate(ends):
            following = (index + 1) % len(ends)
            (x2, y2, z2), first, second = ends[following], lengths[index], lengths[following]
            both = first * second
            weight = (first + second) / (both * (both + x1 * x2 + y1 * y2 + z1 * z2)) / (4.0 * math.pi)
            field[..., 0] += weight * (y1 * z2 - z1 * y2)
            field[..., 1] += weight * (z1 * x2 - x1 * z2)
            field[..., 2] += weight * (x1 * y2 - y1 * x2)
        return field


class Circle(msgspec.Struct, frozen=True, kw_only=True):
    """A circular wire about the z axis, counter-clockwise from above, its centre at height `up_m`."""

    radius_m: float
    up_m: float = 0.0

    @property
    def area_m2(self) -> float:
        """Of the disc."""
        return math.pi * self.radius_m**2

    @property
    def reach_m(self) -> float:
        """Greatest distance of the wire from the origin."""
        return math.hypot(self.radius_m, self.up_m)

    def field_per_m(self, points_m: FloatArray) -> FloatArray:
        """
        H in 1/m, the same shape as the points, exact to rounding.

        By complete elliptic integrals (Smythe, Static and Dynamic Electricity, 7.10), which the arithmetic-geometric
        mean gives to all digits: K = pi / (2 agm), E = K (1 - s). Written in s, so that nothing cancels near the axis
        before s itself does.
        """
        a, z = self.radius_m, points_m[..., 2] - self.up_m
        square = points_m[..., 0] ** 2 + points_m[..., 1] ** 2
        rho = np.sqrt(square)
        near, far = (a - rho) ** 2 + z * z, (a + rho) ** 2 + z * z
        root = np.sqrt(far)
        integral, s = _elliptic(np.sqrt(near) / root, 4.0 * a * rho / far)
        scale = integral / (2.0 * math.pi * near * root)
        upward = scale * (2.0 * a * a - 2.0 * a * rho - (a * a - square - z * z) * s)
        # Towards the axis the radial part is that of a field without divergence: -rho/2 dHz/dz.
        on_axis = rho < 1e-6 * a
        safe = np.where(on_axis, 1.0, rho)
        outward = np.where(
            on_axis,
            0.75 * a * a * z / (a * a + z * z) ** 2.5,
            scale * z / (safe * safe) * (2.0 * a * rho - (a * a + square + z * z) * s),
        )
        return np.stack([outward * points_m[..., 0], outward * points_m[..., 1], upward], axis=-1)


Loop = Polygon | Circle


def rectangle(length_m: float, width_m: float, up_m: float = 0.0) -> Polygon:
    """A level rectangle about the z axis: its length along x, its width along y."""
    x, y = length_m / 2.0, width_m / 2.0
    return Polygon(corners_m=((x, y, up_m), (-x, y, up_m), (-x, -y, up_m), (x, -y, up_m)))


def dipole_field_t(moment_am2: FloatArray, offset_m: FloatArray) -> FloatArray:
    """B of a dipole at `offset_m` from it: mu0/4pi [3 r(r.m) - m]/r^3, float64 (..., 3); both arguments broadcast."""
    square = (offset_m * offset_m).sum(axis=-1, keepdims=True)
    along = (offset_m * moment_am2).sum(axis=-1, keepdims=True)
    field: FloatArray = MU0 / (4.0 * math.pi) * (3.0 * offset_m * along / square - moment_am2) / square**1.5
    return field


def sphere_moment_am2(radius_m: float, field_t: FloatArray, relative_permeability: float = math.inf) -> FloatArray:
    """
    Moment that a uniform field induces in a sphere: 4 pi R^3 / mu0 (mu - 1)/(mu + 2) B (Jackson, section 5.11).

    Steel's permeability is so great that infinity, the default, is wrong by 3 % at mu = 100.
    """
    mu = relative_permeability
    share = 1.0 if math.isinf(mu) else (mu - 1.0) / (mu + 2.0)
    moment: FloatArray = 4.0 * math.pi * radius_m**3 / MU0 * share * field_t
    return moment


def earth_field_t(intensity_t: float, inclination_deg: float, declination_deg: float) -> FloatArray:
    """The Earth's field as east, north, up; inclination positive downward, declination positive east of north."""
    dip, turn = math.radians(inclination_deg), math.radians(declination_deg)
    level = math.cos(dip)
    return intensity_t * np.array([level * math.sin(turn), level * math.cos(turn), -math.sin(dip)])


def _elliptic(complement: FloatArray, parameter: FloatArray) -> tuple[FloatArray, FloatArray]:
    """
    K(m) and s = 1 - E(m)/K(m).

    complement : sqrt(1 - m), in (0, 1]     parameter : m itself, which 1 - complement^2 would round away
    """
    a, b = np.ones_like(complement), complement
    s, weight = 0.5 * parameter, 0.5
    for _ in range(AGM_ROUNDS):
        half = (a - b) / 2.0
        weight *= 2.0
        s = s + weight * half * half
        a, b = (a + b) / 2.0, np.sqrt(a * b)
    return math.pi / (2.0 * a), s
