"""UBX messages of a fix, an attitude or a time pulse, to and from records."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyubx2 import GET, UBXMessage

from firmware_bridge.codec.fix_part import DAY_NS, FixPart, Refusal, days_from_date
from firmware_bridge.codec.gnss import GnssDecoder
from firmware_bridge.codec.gnss_frames import GnssFramer, fletcher
from firmware_bridge.codec.ubx import decode_ubx, encode_ubx
from firmware_bridge.records import FixClass, GnssFix, TimePulse

MM_DEG = 1e-3 / 111_320.0  # one millimetre of latitude
# The library cuts scaled values off where it should round: one step of 1e-5 degree.
STEP_DEG = 1.1e-5
UTC_NS = 1_700_000_000_100_000_000  # 2023-11-14T22:13:20.1Z, a Tuesday


def ubx(name, **fields):
    """A frame written by the library, an independent reading of the interface description."""
    return UBXMessage("NAV", name, GET, **fields).serialize()


def pvt(**changes):
    """A good NAV-PVT, RTK fixed, 2023-11-14T22:13:20.1Z."""
    fields = {
        "iTOW": 252_818_100, "year": 2023, "month": 11, "day": 14, "hour": 22, "min": 13, "second": 20,
        "validDate": 1, "validTime": 1, "fullyResolved": 1, "nano": 100_000_000, "fixType": 3, "gnssFixOk": 1,
        "diffSoln": 1, "carrSoln": 2, "lat": 46.5, "lon": -7.25, "hMSL": 432_100, "hAcc": 14, "vAcc": 20,
        "gSpeed": 750, "headMot": 123.5, "sAcc": 50, "headAcc": 2.0, "lastCorrectionAge": 2,
    }  # fmt: skip
    return ubx("NAV-PVT", **(fields | changes))


def relposned(**changes):
    """A good NAV-RELPOSNED of a moving base."""
    fields = {
        "version": 1, "iTOW": 252_818_100, "relPosHeading": 271.5, "accHeading": 0.25, "gnssFixOK": 1,
        "relPosValid": 1, "carrSoln": 2, "isMoving": 1, "relPosHeadingValid": 1, "refStationID": 7,
    }  # fmt: skip
    return ubx("NAV-RELPOSNED", **(fields | changes))


def hpposllh(**changes):
    """A good NAV-HPPOSLLH: 46.512345678 north, 7.000000001 west."""
    fields = {
        "version": 0, "iTOW": 252_818_100, "lat": 46.51234565, "lon": -7.0, "_HPlat": 2.85e-8, "_HPlon": -1.5e-9,
        "hMSL": 432_100, "_HPhMSL": 0.35, "hAcc": 14.25, "vAcc": 20.0,
    }  # fmt: skip
    return ubx("NAV-HPPOSLLH", **(fields | changes))


def test_a_pvt_written_by_another_hand_is_read():
    """Time, class, position, height above the sea, speed, course and the correction's age."""
    part = decode_ubx(pvt())
    assert part.date_days == days_from_date(2023, 11, 14)
    assert part.date_days * DAY_NS + part.time_of_day_ns == UTC_NS
    assert (part.itow_ms, part.fix_class) == (252_818_100, FixClass.FIXED)
    assert (part.latitude_deg, part.longitude_deg, part.altitude_m) == (46.5, -7.25, 432.1)
    assert part.horizontal_error_95_m == pytest.approx(2.4477 * 0.014, rel=1e-4)
    assert (part.speed_m_s, part.correction_age_s) == (0.75, 2.0)
    assert part.course_deg == pytest.approx(123.5, abs=STEP_DEG)
    assert part.heading_deg is None  # the direction of motion is not the vehicle's heading


@pytest.mark.parametrize(
    ("changes", "fix_class"),
    [
        ({"carrSoln": 2}, FixClass.FIXED),
        ({"carrSoln": 1}, FixClass.FLOAT),
        ({"carrSoln": 0}, FixClass.DGNSS),
        ({"carrSoln": 3}, FixClass.DGNSS),
        ({"carrSoln": 0, "diffSoln": 0}, FixClass.SINGLE),
        ({"gnssFixOk": 0}, FixClass.NONE),
        ({"fixType": 0}, FixClass.NONE),
        ({"fixType": 1}, FixClass.DEAD_RECKONING),
        ({"fixType": 2}, FixClass.FIXED),
        ({"fixType": 4}, FixClass.FIXED),
        ({"fixType": 5}, FixClass.NONE),
        ({"fixType": 6}, FixClass.NONE),
        ({"invalidLlh": 1}, FixClass.NONE),
    ],
)
def test_every_combination_of_flags_has_one_class(changes, fix_class):
    """carrSoln 1 is float and 2 is fixed; without gnssFixOK, or with a fix type that is none, there is no fix."""
    assert decode_ubx(pvt(**changes)).fix_class is fix_class


@pytest.mark.parametrize("changes", [{"fixType": 0}, {"fixType": 5}, {"invalidLlh": 1}])
def test_without_a_position_nothing_is_placed(changes):
    """Coordinates of a receiver without a fix are leftovers."""
    part = decode_ubx(pvt(**changes))
    assert part.latitude_deg is None
    assert part.speed_m_s is None
    assert part.horizontal_error_95_m is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"hAcc": 0}, "horizontal_error_95_m"),
        ({"hAcc": 0xFFFFFFFF}, "horizontal_error_95_m"),
        ({"hAcc": 3_750_000_000}, "horizontal_error_95_m"),
        ({"sAcc": 0xFFFFFFFF}, "speed_m_s"),
        ({"headAcc": 180.0}, "course_deg"),
        ({"vAcc": 0xFFFFFFFF}, "altitude_m"),
        ({"fixType": 2}, "altitude_m"),
        ({"lastCorrectionAge": 0}, "correction_age_s"),
        ({"validTime": 0}, "time_of_day_ns"),
        ({"fullyResolved": 0}, "time_of_day_ns"),
        ({"fullyResolved": 0}, "date_days"),
        ({"validDate": 0}, "date_days"),
    ],
)
def test_what_the_receiver_marks_unknown_is_none(changes, field):
    """Zero, all bits set and cleared validity flags are never values (P3)."""
    assert getattr(decode_ubx(pvt(**changes)), field) is None


def test_a_negative_fraction_reaches_back_over_midnight():
    """u-blox rounds the second up and sends the rest as negative nanoseconds, also at 00:00:00 of a new year."""
    midnight = {"year": 2024, "month": 1, "day": 1, "hour": 0, "min": 0, "second": 0, "nano": -200_000}
    part = decode_ubx(pvt(**midnight))
    assert part.date_days == days_from_date(2023, 12, 31)
    assert part.time_of_day_ns == DAY_NS - 200_000


@pytest.mark.parametrize(
    "changes",
    [
        *[{"lat": 90.1}, {"lon": -180.5}, {"month": 13}, {"day": 0}, {"month": 2, "day": 30}, {"hour": 24}],
        *[{"min": 60}, {"second": 61}, {"nano": 1_000_000_001}, {"iTOW": 604_800_000}],
    ],
)
def test_a_damaged_field_refuses_the_message(changes):
    """A coordinate off the Earth or a time that does not exist never becomes a value."""
    assert decode_ubx(pvt(**changes)) is Refusal.MALFORMED


def test_hpposllh_adds_two_digits_of_either_sign():
    """The high-precision part is added with its own sign, below zero too; accuracy is in tenths of a millimetre."""
    part = decode_ubx(hpposllh())
    assert part.latitude_deg == pytest.approx(46.512345628, abs=5e-10)
    assert part.longitude_deg == pytest.approx(-7.000000001, abs=5e-10)
    assert part.altitude_m == pytest.approx(432.1003)
    assert part.horizontal_error_95_m == pytest.approx(2.4477 * 0.0142, rel=1e-4)


def test_an_invalid_high_precision_position_is_none():
    """invalidLlh withholds all that the message would say."""
    part = decode_ubx(hpposllh(invalidLlh=1))
    assert part == FixPart(source="NAV-HPPOSLLH", itow_ms=252_818_100)
    assert decode_ubx(hpposllh(lat=91.0)) is Refusal.MALFORMED
    assert decode_ubx(hpposllh(version=1)) is Refusal.UNKNOWN


def test_a_moving_base_heading_is_read_with_its_error():
    """One sigma of 0.25 degrees is 0.49 degrees at 95 %."""
    part = decode_ubx(relposned())
    assert part.heading_deg == pytest.approx(271.5, abs=STEP_DEG)
    assert part.heading_error_95_deg == pytest.approx(1.96 * 0.25, rel=1e-4)
    assert part.reference_station is None  # it is the vehicle's other antenna


@pytest.mark.parametrize(
    "changes",
    [{"carrSoln": 1}, {"carrSoln": 0}, {"relPosHeadingValid": 0}, {"gnssFixOK": 0}, {"isMoving": 0}],
)
def test_a_heading_counts_only_fixed_valid_and_in_moving_base_mode(changes):
    """A rover of a fixed base calls the bearing from that base "valid" too: it says nothing about the vehicle."""
    part = decode_ubx(relposned(**changes))
    assert part.heading_deg is None
    assert part.heading_error_95_deg is None


def test_a_fixed_base_names_the_reference_station():
    """Outside moving base mode the message names the station of the corrections."""
    assert decode_ubx(relposned(isMoving=0)).reference_station == "7"


@pytest.mark.parametrize("accuracy", [0.0, 180.0, 42_949.67])
def test_a_heading_without_accuracy_states_none(accuracy):
    """The heading stays; how good it is, nobody said."""
    part = decode_ubx(relposned(accHeading=accuracy))
    assert part.heading_deg == pytest.approx(271.5, abs=STEP_DEG)
    assert part.heading_error_95_deg is None


def test_relposned_of_the_older_version_is_not_read():
    """Version 0 has another layout and no heading."""
    assert decode_ubx(ubx("NAV-RELPOSNED", version=0, iTOW=1)) is Refusal.UNKNOWN
    assert decode_ubx(relposned(relPosHeading=-1.0)) is Refusal.MALFORMED


def hnr_pvt(**changes):
    """A good HNR-PVT: GNSS with inertial sensors, 2023-11-14T22:13:20.1Z."""
    fields = {
        "iTOW": 252_818_100, "year": 2023, "month": 11, "day": 14, "hour": 22, "min": 13, "second": 20,
        "validDate": 1, "validTime": 1, "fullyResolved": 1, "nano": 100_000_000, "gpsFix": 4, "GPSfixOK": 1,
        "DiffSoln": 1, "headVehValid": 1, "lat": 46.5, "lon": -7.25, "hMSL": 432_100, "gSpeed": 750, "headMot": 123.5,
        "headVeh": 120.0, "hAcc": 500, "vAcc": 900, "sAcc": 50, "headAcc": 2.0,
    }  # fmt: skip
    return UBXMessage("HNR", "HNR-PVT", GET, **(fields | changes)).serialize()


def att(**changes):
    """A good NAV-ATT."""
    fields = {
        "iTOW": 252_818_100, "version": 0, "roll": -2.5, "pitch": 1.25, "heading": 271.5, "accRoll": 0.25,
        "accPitch": 0.5, "accHeading": 1.0,
    }  # fmt: skip
    return ubx("NAV-ATT", **(fields | changes))


def tim_tp(tow_ms=333_344_000, parts=0, error_ps=-16_813, week=1516, flags=0x03, reference=0x07):
    """A TIM-TP packed by hand; the library's writer would read the document a second time the same way."""
    body = b"\x0d\x01\x10\x00" + struct.pack("<IIiHBB", tow_ms, parts, error_ps, week, flags, reference)
    return b"\xb5\x62" + body + fletcher(body)


def test_a_high_rate_position_is_read_with_a_coarse_class():
    """It cannot say RTK, so its class counts only where nothing else states one; the vehicle heading is not used."""
    part = decode_ubx(hnr_pvt())
    assert part.date_days * DAY_NS + part.time_of_day_ns == UTC_NS
    assert (part.source, part.itow_ms, part.fix_class) == ("HNR-PVT", 252_818_100, FixClass.DGNSS)
    assert part.is_class_coarse
    assert (part.latitude_deg, part.longitude_deg, part.altitude_m) == (46.5, -7.25, 432.1)
    assert part.horizontal_error_95_m == pytest.approx(2.4477 * 0.5, rel=1e-4)
    assert part.speed_m_s == 0.75
    assert part.course_deg == pytest.approx(123.5, abs=STEP_DEG)
    assert part.heading_deg is None


@pytest.mark.parametrize(
    ("changes", "fix_class"),
    [
        *[({"DiffSoln": 0}, FixClass.SINGLE), ({"gpsFix": 1}, FixClass.DEAD_RECKONING), ({"gpsFix": 0}, FixClass.NONE)],
        *[({"gpsFix": 5}, FixClass.NONE), ({"GPSfixOK": 0}, FixClass.NONE), ({"gpsFix": 3}, FixClass.DGNSS)],
    ],
)
def test_every_high_rate_fix_type_has_one_class(changes, fix_class):
    """Without a fix there are no coordinates, speed or error either."""
    part = decode_ubx(hnr_pvt(**changes))
    assert part.fix_class is fix_class
    assert part.is_class_coarse == (fix_class in (FixClass.SINGLE, FixClass.DGNSS))
    if fix_class is FixClass.NONE:
        assert (part.latitude_deg, part.speed_m_s, part.horizontal_error_95_m) == (None, None, None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        *[({"hAcc": 0xFFFFFFFF}, "horizontal_error_95_m"), ({"sAcc": 0xFFFFFFFF}, "speed_m_s")],
        *[({"headAcc": 180.0}, "course_deg"), ({"vAcc": 0xFFFFFFFF}, "altitude_m"), ({"gpsFix": 2}, "altitude_m")],
        *[
            ({"fullyResolved": 0}, "time_of_day_ns"),
            ({"validTime": 0}, "time_of_day_ns"),
            ({"validDate": 0}, "date_days"),
        ],
    ],
)
def test_what_a_high_rate_message_marks_unknown_is_none(changes, field):
    """As in NAV-PVT (P3)."""
    assert getattr(decode_ubx(hnr_pvt(**changes)), field) is None


@pytest.mark.parametrize("changes", [{"lat": 90.1}, {"month": 13}, {"iTOW": 604_800_000}, {"second": 61}])
def test_a_damaged_high_rate_message_is_refused(changes):
    """As NAV-PVT is."""
    assert decode_ubx(hnr_pvt(**changes)) is Refusal.MALFORMED


def test_an_attitude_is_read_with_its_errors():
    """x forward, y right, z down; one sigma becomes 95 %; the heading is not that of two antennas."""
    part = decode_ubx(att())
    attitude = part.attitude
    assert attitude.roll_deg == pytest.approx(-2.5, abs=STEP_DEG)
    assert attitude.pitch_deg == pytest.approx(1.25, abs=STEP_DEG)
    assert attitude.heading_deg == pytest.approx(271.5, abs=STEP_DEG)
    assert attitude.roll_error_95_deg == pytest.approx(1.96 * 0.25, rel=1e-3)
    assert attitude.pitch_error_95_deg == pytest.approx(1.96 * 0.5, rel=1e-3)
    assert attitude.heading_error_95_deg == pytest.approx(1.96, rel=1e-3)
    assert (part.heading_deg, part.fix_class, part.itow_ms) == (None, None, 252_818_100)


def test_an_angle_whose_accuracy_is_zero_is_not_available():
    """u-blox: "if null, angle is not available"; with none of them there is no attitude."""
    attitude = decode_ubx(att(accRoll=0, accHeading=0)).attitude
    assert (attitude.roll_deg, attitude.roll_error_95_deg) == (None, None)
    assert (attitude.heading_deg, attitude.heading_error_95_deg) == (None, None)
    assert attitude.pitch_deg is not None
    assert decode_ubx(att(accRoll=0, accPitch=0, accHeading=0)).attitude is None


def test_a_damaged_attitude_is_refused():
    """Angles beyond a turn, a time beyond the week, another version."""
    for changes in ({"roll": 181.0}, {"pitch": 91.0}, {"heading": 361.0}, {"iTOW": 604_800_000}):
        assert decode_ubx(att(**changes)) is Refusal.MALFORMED
    assert decode_ubx(att(version=1)) is Refusal.UNKNOWN


def test_a_time_pulse_is_read_to_the_nanosecond():
    """Week 1516 began on 2009-01-25; half a millisecond in 2^-32 parts; the quantisation error as stated."""
    pulse = decode_ubx(tim_tp(parts=1 << 31))
    week_ns = days_from_date(2009, 1, 25) * DAY_NS
    assert pulse == TimePulse(utc_ns=week_ns + 333_344_000 * 1_000_000 + 500_000, quantisation_error_ps=-16_813)
    assert decode_ubx(tim_tp(parts=4295)).utc_ns == decode_ubx(tim_tp()).utc_ns + 1  # 2^-32 ms is 0.23 ps


@pytest.mark.parametrize("flags", [0x00, 0x01, 0x02])
def test_a_time_pulse_that_is_not_utc_has_none(flags):
    """GNSS time is 18 s from UTC, and a receiver that does not know the leap seconds cannot say UTC (P3)."""
    assert decode_ubx(tim_tp(flags=flags)).utc_ns is None


def test_an_invalid_quantisation_error_is_none():
    """Bit 4 says so; a time beyond the week is no time."""
    assert decode_ubx(tim_tp(flags=0x13)).quantisation_error_ps is None
    assert decode_ubx(tim_tp(tow_ms=604_800_000)) is Refusal.MALFORMED


def test_other_messages_are_not_read():
    """NAV-EOE is known to the library and says nothing about a fix."""
    assert decode_ubx(ubx("NAV-EOE", iTOW=1)) is Refusal.UNKNOWN


@pytest.mark.parametrize("length", [0, 28, 83, 85, 91, 96])
def test_a_payload_of_another_length_is_refused(length):
    """Missing bytes must not be read as zero: a zero in the flags' place would be a claim."""
    body = b"\x01\x07" + struct.pack("<H", length) + bytes(length)
    assert decode_ubx(b"\xb5\x62" + body + fletcher(body)) is Refusal.MALFORMED


def test_a_pvt_of_the_older_length_is_read():
    """Receivers before the eighth generation end 8 bytes earlier."""
    payload = pvt()[6:-2][:84]
    body = b"\x01\x07" + struct.pack("<H", 84) + payload
    assert decode_ubx(b"\xb5\x62" + body + fletcher(body)).fix_class is FixClass.FIXED


def _fix(**changes):
    values = {
        "utc_ns": UTC_NS,
        "time_of_day_ns": UTC_NS % DAY_NS,
        "latitude_deg": 46.5,
        "longitude_deg": -7.25,
        "altitude_m": 432.1,
        "fix_class": FixClass.FIXED,
        "horizontal_error_95_m": 0.03,
        "speed_m_s": 0.75,
        "course_deg": 123.5,
        "heading_deg": 0.0,
        "heading_error_95_deg": 0.5,
        "correction_age_s": 2.0,
        "reference_station": None,
    }
    return GnssFix(**(values | changes))


def _read_back(fix):
    decoder = GnssDecoder()
    return decoder.feed(encode_ubx(fix)) + decoder.finish()


def test_time_of_week_is_gps_time_18_seconds_ahead():
    """2023-11-14T22:13:20.1Z is a Tuesday: two days, 22:13:20.1 and 18 leap seconds into the GPS week."""
    parts = [decode_ubx(frame.data) for frame in GnssFramer().feed(encode_ubx(_fix()))]
    assert {part.itow_ms for part in parts} == {((2 * 24 + 22) * 60 + 13) * 60_000 + 20_100 + 18_000}
    assert len(parts) == 3


def test_the_week_turns_18_seconds_before_utc_midnight():
    """2023-11-18T23:59:42Z, a Saturday, is the first instant of a GPS week."""
    saturday_ns = (days_from_date(2023, 11, 19) * 86_400 - 18) * 1_000_000_000
    for offset_ns, itow_ms in ((0, 0), (-1, 604_799_999)):
        parts = [
            decode_ubx(frame.data) for frame in GnssFramer().feed(encode_ubx(_fix(utc_ns=saturday_ns + offset_ns)))
        ]
        assert parts[0].itow_ms == itow_ms


def test_a_fix_without_date_or_time_keeps_what_it_has():
    """A time of day alone stays one; without either, the fix has none."""
    (fix,) = _read_back(_fix(utc_ns=None))
    assert (fix.utc_ns, fix.time_of_day_ns) == (None, UTC_NS % DAY_NS)
    (fix,) = _read_back(_fix(utc_ns=None, time_of_day_ns=None))
    assert (fix.utc_ns, fix.time_of_day_ns) == (None, None)


def test_a_fix_without_position_is_none_on_the_wire():
    """Zeros in the coordinates' place are flagged invalid."""
    (fix,) = _read_back(_fix(latitude_deg=None, longitude_deg=None, altitude_m=None, fix_class=FixClass.NONE))
    assert (fix.latitude_deg, fix.longitude_deg, fix.altitude_m, fix.fix_class) == (None, None, None, FixClass.NONE)


def test_a_simulated_fix_cannot_be_written():
    """UBX could not mark it, and unmarked it would pass for real (P8)."""
    with pytest.raises(AssertionError):
        encode_ubx(_fix(fix_class=FixClass.SIMULATED))


def maybe(strategy):
    """A value or None."""
    return st.none() | strategy


fixes = st.builds(
    lambda utc_ns, **rest: _fix(utc_ns=utc_ns, time_of_day_ns=utc_ns % DAY_NS, **rest),
    utc_ns=st.integers(315_964_800_000_000_000, 3_000_000_000_000_000_000),
    latitude_deg=st.floats(-90, 90),
    longitude_deg=st.floats(-180, 180),
    altitude_m=maybe(st.floats(-1_000, 9_000)),
    fix_class=st.sampled_from([name for name in FixClass if name is not FixClass.SIMULATED]),
    horizontal_error_95_m=maybe(st.floats(1e-3, 1_000)),
    speed_m_s=maybe(st.floats(0, 50)),
    course_deg=maybe(st.floats(0, 360, exclude_max=True)),
    heading_deg=maybe(st.floats(0, 360, exclude_max=True)),
    heading_error_95_deg=maybe(st.floats(0.001, 100)),
    correction_age_s=maybe(st.floats(0, 999)),
)


def near(read, written, step):
    """Equal within half a step of the wire format, and a rounding error of the float; directions meet at 360."""
    if read is None or written is None:
        return read is written
    difference = abs(read - written)
    return min(difference, abs(difference - 360.0)) <= step / 2 + 1e-9


@given(fixes)
def test_a_fix_survives_the_wire_within_its_resolution(fix):
    """Position within 0.1 mm, time exactly, errors never better than stated, the rest within its last digit."""
    (read,) = _read_back(fix)
    assert (read.utc_ns, read.time_of_day_ns) == (fix.utc_ns, fix.time_of_day_ns)
    assert near(read.latitude_deg, fix.latitude_deg, MM_DEG / 5)
    assert near(read.longitude_deg, fix.longitude_deg, MM_DEG / 5)
    assert near(read.altitude_m, fix.altitude_m, 1e-4)
    assert near(read.speed_m_s, fix.speed_m_s, 1e-3)
    assert near(read.course_deg, None if fix.speed_m_s is None else fix.course_deg, 1e-5)
    assert near(read.heading_deg, fix.heading_deg, 1e-5)
    assert read.fix_class is fix.fix_class
    if fix.horizontal_error_95_m is None:
        assert read.horizontal_error_95_m is None
    else:
        assert -1e-9 <= read.horizontal_error_95_m - fix.horizontal_error_95_m <= 2.5e-3  # NAV-PVT's millimetre
    if fix.heading_deg is not None and fix.heading_error_95_deg is not None:
        assert -1e-9 <= read.heading_error_95_deg - fix.heading_error_95_deg <= 2e-5
    if fix.correction_age_s is None:
        assert read.correction_age_s is None
    else:
        assert read.correction_age_s >= min(fix.correction_age_s, 120.0)


@given(
    kind=st.sampled_from(
        [
            (1, 0x07, 92),
            (1, 0x07, 84),
            (1, 0x14, 36),
            (1, 0x3C, 64),
            (1, 0x3C, 40),
            (1, 5, 32),
            (0x28, 0, 72),
            (13, 1, 16),
        ]
    ),
    payload=st.binary(min_size=92),
)
def test_no_payload_raises(kind, payload):
    """Any content of the right length is a part, a pulse or a refusal, and no part holds a NaN."""
    message_class, identity, length = kind
    body = bytes((message_class, identity)) + struct.pack("<H", length) + payload[:length]
    part = decode_ubx(b"\xb5\x62" + body + fletcher(body))
    assert isinstance(part, FixPart | TimePulse | Refusal)
    if isinstance(part, FixPart):
        values = [getattr(part, name) for name in part.__struct_fields__ if name != "position_step_deg"]
        assert all(math.isfinite(value) for value in values if isinstance(value, float))
