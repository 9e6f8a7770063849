"""What the encoders and the documents write: the fuzzer's first inputs where no recordings are found."""

import math

import numpy as np

from firmware_bridge.codec.gnss_frames import crc24q
from firmware_bridge.codec.head import encode, encode_samples
from firmware_bridge.codec.instruments import encode_fga, encode_g823, encode_qtfm1, encode_two_coil
from firmware_bridge.codec.mavlink import MavlinkEncoder
from firmware_bridge.codec.n38 import encode_reading, encode_sentence
from firmware_bridge.codec.nmea import encode_nmea
from firmware_bridge.codec.ubx import encode_ubx
from firmware_bridge.records import (
    Attitude,
    AutopilotHeartbeat,
    AutopilotPosition,
    DictionaryRequest,
    EstimatorStatus,
    FixClass,
    GnssFix,
    HeadStatus,
    HelloReply,
    HostHello,
    LeaseGrant,
    LeaseState,
    LeaseStatus,
    OutputCommand,
    OutputReply,
    PulseStamp,
    SampleBlock,
    SelfTestReply,
    SelfTestRequest,
    TimeQuery,
    TimeReply,
    UtcNs,
)
from tests.firmware_bridge.head_records import dictionary
from tests.firmware_bridge.mavlink_peer import KEY, OTHER_KEY, frames_of, new_peer

SECOND = 1_000_000_000
FIRST_UTC_NS = 1_700_000_000 * SECOND
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: gnss/data\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n"
STATION = b"STR;ACOR0;La Coruna;RTCM 3.1;1004(1);2;GPS;EUREF;ESP;43.36;351.60;1;0;x;none;B;N;500;\r\n"
TABLE = b"Content-Type: gnss/sourcetable\r\n\r\n" + STATION + b"CAS;c;2101\r\nENDSOURCETABLE\r\n"
ANSWERS = [
    b"ICY 200 OK\r\n\r\nhello",
    b"ICY 401 Unauthorized\r\n",
    b"ERROR - Bad Password\r\n",
    b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n",
    b"SOURCETABLE 200 OK\r\n" + TABLE,
    b"HTTP/1.1 200 OK\r\n" + TABLE,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + TABLE.replace(STATION, b"5d\r\n" + STATION + b"\r\n0\r\n"),
    STREAM + CHUNKS,
    # Longer than what is kept of a status line, a header, a table's line and a chunk's trailer.
    b"HTTP/1.1 200 " + b"x" * 1_100 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 2_800 + b"\r\n",
    b"SOURCETABLE 200 OK\r\n\r\nENDSOURCETABLE" + b" " * 2_100 + b"x\r\n" + STATION + b"ENDSOURCETABLE\r\n",
    STREAM + b"0\r\n" + b"A: b\r\n" * 800 + b"\r\n",
]
COMMANDS = (
    DictionaryRequest(),
    TimeQuery(token=1),
    OutputCommand(token=2, lamp_on=True, buzzer_on=False),
    SelfTestRequest(token=3),
    HostHello(token=4, versions=(1, 2)),
    LeaseGrant(sequence=5, duration_ms=300),
)
REPLIES = (
    TimeReply(token=1, device_time_ns=SECOND),
    OutputReply(token=2, lamp_on=True, buzzer_on=False),
    SelfTestReply(token=3, passed=(True, False, None)),
    HeadStatus(uptime_ms=9, temperature_c=25.0, supply_v=12.0, is_faulty=False, lamp_on=False, buzzer_on=False),
    HelloReply(token=4, version=1),
    PulseStamp(pulse=7, device_time_ns=SECOND),
    LeaseStatus(sequence=5, remaining_ms=200, state=LeaseState.PERMITTED, stop=None),
)


def fix(number: int) -> GnssFix:
    """The fix of one of many epochs at 10 Hz, of a receiver that drives east."""
    utc_ns = FIRST_UTC_NS + number * SECOND // 10
    return GnssFix(
        utc_ns=UtcNs(utc_ns),
        time_of_day_ns=utc_ns % (86_400 * SECOND),
        latitude_deg=46.05,
        longitude_deg=14.5 + number * 1e-6,
        altitude_m=300.0,
        fix_class=FixClass.FIXED,
        horizontal_error_95_m=0.03,
        speed_m_s=1.0,
        course_deg=90.0,
        heading_deg=90.0,
        heading_error_95_deg=0.5,
        correction_age_s=1.0,
        reference_station=None,
    )


def block(number: int, channels: int) -> SampleBlock:
    """Two samples at 100 Hz."""
    rows = np.arange(2 * number, 2 * number + 2, dtype=np.int64)
    values = np.linspace(-100.0, 100.0, 2 * channels).reshape(2, channels)
    return SampleBlock(
        dictionary_id=dictionary().dictionary_id,
        sequence=rows,
        device_time_ns=rows * (SECOND // 100),
        values=values,
        status=np.zeros(2, dtype=np.int64),
    )


def mavlink(number: int) -> bytes:
    """Five messages of one autopilot."""
    encoder = MavlinkEncoder(1, 1)
    encoder_records = (
        AutopilotHeartbeat(system_id=1, vehicle_type=10, autopilot=3, base_mode=81, system_status=4),
        EstimatorStatus(system_id=1, is_attitude_good=number % 2 == 0),
        Attitude(system_id=1, device_time_ns=number * SECOND // 10, roll_rad=0.1, pitch_rad=-0.1, yaw_rad=1.5),
        AutopilotPosition(
            system_id=1,
            device_time_ns=number * SECOND // 10,
            latitude_deg=46.05,
            longitude_deg=14.5,
            altitude_m=300.0,
            heading_deg=90.0,
        ),
        fix(number),
    )
    return b"".join(encoder.encode(record) for record in encoder_records)


def signed_mavlink() -> bytes:
    """What two components sign, one of them with another key, and what a third does not sign."""
    peers = new_peer(KEY), new_peer(OTHER_KEY, component_id=2), new_peer(component_id=3)
    return b"".join(b"".join(frames) for frames in zip(*(frames_of(peer, 3) for peer in peers), strict=True))


def station() -> bytes:
    """A 1005 as the standard's own example (RTCM 10403.1, section 4.2), and a frame too short for a number."""
    short = b"\xd3\x00\x01\x3e"
    good = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")
    return good + short + crc24q(short).to_bytes(3, "big")


def encoded() -> dict[str, list[bytes]]:
    """Seeds by the beginning of a target's name."""
    nmea, nan = encode_nmea(fix(0)), math.nan
    samples = encode_samples(block(0, len(dictionary().channels)), dictionary())
    counter = range(3)
    return {
        "head": [encode(dictionary()) + samples, *(encode(reply) for reply in REPLIES)],
        "command": [encode(command) for command in COMMANDS],
        "gnss": [nmea, nmea + encode_nmea(fix(1)), encode_ubx(fix(0)) + encode_ubx(fix(1)), station() + nmea],
        "mavlink": [mavlink(0)],
        "signing": [signed_mavlink()],
        "n38": [
            encode_reading(0, [1.0] * 4) + encode_sentence(0, nmea.splitlines()[0]) + encode_reading(190, [1.0] * 4)
        ],
        "rtcm": [station()],
        "line-columns": [
            b"#c\r\n2,10:00:00.5,1.5,2,3\r\n4,10:00:01,,x,0\r\n998,23:59:60,1e3,-2,9\r\n0,00:00:00,1,1,1\r\n"
        ],
        "line-counter": [b"2,1\r\n4,1\r\n", b"0,1\n900000000000000000,1\n" * 30],
        "line-g823": [encode_g823([49_895.131], [1249]), b"$ 49895.131,1249\r\n"],
        "line-qtfm1": [encode_qtfm1(nan) + encode_qtfm1(50_000.0, 812) + encode_qtfm1(50_000.0, 812, 7)],
        "line-qtfm2": [b"!52926.706_Y53998.412=@094>86341532s139v107\r\n"],
        "line-fga": [b"".join(encode_fga(number * SECOND, [1.0, 2.0, 3.0, nan] * 2) for number in counter)],
        "line-two-coil": [encode_two_coil(19_532.0, nan) + encode_two_coil(nan, 19_000.0)],
        "ntrip": ANSWERS,
        "planted": [b"$ 49895.131,1249\r\n"],
    }
