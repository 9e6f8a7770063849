"""
A scenario: one TOML file that says which world, which machine and which work to simulate.

Lengths in metres in the field's own frame: east and north of the task's origin. Every random choice follows from the
scenario and the seed.
"""

import importlib.resources
import math
from pathlib import Path
from typing import Literal

import msgspec

from controller.core.site import Identifier, Section
from controller.toml_records import decode_toml
from firmware_bridge.errors import ConfigError
from sim.faults import check_faults, usual
from sim.sections import (
    Checks,
    ClutterModel,
    Fault,
    GnssModel,
    HeadModel,
    Lanes,
    Magnetometer,
    NoiseModel,
    Operator,
    SecondReceiver,
    SoilModel,
    TerrainModel,
    Trailer,
    VehicleModel,
    World,
)

RADIUS_95 = math.sqrt(-2.0 * math.log(0.05))  # of a two-dimensional Gaussian, in sigmas an axis
SLOPE_DEG_MAX = 5.0  # what its configuration states of the vehicle's roll and pitch
STEEPNESS_MAX = 0.06  # with the vehicle's sway, within the 5 degrees that its configuration states


class Scenario(Section, frozen=True, kw_only=True):
    """One simulated piece of work. `closing_check`: done well, with a dead channel, or not at all."""

    name: Identifier
    description: str
    profile: Identifier
    closing_check: Literal["good", "bad", "none"]
    world: World
    lanes: Lanes
    head: HeadModel
    gnss: GnssModel
    gnss2: SecondReceiver | None = None
    vehicle: VehicleModel = VehicleModel()
    trailer: Trailer | None = None
    operator: Operator = Operator()
    checks: Checks = Checks()
    magnetometer: Magnetometer | None = None
    soil: SoilModel | None = None
    terrain: TerrainModel | None = None
    clutter: ClutterModel | None = None
    noise: NoiseModel = NoiseModel()
    fault: tuple[Fault, ...] = ()

    @property
    def slope(self) -> tuple[float, float]:
        """Rise of the ground's plane for each metre east and north."""
        return (0.0, 0.0) if self.terrain is None else (self.terrain.slope_east, self.terrain.slope_north)

    @property
    def white_noise(self) -> float:
        """Sigma of a reading, in the head's unit."""
        noise = self.head.noise_uv if self.magnetometer is None else self.magnetometer.noise_nt
        assert noise is not None, "checked when it was loaded"
        return noise

    @property
    def reference_reading(self) -> float:
        """What the reference item is scaled by, in the head's unit."""
        reading = self.head.reference_uv if self.magnetometer is None else self.magnetometer.reference_nt
        assert reading is not None, "checked when it was loaded"
        return reading


def load_scenario(name: str) -> Scenario:
    """A shipped scenario by name, or a file by its path; raises `ConfigError` with the names there are."""
    folder = importlib.resources.files("sim") / "scenarios"
    shipped = folder / f"{name}.toml"
    if "/" not in name and shipped.is_file():
        return _checked(decode_toml(shipped.read_text(encoding="utf-8"), Scenario, f"scenario {name}"), name)
    path = Path(name)
    if not path.is_file():
        names = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir())
        raise ConfigError(f"there is no scenario {name!r}; there are {', '.join(names)}, or name a file")
    try:
        return _checked(decode_toml(path.read_text(encoding="utf-8"), Scenario, name), name)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name}: cannot be read: {error}") from error


def with_faults(scenario: Scenario, names: str) -> Scenario:
    """A scenario with kinds of the catalogue as they usually are, `KIND` or `KIND:LINK` with commas between them."""
    more = tuple(usual(name.strip()) for name in names.split(",") if name.strip())
    return msgspec.structs.replace(scenario, fault=(*scenario.fault, *more))


def slow_sigma_m(gnss: GnssModel) -> float:
    """Sigma of each axis of an honest receiver's slow error: what the white part leaves of the stated error."""
    return math.sqrt((gnss.stated_error_95_m / RADIUS_95) ** 2 - gnss.white_m**2)


def _checked(scenario: Scenario, source: str) -> Scenario:
    """What spans several keys; raises `ConfigError`."""
    gnss, scatter = scenario.gnss, scenario.world.scatter
    room_m = gnss.stated_error_95_m / (1.0 if gnss.error_model == "bounded" else RADIUS_95)
    if gnss.error_model != "preset" and gnss.white_m >= room_m:
        raise ConfigError(
            f"{source}: [gnss] white_m: {gnss.white_m} is not below {room_m:.4f}, all of the stated error"
        )
    _check_head(scenario, source)
    check_faults(scenario.fault, scenario.head.channels, source)
    if scenario.gnss2 is None and any(fault.link == "gnss2" for fault in scenario.fault):
        raise ConfigError(f"{source}: [[fault]] link: there is no [gnss2] that it could happen to")
    _check_lanes(scenario, source)
    _check_vehicle(scenario, source)
    for key in () if scatter is None else ("east_m", "north_m", "depth_m", "strength"):
        low, high = getattr(scatter, key)
        if low > high:
            raise ConfigError(f"{source}: [world.scatter] {key}: {low} to {high} runs backwards")
    return scenario


def _check_head(scenario: Scenario, source: str) -> None:
    """The head's kind and what belongs to it; raises `ConfigError`."""
    head, is_induction = scenario.head, scenario.magnetometer is None
    for key in ("noise_uv", "reference_uv"):
        if (getattr(head, key) is not None) != is_induction:
            say = "is missing" if is_induction else "belongs to coils; a magnetometer has its own in [magnetometer]"
            raise ConfigError(f"{source}: [head] {key}: {say}")
    if scenario.soil is not None and not is_induction:
        raise ConfigError(f"{source}: [soil]: is heard by coils; take it out, or [magnetometer]")
    if not is_induction and scenario.world.reference_shape != "isotropic":
        raise ConfigError(f"{source}: [world] reference_shape: with a [magnetometer] the reference item is isotropic")
    if head.receive is not None and head.transmit is None:
        raise ConfigError(f"{source}: [head.receive]: draw [head.transmit] too")
    for key in ("transmit", "receive"):
        coil = getattr(head, key)
        if coil is not None and (coil.radius_m is None) == (coil.size_m is None):
            raise ConfigError(f"{source}: [head.{key}]: a loop has either radius_m or size_m")
    if math.hypot(*scenario.slope) > STEEPNESS_MAX:
        raise ConfigError(f"{source}: [terrain] slope_east, slope_north: together steeper than {STEEPNESS_MAX}")
    clutter = scenario.clutter
    for key in () if clutter is None else ("east_m", "north_m"):
        low, high = getattr(clutter, key)
        if low > high:
            raise ConfigError(f"{source}: [clutter] {key}: {low} to {high} runs backwards")


def _check_lanes(scenario: Scenario, source: str) -> None:
    """What is said of single lanes; raises `ConfigError`."""
    lanes, operator = scenario.lanes, scenario.operator
    said = [("stop", stop.lane, stop.at_m) for stop in lanes.stop]
    said += [("stretch", stretch.lane, stretch.to_m) for stretch in lanes.stretch]
    for key, lane, at_m in said:
        if lane > lanes.count or at_m > lanes.length_m:
            raise ConfigError(f"{source}: [[lanes.{key}]]: {at_m} m of lane {lane} is outside the lanes")
    for stretch in lanes.stretch:
        if stretch.from_m >= stretch.to_m:
            raise ConfigError(
                f"{source}: [[lanes.stretch]] from_m: {stretch.from_m} is not less than to_m, {stretch.to_m}"
            )
    missed = operator.missed_overlap_lane
    if missed is not None and missed > lanes.count:
        raise ConfigError(f"{source}: [operator] missed_overlap_lane: {missed} of {lanes.count} lanes")
    if operator.missed_overlap_m >= lanes.spacing_m:
        raise ConfigError(
            f"{source}: [operator] missed_overlap_m: {operator.missed_overlap_m} is not below [lanes] spacing_m"
        )


def _check_vehicle(scenario: Scenario, source: str) -> None:
    """What the vehicle can do, and what the controller can know of it; raises `ConfigError`."""
    vehicle, trailer = scenario.vehicle, scenario.trailer
    tilt_deg = math.degrees(math.atan(math.hypot(*scenario.slope)))
    tilt_deg += math.hypot(vehicle.sway_roll_deg, vehicle.sway_pitch_deg)
    if tilt_deg > SLOPE_DEG_MAX:
        raise ConfigError(
            f"{source}: [vehicle] sway_roll_deg, sway_pitch_deg: with the slope up to {tilt_deg:.1f} degrees; the "
            f"machine's configuration states {SLOPE_DEG_MAX}"
        )
    if trailer is not None and trailer.antennas == "vehicle":
        raise ConfigError(
            f"{source}: [trailer] antennas: the controller takes antennas and array for one rigid body, which vehicle "
            'and trailer are not; put them on the "trailer"'
        )
    if trailer is not None and scenario.lanes.pattern == "back_and_forth":
        raise ConfigError(f"{source}: [trailer]: folds up in reverse; choose another [lanes] pattern")
