"""
The task's plane and the vehicle's lever arms.

Plane: east and north of the WGS 84 tangent frame at the task's origin, every point taken at the origin's altitude, so
that (latitude, longitude) and (east, north) map one to one. Source of the ellipsoid: NIMA TR8350.2, table 3.1.
"""

import math

import numpy as np
import numpy.typing as npt

from firmware_bridge.records import FloatArray, IntArray

DMM_PER_M = 10_000

_A_M = 6_378_137.0
_F = 1.0 / 298.257223563
_E2 = _F * (2.0 - _F)


class Plane:
    """East-north plane about an origin (degrees, degrees, metres above the ellipsoid or near it)."""

    def __init__(self, latitude_deg: float, longitude_deg: float, altitude_m: float) -> None:
        self.latitude_deg = latitude_deg
        self.longitude_deg = longitude_deg
        self.altitude_m = altitude_m
        self._sin = math.sin(math.radians(latitude_deg))
        self._cos = math.cos(math.radians(latitude_deg))
        curvature = 1.0 - _E2 * self._sin**2
        self._meridian_m = _A_M * (1.0 - _E2) / curvature**1.5 + altitude_m
        self._parallel_m = (_A_M / math.sqrt(curvature) + altitude_m) * self._cos

    def project(self, latitude_deg: npt.ArrayLike, longitude_deg: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """East and north in metres of points at the origin's altitude; arrays of any one shape, or numbers."""
        latitude = np.radians(np.asarray(latitude_deg, dtype=np.float64))
        delta = np.radians(np.asarray(longitude_deg, dtype=np.float64) - self.longitude_deg)
        prime_vertical = _A_M / np.sqrt(1.0 - _E2 * np.sin(latitude) ** 2)
        radius = (prime_vertical + self.altitude_m) * np.cos(latitude)
        height = (prime_vertical * (1.0 - _E2) + self.altitude_m) * np.sin(latitude)
        origin_vertical = _A_M / math.sqrt(1.0 - _E2 * self._sin**2)
        origin_radius = (origin_vertical + self.altitude_m) * self._cos
        origin_height = (origin_vertical * (1.0 - _E2) + self.altitude_m) * self._sin
        east = radius * np.sin(delta)
        north = self._cos * (height - origin_height) - self._sin * (radius * np.cos(delta) - origin_radius)
        return east, north

    def unproject(self, east_m: npt.ArrayLike, north_m: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Latitude and longitude in degrees: Newton's steps on `project`; exact to 1 um within 100 km."""
        wanted_east, wanted_north = (
            np.asarray(east_m, dtype=np.float64),
            np.asarray(north_m, dtype=np.float64),
        )
        latitude = self.latitude_deg + np.degrees(wanted_north / self._meridian_m)
        longitude = self.longitude_deg + np.degrees(wanted_east / self._parallel_m)
        for _ in range(4):
            east, north = self.project(latitude, longitude)
            latitude = latitude + np.degrees((wanted_north - north) / self._meridian_m)
            longitude = longitude + np.degrees((wanted_east - east) / self._parallel_m)
        return latitude, longitude


def lever_arms(lever_m: FloatArray, heading_rad: FloatArray, roll_rad: FloatArray, pitch_rad: FloatArray) -> FloatArray:
    """
    Horizontal offset of points on the vehicle from its antenna.

    lever_m   : float64 (points, 3) - x forward, y left, z up, from the antenna
    heading, roll, pitch : float64 (n,) - radians, as MAVLink ATTITUDE defines them
    Returns float64 (n, points, 2) - east, north in metres.
    """
    forward = lever_m[:, 0][None, :]
    right = -lever_m[:, 1][None, :]
    down = -lever_m[:, 2][None, :]
    sin_roll, cos_roll = np.sin(roll_rad)[:, None], np.cos(roll_rad)[:, None]
    sin_pitch, cos_pitch = np.sin(pitch_rad)[:, None], np.cos(pitch_rad)[:, None]
    sin_yaw, cos_yaw = np.sin(heading_rad)[:, None], np.cos(heading_rad)[:, None]
    level_right = cos_roll * right - sin_roll * down
    tilted_down = sin_roll * right + cos_roll * down
    level_forward = cos_pitch * forward + sin_pitch * tilted_down
    north = cos_yaw * level_forward - sin_yaw * level_right
    east = sin_yaw * level_forward + cos_yaw * level_right
    return np.stack([east, north], axis=-1)


def to_dmm(metres: npt.ArrayLike) -> IntArray:
    """Metres to the nearest tenth of a millimetre, so that no decision hangs on the last bits of a sine."""
    whole: IntArray = np.rint(np.asarray(metres, dtype=np.float64) * DMM_PER_M).astype(np.int64)
    return whole


def wrap_angle(angle_rad: float) -> float:
    """The same direction within [-pi, pi)."""
    return (angle_rad + math.pi) % (2.0 * math.pi) - math.pi
