"""
The UBX messages that are read, payload to fields and nothing judged: own unpacking, since this is the GNSS hot path.

The library (pyubx2) turns every field of a message into an attribute: a NAV-PVT in 99 us where this takes 3, a
NAV-RELPOSNED in 68 where it takes 1. The tests hold each field to what the library reads of the same bytes. Layouts
after UBX-18010854 (ZED-F9P) and UBX-13003221 (M8: HNR-PVT, NAV-ATT, TIM-TP). Names are ours with their units; a scaled
integer is divided once by a power of ten, which gives the float next to its decimal number. All bits set stays what it
is: `UNKNOWN_U4`.
"""

import struct

import msgspec

UNKNOWN_U4 = 0xFFFFFFFF

PVT = struct.Struct("<IHBBBBBBIiBBBBiiiiIIiiiiiIIHHIihH")
HPPOSLLH = struct.Struct("<B2sBIiiiibbbbII")
RELPOSNED = struct.Struct("<BBHIiiiii4sbbbbIIIII4sI")
HNR_PVT = struct.Struct("<IHBBBBBBiBB2xiiiiiiiiIIII4x")
ATT = struct.Struct("<IB3xiiiIII")
TIM_TP = struct.Struct("<IIiHBB")
PVT_BYTES_U_BLOX_7 = 84  # UBX-13003221 and before: the same fields, ending before headVeh
RELPOSNED_BYTES_0 = 40  # version 0: another layout, no heading
_PVT_READ = struct.Struct("<IHBBBBBB4xiBBxxii4xiII12xiiIIxxH")  # up to flags3, which both lengths have
_RELPOSNED_READ = struct.Struct("<BxHI16xi8x16xI4xI")


class UtcFields(msgspec.Struct, frozen=True, kw_only=True):
    """The time of a solution as NAV-PVT and HNR-PVT print it, with the three flags that say what of it holds."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    nano: int
    is_date_valid: bool
    is_time_valid: bool
    is_resolved: bool


class Pvt(msgspec.Struct, frozen=True, kw_only=True):
    """NAV-PVT. carrier: carrSoln; accuracies are as stated, `UNKNOWN_U4` included."""

    itow_ms: int
    utc: UtcFields
    fix_type: int
    is_fix_ok: bool
    is_differential: bool
    carrier: int
    longitude_deg: float
    latitude_deg: float
    height_msl_mm: int
    horizontal_accuracy_mm: int
    vertical_accuracy_mm: int
    ground_speed_mm_s: int
    motion_heading_deg: float
    speed_accuracy_mm_s: int
    heading_accuracy_deg: float
    is_position_invalid: bool
    correction_range: int


class HnrPvt(msgspec.Struct, frozen=True, kw_only=True):
    """HNR-PVT; fields as in `Pvt`."""

    itow_ms: int
    utc: UtcFields
    fix_type: int
    is_fix_ok: bool
    is_differential: bool
    longitude_deg: float
    latitude_deg: float
    height_msl_mm: int
    ground_speed_mm_s: int
    motion_heading_deg: float
    horizontal_accuracy_mm: int
    vertical_accuracy_mm: int
    speed_accuracy_mm_s: int
    heading_accuracy_deg: float


class Hpposllh(msgspec.Struct, frozen=True, kw_only=True):
    """NAV-HPPOSLLH, its high-precision parts added; `vertical_accuracy` is as stated, in tenths of a millimetre."""

    version: int
    is_position_invalid: bool
    itow_ms: int
    longitude_deg: float
    latitude_deg: float
    height_msl_mm: float
    horizontal_accuracy_mm: float
    vertical_accuracy: int


class Relposned(msgspec.Struct, frozen=True, kw_only=True):
    """NAV-RELPOSNED, version 1; only what a heading and its station need."""

    version: int
    station: int
    itow_ms: int
    heading_deg: float
    heading_accuracy_deg: float
    is_fix_ok: bool
    carrier: int
    is_moving: bool
    is_heading_valid: bool


class Att(msgspec.Struct, frozen=True, kw_only=True):
    """NAV-ATT; an accuracy of 0 means that the angle is not available."""

    itow_ms: int
    version: int
    roll_deg: float
    pitch_deg: float
    heading_deg: float
    roll_accuracy_deg: float
    pitch_accuracy_deg: float
    heading_accuracy_deg: float


class TimTp(msgspec.Struct, frozen=True, kw_only=True):
    """TIM-TP. tow_fraction: parts of a millisecond, in 2^-32."""

    tow_ms: int
    tow_fraction: int
    quantisation_error_ps: int
    week: int
    is_utc_base: bool
    is_utc_known: bool
    is_error_invalid: bool


def read_pvt(payload: bytes) -> Pvt:
    """NAV-PVT of either length, 92 or 84 bytes."""
    fields = _PVT_READ.unpack_from(payload)
    itow_ms, year, month, day, hour, minute, second, valid, nano, fix_type, flags, longitude, latitude = fields[:13]
    height_msl_mm, horizontal, vertical, speed, course, speed_accuracy, heading_accuracy, flags3 = fields[13:]
    return Pvt(
        itow_ms=itow_ms,
        utc=_utc(year, month, day, hour, minute, second, nano, valid),
        fix_type=fix_type,
        is_fix_ok=bool(flags & 0x01),
        is_differential=bool(flags & 0x02),
        carrier=flags >> 6,
        longitude_deg=longitude / 1e7,
        latitude_deg=latitude / 1e7,
        height_msl_mm=height_msl_mm,
        horizontal_accuracy_mm=horizontal,
        vertical_accuracy_mm=vertical,
        ground_speed_mm_s=speed,
        motion_heading_deg=course / 1e5,
        speed_accuracy_mm_s=speed_accuracy,
        heading_accuracy_deg=heading_accuracy / 1e5,
        is_position_invalid=bool(flags3 & 0x01),
        correction_range=flags3 >> 1 & 0x0F,
    )


def read_hnr_pvt(payload: bytes) -> HnrPvt:
    """HNR-PVT, 72 bytes."""
    fields = HNR_PVT.unpack(payload)
    itow_ms, year, month, day, hour, minute, second, valid, nano, fix_type, flags, longitude, latitude = fields[:13]
    _, height_msl_mm, speed, _, course, _, horizontal, vertical, speed_accuracy, heading_accuracy = fields[13:]
    return HnrPvt(
        itow_ms=itow_ms,
        utc=_utc(year, month, day, hour, minute, second, nano, valid),
        fix_type=fix_type,
        is_fix_ok=bool(flags & 0x01),
        is_differential=bool(flags & 0x02),
        longitude_deg=longitude / 1e7,
        latitude_deg=latitude / 1e7,
        height_msl_mm=height_msl_mm,
        ground_speed_mm_s=speed,
        motion_heading_deg=course / 1e5,
        horizontal_accuracy_mm=horizontal,
        vertical_accuracy_mm=vertical,
        speed_accuracy_mm_s=speed_accuracy,
        heading_accuracy_deg=heading_accuracy / 1e5,
    )


def read_hpposllh(payload: bytes) -> Hpposllh:
    """NAV-HPPOSLLH, 36 bytes."""
    (version, _, flags, itow_ms, longitude, latitude, _, height, longitude_hp, latitude_hp, _, height_hp,
     horizontal, vertical) = HPPOSLLH.unpack(payload)  # fmt: skip
    return Hpposllh(
        version=version,
        is_position_invalid=bool(flags & 0x01),
        itow_ms=itow_ms,
        longitude_deg=(longitude * 100 + longitude_hp) / 1e9,
        latitude_deg=(latitude * 100 + latitude_hp) / 1e9,
        height_msl_mm=(height * 10 + height_hp) / 10.0,
        horizontal_accuracy_mm=horizontal / 10.0,
        vertical_accuracy=vertical,
    )


def read_relposned(payload: bytes) -> Relposned:
    """NAV-RELPOSNED of version 1, 64 bytes."""
    version, station, itow_ms, heading, heading_accuracy, flags = _RELPOSNED_READ.unpack(payload)
    return Relposned(
        version=version,
        station=station,
        itow_ms=itow_ms,
        heading_deg=heading / 1e5,
        heading_accuracy_deg=heading_accuracy / 1e5,
        is_fix_ok=bool(flags & 0x001),
        carrier=flags >> 3 & 0x03,
        is_moving=bool(flags & 0x020),
        is_heading_valid=bool(flags & 0x100),
    )


def read_att(payload: bytes) -> Att:
    """NAV-ATT, 32 bytes."""
    itow_ms, version, *angles = ATT.unpack(payload)
    roll, pitch, heading, roll_accuracy, pitch_accuracy, heading_accuracy = (angle / 1e5 for angle in angles)
    return Att(
        itow_ms=itow_ms,
        version=version,
        roll_deg=roll,
        pitch_deg=pitch,
        heading_deg=heading,
        roll_accuracy_deg=roll_accuracy,
        pitch_accuracy_deg=pitch_accuracy,
        heading_accuracy_deg=heading_accuracy,
    )


def read_tim_tp(payload: bytes) -> TimTp:
    """TIM-TP, 16 bytes."""
    tow_ms, tow_fraction, quantisation_error_ps, week, flags, _ = TIM_TP.unpack(payload)
    return TimTp(
        tow_ms=tow_ms,
        tow_fraction=tow_fraction,
        quantisation_error_ps=quantisation_error_ps,
        week=week,
        is_utc_base=bool(flags & 0x01),
        is_utc_known=bool(flags & 0x02),
        is_error_invalid=bool(flags & 0x10),
    )


def _utc(year: int, month: int, day: int, hour: int, minute: int, second: int, nano: int, valid: int) -> UtcFields:
    return UtcFields(
        year=year,
        month=month,
        day=day,
        hour=hour,
        minute=minute,
        second=second,
        nano=nano,
        is_date_valid=bool(valid & 0x01),
        is_time_valid=bool(valid & 0x02),
        is_resolved=bool(valid & 0x04),
    )
