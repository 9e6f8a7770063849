"""Real receivers' logs against other people's readings of them."""

import collections
import itertools
import json
import math
import struct

import pytest

from firmware_bridge.codec.decoders import guess_protocol
from firmware_bridge.codec.gnss import GnssDecoder
from firmware_bridge.codec.gnss_frames import UBX_OVERHEAD, UBX_PAYLOAD_MAX, GnssFramer, fletcher
from firmware_bridge.records import FixClass, GnssAttitude, GnssFix, TimePulse

pytestmark = pytest.mark.recorded

MS = 1_000_000
# Logs of every kind: NMEA with 3 to 7 decimals, NMEA over 25 years of receivers, UBX with and without HPPOSLLH.
CLEAN = {
    "ublox-zed-f9p-hp": 28, "ublox-f9p-hpnmea": 9, "neo-m8n": 22, "sirfstarv-nmea": 59, "telit-pls83-w": 10,
    "nd-1005": 16, "quectelLC79D": 30, "nokia-ld-4w": 19, "skytraq-PX1172RH_DS": 9, "ublox-zed-f9p-sfrbx": 18,
    "ublox-neo-m8u": 2, "meinberg-gps164": 70,
}  # fmt: skip


def decode(data, chunk=4_096):
    """All records and the counters, fed in chunks of one size."""
    decoder = GnssDecoder()
    records = []
    for start in range(0, len(data), chunk):
        records += decoder.feed(data[start : start + chunk])
    return records + decoder.finish(), decoder.stats


def positions(records):
    """The fixes that claim a position."""
    fixes = [record for record in records if isinstance(record, GnssFix)]
    return [fix for fix in fixes if fix.latitude_deg is not None and fix.fix_class is not FixClass.NONE]


def expected_positions(path):
    """gpsd's own positions by time of day in milliseconds."""
    by_time = collections.defaultdict(list)
    for text in path.with_name(path.name + ".chk").read_bytes().splitlines():
        if not text.startswith(b'{"class":"TPV"'):
            continue
        report = json.loads(text)
        if "lat" in report and "time" in report:
            hour, minute, second = report["time"].split("T")[1].rstrip("Z").split(":")
            time_ms = round((int(hour) * 60 + int(minute)) * 60_000 + float(second) * 1000)
            by_time[time_ms].append((report["lat"], report["lon"], report["time"]))
    return by_time


def compared(path):
    """For each of our positions with a time that gpsd reports too: whether one of gpsd's lies within 1e-6 degree."""
    expected = expected_positions(path)
    records, _ = decode(path.read_bytes())
    outcomes = []
    for fix in positions(records):
        if fix.time_of_day_ns is None:
            continue
        time_ms = round(fix.time_of_day_ns / MS)
        theirs = [place for near_ms in (time_ms - 1, time_ms, time_ms + 1) for place in expected.get(near_ms, [])]
        if theirs:
            outcomes.append(
                any(
                    abs(latitude - fix.latitude_deg) < 1e-6 and abs(longitude - fix.longitude_deg) < 1e-6
                    for latitude, longitude, _ in theirs
                )
            )
    return outcomes


@pytest.mark.parametrize(("name", "at_least"), CLEAN.items())
def test_positions_agree_with_gpsd(recordings, name, at_least):
    """Every position whose time gpsd reports as well lies within 1e-6 degree of gpsd's, and none is missing."""
    outcomes = compared(recordings / "gnss" / "gpsd" / f"{name}.log")
    assert all(outcomes)
    assert len(outcomes) >= at_least


def test_no_log_of_any_receiver_disagrees_with_gpsd(recordings):
    """Over all 89 logs: 785 positions share their time with a report of gpsd's, and all of them agree."""
    outcomes = [outcome for path in sorted((recordings / "gnss" / "gpsd").glob("*.log")) for outcome in compared(path)]
    assert all(outcomes)
    assert len(outcomes) >= 785


def test_high_precision_digits_and_dates_agree_with_gpsd(recordings):
    """The two digits that HPPOSLLH adds, and the date, on a ZED-F9P: 1e-9 degree."""
    path = recordings / "gnss" / "gpsd" / "ublox-zed-f9p-hp.log"
    expected = {time: (lat, lon) for places in expected_positions(path).values() for lat, lon, time in places}
    records, stats = decode(path.read_bytes())
    assert stats.malformed == stats.bad_checksum == 0
    matched = 0
    for fix in records:
        day, ms = divmod(round(fix.utc_ns / MS), 86_400_000)
        time = f"2019-04-22T{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}Z"
        if time in expected:
            assert day == 18_008  # 2019-04-22
            assert (fix.latitude_deg, fix.longitude_deg) == pytest.approx(expected[time], abs=1e-9, rel=0)
            matched += 1
    assert matched == 28


def test_no_recording_raises_or_fills_the_buffer(recordings):
    """Every file, damaged ones included, in chunks of a prime size: no exception, and a bounded rest."""
    for path in sorted((recordings / "gnss").rglob("*.*")):
        if path.suffix not in (".log", ".bin"):
            continue
        data = path.read_bytes()
        decoder = GnssDecoder()
        for start in range(0, len(data), 97):
            decoder.feed(data[start : start + 97])
            assert len(decoder._framer._pending) < UBX_PAYLOAD_MAX + UBX_OVERHEAD
        decoder.finish()
        assert decoder.stats.bytes == len(data)


@pytest.mark.parametrize(
    "name", ["gpsd/neo-m8n.log", "gpsd/ublox-zed-f9p-hp.log", "semuconsulting/ubx/pygpsdata-MIXED.log"]
)
def test_recordings_decode_alike_in_any_chunks(recordings, name):
    """One byte at a time, or all at once: the same records and counters."""
    data = (recordings / "gnss" / name).read_bytes()[:20_000]
    assert decode(data, 1) == decode(data, 7) == decode(data, len(data))


@pytest.mark.parametrize(
    ("name", "counter"),
    [
        ("nmea/pygpsdata-nmeabadck.log", "bad_checksum"),
        ("ubx/pygpsdata-BADCK2.log", "bad_checksum"),
        ("rtcm/pygpsdata-MIXED-RTCM3BADCRC.log", "bad_checksum"),
        ("ubx/pygpsdata-BADHDR.log", "bytes_skipped"),
        ("rtcm/pygpsdata-RTCM3.log", "unknown"),
    ],
)
def test_hand_damaged_files_show_in_the_counters(recordings, name, counter):
    """The files say in their names what is wrong with them."""
    _, stats = decode((recordings / "gnss" / "semuconsulting" / name).read_bytes())
    assert getattr(stats, counter) > 0


def test_logs_name_their_protocol(recordings):
    """NMEA and UBX logs are recognised as such."""
    for name in CLEAN:
        assert guess_protocol((recordings / "gnss" / "gpsd" / f"{name}.log").read_bytes()) == "gnss"


def test_time_pulses_lie_in_the_second_that_gpsd_reports(recordings):
    """A LEA-4T names its next pulse in UTC; gpsd's positions of the same log are of that second and the one before."""
    path = recordings / "gnss" / "gpsd" / "ublox-lea-4t.log"
    pulses = [record for record in decode(path.read_bytes())[0] if isinstance(record, TimePulse)]
    day_ms = 86_400_000
    times_ms = [round(pulse.utc_ns / MS) for pulse in pulses]
    assert len(times_ms) == 2
    assert {time_ms // day_ms for time_ms in times_ms} == {14_272}  # 2009-01-28
    expected = list(expected_positions(path))
    assert all(min(abs(time_ms % day_ms - other_ms) for other_ms in expected) <= 1_001 for time_ms in times_ms)


def test_attitudes_follow_their_epochs_and_turn_smoothly(recordings):
    """A receiver with inertial sensors, driven about: angles only with accuracies, and no jumps between epochs."""
    path = recordings / "gnss" / "semuconsulting" / "ubx" / "pygpsdata-SF-calibration.log"
    records, stats = decode(path.read_bytes())
    attitudes = [record for record in records if isinstance(record, GnssAttitude)]
    assert len(attitudes) > 500
    assert stats.malformed == 0
    for attitude in attitudes:
        assert (attitude.roll_deg is None) == (attitude.roll_error_95_deg is None)
        assert (attitude.pitch_deg is None) == (attitude.pitch_error_95_deg is None)
    rolls = [attitude.roll_deg for attitude in attitudes if attitude.roll_deg is not None]
    assert max(abs(after - before) for before, after in itertools.pairwise(rolls)) < 5.0


POLE = {"Hello_RoverA": 7_799, "Hello_RoverB": 7_768, "false_fix_tail_RoverA": 4_166, "false_fix_tail_RoverB": 4_166}


@pytest.mark.parametrize(("name", "epochs"), POLE.items())
def test_every_relative_position_is_one_epoch_without_a_heading(recordings, name, epochs):
    """These rovers have a fixed base and still call their heading valid: it is the bearing from that base."""
    records, stats = decode((recordings / "gnss" / "f9p_rigid_pole" / f"{name}.ubx").read_bytes())
    assert (len(records), stats.frames) == (epochs, epochs)
    assert (stats.malformed, stats.bad_checksum) == (0, 0)
    assert stats.bytes_skipped < 72  # two of the files begin inside a message
    assert all(fix.heading_deg is None and fix.fix_class is FixClass.NONE for fix in records)


@pytest.mark.parametrize("name", POLE)
def test_moving_base_headings_agree_with_the_vector_they_belong_to(recordings, name):
    """The same frames with the moving base flag set: only fixed ones give a heading, and it points along the vector."""
    data = (recordings / "gnss" / "f9p_rigid_pole" / f"{name}.ubx").read_bytes()
    frames = [frame.data for frame in GnssFramer().feed(data)][::4]
    decoder = GnssDecoder()
    fixes, expected = [], []
    for frame in frames:
        payload = bytearray(frame[6:-2])
        payload[60] |= 0x20
        body = frame[2:6] + bytes(payload)
        fixes += decoder.feed(b"\xb5\x62" + body + fletcher(body))
        north, east = struct.unpack_from("<ii", payload, 8)
        north_hp, east_hp = struct.unpack_from("<bb", payload, 32)
        is_fixed = payload[60] >> 3 & 3 == 2
        expected.append(math.degrees(math.atan2(east + east_hp / 100, north + north_hp / 100)) if is_fixed else None)
    fixes += decoder.finish()
    assert len(fixes) == len(expected)
    for fix, bearing_deg in zip(fixes, expected, strict=True):
        assert (fix.heading_deg is None) == (bearing_deg is None)
        if bearing_deg is not None:
            assert abs((fix.heading_deg - bearing_deg + 180) % 360 - 180) < 0.01
            assert 0.0 < fix.heading_error_95_deg < 10.0


def test_the_survey_is_read_to_the_last_digit(recordings):
    """An RTK walk with 7 decimals of a minute: every GGA is one fixed epoch, its digits are those of the file."""
    (path,) = (recordings / "detector" / "gem2").glob("*_gps.csv")
    sentences = [b"$" + text.partition(b"$")[2] + b"\r\n" for text in path.read_bytes().splitlines() if b"GGA" in text]
    records, stats = decode(b"".join(sentences))
    assert len(records) == len(sentences) == stats.frames == 161
    for fix, sentence in zip(records, sentences, strict=True):
        latitude, longitude = sentence.split(b",")[2].decode(), sentence.split(b",")[4].decode()
        assert fix.latitude_deg == int(latitude[:2]) + float(latitude[2:]) / 60
        assert fix.longitude_deg == -(int(longitude[:3]) + float(longitude[3:]) / 60)
        assert fix.fix_class is FixClass.FIXED
