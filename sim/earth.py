"""
The simulator's own geometry: the vehicle's rotation and the ellipsoid, by matrices and through Earth-centred space.

Nothing here comes from the core: a mistake in its lever arms or its plane must show against the truth, and would not
if the truth were made with the same lines. Source of the ellipsoid: NIMA TR8350.2, table 3.1.
"""

import numpy as np

from firmware_bridge.records import FloatArray

AXIS_M = 6_378_137.0
ECCENTRICITY_SQUARE = (2.0 - 1.0 / 298.257223563) / 298.257223563
ROUNDS = 8  # each gains two digits or more; four are enough within 100 km


def offsets_enu(
    points_m: FloatArray, heading_rad: FloatArray, roll_rad: FloatArray, pitch_rad: FloatArray
) -> FloatArray:
    """
    Points of the vehicle's frame (x forward, y left, z up), turned into east, north, up.

    points_m : float64 (points, 3)      heading, roll, pitch : float64 (n,), MAVLink's signs
    Returns float64 (n, points, 3). Rotation R = Rz(yaw) Ry(pitch) Rx(roll), forward-right-down to north-east-down.
    """
    zero, one = np.zeros_like(heading_rad), np.ones_like(heading_rad)

    def matrix(*entries: FloatArray) -> FloatArray:
        return np.moveaxis(np.array(entries).reshape(3, 3, -1), -1, 0)

    sin, cos = np.sin, np.cos
    yaw = matrix(cos(heading_rad), -sin(heading_rad), zero, sin(heading_rad), cos(heading_rad), zero, zero, zero, one)
    nose = matrix(cos(pitch_rad), zero, sin(pitch_rad), zero, one, zero, -sin(pitch_rad), zero, cos(pitch_rad))
    side = matrix(one, zero, zero, zero, cos(roll_rad), -sin(roll_rad), zero, sin(roll_rad), cos(roll_rad))
    down = np.einsum("nij,njk,nkl,pl->npi", yaw, nose, side, points_m * np.array([1.0, -1.0, -1.0]))
    return np.stack([down[:, :, 1], down[:, :, 0], -down[:, :, 2]], axis=-1)


def geographic(
    origin: tuple[float, float, float], east_m: FloatArray, north_m: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """
    Latitude and longitude in degrees of points at the origin's altitude, by east and north in its tangent frame.

    origin : latitude and longitude in degrees, altitude in metres
    """
    latitude, longitude = np.radians(origin[0]), np.radians(origin[1])
    sin, cos = np.sin(latitude), np.cos(latitude)
    normal = AXIS_M / np.sqrt(1.0 - ECCENTRICITY_SQUARE * sin**2)
    radius = (normal + origin[2]) * cos
    polar = (normal * (1.0 - ECCENTRICITY_SQUARE) + origin[2]) * sin
    up_m = np.zeros_like(east_m)
    for _ in range(ROUNDS):
        # In the meridian plane of the origin: away from the axis, along the axis; east is across it.
        away = radius - sin * north_m + cos * up_m
        along = polar + cos * north_m + sin * up_m
        turned = np.arctan2(east_m, away)
        found, height_m = _latitude(np.hypot(away, east_m), along)
        up_m = up_m + origin[2] - height_m
    return np.degrees(found), (np.degrees(longitude + turned) + 180.0) % 360.0 - 180.0


def _latitude(away_m: FloatArray, along_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Latitude in radians and height of points by their distances from the Earth's axis and its equator."""
    latitude = np.arctan2(along_m, away_m * (1.0 - ECCENTRICITY_SQUARE))
    height = np.zeros_like(away_m)
    for _ in range(ROUNDS):
        normal = AXIS_M / np.sqrt(1.0 - ECCENTRICITY_SQUARE * np.sin(latitude) ** 2)
        height = away_m / np.cos(latitude) - normal
        latitude = np.arctan2(along_m, away_m * (1.0 - ECCENTRICITY_SQUARE * normal / (normal + height)))
    return latitude, height
