"""
The sentences of NMEA 0183 (IEC 61162-1) that speak of a fix: GGA, GNS, RMC, VTG, GST, GSA, HDT and THS of any talker.

Field numbers and meanings after NMEA 0183 version 4.11 as makers reprint it (u-blox UBX-13003221, section "NMEA
messages overview"; JRC JSS-2250 manual 9-9 for the mode indicators; NAVIS NavDP-4000 manual for THS).
"""

from firmware_bridge.codec.accuracy import radius_95_from_ellipse
from firmware_bridge.codec.fix_part import FROM_WORST, FixPart
from firmware_bridge.codec.nmea_fields import (
    KM_H_M_S,
    KNOT_M_S,
    DamagedError,
    Fields,
    date_days,
    direction_deg,
    not_negative,
    number,
    position,
    time_of_day_ns,
    with_unit,
)
from firmware_bridge.records import FixClass

# GGA field 6 (3 is the military precise service, 7 a position typed in by hand).
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
# RMC field 12, VTG field 9 and each letter of GNS field 6, mode indicator (NMEA 0183 from 2.3; R and F from 3.0). P,
# precise, is no statement about ambiguities.
MODE = {
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
# GSA field 2: no fix, two and three dimensions.
GSA_NAVIGATION_MODES = ("1", "2", "3")
# THS field 2: estimated (dead reckoning), typed in, not valid.
THS_WITHOUT_HEADING = ("E", "M", "V")


def decode_gga(fields: Fields) -> FixPart:
    """Position, class, altitude and the corrections' age and station."""
    fix_class = GGA_QUALITY.get(fields["quality"], FixClass.NONE)
    if fix_class is FixClass.SINGLE and number(fields["numSV"]) == 0.0:
        # A Hemisphere receiver coasts so after its antenna was unplugged (gpsd's log "hemi"); gpsd takes it for no fix.
        # Furuno compasses print a differential fix with no satellites all day, and gpsd believes them.
        fix_class = FixClass.NONE
    latitude_deg, longitude_deg, step_deg = position(fields, fix_class)
    altitude_m = number(fields["alt"])
    return FixPart(
        source="GGA",
        time_of_day_ns=time_of_day_ns(fields["time"]),
        fix_class=_class_of_position(fix_class, latitude_deg),
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
        position_step_deg=step_deg,
        altitude_m=altitude_m if fields["altUnit"] == "M" else None,
        correction_age_s=not_negative(fields["diffAge"]),
        reference_station=fields["diffStation"] or None,
    )


def decode_gns(fields: Fields) -> FixPart:
    """The same for several constellations; the altitude is in metres above mean sea level without a unit field."""
    fix_class = _class_of_modes(fields["posMode"])
    latitude_deg, longitude_deg, step_deg = position(fields, fix_class)
    return FixPart(
        source="GNS",
        time_of_day_ns=time_of_day_ns(fields["time"]),
        fix_class=_class_of_position(fix_class, latitude_deg),
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
        position_step_deg=step_deg,
        altitude_m=number(fields["alt"]),
        correction_age_s=not_negative(fields["diffAge"]),
        reference_station=fields["diffStation"] or None,
    )


def _class_of_modes(modes: str) -> FixClass:
    """
    The class of one solution out of several systems, one letter for each; N stands for a system that is not used.

    The worst of those used, since no letter says how much each system contributed.
    """
    classes = [MODE.get(letter, FixClass.NONE) for letter in modes if letter != "N"]
    if FixClass.SIMULATED in classes:
        return FixClass.SIMULATED
    return min(classes, key=FROM_WORST.index, default=FixClass.NONE)


def decode_rmc(fields: Fields) -> FixPart:
    """Position, date, speed and course; its class in words that older versions have few of."""
    mode = fields["posMode"]
    fix_class = MODE.get(mode, FixClass.NONE) if mode else FixClass.SINGLE
    is_valid = fields["status"] == "A"
    if fix_class is not FixClass.SIMULATED and not is_valid:
        fix_class = FixClass.NONE
    latitude_deg, longitude_deg, step_deg = position(fields, fix_class)
    fix_class = _class_of_position(fix_class, latitude_deg)
    days = date_days(fields["date"], fields["time"])
    speed_kn = not_negative(fields["spd"])
    course_deg = direction_deg(fields["cog"])
    return FixPart(
        source="RMC",
        time_of_day_ns=time_of_day_ns(fields["time"]),
        # A receiver without a fix prints the date of its own clock, which may be the day it was made.
        date_days=days if is_valid else None,
        fix_class=fix_class,
        is_class_coarse=fix_class is not FixClass.NONE and mode in RMC_COARSE_MODES,
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
        position_step_deg=step_deg,
        speed_m_s=speed_kn * KNOT_M_S if is_valid and speed_kn is not None else None,
        course_deg=course_deg if is_valid else None,
    )


def decode_vtg(fields: Fields) -> FixPart:
    """Speed and course over ground; knots before kilometres an hour, as receivers print more digits of them."""
    mode = fields["posMode"]
    speed_kn = not_negative(with_unit(fields["sogn"], fields["sognUnit"], "N"))
    speed_km_h = not_negative(with_unit(fields["sogk"], fields["sogkUnit"], "K"))
    speed_m_s = None if speed_km_h is None else speed_km_h * KM_H_M_S
    course_deg = direction_deg(with_unit(fields["cogt"], fields["cogtUnit"], "T"))
    is_valid = MODE.get(mode, FixClass.NONE) is not FixClass.NONE if mode else True
    return FixPart(
        source="VTG",
        fix_class=FixClass.SIMULATED if mode == "S" else None,
        speed_m_s=None if not is_valid else speed_m_s if speed_kn is None else speed_kn * KNOT_M_S,
        course_deg=course_deg if is_valid else None,
    )


def decode_gst(fields: Fields) -> FixPart:
    """The receiver's own statement of error, as one standard deviation."""
    major_m = not_negative(fields["stdMajor"])
    latitude_m, longitude_m = not_negative(fields["stdLat"]), not_negative(fields["stdLong"])
    return FixPart(
        source="GST",
        time_of_day_ns=time_of_day_ns(fields["time"]),
        horizontal_error_95_m=radius_95_from_ellipse(major_m, latitude_m, longitude_m),
    )


def decode_gsa(fields: Fields) -> FixPart:
    """
    Whether the altitude was found or held: mode 2, two dimensions, holds it.

    Mode 1, no fix, is not used: receivers that print a GSA for each constellation print it for those without satellites
    while another one has the fix (met in a Furuno GP-320FW log). Dilutions of precision are no statement of error.
    """
    if fields["navMode"] not in GSA_NAVIGATION_MODES:
        raise DamagedError
    return FixPart(source="GSA", is_altitude_held=fields["navMode"] == "2")


def decode_hdt(fields: Fields) -> FixPart:
    """True heading, of two antennas as receivers use it; it says nothing about its quality."""
    return FixPart(source="HDT", heading_deg=direction_deg(with_unit(fields["headingT"], fields["headingTu"], "T")))


def decode_ths(fields: Fields) -> FixPart:
    """True heading with a mode: only an autonomous one counts."""
    heading_deg = direction_deg(fields["headt"])
    mode = fields["mi"]
    if mode not in ("A", "S", *THS_WITHOUT_HEADING):
        raise DamagedError
    return FixPart(
        source="THS",
        fix_class=FixClass.SIMULATED if mode == "S" else None,
        heading_deg=None if mode in THS_WITHOUT_HEADING else heading_deg,
    )


def _class_of_position(fix_class: FixClass, latitude_deg: float | None) -> FixClass:
    """A class without a position is a contradiction, and none is what it means; only the simulator's mark is kept."""
    return FixClass.NONE if latitude_deg is None and fix_class is not FixClass.SIMULATED else fix_class
