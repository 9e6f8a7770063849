"""Recordings through the core: damage and noise are counted, and playing twice gives the same record."""

import json
import subprocess
import sys

import pytest

from controller.core.geometry import Plane
from controller.play import play
from controller.store.capture import Capture, CaptureHead, Stream, write_capture
from controller.store.importers import GEM2_CONFIG
from controller.summary import summarize
from firmware_bridge.codec.nmea import encode_nmea
from firmware_bridge.records import FixClass, GnssFix

SECOND = 1_000_000_000
BEGIN_S = 30_000
PLANE = Plane(39.75, -105.22, 1700.0)


def fix(seconds):
    latitude, longitude = PLANE.unproject(0.0, seconds * 1.0)
    return GnssFix(
        utc_ns=None,
        time_of_day_ns=(BEGIN_S + seconds) * SECOND,
        latitude_deg=float(latitude),
        longitude_deg=float(longitude),
        altitude_m=1700.0,
        fix_class=FixClass.FIXED,
        horizontal_error_95_m=None,
        speed_m_s=None,
        course_deg=None,
        heading_deg=None,
        heading_error_95_deg=None,
        correction_age_s=1.0,
        reference_station="0000",
    )


def line(number, value):
    return f"0,{number}{',0' * 15},{value}\r\n".encode()


def recorded(directory, noise=b"", bad_line=None):
    gnss = [((BEGIN_S + s) * SECOND, noise + encode_nmea(fix(s)).splitlines(True)[0]) for s in range(20)]
    samples = [((BEGIN_S * 10 + n) * SECOND // 10, line(n, 100 + n % 7)) for n in range(185)]
    if bad_line is not None:
        samples[50] = (samples[50][0], bad_line)
    head = CaptureHead(
        format=1,
        name="walk",
        description="a made-up walk",
        origin="live",
        stream=(Stream(name="gnss", timebase="utc", date_known=False), Stream(name="gem2", timebase="utc")),
    )
    write_capture(directory, head, GEM2_CONFIG, {"gnss": gnss, "gem2": samples})
    return directory


def played(capture, out):
    links = {}
    for _ in play(Capture.open(capture), out, links):
        pass
    return summarize(out), links


def test_every_sample_is_placed_and_nothing_is_credited(tmp_path):
    """A recording without calibration or check earns nothing, whatever its quality (P1)."""
    summary, links = played(recorded(tmp_path / "capture"), tmp_path / "session")
    assert (summary.samples, summary.samples_placed, summary.origin) == (185, 185, "replayed")
    assert summary.searched_m2 == summary.provisional_m2 == 0.0
    assert sum(summary.out_of_spec_m2.values()) > 10.0
    assert links["gem2"].records == 185


def test_playing_twice_gives_the_same_record(tmp_path):
    """The session id and all that follows come from the recording."""
    capture = recorded(tmp_path / "capture")
    first, second = (played(capture, tmp_path / name)[0] for name in ("one", "two"))
    assert first.ledger_hash == second.ledger_hash


@pytest.mark.parametrize("noise", [b"\x00\xff$GP", b"$GPGGA,1,2*00\r\n", b"\xb5\x62\x01\x07"])
def test_noise_between_fixes_is_counted_and_costs_no_fix(tmp_path, noise):
    """Refused bytes and sentences appear in the link's counters."""
    summary, links = played(recorded(tmp_path / "capture", noise=noise), tmp_path / "session")
    assert summary.samples_placed == 185
    assert links["gnss"].records == 20
    stats = links["gnss"]
    assert stats.bytes_skipped + stats.bad_checksum + stats.malformed > 0


def test_a_damaged_line_is_counted_and_the_next_sample_says_gap(tmp_path):
    """One sample fewer, one malformed line."""
    capture = recorded(tmp_path / "capture", bad_line=b"0,garbage\r\n")
    summary, links = played(capture, tmp_path / "session")
    assert summary.samples == 184
    assert links["gem2"].malformed == 1


def test_the_command_reports_links_and_damage_in_its_one_object(tmp_path):
    """A capture cut in the middle of a chunk plays up to there, and says so."""
    capture = recorded(tmp_path / "capture")
    path = capture / "gem2.chunks"
    path.write_bytes(path.read_bytes()[:-5])
    done = subprocess.run(
        [sys.executable, "-m", "controller.cli", "play", capture, "--out", tmp_path / "session", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    summary = json.loads(done.stdout)
    assert "cut within a chunk" in summary["damage"][0]
    assert "cut within a chunk" in done.stderr
    assert summary["links"]["gem2"]["records"] == summary["samples"] == 184
