"""
What every receiver's statement of accuracy means, and its 95 % figure. Nothing else converts one.

`horizontal_error_95_m` is the radius that holds the truth with 95 % probability. Receivers state other things:

| statement                                | taken as                       | 95 % figure                       |
|------------------------------------------|--------------------------------|-----------------------------------|
| NMEA GST semi-major axis                 | 1 sigma along it (a)           | 2.4477 x axis                     |
| NMEA GST, axes blank: lat and lon        | 1 sigma each (a)               | 1.96 x sqrt(lat^2 + lon^2)        |
| u-blox NAV-PVT, NAV-HPPOSLLH, HNR-PVT    | 1 sigma, see (b)               | 2.4477 x hAcc                     |
| u-blox PUBX,00 hAcc                      | 1 sigma, see (b)               | 2.4477 x hAcc                     |
| MAVLink GPS_RAW_INT h_acc                | 1 sigma, see (b)               | 2.4477 x h_acc                    |
| CEP, the 50 % radius                     | an ellipse of any shape (c)    | 2.9059 x CEP                      |
| DRMS, the root mean square radius        | an ellipse of any shape (c)    | 1.96 x DRMS                       |
| 2DRMS                                    | twice DRMS (c)                 | 0.98 x 2DRMS                      |
| HDOP, eph, number of satellites          | no statement of error          | none                              |
| blank, zero, all bits set, 10 km or more | "unknown" or nonsense          | none                              |
| u-blox NAV-RELPOSNED, NAV-ATT angles     | 1 sigma, one dimension, (b)    | 1.96 x angle                      |
| PASHR roll, pitch, heading accuracy      | standard deviation (d)         | 1.96 x angle                      |
| NMEA HDT, THS; PTNL,GGK; PTNL,AVR        | state none                     | none                              |

(a) NMEA 0183, GST: "standard deviation of semi-major axis of error ellipse", of latitude and of longitude error. A
semi-major axis smaller than one of these contradicts itself; the largest of the three then stands for it.

(b) u-blox's interface descriptions call hAcc "horizontal accuracy estimate" and name no confidence; MAVLink's XML calls
h_acc "position uncertainty" and most autopilots copy hAcc into it. Readings in use are CEP, 68 % radius and 1 sigma;
2.4477 x the figure covers all three of a circular error (a CEP would need 2.08 x, a 68 % radius 1.62 x).

(c) For instrument makers who state these. As defined in NovAtel's "GPS Position Accuracy Measures" (APN-029): CEP the
radius that holds 50 %, DRMS the square root of the mean squared radius.

(d) NovAtel OEM7 documentation, PASHR: "roll standard deviation in decimal degrees", likewise pitch and heading. Trimble
calls the same fields "accuracy estimate".

Where the factors come from: 2.4477 = sqrt(-2 ln 0.05) is the 95 % point of the Rayleigh distribution, exact for a
circular error and an upper bound for an ellipse with that semi-major axis. 1.96 is the 95 % point of a normal error in
one dimension. Of all two-dimensional normal errors with a given root mean square radius (or a given CEP) the one along
a line reaches furthest, so its factor bounds the others: 1.96 x DRMS, and 1.96 / 0.6745 = 2.9059 x CEP, where a
circular error would have 1.7308 and 2.0789.
"""

import math

RAYLEIGH_95 = math.sqrt(-2.0 * math.log(0.05))
NORMAL_95 = 1.959964
NORMAL_50 = 0.674490
ABSURD_SIGMA_M = 10_000.0  # a receiver that states 10 km or more is saying that it has no position
ABSURD_SIGMA_DEG = 180.0  # u-blox states 180 degrees when it has no direction


def radius_95_from_sigma(sigma_m: float | None) -> float | None:
    """The 95 % radius for a stated 1-sigma; None when nothing usable was stated."""
    return RAYLEIGH_95 * sigma_m if sigma_m is not None and _is_stated(sigma_m) else None


def radius_95_from_axes(latitude_sigma_m: float | None, longitude_sigma_m: float | None) -> float | None:
    """The 95 % radius for 1-sigma figures along north and east whose correlation is unknown."""
    if latitude_sigma_m is None or longitude_sigma_m is None:
        return None
    if not _is_stated(latitude_sigma_m) or not _is_stated(longitude_sigma_m):
        return None
    return NORMAL_95 * math.hypot(latitude_sigma_m, longitude_sigma_m)


def radius_95_from_ellipse(
    major_sigma_m: float | None, latitude_sigma_m: float | None, longitude_sigma_m: float | None
) -> float | None:
    """The 95 % radius for what a GST states: by its semi-major axis, or without one by the other two."""
    if major_sigma_m is None or not _is_stated(major_sigma_m):
        return radius_95_from_axes(latitude_sigma_m, longitude_sigma_m)
    others_m = [sigma_m for sigma_m in (latitude_sigma_m, longitude_sigma_m) if sigma_m is not None]
    return radius_95_from_sigma(max([major_sigma_m, *filter(_is_stated, others_m)]))


def radius_95_from_drms(drms_m: float | None) -> float | None:
    """The 95 % radius for a stated root mean square radius (half of a 2DRMS)."""
    return NORMAL_95 * drms_m if drms_m is not None and _is_stated(drms_m) else None


def radius_95_from_cep(cep_m: float | None) -> float | None:
    """The 95 % radius for a stated 50 % radius."""
    return NORMAL_95 / NORMAL_50 * cep_m if cep_m is not None and _is_stated(cep_m) else None


def angle_95_from_sigma(sigma_deg: float | None) -> float | None:
    """The 95 % half-width for the stated 1-sigma of one angle; None when nothing usable was stated."""
    if sigma_deg is None or not 0.0 < sigma_deg < ABSURD_SIGMA_DEG:
        return None
    return NORMAL_95 * sigma_deg


def sigma_from_radius_95(radius_m: float) -> float:
    """The 1-sigma that `radius_95_from_sigma` turns back into this radius."""
    return radius_m / RAYLEIGH_95


def sigma_from_angle_95(half_width_deg: float) -> float:
    """The 1-sigma that `angle_95_from_sigma` turns back into this half-width."""
    return half_width_deg / NORMAL_95


def _is_stated(sigma_m: float) -> bool:
    return 0.0 < sigma_m < ABSURD_SIGMA_M  # a NaN fails both comparisons
