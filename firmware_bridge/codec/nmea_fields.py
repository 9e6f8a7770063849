"""
Text of NMEA 0183 fields to values, strictly: blank says nothing (None), present but damaged refuses the sentence.

The library's typed values are not used, because they hide damage: a hemisphere other than N, S, E or W reads as north
or east, 75 minutes, `nan`, `inf` and `1_0` are accepted, a reference station of letters loses the whole sentence and
"0120" becomes 120, and times keep microseconds only.
"""

import math
import re

from firmware_bridge.codec.fix_part import DAY_NS, NS_PER_S, days_from_date, is_on_earth
from firmware_bridge.records import FixClass

KNOT_M_S = 1852.0 / 3600.0
KM_H_M_S = 1000.0 / 3600.0

# Name -> text of one sentence, in the sentence's order; blank where an older version ends early.
Fields = dict[str, str]

NO_POSITION = (None, None, math.inf)

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d)(?:\.(\d*))?|(23)(59)(60)(?:\.(\d*))?")
_LEAP_SECOND = "235960"
_DATE = re.compile(r"(\d\d)(\d\d)(\d\d)")
_LATITUDE = re.compile(r"(\d\d)([0-5]\d(?:\.(\d*))?)")
_LONGITUDE = re.compile(r"(\d\d\d)([0-5]\d(?:\.(\d*))?)")


class DamagedError(ValueError):
    """A field is present and is not what its layout says; it never leaves the NMEA codec."""


def number(text: str) -> float | None:
    """A decimal number; no exponent, no underscore, no `nan`."""
    if not text:
        return None
    if _NUMBER.fullmatch(text) is None:
        raise DamagedError
    return float(text)


def not_negative(text: str) -> float | None:
    """A number that cannot be below zero."""
    value = number(text)
    if value is not None and value < 0.0:
        raise DamagedError
    return value


def direction_deg(text: str) -> float | None:
    """A direction from 0 to 360 degrees, as [0, 360)."""
    value = not_negative(text)
    if value is None:
        return None
    if value > 360.0:
        raise DamagedError
    return value % 360.0


def signed_angle_deg(text: str, limit_deg: float) -> float | None:
    """An angle within the limit on both sides."""
    value = number(text)
    if value is not None and abs(value) > limit_deg:
        raise DamagedError
    return value


def with_unit(text: str, unit_text: str, unit: str) -> str:
    """The value's text if its unit is the expected one; in another unit it is damaged, since no layout has a choice."""
    if text and unit_text != unit:
        raise DamagedError
    return text


def time_of_day_ns(text: str) -> int | None:
    """hhmmss.sss to nine decimals. A leap second, 235960, is the first second of the next day, as UTC counts on."""
    if not text:
        return None
    match = _TIME.fullmatch(text)
    if match is None:
        raise DamagedError
    hour, minute, second, fraction = match.groups()[4:] if match[5] else match.groups()[:4]
    whole_s = (int(hour) * 60 + int(minute)) * 60 + int(second)
    return (whole_s * NS_PER_S + int(((fraction or "") + "000000000")[:9])) % DAY_NS


def date_days(text: str, time_text: str, *, is_month_first: bool = False) -> int | None:
    """ddmmyy, or Trimble's mmddyy, in days since 1970-01-01; the day that `time_of_day_ns` of the same time is on."""
    if not text:
        return None
    match = _DATE.fullmatch(text)
    if match is None:
        raise DamagedError
    day, month, short_year = map(int, match.groups())
    if is_month_first:
        day, month = month, day
    year = short_year + (1900 if short_year >= 80 else 2000)  # GPS time begins in 1980
    days = days_from_date(year, month, day)
    if days is None:
        raise DamagedError
    return days + time_text.startswith(_LEAP_SECOND)


def position(fields: Fields, fix_class: FixClass) -> tuple[float | None, float | None, float]:
    """Latitude, longitude and the step of their last digit, from lat, NS, lon and EW; all blank is no position."""
    if not fields["lat"] and not fields["lon"]:
        return NO_POSITION
    try:
        latitude_deg, latitude_step_deg = _angle(fields["lat"], _LATITUDE, fields["NS"], "NS")
        longitude_deg, longitude_step_deg = _angle(fields["lon"], _LONGITUDE, fields["EW"], "EW")
        if not is_on_earth(latitude_deg, longitude_deg):
            raise DamagedError
    except DamagedError:
        if fix_class is FixClass.NONE:
            # Receivers without a fix print placeholders such as 8960.0000,N: the sentence is whole, there is no fix.
            return NO_POSITION
        raise
    if fix_class is FixClass.NONE and latitude_deg == longitude_deg == 0.0:
        return NO_POSITION
    return latitude_deg, longitude_deg, max(latitude_step_deg, longitude_step_deg)


def _angle(text: str, layout: re.Pattern[str], hemisphere: str, hemispheres: str) -> tuple[float, float]:
    match = layout.fullmatch(text)
    if match is None or len(hemisphere) != 1 or hemisphere not in hemispheres:
        raise DamagedError
    degrees, minutes, decimals = match.groups()
    angle_deg = int(degrees) + float(minutes) / 60.0
    step_deg = 10.0 ** -len(decimals or "") / 60.0
    return -angle_deg if hemisphere in "SW" else angle_deg, step_deg
