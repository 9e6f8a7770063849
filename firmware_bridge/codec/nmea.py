"""
NMEA 0183 sentences of a GNSS receiver: GGA, RMC, GST and HDT of any talker, to and from fixes.

The library splits sentences, knows their layouts and computes checksums. Field text is read here, strictly, because
the library's typed values hide damage: a hemisphere other than N, S, E or W reads as north or east, 75 minutes, `nan`,
`inf` and `1_0` are accepted, a reference station of letters loses the whole sentence and "0120" becomes 120, and times
keep microseconds only. Written sentences are composed here too, because the library writes 39.99999999999 degrees as
"3960.0000000" and fills the host's clock into a missing time.

A field that is blank says nothing; a field that is present but damaged refuses its whole sentence.
"""

import math
import re

from pynmeagps import NMEA_PAYLOADS_GET, NMEAMessageError, generate_checksum, get_parts

from firmware_bridge.codec.accuracy import radius_95_from_ellipse, sigma_from_radius_95
from firmware_bridge.codec.fix_part import (
    DAY_NS,
    NS_PER_S,
    FixPart,
    Refusal,
    date_from_days,
    days_from_date,
    is_on_earth,
)
from firmware_bridge.records import FixClass, GnssFix

KNOT_M_S = 1852.0 / 3600.0

# GGA field 6 (NMEA 0183; 3 is the military precise service, 7 a position typed in by hand).
GGA_QUALITY = {
    "0": FixClass.NONE,
    "1": FixClass.SINGLE,
    "2": FixClass.DGNSS,
    "3": FixClass.SINGLE,
    "4": FixClass.FIXED,
    "5": FixClass.FLOAT,
    "6": FixClass.DEAD_RECKONING,
    "7": FixClass.NONE,
    "8": FixClass.SIMULATED,
}
# RMC field 12, mode indicator (NMEA 0183 from 2.3; R and F from 3.0). P, precise, is no statement about ambiguities.
RMC_MODE = {
    "A": FixClass.SINGLE,
    "D": FixClass.DGNSS,
    "E": FixClass.DEAD_RECKONING,
    "F": FixClass.FLOAT,
    "M": FixClass.NONE,
    "N": FixClass.NONE,
    "P": FixClass.SINGLE,
    "R": FixClass.FIXED,
    "S": FixClass.SIMULATED,
}
RMC_COARSE_MODES = ("", "A", "D", "P")

_QUALITY_OF_CLASS = {
    FixClass.NONE: "0",
    FixClass.SINGLE: "1",
    FixClass.DGNSS: "2",
    FixClass.FIXED: "4",
    FixClass.FLOAT: "5",
    FixClass.DEAD_RECKONING: "6",
    FixClass.SIMULATED: "8",
}
_MODE_OF_CLASS = {
    FixClass.NONE: "N",
    FixClass.SINGLE: "A",
    FixClass.DGNSS: "D",
    FixClass.FIXED: "R",
    FixClass.FLOAT: "F",
    FixClass.DEAD_RECKONING: "E",
    FixClass.SIMULATED: "S",
}

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d)(?:\.(\d*))?")
_DATE = re.compile(r"(\d\d)(\d\d)(\d\d)")
_LATITUDE = re.compile(r"(\d\d)([0-5]\d(?:\.(\d*))?)")
_LONGITUDE = re.compile(r"(\d\d\d)([0-5]\d(?:\.(\d*))?)")

_NO_POSITION = (None, None, math.inf)

_Fields = dict[str, str]


class _DamagedError(ValueError):
    """A field is present and is not what its layout says; it never leaves this module."""


def decode_nmea(sentence: bytes) -> FixPart | Refusal:
    """
    What one whole sentence says about an epoch.

    sentence : from `$` to the checksum's second digit, whose checksum was found good (`GnssFramer` does that); a line
               end may follow
    """
    try:
        _, _, kind, values, _ = get_parts(sentence)
    except NMEAMessageError:
        return Refusal.MALFORMED
    if kind not in _DECODERS:
        return Refusal.UNKNOWN
    decode, fields_min, fields_max = _DECODERS[kind]
    if not fields_min <= len(values) <= fields_max:
        return Refusal.MALFORMED
    # Older versions of a sentence end early; the fields that they lack are blank.
    fields = dict.fromkeys(NMEA_PAYLOADS_GET[kind], "") | dict(zip(NMEA_PAYLOADS_GET[kind], values, strict=False))
    try:
        return decode(fields)
    except _DamagedError:
        return Refusal.MALFORMED


def _decode_gga(fields: _Fields) -> FixPart:
    fix_class = GGA_QUALITY.get(fields["quality"], FixClass.NONE)
    latitude_deg, longitude_deg, step_deg = _position(fields, fix_class)
    if latitude_deg is None and fix_class is not FixClass.SIMULATED:
        fix_class = FixClass.NONE
    altitude_m = _number(fields["alt"])
    return FixPart(
        source="GGA",
        time_of_day_ns=_time_of_day_ns(fields["time"]),
        fix_class=fix_class,
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
        position_step_deg=step_deg,
        altitude_m=altitude_m if fields["altUnit"] == "M" else None,
        correction_age_s=_not_negative(fields["diffAge"]),
        reference_station=fields["diffStation"] or None,
    )


def _decode_rmc(fields: _Fields) -> FixPart:
    mode = fields["posMode"]
    fix_class = RMC_MODE.get(mode, FixClass.NONE) if mode else FixClass.SINGLE
    is_valid = fields["status"] == "A"
    if fix_class is not FixClass.SIMULATED and not is_valid:
        fix_class = FixClass.NONE
    latitude_deg, longitude_deg, step_deg = _position(fields, fix_class)
    if latitude_deg is None and fix_class is not FixClass.SIMULATED:
        fix_class = FixClass.NONE
    date_days = _date_days(fields["date"])
    speed_kn = _not_negative(fields["spd"])
    course_deg = _direction_deg(fields["cog"])
    return FixPart(
        source="RMC",
        time_of_day_ns=_time_of_day_ns(fields["time"]),
        # A receiver without a fix prints the date of its own clock, which may be the day it was made.
        date_days=date_days if is_valid else None,
        fix_class=fix_class,
        is_class_coarse=fix_class is not FixClass.NONE and mode in RMC_COARSE_MODES,
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
        position_step_deg=step_deg,
        speed_m_s=speed_kn * KNOT_M_S if is_valid and speed_kn is not None else None,
        course_deg=course_deg if is_valid else None,
    )


def _decode_gst(fields: _Fields) -> FixPart:
    major_m = _not_negative(fields["stdMajor"])
    latitude_m, longitude_m = _not_negative(fields["stdLat"]), _not_negative(fields["stdLong"])
    return FixPart(
        source="GST",
        time_of_day_ns=_time_of_day_ns(fields["time"]),
        horizontal_error_95_m=radius_95_from_ellipse(major_m, latitude_m, longitude_m),
    )


def _decode_hdt(fields: _Fields) -> FixPart:
    heading_deg = _direction_deg(fields["headingT"])
    if heading_deg is not None and fields["headingTu"] != "T":
        raise _DamagedError
    return FixPart(source="HDT", heading_deg=heading_deg)


# Sentence -> (decoder, fewest fields, most fields). RMC ended with the date once and has 13 fields since NMEA 4.1.
_DECODERS = {
    "GGA": (_decode_gga, 14, 14),
    "RMC": (_decode_rmc, 9, 13),
    "GST": (_decode_gst, 8, 8),
    "HDT": (_decode_hdt, 2, 2),
}


def _number(text: str) -> float | None:
    if not text:
        return None
    if _NUMBER.fullmatch(text) is None:
        raise _DamagedError
    return float(text)


def _not_negative(text: str) -> float | None:
    value = _number(text)
    if value is not None and value < 0.0:
        raise _DamagedError
    return value


def _direction_deg(text: str) -> float | None:
    value = _not_negative(text)
    if value is None:
        return None
    if value > 360.0:
        raise _DamagedError
    return value % 360.0


def _time_of_day_ns(text: str) -> int | None:
    if not text:
        return None
    match = _TIME.fullmatch(text)
    if match is None:
        raise _DamagedError
    hour, minute, second, fraction = match.groups()
    whole_s = (int(hour) * 60 + int(minute)) * 60 + int(second)
    return whole_s * NS_PER_S + int(((fraction or "") + "000000000")[:9])


def _date_days(text: str) -> int | None:
    if not text:
        return None
    match = _DATE.fullmatch(text)
    if match is None:
        raise _DamagedError
    day, month, short_year = map(int, match.groups())
    year = short_year + (1900 if short_year >= 80 else 2000)  # GPS time begins in 1980
    days = days_from_date(year, month, day)
    if days is None:
        raise _DamagedError
    return days


def _position(fields: _Fields, fix_class: FixClass) -> tuple[float | None, float | None, float]:
    """Latitude, longitude and the step of their last digit; all blank is no position."""
    if not fields["lat"] and not fields["lon"]:
        return _NO_POSITION
    try:
        latitude_deg, latitude_step_deg = _angle(fields["lat"], _LATITUDE, fields["NS"], "NS")
        longitude_deg, longitude_step_deg = _angle(fields["lon"], _LONGITUDE, fields["EW"], "EW")
        if not is_on_earth(latitude_deg, longitude_deg):
            raise _DamagedError
    except _DamagedError:
        if fix_class is FixClass.NONE:
            # Receivers without a fix print placeholders such as 8960.0000,N: the sentence is whole, there is no fix.
            return _NO_POSITION
        raise
    if fix_class is FixClass.NONE and latitude_deg == longitude_deg == 0.0:
        return _NO_POSITION
    return latitude_deg, longitude_deg, max(latitude_step_deg, longitude_step_deg)


def _angle(text: str, layout: re.Pattern[str], hemisphere: str, hemispheres: str) -> tuple[float, float]:
    match = layout.fullmatch(text)
    if match is None or len(hemisphere) != 1 or hemisphere not in hemispheres:
        raise _DamagedError
    degrees, minutes, decimals = match.groups()
    angle_deg = int(degrees) + float(minutes) / 60.0
    step_deg = 10.0 ** -len(decimals or "") / 60.0
    return -angle_deg if hemisphere in "SW" else angle_deg, step_deg


def encode_nmea(fix: GnssFix, talker: str = "GN") -> bytes:
    """
    GGA and RMC, then GST when the fix states an error and HDT when it has a heading, each with its line end.

    Latitude and longitude carry 7 decimals of a minute (0.2 mm); the GST sigma is rounded up to 0.1 mm, so that what
    is read back is never better than what was stated. NMEA has no field for the heading's error: it is lost. A fix of
    class none gives an RMC with a warning, whose date no careful reader uses.
    """
    sentences = [_encode_gga(fix), _encode_rmc(fix)]
    if fix.horizontal_error_95_m is not None:
        sentences.append(_encode_gst(fix))
    if fix.heading_deg is not None:
        sentences.append(["HDT", _direction_text(fix.heading_deg), "T"])
    lines = []
    for kind, *values in sentences:
        assert not any(set(value) & set("$*,\r\n") for value in values), values
        checksum = generate_checksum(talker, kind, values)
        lines.append(f"${','.join([talker + kind, *values])}*{checksum}\r\n")
    return "".join(lines).encode("ascii")


def _encode_gga(fix: GnssFix) -> list[str]:
    # A receiver without a position prints quality 0, so the class of such a fix cannot be anything else; only the
    # simulator's mark is kept.
    has_position = fix.latitude_deg is not None or fix.fix_class is FixClass.SIMULATED
    altitude = "" if fix.altitude_m is None else f"{fix.altitude_m:.4f}"
    age = "" if fix.correction_age_s is None else f"{fix.correction_age_s:.1f}"
    quality = _QUALITY_OF_CLASS[fix.fix_class if has_position else FixClass.NONE]
    # Satellites, HDOP and geoid separation are not in the record; blank says so.
    return [
        *["GGA", _time_text(fix), *_position_texts(fix), quality, "", "", altitude, "M", "", "M"],
        *[age, fix.reference_station or ""],
    ]


def _encode_rmc(fix: GnssFix) -> list[str]:
    is_valid = fix.fix_class is not FixClass.NONE and fix.latitude_deg is not None
    speed = "" if fix.speed_m_s is None else f"{fix.speed_m_s / KNOT_M_S:.4f}"
    course = "" if fix.course_deg is None else _direction_text(fix.course_deg)
    date = ""
    if fix.utc_ns is not None:
        year, month, day = date_from_days(fix.utc_ns // DAY_NS)
        date = f"{day:02d}{month:02d}{year % 100:02d}"
    mode = _MODE_OF_CLASS[fix.fix_class if is_valid or fix.fix_class is FixClass.SIMULATED else FixClass.NONE]
    return [
        *["RMC", _time_text(fix), "A" if is_valid else "V", *_position_texts(fix)],
        *[speed, course, date, "", "", mode, "V"],  # navigational status V: not provided
    ]


def _encode_gst(fix: GnssFix) -> list[str]:
    assert fix.horizontal_error_95_m is not None
    sigma = f"{math.ceil(sigma_from_radius_95(fix.horizontal_error_95_m) * 1e4) / 1e4:.4f}"
    return ["GST", _time_text(fix), "", sigma, sigma, "0.0", sigma, sigma, ""]


def _direction_text(direction_deg: float) -> str:
    return f"{round(direction_deg % 360.0, 4) % 360.0:.4f}"


def _time_text(fix: GnssFix) -> str:
    """hhmmss with as many decimals as the epoch needs, two at least as receivers print them, nine at most."""
    time_ns = fix.time_of_day_ns if fix.utc_ns is None else fix.utc_ns % DAY_NS
    if time_ns is None:
        return ""
    whole_s, fraction_ns = divmod(time_ns, NS_PER_S)
    fraction = f"{fraction_ns:09d}".rstrip("0").ljust(2, "0")
    return f"{whole_s // 3600:02d}{whole_s // 60 % 60:02d}{whole_s % 60:02d}.{fraction}"


def _position_texts(fix: GnssFix) -> list[str]:
    if fix.latitude_deg is None or fix.longitude_deg is None:
        return ["", "", "", ""]
    return [
        *[_angle_text(fix.latitude_deg, 2), "S" if fix.latitude_deg < 0.0 else "N"],
        *[_angle_text(fix.longitude_deg, 3), "W" if fix.longitude_deg < 0.0 else "E"],
    ]


def _angle_text(angle_deg: float, degree_digits: int) -> str:
    # Whole units of 1e-7 minute: the carry into the degrees happens before any digit is written.
    degrees, rest = divmod(round(abs(angle_deg) * 60.0 * 1e7), 60 * 10**7)
    minutes, decimals = divmod(rest, 10**7)
    return f"{degrees:0{degree_digits}d}{minutes:02d}.{decimals:07d}"
