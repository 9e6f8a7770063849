"""
How the vehicle moves: stands at the check place, drives lanes with half-circle turns outside the field, stands again.

The pose's place is that of the antenna; the vehicle stands on the scenario's plane, level or not, and tilts about its
reference point on it.
Vehicle frame: x forward, y left, z up; roll is positive right side down, pitch nose up, heading clockwise from north.
"""

import msgspec
import numpy as np

from firmware_bridge.records import FloatArray
from sim.earth import offsets_enu
from sim.scenario import Scenario
from sim.sections import Lanes

ANTENNA_M = (0.0, 0.0, 2.0)
MOUNT_X_M = 1.5
ACCELERATION_M_S2 = 0.4
CHECK_EAST_M = -4.0  # the check place lies beside the field, on ground nobody claims
TURN_RADIUS_M = 2.0
ROLL_RAD, PITCH_RAD = float(np.radians(0.8)), float(np.radians(0.6))  # how far the vehicle sways


class Poses(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Antenna and attitude at given times: float64 (n,) each; metres and radians."""

    east_m: FloatArray
    north_m: FloatArray
    heading_rad: FloatArray
    roll_rad: FloatArray
    pitch_rad: FloatArray
    speed_m_s: FloatArray


class Route:
    """A path by its length along it: straight lanes joined by turns that swing out as far as they need."""

    def __init__(self, scenario: Scenario) -> None:
        points = _northward(scenario.lanes) if scenario.lanes.pattern == "northward" else _serpentine(scenario.lanes)
        self._east, self._north, self._heading = _rounded(points)
        steps = np.hypot(np.diff(self._east), np.diff(self._north))
        self._along = np.concatenate([[0.0], np.cumsum(steps)])
        self.length_m = float(self._along[-1])

    def at(self, along_m: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """East, north and heading at lengths along the route."""
        return (
            np.interp(along_m, self._along, self._east),
            np.interp(along_m, self._along, self._north),
            np.interp(along_m, self._along, self._heading),
        )


def _northward(lanes: Lanes) -> list[tuple[float, float]]:
    """Corners of the way from the check place through all lanes, each northward and back outside, and home again."""
    south, north = -lanes.run_in_m - MOUNT_X_M, lanes.length_m + lanes.run_in_m - MOUNT_X_M
    points = [(CHECK_EAST_M, south)]
    for lane in range(lanes.count):
        east = lane * lanes.spacing_m
        points += [(east, south), (east, north)]
        points += [(east, north + 3.0), (CHECK_EAST_M - 2.5, north + 3.0), (CHECK_EAST_M - 2.5, south - 4.0)]
        points += [(east + lanes.spacing_m, south - 4.0)]
    points[-1] = (CHECK_EAST_M, south - 4.0)
    return [*points, (CHECK_EAST_M, south)]


def _serpentine(lanes: Lanes) -> list[tuple[float, float]]:
    """Corners of the way up one lane and down the next; the check place is where the first lane is run into."""
    points = [(0.0, -lanes.run_in_m - MOUNT_X_M)]
    # The head leads the antenna, so that it leaves the field before the turn and is straight again when it enters.
    turns = (lanes.length_m + lanes.run_in_m + MOUNT_X_M, -lanes.run_in_m - MOUNT_X_M)
    for lane in range(lanes.count):
        east, end = lane * lanes.spacing_m, turns[lane % 2]
        if lane == lanes.count - 1:
            end = lanes.length_m + lanes.run_in_m - MOUNT_X_M if lane % 2 == 0 else MOUNT_X_M - lanes.run_in_m
        points += [(east, points[-1][1])] if lane else []
        points += [(east, end)]
    return points


class Motion:
    """Poses over time. The vehicle stands until `depart_s`, drives the route, and stands from `arrive_s` on."""

    def __init__(self, scenario: Scenario, depart_s: float) -> None:
        self._route = Route(scenario)
        self._slope = scenario.slope
        self._speed = scenario.lanes.speed_m_s
        self._ramp_s = self._speed / ACCELERATION_M_S2
        self.depart_s = depart_s
        self.arrive_s = depart_s + self._route.length_m / self._speed + self._ramp_s

    def poses(self, times_s: FloatArray) -> Poses:
        """The pose at each time; beside the slope, roll and pitch sway by a few tenths of a degree along the way."""
        driven = np.clip(times_s - self.depart_s, 0.0, self.arrive_s - self.depart_s)
        along = self._distance(driven)
        east, north, heading = self._route.at(along)
        remaining = self.arrive_s - self.depart_s - driven
        speed = np.minimum(self._speed, ACCELERATION_M_S2 * np.minimum(driven, remaining))
        roll, pitch = standing(self._slope, heading)
        return Poses(
            east_m=east,
            north_m=north,
            heading_rad=heading,
            roll_rad=roll + ROLL_RAD * np.sin(along * 0.7),
            pitch_rad=pitch + PITCH_RAD * np.sin(along * 0.5 + 1.0),
            speed_m_s=speed,
        )

    def _distance(self, driven_s: FloatArray) -> FloatArray:
        """Way driven: speed up, drive, slow down."""
        total = self.arrive_s - self.depart_s
        rising = 0.5 * ACCELERATION_M_S2 * np.minimum(driven_s, self._ramp_s) ** 2
        steady = self._speed * np.clip(driven_s - self._ramp_s, 0.0, total - 2.0 * self._ramp_s)
        slowing = np.maximum(driven_s - (total - self._ramp_s), 0.0)
        way: FloatArray = rising + steady + self._speed * slowing - 0.5 * ACCELERATION_M_S2 * slowing**2
        return way


def standing(
    slope: tuple[float | FloatArray, float | FloatArray], heading_rad: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Roll and pitch of a vehicle whose floor is parallel to a plane of that rise east and north."""
    sin, cos = np.sin(heading_rad), np.cos(heading_rad)
    pitch = np.arctan(slope[0] * sin + slope[1] * cos)
    return -np.arctan((slope[0] * cos - slope[1] * sin) * np.cos(pitch)), pitch


def coil_positions(poses: Poses, scenario: Scenario) -> FloatArray:
    """True east, north and height above the origin of every coil: float64 (n, channels, 3)."""
    coils = [(MOUNT_X_M, y, scenario.head.height_m) for y in coil_offsets_m(scenario)]
    points = np.array([*coils, ANTENNA_M])
    places = offsets_enu(points, poses.heading_rad, poses.roll_rad, poses.pitch_rad)
    coils_m, antenna_m = places[:, :-1], places[:, -1:]
    foot_m = np.stack([poses.east_m, poses.north_m], axis=-1)[:, None] - antenna_m[:, :, :2]
    coils_m[:, :, :2] += foot_m
    coils_m[:, :, 2] += foot_m @ np.array(scenario.slope)
    return coils_m


def vehicle_axes(poses: Poses) -> FloatArray:
    """Rows are the vehicle's forward, left and up in east, north, up: float64 (n, 3, 3)."""
    return offsets_enu(np.eye(3), poses.heading_rad, poses.roll_rad, poses.pitch_rad)


def highest_coil_m(scenario: Scenario) -> float:
    """The greatest height above the plane, upright to it, that any coil reaches while the vehicle sways."""
    reach = max(map(abs, coil_offsets_m(scenario)))
    return scenario.head.height_m + MOUNT_X_M * float(np.sin(PITCH_RAD)) + reach * float(np.sin(ROLL_RAD))


def coil_offsets_m(scenario: Scenario) -> list[float]:
    """y of each coil in the head's frame, left positive, to the millimetre of the wire."""
    head = scenario.head
    return [round(((head.channels - 1) / 2 - index) * head.pitch_m, 3) for index in range(head.channels)]


def _rounded(points: list[tuple[float, float]]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A polyline with its corners cut to arcs, every 2 cm: east, north, unwrapped heading."""
    corners = np.array(points)
    pieces = [corners[0]]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        pieces.extend(_arc(before, corner, after))
    pieces.append(corners[-1])
    line = np.array(pieces)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    fine = np.arange(0.0, along[-1], 0.02)
    east, north = np.interp(fine, along, line[:, 0]), np.interp(fine, along, line[:, 1])
    # Heading from the path itself, smoothed over half a metre: a vehicle does not turn on the spot.
    raw = np.unwrap(np.arctan2(np.gradient(east), np.gradient(north)))
    window = np.ones(25) / 25
    padded = np.concatenate([np.full(12, raw[0]), raw, np.full(12, raw[-1])])
    return east, north, np.convolve(padded, window, mode="valid")


def _arc(before: FloatArray, corner: FloatArray, after: FloatArray) -> list[FloatArray]:
    """Points of the circle that touches both legs of a corner."""
    into, out = corner - before, after - corner
    reach = min(TURN_RADIUS_M, float(np.hypot(*into)) / 2, float(np.hypot(*out)) / 2)
    start, end = corner - into / np.hypot(*into) * reach, corner + out / np.hypot(*out) * reach
    shares = np.linspace(0.0, 1.0, 40)
    # A quadratic curve touches the legs as an arc does, whatever the angle between them.
    return [(1 - s) ** 2 * start + 2 * s * (1 - s) * corner + s**2 * end for s in shares]
