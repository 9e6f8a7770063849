"""The commands as a user meets them: one JSON object, exit codes, one clear line for each mistake."""

import json
import subprocess
import sys

import pytest

from firmware_bridge.codec.nmea import encode_nmea
from firmware_bridge.records import FixClass, GnssFix


def firmground(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "controller.cli", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def one_object(done):
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout
    return json.loads(lines[0])


def test_replay_and_verify_print_one_object(simulated):
    """Exit 0 where nothing is wrong."""
    replayed, verified = firmground("replay", simulated, "--json"), firmground("verify", simulated, "--json")
    assert replayed.returncode == verified.returncode == 0
    assert one_object(replayed)["difference"] is None
    assert one_object(verified)["problems"] == []


def test_a_damaged_session_exits_with_1_and_names_the_place(session):
    """For machines and for people."""
    path = session / "raw-0001.mcap"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    for command in ("replay", "verify"):
        done = firmground(command, session)
        assert done.returncode == 1
        assert "raw-0001.mcap" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["replay", "absent"], "is no session directory"),
        (["verify", "absent"], "is no session directory"),
        (["export", "absent", "--format", "csv", "--out", "x.csv"], "is no session directory"),
        (["play", "absent", "--out", "x"], "absent/capture.toml: cannot be read"),
        (["decode", "absent"], "absent: cannot be read"),
        (["export", "absent", "--format", "xlsx", "--out", "x"], "'xlsx'"),
        (["demo", "--scenario", "absent"], "there is no scenario 'absent'"),
        (["fly"], "No such command 'fly'"),
    ],
)
def test_wrong_use_exits_with_2_and_one_line_says_why(arguments, words):
    """Never a traceback."""
    done = firmground(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_decode_prints_json_lines_with_the_statistics_last(tmp_path):
    """The record's type, its fields, null for what is absent; the protocol is found by trying."""
    fix = GnssFix(
        utc_ns=1_772_000_000 * 10**9,
        time_of_day_ns=1_772_000_000 % 86_400 * 10**9,
        latitude_deg=8.5,
        longitude_deg=39.25,
        altitude_m=1600.0,
        fix_class=FixClass.FIXED,
        horizontal_error_95_m=0.02,
        speed_m_s=0.8,
        course_deg=90.0,
        heading_deg=None,
        heading_error_95_deg=None,
        correction_age_s=1.0,
        reference_station="0001",
    )
    path = tmp_path / "log.nmea"
    path.write_bytes(b"noise" + encode_nmea(fix))
    done = firmground("decode", path)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["record"] for record in records] == ["gnss_fix", "link_stats"]
    assert records[0]["latitude_deg"] == pytest.approx(8.5, abs=1e-8)
    assert records[0]["fix_class"] == "fixed"
    assert records[0]["utc"] == "2026-02-25T06:13:20.000000Z"
    assert records[0]["horizontal_error_95_m"] == pytest.approx(0.02, abs=0.001)
    assert records[0]["heading_deg"] is None
    assert records[1]["bytes_skipped"] == 5


def test_decode_of_nothing_known_says_so(tmp_path):
    """Exit 2, and what to do."""
    path = tmp_path / "noise"
    path.write_bytes(bytes(range(256)) * 4)
    done = firmground("decode", path)
    assert done.returncode == 2
    assert "--link" in done.stderr
