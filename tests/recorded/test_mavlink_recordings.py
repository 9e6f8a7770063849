"""Real autopilots' bytes against the publisher's own extraction and against the library."""

import csv

import pytest

from firmware_bridge.codec.decoders import guess_protocol
from firmware_bridge.codec.mavlink import MavlinkDecoder
from firmware_bridge.codec.mavlink_frames import FRAME_BYTES_MAX
from firmware_bridge.records import Attitude, AutopilotHeartbeat, AutopilotPosition, EstimatorStatus, FixClass, GnssFix

pytestmark = pytest.mark.recorded


def decode(data, system_id=1, chunk=64):
    """All records and the counters, fed in chunks of one size; what is held back stays bounded."""
    decoder = MavlinkDecoder(system_id)
    records = []
    for start in range(0, len(data), chunk):
        records += decoder.feed(data[start : start + chunk])
        assert len(decoder._framer._pending) < FRAME_BYTES_MAX
    return records + decoder.finish(), decoder.stats


@pytest.fixture(scope="session")
def phoenix(recordings):
    """A copter's flight over a serial radio."""
    return recordings / "mavlink" / "phoenix"


def test_raw_radio_bytes_give_every_good_frame(phoenix):
    """
    24,109 good frames in the raw bytes with their 23 damaged spots.

    The library's stream parser gives 24,093: it drops whole false frames with 17 real ones inside them, and passes one
    of an unknown id unchecked.
    """
    records, stats = decode((phoenix / "mission1.rlog").read_bytes())
    assert stats.frames == 24_109
    assert stats.bad_checksum == 7
    assert stats.bytes_skipped == 205
    assert sum(isinstance(record, Attitude) for record in records) == 903
    assert sum(isinstance(record, AutopilotHeartbeat) for record in records) == 723


def test_a_telemetry_log_gives_all_its_messages_and_positions(phoenix):
    """29,475 messages between 8-byte timestamps, and all 2,421 positions of the publisher's table, digit for digit."""
    records, stats = decode((phoenix / "mission1.tlog").read_bytes())
    assert stats.frames == 29_475
    assert stats.bytes_skipped == 8 * 29_475
    fixes = [record for record in records if isinstance(record, GnssFix)]
    ours = {
        (round(fix.latitude_deg * 1e7), round(fix.longitude_deg * 1e7))
        for fix in fixes
        if fix.latitude_deg is not None and fix.fix_class is not FixClass.NONE
    }
    with (phoenix / "5missions_parsed_raw.csv").open() as file:
        rows = [(int(row[3]), int(row[4])) for row in list(csv.reader(file))[1:] if len(row) > 4]
    placed = [row for row in rows if row != (0, 0)]
    assert len(placed) == 2_421
    assert all(row in ours for row in placed)


def test_attitudes_agree_with_the_publishers_table(phoenix):
    """Every yaw, roll and pitch of the table is one of ours, to the digits it prints."""
    records, _ = decode((phoenix / "mission1.tlog").read_bytes())
    ours = {
        tuple(f"{angle:.5g}" for angle in (record.yaw_rad, record.roll_rad, record.pitch_rad))
        for record in records
        if isinstance(record, Attitude)
    }
    with (phoenix / "5missions_parsed_raw.csv").open() as file:
        rows = [row for row in list(csv.reader(file))[1:] if len(row) > 7]
    theirs = [tuple(f"{float(text):.5g}" for text in row[5:8]) for row in rows]
    known = sum(row in ours or row == ("0", "0", "0") for row in theirs)
    assert known >= 0.99 * len(theirs)


def test_an_old_autopilots_fixes_have_no_utc_and_no_error(phoenix):
    """Its time_usec counts from boot and MAVLink 1 has no accuracy: both are None, not zero (P3)."""
    records, _ = decode((phoenix / "mission1.rlog").read_bytes())
    fixes = [record for record in records if isinstance(record, GnssFix)]
    assert len(fixes) == 787
    assert all(fix.utc_ns is None and fix.horizontal_error_95_m is None for fix in fixes)


def test_the_radio_is_not_the_autopilot(phoenix):
    """Heartbeats of the telemetry radio, system 51, never say that the autopilot is alive."""
    records, _ = decode((phoenix / "mission1.rlog").read_bytes(), system_id=None)
    heartbeats = [record for record in records if isinstance(record, AutopilotHeartbeat)]
    assert {record.system_id for record in heartbeats} == {1}


def test_the_autopilots_filter_stays_near_its_receiver(phoenix):
    """GLOBAL_POSITION_INT and GPS_RAW_INT of one flight describe the same place, within 100 m."""
    records, _ = decode((phoenix / "mission1.rlog").read_bytes())
    fixes = [record for record in records if isinstance(record, GnssFix) and record.fix_class is not FixClass.NONE]
    filtered = [record for record in records if isinstance(record, AutopilotPosition)]
    assert len(filtered) > 700
    latitudes = [fix.latitude_deg for fix in fixes]
    assert all(min(latitudes) - 1e-3 < record.latitude_deg < max(latitudes) + 1e-3 for record in filtered)


def test_a_bench_capture_with_damage_is_read(recordings):
    """MAVLink 1 with three damaged spots."""
    records, stats = decode((recordings / "mavlink" / "eaics" / "eaics.tlog.raw").read_bytes())
    assert stats.frames == 7_284
    assert stats.bad_checksum == 1
    assert sum(isinstance(record, Attitude) for record in records) == 225


def test_a_tracked_robots_second_version_is_read(recordings):
    """MAVLink 2; its heartbeats arrive, and that its estimator calls its attitude good."""
    records, stats = decode((recordings / "mavlink" / "tracked_ugv" / "mav.tlog.raw").read_bytes())
    assert stats.frames == 1_435
    assert sum(isinstance(record, AutopilotHeartbeat) for record in records) == 75
    statuses = [record for record in records if isinstance(record, EstimatorStatus)]
    assert len(statuses) == len(records) - 75 == 148
    assert all(status.is_attitude_good for status in statuses)


def test_recordings_decode_alike_in_any_chunks(phoenix):
    """One byte at a time, or all at once, around the damage too."""
    data = (phoenix / "mission1.rlog").read_bytes()[:60_000]
    whole = decode(data, chunk=len(data)) if len(data) < FRAME_BYTES_MAX else _at_once(data)
    assert decode(data, chunk=1) == decode(data, chunk=11) == whole


def _at_once(data):
    decoder = MavlinkDecoder(1)
    return decoder.feed(data) + decoder.finish(), decoder.stats


def test_captures_name_their_protocol(phoenix, recordings):
    """Raw bytes and telemetry logs are recognised as MAVLink."""
    for path in (phoenix / "mission1.rlog", phoenix / "mission1.tlog", recordings / "mavlink/eaics/eaics.tlog.raw"):
        assert guess_protocol(path.read_bytes()) == "mavlink"
