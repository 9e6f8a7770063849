"""
u-blox UBX: NAV-PVT, NAV-HPPOSLLH and NAV-RELPOSNED (version 1) to and from fixes; HNR-PVT, NAV-ATT and TIM-TP from.

Layouts and meanings after the interface descriptions UBX-18010854 (ZED-F9P) and UBX-13003221 (M8: also HNR-PVT,
NAV-ATT and TIM-TP). Reading goes through
the library; writing packs the same layouts here, so that a round trip meets two independent readings of the document.

Traps kept in mind:
- Coordinates of NAV-PVT step by 1e-7 degree (1.1 cm); NAV-HPPOSLLH adds two digits.
- The library reads missing bytes of a short payload as zero, so lengths are checked first.
- relPosHeading is "valid" also for a rover with a base that stands still, where it is the bearing from that base; it
  is the vehicle's heading only in moving base mode (isMoving), and to be trusted only with fixed ambiguities.
- HNR-PVT (positions between the epochs, from the inertial sensors) has no word for RTK, and a vehicle heading that is
  not that of two antennas: its class is coarse, its heading is not used.
- An accuracy of zero in NAV-ATT means that the angle is not available, not that it is perfect.
- iTOW is GPS time. UTC is taken from NAV-PVT's own fields and only once the receiver calls them fully resolved.
"""

import math
import struct
from typing import Any

from pyubx2 import UBXParseError, UBXReader

from firmware_bridge.codec.accuracy import (
    angle_95_from_sigma,
    radius_95_from_sigma,
    sigma_from_angle_95,
    sigma_from_radius_95,
)
from firmware_bridge.codec.fix_part import (
    DAY_NS,
    GPS_EPOCH_DAYS,
    GPS_UTC_LEAP_S,
    NS_PER_MS,
    NS_PER_S,
    WEEK_MS,
    AttitudePart,
    FixPart,
    Refusal,
    date_from_days,
    days_from_date,
    is_on_earth,
)
from firmware_bridge.codec.gnss_frames import fletcher
from firmware_bridge.records import FixClass, GnssFix, TimePulse, UtcNs

UNKNOWN_U4 = 0xFFFFFFFF
PVT_STEP_DEG = 1e-7
HPPOSLLH_STEP_DEG = 1e-9

# NAV-PVT flags3 lastCorrectionAge: the upper end of each range in seconds; 0 says nothing. The last range has none
# ("120 s or more"), which its lower end stands for.
CORRECTION_AGE_S = (None, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 120.0, 120.0, 120.0, 120.0)

# NAV-PVT fixType.
_DEAD_RECKONING = 1
_TWO_D = 2
_THREE_D = 3
_WITH_POSITION = (1, 2, 3, 4)
# carrSoln of NAV-PVT and NAV-RELPOSNED.
_FLOAT = 1
_FIXED = 2

_PVT = struct.Struct("<IHBBBBBBIiBBBBiiiiIIiiiiiIIHHIihH")
_HPPOSLLH = struct.Struct("<B2sBIiiiibbbbII")
_RELPOSNED = struct.Struct("<BBHIiiiii4sbbbbIIIII4sI")
_HNR_PVT_BYTES = 72
_ATT_BYTES = 32
_TIM_TP_BYTES = 16
_PVT_BYTES_U_BLOX_7 = 84  # UBX-13003221 and before: the same fields, ending before headVeh


def decode_ubx(frame: bytes) -> FixPart | TimePulse | Refusal:
    """What one whole UBX frame, header and checksum included, says about an epoch, or about the next time pulse."""
    decoder = _DECODERS.get(frame[2:4])
    if decoder is None:
        return Refusal.UNKNOWN
    decode, lengths = decoder
    if len(frame) - 8 not in lengths:
        return Refusal.MALFORMED
    try:
        message = UBXReader.parse(frame)
    except UBXParseError:
        return Refusal.MALFORMED
    return decode(message)


def _decode_pvt(message: Any) -> FixPart | Refusal:
    is_resolved = bool(message.validTime and message.fullyResolved)
    time_of_day_ns, date_days, is_time_sound = _pvt_time(message, is_resolved=is_resolved)
    if not is_time_sound or not is_on_earth(message.lat, message.lon) or message.iTOW >= WEEK_MS:
        return Refusal.MALFORMED
    fix_class = _pvt_class(message)
    has_position = message.fixType in _WITH_POSITION and not message.invalidLlh
    has_altitude = has_position and message.fixType != _TWO_D and message.vAcc != UNKNOWN_U4
    has_speed = has_position and message.sAcc != UNKNOWN_U4 and message.gSpeed >= 0
    has_course = has_speed and angle_95_from_sigma(message.headAcc) is not None
    return FixPart(
        source="NAV-PVT",
        time_of_day_ns=time_of_day_ns,
        itow_ms=message.iTOW,
        date_days=date_days,
        fix_class=fix_class if has_position else FixClass.NONE,
        latitude_deg=message.lat if has_position else None,
        longitude_deg=message.lon if has_position else None,
        position_step_deg=PVT_STEP_DEG if has_position else math.inf,
        altitude_m=message.hMSL / 1000.0 if has_altitude else None,
        horizontal_error_95_m=radius_95_from_sigma(message.hAcc / 1000.0) if has_position else None,
        speed_m_s=message.gSpeed / 1000.0 if has_speed else None,
        course_deg=message.headMot % 360.0 if has_course else None,
        correction_age_s=CORRECTION_AGE_S[message.lastCorrectionAge],
    )


def _pvt_class(message: Any) -> FixClass:
    if not message.gnssFixOk:
        return FixClass.NONE
    if message.fixType == _DEAD_RECKONING:
        return FixClass.DEAD_RECKONING
    if message.carrSoln == _FIXED:
        return FixClass.FIXED
    if message.carrSoln == _FLOAT:
        return FixClass.FLOAT
    return FixClass.DGNSS if message.diffSoln else FixClass.SINGLE


def _pvt_time(message: Any, *, is_resolved: bool) -> tuple[int | None, int | None, bool]:
    """UTC time of day and date, each None while unresolved; False when the fields cannot be a time."""
    if not is_resolved:
        return None, None, True
    # Second 60 is a leap second; nano reaches back before the second where the receiver rounded up.
    if message.hour > 23 or message.min > 59 or message.second > 60 or abs(message.nano) > NS_PER_S:
        return None, None, False
    whole_s = (message.hour * 60 + message.min) * 60 + message.second
    day_carry, time_of_day_ns = divmod(whole_s * NS_PER_S + message.nano, DAY_NS)
    if not message.validDate:
        return time_of_day_ns, None, True
    days = days_from_date(message.year, message.month, message.day)
    return time_of_day_ns, None if days is None else days + day_carry, days is not None


def _decode_hpposllh(message: Any) -> FixPart | Refusal:
    if message.version != 0:
        return Refusal.UNKNOWN
    if not is_on_earth(message.lat, message.lon) or message.iTOW >= WEEK_MS:
        return Refusal.MALFORMED
    if message.invalidLlh:
        return FixPart(source="NAV-HPPOSLLH", itow_ms=message.iTOW)
    has_altitude = round(message.vAcc * 10) != UNKNOWN_U4
    return FixPart(
        source="NAV-HPPOSLLH",
        itow_ms=message.iTOW,
        latitude_deg=message.lat,
        longitude_deg=message.lon,
        position_step_deg=HPPOSLLH_STEP_DEG,
        altitude_m=message.hMSL / 1000.0 if has_altitude else None,
        horizontal_error_95_m=radius_95_from_sigma(message.hAcc / 1000.0),
    )


def _decode_relposned(message: Any) -> FixPart | Refusal:
    if message.version != 1:
        return Refusal.UNKNOWN
    if not 0.0 <= message.relPosHeading <= 360.0 or message.iTOW >= WEEK_MS:
        return Refusal.MALFORMED
    is_heading_valid = (
        message.relPosHeadingValid and message.isMoving and message.carrSoln == _FIXED and message.gnssFixOK
    )
    return FixPart(
        source="NAV-RELPOSNED",
        itow_ms=message.iTOW,
        heading_deg=message.relPosHeading % 360.0 if is_heading_valid else None,
        heading_error_95_deg=angle_95_from_sigma(message.accHeading) if is_heading_valid else None,
        # In moving base mode the station is the vehicle's other antenna and says nothing about the correction stream.
        reference_station=None if message.isMoving else str(message.refStationID),
    )


def _decode_hnr_pvt(message: Any) -> FixPart | Refusal:
    is_resolved = bool(message.validTime and message.fullyResolved)
    time_of_day_ns, date_days, is_time_sound = _pvt_time(message, is_resolved=is_resolved)
    if not is_time_sound or not is_on_earth(message.lat, message.lon) or message.iTOW >= WEEK_MS:
        return Refusal.MALFORMED
    has_position = bool(message.gpsFix in _WITH_POSITION and message.GPSfixOK)
    fix_class = FixClass.DGNSS if message.DiffSoln else FixClass.SINGLE
    if message.gpsFix == _DEAD_RECKONING:
        fix_class = FixClass.DEAD_RECKONING
    has_altitude = has_position and message.gpsFix != _TWO_D and message.vAcc != UNKNOWN_U4
    has_speed = has_position and message.sAcc != UNKNOWN_U4 and message.gSpeed >= 0
    has_course = has_speed and angle_95_from_sigma(message.headAcc) is not None
    return FixPart(
        source="HNR-PVT",
        time_of_day_ns=time_of_day_ns,
        itow_ms=message.iTOW,
        date_days=date_days,
        fix_class=fix_class if has_position else FixClass.NONE,
        is_class_coarse=has_position and message.gpsFix != _DEAD_RECKONING,
        latitude_deg=message.lat if has_position else None,
        longitude_deg=message.lon if has_position else None,
        position_step_deg=PVT_STEP_DEG if has_position else math.inf,
        altitude_m=message.hMSL / 1000.0 if has_altitude else None,
        horizontal_error_95_m=radius_95_from_sigma(message.hAcc / 1000.0) if has_position else None,
        speed_m_s=message.gSpeed / 1000.0 if has_speed else None,
        course_deg=message.headMot % 360.0 if has_course else None,
    )


def _decode_att(message: Any) -> FixPart | Refusal:
    if message.version != 0:
        return Refusal.UNKNOWN
    if (
        message.iTOW >= WEEK_MS
        or abs(message.roll) > 180.0
        or abs(message.pitch) > 90.0
        or abs(message.heading) > 360.0
    ):
        return Refusal.MALFORMED
    heading_95_deg, roll_95_deg, pitch_95_deg = map(
        angle_95_from_sigma, (message.accHeading, message.accRoll, message.accPitch)
    )
    if heading_95_deg is roll_95_deg is pitch_95_deg is None:
        return FixPart(source="NAV-ATT", itow_ms=message.iTOW)
    attitude = AttitudePart(
        heading_deg=None if heading_95_deg is None else message.heading % 360.0,
        roll_deg=None if roll_95_deg is None else message.roll,
        pitch_deg=None if pitch_95_deg is None else message.pitch,
        heading_error_95_deg=heading_95_deg,
        roll_error_95_deg=roll_95_deg,
        pitch_error_95_deg=pitch_95_deg,
    )
    return FixPart(source="NAV-ATT", itow_ms=message.iTOW, attitude=attitude)


def _decode_tim_tp(message: Any) -> TimePulse | Refusal:
    if message.towMS >= WEEK_MS:
        return Refusal.MALFORMED
    # timeBase 1: the week and the time of week are UTC's; utc 1: the receiver knows UTC. Only both together say UTC.
    utc_ns = None
    if message.timeBase and message.utc:
        below_ms_ns = round(message.towSubMS * NS_PER_MS)
        weeks_ns = message.week * 7 * DAY_NS + message.towMS * NS_PER_MS + below_ms_ns
        utc_ns = UtcNs(GPS_EPOCH_DAYS * DAY_NS + weeks_ns)
    return TimePulse(utc_ns=utc_ns, quantisation_error_ps=None if message.qErrInvalid else message.qErr)


# Class and id -> (decoder, payload lengths).
_DECODERS = {
    b"\x01\x07": (_decode_pvt, (_PVT.size, _PVT_BYTES_U_BLOX_7)),
    b"\x01\x14": (_decode_hpposllh, (_HPPOSLLH.size,)),
    b"\x28\x00": (_decode_hnr_pvt, (_HNR_PVT_BYTES,)),
    b"\x01\x05": (_decode_att, (_ATT_BYTES,)),
    b"\x0d\x01": (_decode_tim_tp, (_TIM_TP_BYTES,)),
    b"\x01\x3c": (_decode_relposned, (_RELPOSNED.size, 40)),  # 40: version 0, told apart by its version byte
}


def encode_ubx(fix: GnssFix) -> bytes:
    """
    NAV-PVT, NAV-HPPOSLLH and, when the fix has a heading, NAV-RELPOSNED in moving base mode.

    Accuracies are rounded up to the wire's step. iTOW comes from `utc_ns`, or from the time of day counted from the
    week's start when there is no date. UBX has no word for a simulated fix, so one must not be given; the correction's
    age becomes its range and the reference station is lost.
    """
    assert fix.fix_class is not FixClass.SIMULATED, "UBX cannot mark a fix as simulated"
    frames = [_frame(b"\x01\x07", _encode_pvt(fix)), _frame(b"\x01\x14", _encode_hpposllh(fix))]
    if fix.heading_deg is not None:
        frames.append(_frame(b"\x01\x3c", _encode_relposned(fix)))
    return b"".join(frames)


def _frame(class_and_id: bytes, payload: bytes) -> bytes:
    body = class_and_id + struct.pack("<H", len(payload)) + payload
    return b"\xb5\x62" + body + fletcher(body)


def _itow_ms(fix: GnssFix) -> int:
    since_week_0_ns = 0
    if fix.utc_ns is not None:
        since_week_0_ns = fix.utc_ns - GPS_EPOCH_DAYS * DAY_NS
    elif fix.time_of_day_ns is not None:
        since_week_0_ns = fix.time_of_day_ns
    return (since_week_0_ns + GPS_UTC_LEAP_S * NS_PER_S) // NS_PER_MS % WEEK_MS


def _encode_pvt(fix: GnssFix) -> bytes:
    time_ns = fix.time_of_day_ns if fix.utc_ns is None else fix.utc_ns % DAY_NS
    whole_s, nano = divmod(time_ns or 0, NS_PER_S)
    year, month, day = (1980, 1, 6) if fix.utc_ns is None else date_from_days(fix.utc_ns // DAY_NS)
    valid = (0x01 if fix.utc_ns is not None else 0) | (0x06 if time_ns is not None else 0)
    position = fix.latitude_deg is not None and fix.longitude_deg is not None
    fix_type = _THREE_D if position else 0
    if fix.fix_class is FixClass.DEAD_RECKONING and position:
        fix_type = _DEAD_RECKONING
    velocity_mm_s = _velocity_mm_s(fix)
    return _PVT.pack(
        *[_itow_ms(fix), year, month, day, whole_s // 3600, whole_s // 60 % 60, whole_s % 60, valid],
        *[UNKNOWN_U4, nano, fix_type, _pvt_flags(fix), 0, 0],  # tAcc, flags2 and numSV say nothing
        *[round((fix.longitude_deg or 0.0) * 1e7), round((fix.latitude_deg or 0.0) * 1e7)],
        *[0, round((fix.altitude_m or 0.0) * 1000), _accuracy(fix, 1000), _vertical_accuracy(fix)],
        *[*velocity_mm_s, 0, 0 if fix.speed_m_s is None else round(fix.speed_m_s * 1000)],
        *[round((fix.course_deg or 0.0) * 1e5), UNKNOWN_U4 if fix.speed_m_s is None else 100],
        *[18_000_000 if fix.course_deg is None else 100_000, 9999],  # 180 degrees: no course; pDOP 99.99
        *[(0 if position else 1) | _correction_range(fix) << 1, 0, 0, 0, 0],
    )


def _pvt_flags(fix: GnssFix) -> int:
    is_ok = 0 if fix.fix_class is FixClass.NONE else 0x01
    corrected = (FixClass.DGNSS, FixClass.FLOAT, FixClass.FIXED)
    carrier = {FixClass.FLOAT: _FLOAT, FixClass.FIXED: _FIXED}.get(fix.fix_class, 0)
    return is_ok | (0x02 if fix.fix_class in corrected else 0) | carrier << 6


def _velocity_mm_s(fix: GnssFix) -> tuple[int, int]:
    if fix.speed_m_s is None or fix.course_deg is None:
        return 0, 0
    course_rad = math.radians(fix.course_deg)
    return round(fix.speed_m_s * math.cos(course_rad) * 1000), round(fix.speed_m_s * math.sin(course_rad) * 1000)


def _correction_range(fix: GnssFix) -> int:
    if fix.correction_age_s is None:
        return 0
    for index, upper_s in enumerate(CORRECTION_AGE_S):
        if upper_s is not None and fix.correction_age_s <= upper_s:
            return index
    return len(CORRECTION_AGE_S) - 1


def _accuracy(fix: GnssFix, steps_per_m: int) -> int:
    if fix.horizontal_error_95_m is None:
        return UNKNOWN_U4
    return min(math.ceil(sigma_from_radius_95(fix.horizontal_error_95_m) * steps_per_m), UNKNOWN_U4)


def _vertical_accuracy(fix: GnssFix) -> int:
    """The record states no vertical accuracy: 10 m stands for an altitude that is known, all bits set for none."""
    return UNKNOWN_U4 if fix.altitude_m is None else 10_000


def _split(value: float, steps: int) -> tuple[int, int]:
    """A value in whole steps and hundredths of a step, both rounded towards zero so that they share their sign."""
    hundredths = round(value * steps * 100)
    whole = math.trunc(hundredths / 100)
    return whole, hundredths - whole * 100


def _encode_hpposllh(fix: GnssFix) -> bytes:
    is_invalid = fix.latitude_deg is None or fix.longitude_deg is None
    latitude, latitude_hp = _split(fix.latitude_deg or 0.0, 10**7)
    longitude, longitude_hp = _split(fix.longitude_deg or 0.0, 10**7)
    tenths = round((fix.altitude_m or 0.0) * 10_000)
    altitude_mm = math.trunc(tenths / 10)
    return _HPPOSLLH.pack(
        *[0, b"\x00\x00", 1 if is_invalid else 0, _itow_ms(fix), longitude, latitude, 0, altitude_mm],
        *[longitude_hp, latitude_hp, 0, tenths - altitude_mm * 10],
        *[_accuracy(fix, 10_000), _vertical_accuracy(fix)],
    )


def _encode_relposned(fix: GnssFix) -> bytes:
    assert fix.heading_deg is not None
    heading = round(fix.heading_deg % 360.0 * 1e5) % 36_000_000
    error_deg = fix.heading_error_95_deg
    heading_accuracy = UNKNOWN_U4 if error_deg is None else math.ceil(sigma_from_angle_95(error_deg) * 1e5)
    # A baseline of 1 m, normalised (the record holds no length): its components are the heading's cosine and sine.
    north_cm = round(100.0 * math.cos(math.radians(fix.heading_deg)))
    east_cm = round(100.0 * math.sin(math.radians(fix.heading_deg)))
    # gnssFixOK, diffSoln, relPosValid, carrSoln fixed, isMoving, relPosHeadingValid, relPosNormalized.
    flags = 0x001 | 0x002 | 0x004 | _FIXED << 3 | 0x020 | 0x100 | 0x200
    return _RELPOSNED.pack(
        *[1, 0, 0, _itow_ms(fix), north_cm, east_cm, 0, 100, heading, b"\x00" * 4, 0, 0, 0, 0],
        *[100, 100, 100, 100, heading_accuracy, b"\x00" * 4, flags],
    )
