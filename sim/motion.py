"""
How the vehicle moves: stands at the check place, drives the lanes' route at the pace of its speeds and stops, stands.

The pose's place is that of the antenna; the vehicle stands on the scenario's plane, level or not, and tilts about its
reference point on it, which keeps to the route: the vehicle's own, or the middle of its trailer's axle.
Vehicle frame: x forward, y left, z up; roll is positive right side down, pitch nose up, heading clockwise from north.
"""

import math

import msgspec
import numpy as np

from firmware_bridge.errors import ConfigError
from firmware_bridge.records import FloatArray
from sim.drive import Drive
from sim.earth import offsets_enu
from sim.route import ANTENNA_M, Route, mount_x_m
from sim.scenario import Scenario
from sim.sections import VehicleModel

SETTLED_M = 2.0  # of the way at either end, over which sway and bounce grow and fade


class Poses(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    Antenna and attitude at given times: float64 (n,) each; metres and radians.

    speed_m_s : along the heading, negative in reverse     heave_m : above the plane, of what stands on it
    """

    east_m: FloatArray
    north_m: FloatArray
    heading_rad: FloatArray
    roll_rad: FloatArray
    pitch_rad: FloatArray
    heave_m: FloatArray
    speed_m_s: FloatArray


class Motion:
    """
    Poses over time. The vehicle stands until `depart_s`, drives the route, and stands from `arrive_s` on.

    `seed` draws how the operator wanders. Raises `ConfigError` where the vehicle cannot drive so.
    """

    def __init__(self, scenario: Scenario, depart_s: float, seed: int = 0) -> None:
        self._route = Route(scenario, seed)
        self._drive = Drive(self._route.length_m, self._route.limits, self._route.stops)
        self._slope, self._vehicle = scenario.slope, scenario.vehicle
        self.depart_s = depart_s
        self.arrive_s = depart_s + self._drive.duration_s

    def poses(self, times_s: FloatArray) -> Poses:
        """The pose at each time, in any order; beside the slope, the vehicle sways and bounces along the way."""
        along, speed = self._drive.at(times_s - self.depart_s)
        place = self._route.at(along)
        roll, pitch = standing(self._slope, place.heading_rad)
        # At either end it stands as the plane does: both checks find the antenna at the same place.
        ends = np.clip(np.minimum(along, self._route.length_m - along) / SETTLED_M, 0.0, 1.0)
        moving = ends**2 * (3.0 - 2.0 * ends)
        sway_roll, sway_pitch = (moving * sway for sway in sway_rad(self._vehicle))
        phase = along * (2.0 * math.pi / self._vehicle.sway_length_m)
        roll = roll + sway_roll * np.sin(phase)
        pitch = pitch + sway_pitch * np.sin(phase / 1.4 + 1.0)
        sin, cos = np.sin(place.heading_rad), np.cos(place.heading_rad)
        # The antenna's mast leans with the vehicle.
        right, back = ANTENNA_M[2] * np.sin(roll), ANTENNA_M[2] * np.cos(roll) * np.sin(pitch)
        return Poses(
            east_m=place.east_m + right * cos - back * sin,
            north_m=place.north_m - right * sin - back * cos,
            heading_rad=place.heading_rad,
            roll_rad=roll,
            pitch_rad=pitch,
            heave_m=moving * self._vehicle.bounce_m * np.sin(phase * 1.9 + 2.0),
            speed_m_s=speed * place.rate,
        )


def sway_rad(vehicle: VehicleModel) -> tuple[float, float]:
    """How far roll and pitch depart at most from those of the plane."""
    return math.radians(vehicle.sway_roll_deg), math.radians(vehicle.sway_pitch_deg)


def standing(
    slope: tuple[float | FloatArray, float | FloatArray], heading_rad: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Roll and pitch of a vehicle whose floor is parallel to a plane of that rise east and north."""
    sin, cos = np.sin(heading_rad), np.cos(heading_rad)
    pitch = np.arctan(slope[0] * sin + slope[1] * cos)
    return -np.arctan((slope[0] * cos - slope[1] * sin) * np.cos(pitch)), pitch


def coil_positions(poses: Poses, scenario: Scenario) -> FloatArray:
    """True east, north and height above the origin of every coil: float64 (n, channels, 3)."""
    coils = [(mount_x_m(scenario), y, scenario.head.height_m) for y in coil_offsets_m(scenario)]
    points = np.array([*coils, ANTENNA_M])
    places = points @ vehicle_axes(poses)
    coils_m, antenna_m = places[:, :-1], places[:, -1:]
    foot_m = np.stack([poses.east_m, poses.north_m], axis=-1)[:, None] - antenna_m[:, :, :2]
    coils_m[:, :, :2] += foot_m
    coils_m[:, :, 2] += foot_m @ np.array(scenario.slope) + poses.heave_m[:, None]
    return coils_m


def vehicle_axes(poses: Poses) -> FloatArray:
    """Rows are the vehicle's forward, left and up in east, north, up: float64 (n, 3, 3)."""
    return offsets_enu(np.eye(3), poses.heading_rad, poses.roll_rad, poses.pitch_rad)


def highest_coil_m(scenario: Scenario) -> float:
    """
    The greatest height above the plane, upright to it, that any coil reaches while the vehicle sways and bounces.

    Raises `ConfigError` where a coil would touch the plane when it is as far below its own height.
    """
    vehicle, height_m = scenario.vehicle, scenario.head.height_m
    sway_roll, sway_pitch = sway_rad(vehicle)
    side_m = max(map(abs, coil_offsets_m(scenario)))
    reach_m = vehicle.bounce_m + mount_x_m(scenario) * math.sin(sway_pitch) + side_m * math.sin(sway_roll)
    if reach_m >= height_m:
        raise ConfigError(
            f"[vehicle] bounce_m, sway_roll_deg, sway_pitch_deg: coils {height_m} m above ground come down by "
            f"{reach_m:.3f} m; raise [head] height_m"
        )
    return height_m + reach_m


def coil_offsets_m(scenario: Scenario) -> list[float]:
    """y of each coil in the head's frame, left positive, to the millimetre of the wire."""
    head = scenario.head
    return [round(((head.channels - 1) / 2 - index) * head.pitch_m, 3) for index in range(head.channels)]
