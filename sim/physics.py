"""
The world as a head meets it: items, soil, uneven ground, the Earth's field and the day, for coils and magnetometers.

Frame: east, north, up of the task's origin, which lies on the plane on which the vehicle stands.
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from firmware_bridge.records import BoolArray, FloatArray
from sim.coils import induction_uv, pair_of, weakest_uv
from sim.earth import offsets_enu
from sim.ground import ROUGH_SIGMAS, Soil, Terrain, random_field, strew
from sim.items import Items, items_of
from sim.magnetics import Daily, daily
from sim.magnetometers import earth_of, magnetic_nt
from sim.motion import highest_coil_m, standing, sway_rad
from sim.scenario import Scenario
from sim.sections import Target

STEP_M = 0.01  # between distances at which the weakest response is looked for
DIRECTIONS = 24
SLOPES = 8  # directions in which the plane may rise, as the vehicle sees it
NO_DAY = Daily(span_t=0.0, phases_rad=(0.0,))


class Piece(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The check piece: which samples it lies there for, bool (n,), and under which channel."""

    is_on: BoolArray
    channel: int


class Surroundings(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What the seed made of a scenario's world. `clutter` is nobody's target; `day` is for magnetometers alone."""

    clutter: tuple[Target, ...]
    terrain: Terrain | None
    soil: Soil | None
    day: Daily


def surroundings_of(scenario: Scenario, random: np.random.Generator) -> Surroundings:
    """Draw what the scenario asks for, and nothing where it asks for nothing."""
    terrain, soil, day, head = None, None, NO_DAY, scenario.head
    items: tuple[Target, ...] = ()
    if scenario.clutter is not None:
        asked = scenario.clutter
        drawn = strew(
            asked.density_per_m2, asked.east_m, asked.north_m, asked.depth_m_max, asked.median_strength,
            asked.log_sigma, random,
        )  # fmt: skip
        items = tuple(Target(east_m=e, north_m=n, depth_m=d, strength=s) for e, n, d, s in drawn.tolist())
    if scenario.terrain is not None:
        field = random_field(scenario.terrain.correlation_m, random)
        terrain = Terrain(slope=scenario.slope, undulation_m=scenario.terrain.undulation_m, field=field)
    if scenario.soil is not None:
        soil = Soil(
            median=scenario.soil.median_uv,
            log_sigma=scenario.soil.log_sigma,
            height_m=head.height_m,
            gate_s=head.gate_us * 1e-6,
            field=random_field(scenario.soil.correlation_m, random),
        )
    if scenario.magnetometer is not None:
        day = daily(scenario.magnetometer.daily_nt * 1e-9, random)
    return Surroundings(clutter=items, terrain=terrain, soil=soil, day=day)


def readings(
    scenario: Scenario,
    around: Surroundings,
    times_s: FloatArray,
    coils_m: FloatArray,
    axes: FloatArray,
    pieces: Sequence[Piece] = (),
) -> FloatArray:
    """
    Noise-free readings in the head's unit: float64 (n, channels).

    coils_m : float64 (n, channels, 3)     axes : float64 (n, 3, 3), rows are the vehicle's forward, left, up
    """
    items = _items(scenario, (*scenario.world.targets, *around.clutter), around.terrain)
    total = _of_items(scenario, around, times_s, coils_m, axes, items)
    nothing = _items(scenario, (), None)
    for piece in pieces:
        rows = np.flatnonzero(piece.is_on)
        if not len(rows):
            continue
        below = np.array([0.0, 0.0, -scenario.head.height_m - scenario.world.reference_depth_m])
        held = _reference(scenario, coils_m[rows[0], piece.channel] + below @ axes[rows[0]])
        arguments = scenario, around, times_s[rows], coils_m[rows], axes[rows]
        total[rows] += _of_items(*arguments, held) - _of_items(*arguments, nothing)
    if around.soil is not None:
        east, north, up = np.moveaxis(coils_m, -1, 0)
        ground = 0.0 if around.terrain is None else around.terrain.height_m(east, north)
        gate_s = scenario.head.gate_us * 1e-6
        total += around.soil.response(pair_of(scenario.head), east, north, up - ground, gate_s)
    return total


def check_reading(scenario: Scenario) -> float:
    """What the upright check piece gives under a coil's centre on level ground, as a magnitude."""
    below = np.array([[0.0, 0.0, -scenario.head.height_m - scenario.world.reference_depth_m]])
    return abs(float(_upright(scenario, below, offsets_enu(np.eye(3), *np.zeros((3, 1))))[0]))


def worst_reading(scenario: Scenario) -> float:
    """
    The reference item's least response anywhere within the detection radius, and 0 where it has none somewhere.

    Over every horizontal distance up to the radius, every direction about the coil, every depth down to the
    reference's, every attitude of the item, and the coil at its highest, lowest and between, tilted as far as the
    vehicle sways on the scenario's slope, whichever way it rises: no symmetry of the coil is assumed. Gains that differ
    by channel are at their lowest. On a grid of 1 cm and 15 degrees, which misses the true least by less than half a
    percent.
    """
    head, world = scenario.head, scenario.world
    rough_m = 0.0 if scenario.terrain is None else ROUGH_SIGMAS * scenario.terrain.undulation_m
    steepness = math.hypot(*scenario.slope)
    # Heights are measured along the plumb line, which on a slope is longer than upright to it.
    sway_m = highest_coil_m(scenario) * math.hypot(1.0, steepness) - head.height_m + rough_m
    rises = np.arange(SLOPES) * 2.0 * math.pi / SLOPES if steepness else np.zeros(1)
    radius = head.detection_radius_m
    distances = np.linspace(0.0, radius, math.ceil(radius / STEP_M) + 1)
    directions = np.arange(DIRECTIONS) * 2.0 * math.pi / DIRECTIONS
    heights = head.height_m + np.array([-sway_m, 0.0, sway_m])
    depths = np.linspace(0.0, world.reference_depth_m, 4)
    roll_rad, pitch_rad = (most * np.array([-1.0, 0.0, 1.0]) for most in sway_rad(scenario.vehicle))
    grid = np.meshgrid(distances, directions, heights, depths, roll_rad, pitch_rad, rises, indexing="ij")
    distance, direction, height, depth, roll, pitch, rise = (part.ravel() for part in grid)
    east, north = distance * np.sin(direction), distance * np.cos(direction)
    slope = steepness * np.sin(rise), steepness * np.cos(rise)
    offsets = np.stack([east, north, slope[0] * east + slope[1] * north - height - depth], axis=-1)
    level = np.zeros_like(roll)
    roll_on_it, pitch_on_it = standing(slope, level)
    axes = offsets_enu(np.eye(3), level, roll_on_it + roll, pitch_on_it + pitch)
    # A magnetometer's reference item is a ball: upright is as good as any attitude.
    found = (_upright if scenario.magnetometer else weakest_uv)(scenario, offsets, axes)
    if found.min() < 0.0 < found.max():
        return 0.0
    return float(np.abs(found).min()) * (1.0 - scenario.noise.gain_mismatch)


def _of_items(
    scenario: Scenario,
    around: Surroundings,
    times_s: FloatArray,
    coils_m: FloatArray,
    axes: FloatArray,
    items: Items,
) -> FloatArray:
    if scenario.magnetometer is None:
        return induction_uv(scenario, coils_m, axes, items)
    return magnetic_nt(scenario, coils_m, axes, items, around.day, times_s)


def _upright(scenario: Scenario, offsets_m: FloatArray, axes: FloatArray) -> FloatArray:
    """What the upright reference item adds to one sensor's reading at offsets (n, 3) from it: float64 (n,)."""
    still = Surroundings(clutter=(), terrain=None, soil=None, day=NO_DAY)
    # Every offset is seen from a sensor of its own, so that one item serves them all.
    arguments = scenario, still, np.zeros(len(axes)), -offsets_m[:, None], axes
    added = _of_items(*arguments, _reference(scenario, np.zeros(3))) - _of_items(*arguments, _items(scenario, (), None))
    return added[:, 0]


def _reference(scenario: Scenario, place_m: FloatArray) -> Items:
    """The reference item, upright, at a place."""
    upright = Target(east_m=0.0, north_m=0.0, depth_m=0.0, strength=1.0)
    items = _items(scenario, (upright,), None)
    return msgspec.structs.replace(items, places_m=place_m[None])


def _items(scenario: Scenario, targets: Sequence[Target], terrain: Terrain | None) -> Items:
    model, ground_m = scenario.magnetometer, np.zeros(len(targets))
    if terrain is not None:
        places = np.array([[target.east_m, target.north_m] for target in targets]).reshape(-1, 2)
        ground_m = terrain.height_m(places[:, 0], places[:, 1])
    earth = None if model is None else earth_of(model)
    return items_of(targets, scenario.world, scenario.head.gate_us * 1e-6, earth, ground_m)
