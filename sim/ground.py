"""
The ground: magnetic soil, uneven terrain, and the small metal that lies in it.

Random fields are sums of Fourier modes, so that any point can be asked without a grid, alone or among thousands, and
answers the same. East, north, up in metres.
"""

import math

import msgspec
import numpy as np

from firmware_bridge.records import FloatArray
from sim.fields import Circle, Loop
from sim.induction import CoilPair

MODES = 96  # the sum is Gaussian to within 1/(2 modes) of its kurtosis
ROUGH_SIGMAS = 3.0  # no point of a terrain lies farther above or below its plane
NODES = 12  # of each quadrature, per side and per direction


class RandomField(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    A stationary Gaussian field of mean 0 and variance 1, correlation exp(-d^2 / (2 length^2)) at distance d.

    waves : float64 (modes, 2) radians a metre     phases : float64 (modes,)
    """

    waves: FloatArray
    phases: FloatArray

    @property
    def bound(self) -> float:
        """No point of this very field is greater in magnitude."""
        return math.sqrt(2.0 * len(self.phases))

    def at(self, east_m: FloatArray, north_m: FloatArray) -> FloatArray:
        """Values at points, the same shape as the coordinates."""
        total = np.zeros(np.shape(east_m))
        for (east, north), phase in zip(self.waves.tolist(), self.phases.tolist(), strict=True):
            total += np.cos(east * east_m + north * north_m + phase)
        return total * math.sqrt(2.0 / len(self.phases))


def random_field(length_m: float, random: np.random.Generator) -> RandomField:
    """A field with that correlation length: its waves are drawn from the correlation's own spectrum."""
    return RandomField(
        waves=random.normal(0.0, 1.0 / length_m, (MODES, 2)), phases=random.uniform(0.0, 2.0 * math.pi, MODES)
    )


class Terrain(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    A plane through the origin and an undulation about it, clipped at three of its sigmas.

    slope : rise for each metre east and north     undulation_m : sigma
    """

    slope: tuple[float, float]
    undulation_m: float
    field: RandomField

    def height_m(self, east_m: FloatArray, north_m: FloatArray) -> FloatArray:
        """Of the ground above the origin, the same shape as the coordinates."""
        rough = self.undulation_m * np.clip(self.field.at(east_m, north_m), -ROUGH_SIGMAS, ROUGH_SIGMAS)
        return self.slope[0] * east_m + self.slope[1] * north_m + rough


class Soil(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    Magnetically viscous ground: log-normal over the site, its voltage falling as 1/t.

    median     : reading at `height_m` and gate `gate_s` where the field is 0
    log_sigma  : sigma of the strength's natural logarithm
    """

    median: float
    log_sigma: float
    height_m: float
    gate_s: float
    field: RandomField

    def response(
        self, pair: CoilPair, east_m: FloatArray, north_m: FloatArray, heights_m: FloatArray, gate_s: float
    ) -> FloatArray:
        """Readings at coils over the ground; arrays of one shape."""
        strength = self.median * self.gate_s / gate_s * np.exp(self.log_sigma * self.field.at(east_m, north_m))
        value: FloatArray = strength * lift_off(pair, heights_m, self.height_m)
        return value


def lift_off(pair: CoilPair, heights_m: FloatArray, height_m: float) -> FloatArray:
    """
    Signal of even ground at heights against that at one height; follows from the loops alone.

    Weak magnetic ground mirrors the transmit loop (image method): the signal is the flux of a loop 2 h away. A small
    loop's falls as h^-3, so that 10 % lower is 37 % more; a loop as wide as it is high gains less. Between 33 heights
    the logarithm is interpolated, to a thousandth over a decade. Level loops; a tilt of some degrees is not seen.
    """
    low, high = float(np.min(heights_m)), float(np.max(heights_m))
    if not low > 0.0:
        raise ValueError(f"a coil at {low:.3f} m touches the ground; raise [head] height_m or lower [terrain]")
    steps = np.geomspace(low, max(high, low * 1.0001), 33)
    signal = np.log(image_flux_m(pair, steps) / image_flux_m(pair, np.array([height_m])))
    ratio: FloatArray = np.exp(np.interp(np.log(heights_m), np.log(steps), signal))
    return ratio


def image_flux_m(pair: CoilPair, heights_m: FloatArray) -> FloatArray:
    """
    Integral of the mirrored transmit loop's H over the receive loop, in metres; float64 (n,).

    Equal to twice the integral of h_t . h_r over all the ground below, in which the soil's signal arises.
    """
    nodes_m, weights = _nodes(pair.receive)
    transmit_up, receive_up = _up_m(pair.transmit), _up_m(pair.receive)
    points = np.broadcast_to(nodes_m, (len(heights_m), *nodes_m.shape)).copy()
    points[..., 2] = (2.0 * heights_m + transmit_up + receive_up)[:, None] + transmit_up
    flux: FloatArray = (pair.transmit.field_per_m(points)[..., 2] * weights).sum(axis=-1)
    return flux


def _up_m(loop: Loop) -> float:
    return loop.up_m if isinstance(loop, Circle) else float(np.mean([corner[2] for corner in loop.corners_m]))


def _nodes(loop: Loop) -> tuple[FloatArray, FloatArray]:
    """Points of a level loop's area and their weights in square metres, by Gauss and Legendre."""
    places, weights = np.polynomial.legendre.leggauss(NODES)
    places, weights = (places + 1.0) / 2.0, weights / 2.0
    if isinstance(loop, Circle):
        turns = (np.arange(4 * NODES) + 0.5) * 2.0 * math.pi / (4 * NODES)
        radius, turn = np.meshgrid(loop.radius_m * places, turns, indexing="ij")
        sizes = radius * (weights * loop.radius_m)[:, None] * 2.0 * math.pi / (4 * NODES)
        return np.stack([radius * np.cos(turn), radius * np.sin(turn), 0 * turn], axis=-1).reshape(-1, 3), sizes.ravel()
    corners = np.array(loop.corners_m)
    out, across = (grid.ravel() for grid in np.meshgrid(places, places, indexing="ij"))
    both = np.outer(weights, weights).ravel()
    centre, points, sizes_m2 = corners.mean(axis=0), [], []
    for first, second in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        a, b = first - centre, second - centre
        points.append(centre + out[:, None] * ((1.0 - across)[:, None] * a + across[:, None] * b))
        sizes_m2.append(both * out * (a[0] * b[1] - a[1] * b[0]))
    return np.concatenate(points), np.concatenate(sizes_m2)


def strew(
    density_per_m2: float,
    east_m: tuple[float, float],
    north_m: tuple[float, float],
    depth_m_max: float,
    median_strength: float,
    log_sigma: float,
    random: np.random.Generator,
) -> FloatArray:
    """
    Clutter over a rectangle, float64 (k, 4): east, north, depth, strength.

    Their number is Poisson's; places and depths are uniform, strengths log-normal.
    """
    area_m2 = (east_m[1] - east_m[0]) * (north_m[1] - north_m[0])
    count = int(random.poisson(density_per_m2 * area_m2))
    return np.stack(
        [
            random.uniform(*east_m, count),
            random.uniform(*north_m, count),
            random.uniform(0.0, depth_m_max, count),
            median_strength * np.exp(random.normal(0.0, log_sigma, count)),
        ],
        axis=1,
    )
