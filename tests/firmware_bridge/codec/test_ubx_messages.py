"""Our unpacking of UBX payloads, field by field against the library's reading of the same random bytes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyubx2 import UBXReader

from firmware_bridge.codec.gnss_frames import fletcher
from firmware_bridge.codec.ubx_messages import (
    ATT,
    HNR_PVT,
    HPPOSLLH,
    PVT,
    PVT_BYTES_U_BLOX_7,
    RELPOSNED,
    TIM_TP,
    UtcFields,
    read_att,
    read_hnr_pvt,
    read_hpposllh,
    read_pvt,
    read_relposned,
    read_tim_tp,
)

UTC = {
    "year": "year", "month": "month", "day": "day", "hour": "hour", "minute": "min", "second": "second",
    "nano": "nano", "is_date_valid": "validDate", "is_time_valid": "validTime", "is_resolved": "fullyResolved",
}  # fmt: skip
SOLUTION = {
    "itow_ms": "iTOW", "longitude_deg": "lon", "latitude_deg": "lat", "height_msl_mm": "hMSL",
    "horizontal_accuracy_mm": "hAcc", "vertical_accuracy_mm": "vAcc", "ground_speed_mm_s": "gSpeed",
    "motion_heading_deg": "headMot", "speed_accuracy_mm_s": "sAcc", "heading_accuracy_deg": "headAcc",
}  # fmt: skip
# Class and id, payload bytes, our reader, and the library's name of each of its fields.
MESSAGES = {
    "NAV-PVT": (
        b"\x01\x07", PVT.size, read_pvt,
        SOLUTION | {
            "fix_type": "fixType", "is_fix_ok": "gnssFixOk", "is_differential": "diffSoln", "carrier": "carrSoln",
            "is_position_invalid": "invalidLlh", "correction_range": "lastCorrectionAge",
        },
    ),
    "HNR-PVT": (
        b"\x28\x00", HNR_PVT.size, read_hnr_pvt,
        SOLUTION | {"fix_type": "gpsFix", "is_fix_ok": "GPSfixOK", "is_differential": "DiffSoln"},
    ),
    "NAV-HPPOSLLH": (
        b"\x01\x14", HPPOSLLH.size, read_hpposllh,
        {
            "version": "version", "is_position_invalid": "invalidLlh", "itow_ms": "iTOW", "longitude_deg": "lon",
            "latitude_deg": "lat", "height_msl_mm": "hMSL", "horizontal_accuracy_mm": "hAcc",
        },
    ),
    "NAV-RELPOSNED": (
        b"\x01\x3c", RELPOSNED.size, read_relposned,
        {
            "version": "version", "station": "refStationID", "itow_ms": "iTOW", "heading_deg": "relPosHeading",
            "heading_accuracy_deg": "accHeading", "is_fix_ok": "gnssFixOK", "carrier": "carrSoln",
            "is_moving": "isMoving", "is_heading_valid": "relPosHeadingValid",
        },
    ),
    "NAV-ATT": (
        b"\x01\x05", ATT.size, read_att,
        {
            "itow_ms": "iTOW", "version": "version", "roll_deg": "roll", "pitch_deg": "pitch",
            "heading_deg": "heading", "roll_accuracy_deg": "accRoll", "pitch_accuracy_deg": "accPitch",
            "heading_accuracy_deg": "accHeading",
        },
    ),
    "TIM-TP": (
        b"\x0d\x01", TIM_TP.size, read_tim_tp,
        {
            "tow_ms": "towMS", "quantisation_error_ps": "qErr", "week": "week", "is_utc_base": "timeBase",
            "is_utc_known": "utc", "is_error_invalid": "qErrInvalid",
        },
    ),
}  # fmt: skip


def library(class_and_id, payload):
    """The library's reading of a payload."""
    body = class_and_id + struct.pack("<H", len(payload)) + payload
    return UBXReader.parse(b"\xb5\x62" + body + fletcher(body))


def agrees(ours, theirs):
    """
    Equal, or apart by the library's rounding: it multiplies by 1e-7 and so on and rounds to 12 digits, which leaves the
    float next to the decimal number below 1,000, and one up to 1e-15 of it away above.
    """
    return ours == theirs or (
        isinstance(ours, float) and abs(theirs) > 1000.0 and abs(ours - theirs) <= 1e-15 * abs(ours)
    )


@pytest.mark.parametrize("name", MESSAGES)
@given(data=st.data())
def test_every_field_is_what_the_library_makes_of_the_same_bytes(name, data):
    """Random payloads: integers, flags and angles equal, and no field of ours is left out of the comparison."""
    class_and_id, size, read, names = MESSAGES[name]
    payload = data.draw(st.binary(min_size=size, max_size=size))
    if name == "NAV-RELPOSNED":
        payload = b"\x01" + payload[1:]  # by any other version the library takes another layout
    ours, theirs = read(payload), library(class_and_id, payload)
    compared = {field: names[field] for field in ours.__struct_fields__ if field in names}
    for field, their_name in compared.items():
        assert agrees(getattr(ours, field), getattr(theirs, their_name)), field
    others = set(ours.__struct_fields__) - set(compared)
    if "utc" in others:
        assert [getattr(ours.utc, field) for field in UTC] == [
            getattr(theirs, their_name) for their_name in UTC.values()
        ]
        assert set(UTC) == set(UtcFields.__struct_fields__)
    if name == "NAV-HPPOSLLH":
        assert ours.vertical_accuracy == round(theirs.vAcc * 10)
    if name == "TIM-TP":
        assert ours.tow_fraction / 2**32 == pytest.approx(theirs.towSubMS, abs=1e-12)
    assert others <= {"utc", "vertical_accuracy", "tow_fraction"}


@given(payload=st.binary(min_size=PVT.size, max_size=PVT.size))
def test_the_older_pvt_says_the_same_without_its_last_fields(payload):
    """84 bytes end before headVeh, which is not read."""
    assert read_pvt(payload[:PVT_BYTES_U_BLOX_7]) == read_pvt(payload)


def test_a_coordinate_is_the_float_next_to_its_decimal_number():
    """What a person would type, so that no last digit depends on the order of two multiplications."""
    payload = bytearray(HPPOSLLH.size)
    struct.pack_into("<ii", payload, 8, 1_234_567_891, 465_123_456)
    struct.pack_into("<bb", payload, 24, 23, -78)
    message = read_hpposllh(bytes(payload))
    assert (message.longitude_deg, message.latitude_deg) == (123.456789123, 46.512345522)
