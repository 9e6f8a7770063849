"""Six messages of an autopilot, to and from records."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as dialect

from firmware_bridge.codec.fix_part import DAY_NS
from firmware_bridge.codec.mavlink import MavlinkDecoder, MavlinkEncoder, mavlink_crc
from firmware_bridge.codec.mavlink_frames import FRAME_BYTES_MAX
from firmware_bridge.records import Attitude, AutopilotHeartbeat, AutopilotPosition, EstimatorStatus, FixClass, GnssFix

UTC_NS = 1_700_000_000_100_000_000
HEARTBEAT = AutopilotHeartbeat(system_id=1, vehicle_type=10, autopilot=3, base_mode=81, system_status=4)
ATTITUDE = Attitude(system_id=1, device_time_ns=12_345_000_000, roll_rad=0.25, pitch_rad=-0.125, yaw_rad=3.0)
POSITION = AutopilotPosition(
    system_id=1,
    device_time_ns=12_345_000_000,
    latitude_deg=46.1234567,
    longitude_deg=-7.7654321,
    altitude_m=432.123,
    heading_deg=359.99,
)


def make_fix(**changes):
    """A fixed solution with all that the message holds."""
    values = {
        "utc_ns": UTC_NS,
        "time_of_day_ns": UTC_NS % DAY_NS,
        "latitude_deg": 46.1234567,
        "longitude_deg": -7.7654321,
        "altitude_m": 432.123,
        "fix_class": FixClass.FIXED,
        "horizontal_error_95_m": 0.0244774683,
        "speed_m_s": 1.25,
        "course_deg": 123.45,
        "heading_deg": None,
        "heading_error_95_deg": None,
        "correction_age_s": None,
        "reference_station": None,
    }
    return GnssFix(**(values | changes))


def message_bytes(message, version=2, system_id=1, sign=False):
    """A frame written by the library."""
    link = dialect.MAVLink(None, srcSystem=system_id, srcComponent=1)
    if sign:
        link.signing.secret_key = bytes(32)
        link.signing.sign_outgoing = True
    return bytes(message.pack(link, force_mavlink1=version == 1))


def gps_raw(**changes):
    """A GPS_RAW_INT of an RTK fixed receiver."""
    fields = {
        "time_usec": UTC_NS // 1000, "fix_type": 6, "lat": 461_234_567, "lon": -77_654_321, "alt": 432_123,
        "eph": 60, "epv": 90, "vel": 125, "cog": 12_345, "satellites_visible": 20, "h_acc": 14,
    }  # fmt: skip
    return message_bytes(dialect.MAVLink_gps_raw_int_message(**(fields | changes)))


def decode(data, sizes=(), system_id=None):
    """All records and the counters, the bytes fed in the given sizes and then the rest."""
    decoder = MavlinkDecoder(system_id)
    records = []
    for size in sizes:
        records += decoder.feed(data[:size])
        data = data[size:]
    records += decoder.feed(data)
    return records + decoder.finish(), decoder.stats


def test_the_crc_has_its_published_check_value():
    """CRC-16/MCRF4XX of the digits 1 to 9 is 0x6F91."""
    assert mavlink_crc(b"123456789") == 0x6F91


def test_a_published_frame_is_read():
    """The MAVLink 1 HEARTBEAT of a ground station that everybody's documentation prints, seed 50."""
    frame = bytes.fromhex("fe 09 00 ff 00 00 00 00 00 00 06 08 c0 04 03")
    frame += mavlink_crc(frame[1:] + b"\x32").to_bytes(2, "little")
    assert frame == message_bytes_of_ground_station()
    records, stats = decode(frame)
    assert records == []  # autopilot 8 is INVALID: it says nothing about an autopilot
    assert (stats.frames, stats.unknown) == (1, 1)


def message_bytes_of_ground_station():
    """The same frame by the library."""
    link = dialect.MAVLink(None, srcSystem=255, srcComponent=0)
    return bytes(dialect.MAVLink_heartbeat_message(6, 8, 192, 0, 4, 3).pack(link, force_mavlink1=True))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("sign", [False, True])
def test_both_versions_and_signed_frames_are_read(version, sign):
    """The same message in all its framings."""
    message = dialect.MAVLink_attitude_message(12_345, 0.25, -0.125, 3.0, 0.0, 0.0, 0.0)
    records, stats = decode(message_bytes(message, version, sign=sign and version == 2))
    assert records == [ATTITUDE]
    assert (stats.frames, stats.bytes_skipped) == (1, 0)


def test_gps_raw_int_becomes_a_fix():
    """Every field with its unit; h_acc of 14 mm is 34 mm at 95 %."""
    records, _ = decode(gps_raw())
    assert records == [make_fix(horizontal_error_95_m=pytest.approx(2.4477 * 0.014, rel=1e-4))]


@pytest.mark.parametrize(
    ("fix_type", "fix_class"),
    [
        *[(0, FixClass.NONE), (1, FixClass.NONE), (2, FixClass.SINGLE), (3, FixClass.SINGLE), (4, FixClass.DGNSS)],
        *[(5, FixClass.FLOAT), (6, FixClass.FIXED), (7, FixClass.SINGLE), (8, FixClass.SINGLE), (9, FixClass.NONE)],
    ],
)
def test_every_fix_type_has_one_class(fix_type, fix_class):
    """6 is fixed and 5 is float here, where GGA has 4 and 5; an unknown number is none."""
    records, _ = decode(gps_raw(fix_type=fix_type))
    assert records[0].fix_class is fix_class


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"time_usec": 12_345_000}, "utc_ns"),
        ({"time_usec": 946_684_799_999_999}, "utc_ns"),
        ({"time_usec": 2**64 - 1}, "utc_ns"),
        ({"h_acc": 0}, "horizontal_error_95_m"),
        ({"h_acc": 2**32 - 1}, "horizontal_error_95_m"),
        ({"vel": 65_535}, "speed_m_s"),
        ({"cog": 65_535}, "course_deg"),
        ({"fix_type": 2}, "altitude_m"),
        ({"fix_type": 1, "lat": 0, "lon": 0}, "latitude_deg"),
        ({"fix_type": 1}, "speed_m_s"),
    ],
)
def test_what_the_autopilot_marks_unknown_is_none(changes, field):
    """Boot time is not UTC, zero is not an accuracy, and all bits set is not a value (P3)."""
    records, _ = decode(gps_raw(**changes))
    assert getattr(records[0], field) is None


@pytest.mark.parametrize("changes", [{"lat": 900_000_001}, {"lon": -1_800_000_001}, {"cog": 36_001}])
def test_a_damaged_fix_is_malformed(changes):
    """A value out of its range refuses the message."""
    records, stats = decode(gps_raw(**changes))
    assert records == []
    assert stats.malformed == 1


def test_an_old_fix_without_accuracy_states_no_error():
    """MAVLink 1 has no h_acc: the fix has no error, whatever its HDOP."""
    message = dialect.MAVLink_gps_raw_int_message(0, 6, 1, 1, 1, 50, 50, 100, 0, 20)
    frame = message_bytes(message)[: 10 + 30]  # the extension fields are trailing zeros, which MAVLink 2 cuts off
    assert len(frame) <= 40
    records, _ = decode(message_bytes(message))
    assert records[0].horizontal_error_95_m is None


def test_a_heading_of_65535_is_none():
    """GLOBAL_POSITION_INT marks an unknown heading so; 36000 is north."""
    for hdg, heading_deg in ((65_535, None), (0, 0.0), (36_000, 0.0), (9_050, 90.5)):
        message = dialect.MAVLink_global_position_int_message(1, 461_234_567, 1, 1_000, 0, 0, 0, 0, hdg)
        records, _ = decode(message_bytes(message))
        assert records[0].heading_deg == heading_deg


@pytest.mark.parametrize(
    "message",
    [
        dialect.MAVLink_global_position_int_message(1, 0, 0, 0, 0, 0, 0, 0, 0),
        dialect.MAVLink_global_position_int_message(1, 900_000_001, 0, 0, 0, 0, 0, 0, 0),
        dialect.MAVLink_global_position_int_message(1, 1, 1, 0, 0, 0, 0, 0, 36_001),
        dialect.MAVLink_attitude_message(1, math.nan, 0.0, 0.0, 0.0, 0.0, 0.0),
        dialect.MAVLink_attitude_message(1, 0.0, math.inf, 0.0, 0.0, 0.0, 0.0),
        dialect.MAVLink_attitude_message(1, 0.0, 0.0, 6.5, 0.0, 0.0, 0.0),
    ],
)
def test_an_impossible_state_is_malformed(message):
    """The zeros of an autopilot without a position, a NaN or an angle beyond a turn never become a record."""
    records, stats = decode(message_bytes(message))
    assert records == []
    assert stats.malformed == 1


def test_messages_of_another_system_are_unknown():
    """A second vehicle or a ground station on the link says nothing about this one."""
    message = dialect.MAVLink_attitude_message(12_345, 0.25, -0.125, 3.0, 0.0, 0.0, 0.0)
    data = message_bytes(message, system_id=2) + message_bytes(message)
    records, stats = decode(data, system_id=1)
    assert records == [ATTITUDE]
    assert (stats.frames, stats.unknown) == (2, 1)


def test_messages_that_are_not_read_are_checked_and_unknown():
    """A good frame of another kind counts as a frame."""
    frame = message_bytes(dialect.MAVLink_system_time_message(1, 2))
    records, stats = decode(frame)
    assert (records, stats.frames, stats.unknown) == ([], 1, 1)
    records, stats = decode(frame[:-1] + bytes((frame[-1] ^ 1,)))
    assert (stats.frames, stats.unknown, stats.bad_checksum) == (0, 0, 1)


def test_an_unknown_message_id_is_refused():
    """Its checksum cannot be verified, so it is no frame; a real one inside it is found."""
    inner = message_bytes(dialect.MAVLink_attitude_message(12_345, 0.25, -0.125, 3.0, 0.0, 0.0, 0.0))
    outer = bytes([0xFD, len(inner), 0, 0, 0, 1, 1, 0xFF, 0xFF, 0x7F]) + inner + b"\x00\x00"
    records, stats = decode(outer)
    assert records == [ATTITUDE]
    assert (stats.frames, stats.bytes_skipped) == (1, 12)


def test_an_unknown_incompatibility_flag_is_refused():
    """The standard demands it: the flag may change the frame's layout."""
    frame = bytearray(message_bytes(dialect.MAVLink_attitude_message(1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)))
    frame[2] = 0x02
    frame[-2:] = mavlink_crc(bytes(frame[1:-2]) + b"\x27").to_bytes(2, "little")
    records, stats = decode(bytes(frame))
    assert (records, stats.frames) == ([], 0)


def test_what_is_held_back_is_bounded():
    """The library's parser keeps misaligned bytes without limit; here a frame's length is the limit."""
    decoder = MavlinkDecoder(None)
    for _ in range(2_000):
        decoder.feed(b"\xfd\xff\x01\x00\x00\x01\x01")
        assert len(decoder._framer._pending) < FRAME_BYTES_MAX
    decoder.finish()
    assert decoder._framer._pending == b""


def test_a_frame_behind_an_unfinished_one_is_found_at_the_end():
    """When no more bytes come, what was waiting for a longer frame is searched."""
    frame = message_bytes(dialect.MAVLink_attitude_message(12_345, 0.25, -0.125, 3.0, 0.0, 0.0, 0.0))
    decoder = MavlinkDecoder(None)
    assert decoder.feed(b"\xfe\xff\x00\x01\x01\x1e" + frame) == []
    assert decoder.finish() == [ATTITUDE]


def test_the_encoder_numbers_its_frames():
    """Sequence 0 to 255 and again, whatever the records are; system and component as given."""
    encoder = MavlinkEncoder(1, 191)
    frames = [encoder.encode(record) for record in [HEARTBEAT, ATTITUDE, POSITION, make_fix()] * 65]
    assert [frame[4] for frame in frames] == [index % 256 for index in range(260)]
    assert {(frame[5], frame[6]) for frame in frames} == {(1, 191)}


def test_all_four_records_survive_the_wire():
    """What was written is read back."""
    encoder = MavlinkEncoder(1, 1)
    sent = [HEARTBEAT, ATTITUDE, POSITION, make_fix()]
    records, stats = decode(b"".join(encoder.encode(record) for record in sent), system_id=1)
    assert records[:3] == sent[:3]
    assert records[3] == make_fix(horizontal_error_95_m=pytest.approx(0.0244774683))
    assert (stats.frames, stats.records) == (4, 4)


@pytest.mark.parametrize(
    ("changes", "fix_class"),
    [
        ({"fix_class": FixClass.DEAD_RECKONING}, FixClass.NONE),
        ({"fix_class": FixClass.FIXED, "altitude_m": None}, FixClass.SINGLE),
        ({"latitude_deg": None, "longitude_deg": None}, FixClass.NONE),
    ],
)
def test_what_the_message_cannot_say_promises_less(changes, fix_class):
    """Where MAVLink has no word, the wire never claims more than the record."""
    records, _ = decode(MavlinkEncoder(1, 1).encode(make_fix(**changes)))
    assert records[0].fix_class is fix_class


def test_a_simulated_fix_and_a_foreign_record_cannot_be_written():
    """Unmarked it would pass for real (P8); a record of another system would change its owner."""
    with pytest.raises(AssertionError):
        MavlinkEncoder(1, 1).encode(make_fix(fix_class=FixClass.SIMULATED))
    with pytest.raises(AssertionError):
        MavlinkEncoder(2, 1).encode(ATTITUDE)


def maybe(strategy):
    """A value or None."""
    return st.none() | strategy


def near(read, written, step):
    """Equal within half a step of the wire format, and a rounding error of the float; directions meet at 360."""
    if read is None or written is None:
        return read is written
    difference = abs(read - written)
    return min(difference, abs(difference - 360.0)) <= step / 2 + 1e-9


@given(
    st.builds(
        make_fix,
        utc_ns=maybe(st.integers(946_684_800_000_000_000, 3_000_000_000_000_000_000)),
        latitude_deg=st.floats(-90, 90),
        longitude_deg=st.floats(-180, 180),
        altitude_m=st.floats(-1_000, 9_000),
        fix_class=st.sampled_from([FixClass.SINGLE, FixClass.DGNSS, FixClass.FLOAT, FixClass.FIXED]),
        horizontal_error_95_m=maybe(st.floats(1e-3, 1_000)),
        speed_m_s=maybe(st.floats(0, 50)),
        course_deg=maybe(st.floats(0, 360, exclude_max=True)),
    )
)
def test_a_fix_survives_the_wire_within_its_resolution(fix):
    """Position within half of 1e-7 degree, time to the microsecond, the error never better than stated."""
    (read,), _ = decode(MavlinkEncoder(1, 1).encode(fix))
    assert (read.utc_ns is None) == (fix.utc_ns is None)
    if fix.utc_ns is not None:
        assert 0 <= fix.utc_ns - read.utc_ns < 1_000
    assert near(read.latitude_deg, fix.latitude_deg, 1e-7)
    assert near(read.longitude_deg, fix.longitude_deg, 1e-7)
    assert near(read.altitude_m, fix.altitude_m, 1e-3)
    assert near(read.speed_m_s, fix.speed_m_s, 1e-2)
    assert near(read.course_deg, fix.course_deg, 1e-2)
    assert read.fix_class is fix.fix_class
    if fix.horizontal_error_95_m is None:
        assert read.horizontal_error_95_m is None
    else:
        assert -1e-9 <= read.horizontal_error_95_m - fix.horizontal_error_95_m <= 2.5e-3


_encoder = MavlinkEncoder(1, 1)
_pieces = [
    *[_encoder.encode(record) for record in (HEARTBEAT, ATTITUDE, POSITION, make_fix())],
    *[message_bytes_of_ground_station(), b"\xfe", b"\xfd", b"\xfd\xff\x01", b"\xfe\xff\x00\x01\x01\x1e"],
]


@settings(max_examples=200)
@given(
    parts=st.lists(st.sampled_from(_pieces) | st.binary(max_size=9), max_size=20),
    sizes=st.lists(st.integers(1, 60)),
)
def test_any_chunking_gives_the_same_records(parts, sizes):
    """Records and counters depend on the bytes alone; no mixture raises; every byte is in a frame or skipped."""
    data = b"".join(parts)
    records, stats = decode(data, sizes)
    assert (records, stats) == decode(data)
    assert stats.bytes == len(data)
    assert stats.records + stats.malformed + stats.unknown == stats.frames


@pytest.mark.parametrize("is_good", [True, False])
def test_an_estimators_word_survives_the_wire(is_good):
    """Written by the library's message, read back."""
    status = EstimatorStatus(system_id=1, is_attitude_good=is_good)
    assert MavlinkDecoder(1).feed(MavlinkEncoder(1, 1).encode(status)) == [status]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("message", "is_good"),
    [
        (dialect.MAVLink_ekf_status_report_message(dialect.EKF_ATTITUDE, 0, 0, 0, 0, 0), True),
        (dialect.MAVLink_ekf_status_report_message(dialect.EKF_VELOCITY_HORIZ, 0, 0, 0, 0, 0), False),
        (
            dialect.MAVLink_ekf_status_report_message(dialect.EKF_ATTITUDE | dialect.EKF_UNINITIALIZED, 0, 0, 0, 0, 0),
            False,
        ),
        (dialect.MAVLink_estimator_status_message(1, dialect.ESTIMATOR_ATTITUDE, *[0] * 8), True),
        (dialect.MAVLink_estimator_status_message(1, dialect.ESTIMATOR_VELOCITY_HORIZ, *[0] * 8), False),
        (
            dialect.MAVLink_estimator_status_message(
                1, dialect.ESTIMATOR_ATTITUDE | dialect.ESTIMATOR_ACCEL_ERROR, *[0] * 8
            ),
            False,
        ),
    ],
)
def test_flags_of_either_message_say_whether_the_attitude_is_good(version, message, is_good):
    """ArduPilot's EKF_STATUS_REPORT and PX4's ESTIMATOR_STATUS, as common and ardupilotmega define their bits."""
    decoded = MavlinkDecoder(1).feed(message_bytes(message, version))
    assert decoded == [EstimatorStatus(system_id=1, is_attitude_good=is_good)]
