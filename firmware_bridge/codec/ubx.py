"""
u-blox UBX: NAV-PVT, NAV-HPPOSLLH and NAV-RELPOSNED (version 1) to and from fixes; HNR-PVT, NAV-ATT and TIM-TP from.

Meanings after the interface descriptions UBX-18010854 (ZED-F9P) and UBX-13003221 (M8: also HNR-PVT, NAV-ATT and
TIM-TP); layouts in `ubx_messages`. Only those are read, so a payload's length says whether all fields are there.

Traps kept in mind:
- Coordinates of NAV-PVT step by 1e-7 degree (1.1 cm); NAV-HPPOSLLH adds two digits.
- relPosHeading is "valid" also for a rover with a base that stands still, where it is the bearing from that base; it
  is the vehicle's heading only in moving base mode (isMoving), and to be trusted only with fixed ambiguities.
- HNR-PVT (positions between the epochs, from the inertial sensors) has no word for RTK, and a vehicle heading that is
  not that of two antennas: its class is coarse, its heading is not used.
- An accuracy of zero in NAV-ATT means that the angle is not available, not that it is perfect.
- iTOW is GPS time. UTC is taken from NAV-PVT's own fields and only once the receiver calls them fully resolved.
"""

import math
from collections.abc import Callable

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
from firmware_bridge.codec.gnss_frames import UBX_OVERHEAD, ubx_frame
from firmware_bridge.codec.ubx_messages import (
    ATT,
    HNR_PVT,
    HPPOSLLH,
    PVT,
    PVT_BYTES_U_BLOX_7,
    RELPOSNED,
    RELPOSNED_BYTES_0,
    TIM_TP,
    UNKNOWN_U4,
    HnrPvt,
    Pvt,
    UtcFields,
    read_att,
    read_hnr_pvt,
    read_hpposllh,
    read_pvt,
    read_relposned,
    read_tim_tp,
)
from firmware_bridge.records import FixClass, GnssFix, TimePulse, UtcNs

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


def decode_ubx(frame: bytes) -> FixPart | TimePulse | Refusal:
    """
    What one whole UBX frame says about an epoch, or about the next time pulse.

    frame : header and checksum included, as the framer gives it: its length and its checksum are good
    """
    decoder = _DECODERS.get(frame[2:4])
    if decoder is None:
        return Refusal.UNKNOWN
    decode, lengths = decoder
    if len(frame) - UBX_OVERHEAD not in lengths:
        return Refusal.MALFORMED
    return decode(frame[UBX_OVERHEAD - 2 : -2])


def _decode_pvt(payload: bytes) -> FixPart | Refusal:
    message = read_pvt(payload)
    has_position = message.fix_type in _WITH_POSITION and not message.is_position_invalid
    correction_age_s = CORRECTION_AGE_S[message.correction_range]
    return _solution(message, "NAV-PVT", _pvt_class(message), has_position, correction_age_s, is_class_coarse=False)


def _pvt_class(message: Pvt) -> FixClass:
    if not message.is_fix_ok:
        return FixClass.NONE
    if message.fix_type == _DEAD_RECKONING:
        return FixClass.DEAD_RECKONING
    if message.carrier == _FIXED:
        return FixClass.FIXED
    if message.carrier == _FLOAT:
        return FixClass.FLOAT
    return FixClass.DGNSS if message.is_differential else FixClass.SINGLE


def _decode_hnr_pvt(payload: bytes) -> FixPart | Refusal:
    message = read_hnr_pvt(payload)
    has_position = message.fix_type in _WITH_POSITION and message.is_fix_ok
    fix_class = FixClass.DGNSS if message.is_differential else FixClass.SINGLE
    if message.fix_type == _DEAD_RECKONING:
        fix_class = FixClass.DEAD_RECKONING
    is_coarse = has_position and message.fix_type != _DEAD_RECKONING
    return _solution(message, "HNR-PVT", fix_class, has_position, None, is_class_coarse=is_coarse)


def _solution(
    message: Pvt | HnrPvt,
    source: str,
    fix_class: FixClass,
    has_position: bool,
    correction_age_s: float | None,
    *,
    is_class_coarse: bool,
) -> FixPart | Refusal:
    """What the two messages with a whole solution have in common."""
    time_of_day_ns, date_days, is_time_sound = _utc_time(message.utc)
    if not is_time_sound or not is_on_earth(message.latitude_deg, message.longitude_deg) or message.itow_ms >= WEEK_MS:
        return Refusal.MALFORMED
    has_altitude = has_position and message.fix_type != _TWO_D and message.vertical_accuracy_mm != UNKNOWN_U4
    has_speed = has_position and message.speed_accuracy_mm_s != UNKNOWN_U4 and message.ground_speed_mm_s >= 0
    has_course = has_speed and angle_95_from_sigma(message.heading_accuracy_deg) is not None
    return FixPart(
        source=source,
        time_of_day_ns=time_of_day_ns,
        itow_ms=message.itow_ms,
        date_days=date_days,
        fix_class=fix_class if has_position else FixClass.NONE,
        is_class_coarse=is_class_coarse,
        latitude_deg=message.latitude_deg if has_position else None,
        longitude_deg=message.longitude_deg if has_position else None,
        position_step_deg=PVT_STEP_DEG if has_position else math.inf,
        altitude_m=message.height_msl_mm / 1000.0 if has_altitude else None,
        horizontal_error_95_m=radius_95_from_sigma(message.horizontal_accuracy_mm / 1000.0) if has_position else None,
        speed_m_s=message.ground_speed_mm_s / 1000.0 if has_speed else None,
        course_deg=message.motion_heading_deg % 360.0 if has_course else None,
        correction_age_s=correction_age_s,
    )


def _utc_time(utc: UtcFields) -> tuple[int | None, int | None, bool]:
    """UTC time of day and date, each None while unresolved; False when the fields cannot be a time."""
    if not (utc.is_time_valid and utc.is_resolved):
        return None, None, True
    # Second 60 is a leap second, and counts on into the next day; nano reaches back where the receiver rounded up.
    is_leap_second = (utc.hour, utc.minute, utc.second) == (23, 59, 60)
    is_time = utc.hour <= 23 and utc.minute <= 59 and (utc.second <= 59 or is_leap_second)
    if not is_time or abs(utc.nano) > NS_PER_S:
        return None, None, False
    whole_s = (utc.hour * 60 + utc.minute) * 60 + utc.second
    day_carry, time_of_day_ns = divmod(whole_s * NS_PER_S + utc.nano, DAY_NS)
    if not utc.is_date_valid:
        return time_of_day_ns, None, True
    days = days_from_date(utc.year, utc.month, utc.day)
    return time_of_day_ns, None if days is None else days + day_carry, days is not None


def _decode_hpposllh(payload: bytes) -> FixPart | Refusal:
    message = read_hpposllh(payload)
    if message.version != 0:
        return Refusal.UNKNOWN
    if not is_on_earth(message.latitude_deg, message.longitude_deg) or message.itow_ms >= WEEK_MS:
        return Refusal.MALFORMED
    if message.is_position_invalid:
        return FixPart(source="NAV-HPPOSLLH", itow_ms=message.itow_ms)
    has_altitude = message.vertical_accuracy != UNKNOWN_U4
    return FixPart(
        source="NAV-HPPOSLLH",
        itow_ms=message.itow_ms,
        latitude_deg=message.latitude_deg,
        longitude_deg=message.longitude_deg,
        position_step_deg=HPPOSLLH_STEP_DEG,
        altitude_m=message.height_msl_mm / 1000.0 if has_altitude else None,
        horizontal_error_95_m=radius_95_from_sigma(message.horizontal_accuracy_mm / 1000.0),
    )


def _decode_relposned(payload: bytes) -> FixPart | Refusal:
    if payload[0] != 1:
        return Refusal.UNKNOWN
    if len(payload) != RELPOSNED.size:
        return Refusal.MALFORMED
    message = read_relposned(payload)
    if not 0.0 <= message.heading_deg <= 360.0 or message.itow_ms >= WEEK_MS:
        return Refusal.MALFORMED
    is_heading_valid = (
        message.is_heading_valid and message.is_moving and message.carrier == _FIXED and message.is_fix_ok
    )
    return FixPart(
        source="NAV-RELPOSNED",
        itow_ms=message.itow_ms,
        heading_deg=message.heading_deg % 360.0 if is_heading_valid else None,
        heading_error_95_deg=angle_95_from_sigma(message.heading_accuracy_deg) if is_heading_valid else None,
        # In moving base mode the station is the vehicle's other antenna and says nothing about the correction stream.
        reference_station=None if message.is_moving else str(message.station),
    )


def _decode_att(payload: bytes) -> FixPart | Refusal:
    message = read_att(payload)
    if message.version != 0:
        return Refusal.UNKNOWN
    if (
        message.itow_ms >= WEEK_MS
        or abs(message.roll_deg) > 180.0
        or abs(message.pitch_deg) > 90.0
        or abs(message.heading_deg) > 360.0
    ):
        return Refusal.MALFORMED
    heading_95_deg = angle_95_from_sigma(message.heading_accuracy_deg)
    roll_95_deg = angle_95_from_sigma(message.roll_accuracy_deg)
    pitch_95_deg = angle_95_from_sigma(message.pitch_accuracy_deg)
    if heading_95_deg is roll_95_deg is pitch_95_deg is None:
        return FixPart(source="NAV-ATT", itow_ms=message.itow_ms)
    attitude = AttitudePart(
        heading_deg=None if heading_95_deg is None else message.heading_deg % 360.0,
        roll_deg=None if roll_95_deg is None else message.roll_deg,
        pitch_deg=None if pitch_95_deg is None else message.pitch_deg,
        heading_error_95_deg=heading_95_deg,
        roll_error_95_deg=roll_95_deg,
        pitch_error_95_deg=pitch_95_deg,
    )
    return FixPart(source="NAV-ATT", itow_ms=message.itow_ms, attitude=attitude)


def _decode_tim_tp(payload: bytes) -> TimePulse | Refusal:
    message = read_tim_tp(payload)
    if message.tow_ms >= WEEK_MS:
        return Refusal.MALFORMED
    # The week and the time of week are UTC's, and the receiver knows UTC. Only both together say UTC.
    utc_ns = None
    if message.is_utc_base and message.is_utc_known:
        below_ms_ns = round(message.tow_fraction * NS_PER_MS / 2**32)
        weeks_ns = message.week * 7 * DAY_NS + message.tow_ms * NS_PER_MS + below_ms_ns
        utc_ns = UtcNs(GPS_EPOCH_DAYS * DAY_NS + weeks_ns)
    error_ps = None if message.is_error_invalid else message.quantisation_error_ps
    return TimePulse(utc_ns=utc_ns, quantisation_error_ps=error_ps)


# Class and id -> (decoder, payload lengths).
_DECODERS: dict[bytes, tuple[Callable[[bytes], FixPart | TimePulse | Refusal], tuple[int, ...]]] = {
    b"\x01\x07": (_decode_pvt, (PVT.size, PVT_BYTES_U_BLOX_7)),
    b"\x01\x14": (_decode_hpposllh, (HPPOSLLH.size,)),
    b"\x28\x00": (_decode_hnr_pvt, (HNR_PVT.size,)),
    b"\x01\x05": (_decode_att, (ATT.size,)),
    b"\x0d\x01": (_decode_tim_tp, (TIM_TP.size,)),
    b"\x01\x3c": (_decode_relposned, (RELPOSNED.size, RELPOSNED_BYTES_0)),
}


def encode_ubx(fix: GnssFix) -> bytes:
    """
    NAV-PVT, NAV-HPPOSLLH and, when the fix has a heading, NAV-RELPOSNED in moving base mode.

    Accuracies are rounded up to the wire's step. iTOW comes from `utc_ns`, or from the time of day counted from the
    week's start when there is no date. UBX has no word for a simulated fix, so one must not be given; the correction's
    age becomes its range and the reference station is lost.
    """
    assert fix.fix_class is not FixClass.SIMULATED, "UBX cannot mark a fix as simulated"
    frames = [ubx_frame(b"\x01\x07", _encode_pvt(fix)), ubx_frame(b"\x01\x14", _encode_hpposllh(fix))]
    if fix.heading_deg is not None:
        frames.append(ubx_frame(b"\x01\x3c", _encode_relposned(fix)))
    return b"".join(frames)


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
    return PVT.pack(
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
    return HPPOSLLH.pack(
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
    return RELPOSNED.pack(
        *[1, 0, 0, _itow_ms(fix), north_cm, east_cm, 0, 100, heading, b"\x00" * 4, 0, 0, 0, 0],
        *[100, 100, 100, 100, heading_accuracy, b"\x00" * 4, flags],
    )
