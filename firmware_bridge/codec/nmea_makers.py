"""
Sentences of receiver makers' own: u-blox PUBX,00, Trimble PTNL,GGK and PTNL,AVR, and PASHR attitude.

Fix codes clash with GGA's and with each other: PTNL,GGK and PTNL,AVR say 2 for float and 3 for fixed.
"""

from firmware_bridge.codec.accuracy import angle_95_from_sigma, radius_95_from_sigma
from firmware_bridge.codec.fix_part import AttitudePart, FixPart
from firmware_bridge.codec.nmea_fields import (
    KM_H_M_S,
    DamagedError,
    Fields,
    date_days,
    direction_deg,
    not_negative,
    number,
    position,
    signed_angle_deg,
    time_of_day_ns,
    with_unit,
)
from firmware_bridge.records import FixClass

# PTNL,GGK field 7 and PTNL,AVR field 9 (Trimble 5700 user guide, tables 12.5 and 12.6; R7/R8 user guide, table A.2).
# Later receivers number network and satellite services from 5 on; no document at hand says how, so they count as none.
PTNL_QUALITY = {
    "0": FixClass.NONE,
    "1": FixClass.SINGLE,
    "2": FixClass.FLOAT,
    "3": FixClass.FIXED,
    "4": FixClass.DGNSS,
}
# PUBX,00 navStat (u-blox UBX-13003221, "Position fix flags in NMEA"): no words for RTK, so a differential one may be.
PUBX_STATUS = {
    "NF": FixClass.NONE,
    "DR": FixClass.DEAD_RECKONING,
    "G2": FixClass.SINGLE,
    "G3": FixClass.SINGLE,
    "D2": FixClass.DGNSS,
    "D3": FixClass.DGNSS,
    "RK": FixClass.SINGLE,
    "TT": FixClass.NONE,
}
PUBX_COARSE = (FixClass.SINGLE, FixClass.DGNSS)


def decode_pubx_00(fields: Fields) -> FixPart:
    """
    u-blox position with accuracy (UBX-13003221, "PUBX,00"). Its altitude is above the ellipsoid, which is none of ours;
    its speed is in kilometres an hour.
    """
    fix_class = PUBX_STATUS.get(fields["navStat"], FixClass.NONE)
    latitude_deg, longitude_deg, step_deg = position(fields, fix_class)
    has_fix = fix_class is not FixClass.NONE and latitude_deg is not None
    error_m = radius_95_from_sigma(not_negative(fields["hAcc"]))
    speed_km_h = not_negative(fields["SOG"])
    course_deg = direction_deg(fields["COG"])
    return FixPart(
        source="PUBX,00",
        time_of_day_ns=time_of_day_ns(fields["time"]),
        fix_class=fix_class if has_fix else FixClass.NONE,
        is_class_coarse=has_fix and fix_class in PUBX_COARSE,
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
        position_step_deg=step_deg,
        horizontal_error_95_m=error_m if has_fix else None,
        speed_m_s=speed_km_h * KM_H_M_S if has_fix and speed_km_h is not None else None,
        course_deg=course_deg if has_fix else None,
        correction_age_s=not_negative(fields["diffAge"]),
    )


def decode_ptnl_ggk(fields: Fields) -> FixPart:
    """Trimble position with date, month first; its height is above the ellipsoid, which is none of ours."""
    fix_class = PTNL_QUALITY.get(fields["gpsQual"], FixClass.NONE)
    latitude_deg, longitude_deg, step_deg = position(fields, fix_class)
    has_fix = fix_class is not FixClass.NONE and latitude_deg is not None
    days = date_days(fields["utcdate"], fields["utctime"], is_month_first=True)
    return FixPart(
        source="PTNL,GGK",
        time_of_day_ns=time_of_day_ns(fields["utctime"]),
        date_days=days if has_fix else None,
        fix_class=fix_class if has_fix else FixClass.NONE,
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
        position_step_deg=step_deg,
    )


def decode_ptnl_avr(fields: Fields) -> FixPart:
    """
    Trimble moving baseline: yaw, and tilt or roll, of two antennas; only with fixed ambiguities. No error is stated.

    Which of tilt and roll is printed follows how the receiver was told that the antennas are mounted (Trimble R750
    web help, "PTNL,AVR"). The quality is that of the baseline, not of a position.
    """
    yaw_deg = signed_angle_deg(with_unit(fields["yaw"], fields["yawc"], "Yaw"), 360.0)
    pitch_deg = signed_angle_deg(with_unit(fields["tilt"], fields["tiltc"], "Tilt"), 90.0)
    roll_deg = signed_angle_deg(with_unit(fields["roll"], fields["rollc"], "Roll"), 90.0)
    is_fixed = PTNL_QUALITY.get(fields["gpsQual"]) is FixClass.FIXED
    attitude = None if pitch_deg is None and roll_deg is None else AttitudePart(pitch_deg=pitch_deg, roll_deg=roll_deg)
    return FixPart(
        source="PTNL,AVR",
        time_of_day_ns=time_of_day_ns(fields["utctime"]),
        heading_deg=yaw_deg % 360.0 if is_fixed and yaw_deg is not None else None,
        attitude=attitude if is_fixed else None,
    )


def decode_pashr(fields: Fields) -> FixPart:
    """
    Attitude of an inertial system: heading, roll and pitch with their standard deviations.

    Its heading comes from gyros (NovAtel OEM7 documentation, "PASHR") and is kept apart from that of two antennas. Its
    flags clash: quality 2 is RTK fixed for NovAtel and differential for Trimble, status 1 is aligned for NovAtel and
    coarse levelling for Trimble. Only 0 means one thing for both, no position and not aligned; the rest is told by the
    stated accuracies.
    """
    heading_deg = direction_deg(with_unit(fields["trueHdg"], fields["trueHdgInd"], "T"))
    attitude = AttitudePart(
        heading_deg=heading_deg,
        roll_deg=signed_angle_deg(fields["roll"], 180.0),
        pitch_deg=signed_angle_deg(fields["pitch"], 90.0),
        heading_error_95_deg=angle_95_from_sigma(not_negative(fields["hdgAcc"])),
        roll_error_95_deg=angle_95_from_sigma(not_negative(fields["rollAcc"])),
        pitch_error_95_deg=angle_95_from_sigma(not_negative(fields["pitchAcc"])),
    )
    quality, status = number(fields["gnssQual"]), number(fields["imuAlign"])
    if quality is None:
        raise DamagedError
    # The status came with NovAtel's firmware 7.03; before it the sentence was empty while not aligned.
    is_aligned = quality != 0.0 and status != 0.0
    return FixPart(
        source="PASHR",
        time_of_day_ns=time_of_day_ns(fields["utctime"]),
        attitude=attitude if is_aligned else None,
    )
