"""A G-858 magnetometer walked with an RTK receiver at one reading a second, through the same core as a live machine."""

import csv
import itertools
import json
import math
import subprocess
import sys
from datetime import timedelta

import pytest

from controller.store.capture import CaptureHead, Stream, write_capture

pytestmark = pytest.mark.recorded

SECOND = 1_000_000_000
COSINE = math.cos(math.radians(39.75))
CONFIG = r"""# A Geometrics G-858 with an RTK receiver on its console, carried by a person.
format = 1

[machine]
id = "g858"
site = "recorded"
profile = "magnetometer-walk"

[vehicle]
antenna_m = [0.0, 0.0, 2.0]
slope_deg_max = 10.0

[position]
link = "gnss"
relative_error_m = 0.02
drift_m_s = 0.002

[[link]]
name = "gnss"
protocol = "gnss"
timebase = "utc"

[[link]]
name = "g858"
protocol = "line"
timebase = "utc"

[link.line]
pattern = '0 +(?P<first>\d+\.\d{3}) +(?P<second>\d+\.\d{3}) (?P<time>\d\d:\d\d:\d\d\.\d+) \d\d/\d\d/\d\d +\d+'
comments = ["3 ", "6 "]

[[link.line.channels]]
name = "first"
unit = "nT"
column = "first"
invalid = ["0.000"]

[[link.line.channels]]
name = "second"
unit = "nT"
column = "second"
invalid = ["0.000"]

[[head]]
id = "g858"
link = "g858"
mount_m = [0.0, 0.0, 0.0]
nominal_radius_m = 0.5
alarm_floor = 20.0
rate_hz = 1.0
channels = [
  { name = "first", unit = "nT", position_m = [0.0, 0.0, 0.9] },
  { name = "second", unit = "nT", position_m = [0.0, 0.0, 0.3] },
]
"""


def since_midnight_ns(text):
    hours, minutes, seconds = text.split(":")
    return round(timedelta(hours=int(hours), minutes=int(minutes)).total_seconds() * SECOND + float(seconds) * SECOND)


def chunks_of(lines):
    """The console's file, last line first, as bytes of two ports stamped in UTC: its sentences say both times."""
    sentences, readings, ahead = [], [], []
    for line in reversed(lines):
        if line.startswith("21 "):
            sentence, logged = line.split()[1:3]
            utc = sentence.split(",")[1]
            utc_ns = since_midnight_ns(f"{utc[:2]}:{utc[2:4]}:{utc[4:]}")
            ahead.append(utc_ns - since_midnight_ns(logged))
            sentences.append((utc_ns, f"{sentence}\r\n".encode()))
        elif line.startswith("0 "):
            readings.append((since_midnight_ns(line.split()[3]), f"{line}\r\n".encode()))
    offset = sorted(ahead)[len(ahead) // 2]
    return {"gnss": sentences, "g858": [(at + offset, line) for at, line in readings]}


@pytest.fixture(scope="module", params=["g858_2.stn", "g858_4.stn"])
def walk(request, recordings, tmp_path_factory):
    """Summary and sample rows of a played walk, readings printed as 0.000, and sentences without RTK in its file."""
    lines = (recordings / "detector" / "g858" / request.param).read_text().splitlines()
    folder = tmp_path_factory.mktemp("g858")
    streams = (
        Stream(name="gnss", timebase="utc", date_known=False),
        Stream(name="g858", timebase="utc", date_known=False),
    )
    head = CaptureHead(format=1, name="g858", description="a walk", origin="live", stream=streams)
    write_capture(folder / "capture", head, CONFIG, chunks_of(lines))
    command = [sys.executable, "-m", "controller.cli"]
    session, out = folder / "session", folder / "samples.csv"
    played = subprocess.run(
        [*command, "play", folder / "capture", "--out", session, "--json"], capture_output=True, text=True, check=False
    )
    assert played.returncode == 0, played.stderr
    export = [*command, "export", session, "--what", "samples", "--format", "csv", "--out", out]
    subprocess.run(export, check=True, capture_output=True)
    dropouts = sum(column == "0.000" for line in lines if line.startswith("0 ") for column in line.split()[1:3])
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    single = sum(line.split(",")[6] == "1" for line in lines if line.startswith("21 "))
    return json.loads(played.stdout), rows, dropouts, single


def test_nothing_is_credited(walk):
    """No calibration, no check, no statement of error (P1)."""
    summary, *_ = walk
    assert summary["searched_m2"] == summary["provisional_m2"] == summary["research_due_m2"] == 0.0
    assert sum(summary["out_of_spec_m2"].values()) + summary["signal_open_m2"] > 10.0


def test_each_dropout_is_a_fault_of_its_channel_and_nothing_else_is_missing(walk):
    """Where and only where the console printed 0.000 there is no reading, and `head_fault` says so."""
    _, rows, dropouts, _ = walk
    missing = [row for row in rows if row["value"] == ""]
    assert len(missing) == dropouts > 0
    assert all("head_fault" in row["reasons"].split() for row in missing)


def test_a_reading_a_second_at_walking_pace_is_too_fast(walk):
    """Wherever a sensor went further than 0.25 m since its last reading, by the exported places, and only there."""
    _, rows, *_ = walk
    fast, slow = [], []
    for channel in ("first", "second"):
        mine = [row for row in rows if row["channel"] == channel]
        for before, row in itertools.pairwise(mine):
            if before["latitude_deg"] and row["latitude_deg"] and "sample_gap" not in row["reasons"]:
                north_m = (float(row["latitude_deg"]) - float(before["latitude_deg"])) * 111_200.0
                east_m = (float(row["longitude_deg"]) - float(before["longitude_deg"])) * 111_200.0 * COSINE
                (fast if math.hypot(north_m, east_m) > 0.26 else slow).append(row["reasons"].split())
    assert len(fast) > 300
    assert all("too_fast" in reasons for reasons in fast)
    assert sum("too_fast" in reasons for reasons in slow) <= 0.1 * len(slow), "0.25 to 0.26 m, or a walk of 1.5 m/s"


def test_sentences_that_state_no_error_are_no_statement(walk):
    """An HDOP is none, whatever the quality digit says: every place is without a bound."""
    _, rows, *_ = walk
    placed = [row["reasons"].split() for row in rows if row["latitude_deg"]]
    assert all("position_error" in reasons for reasons in placed)


def test_a_walk_that_lost_rtk_says_so_and_one_that_kept_it_does_not(walk):
    """About two readings, one of each sensor, for each sentence of a lone receiver."""
    _, rows, _, single = walk
    lost = sum("fix_class" in row["reasons"].split() for row in rows)
    assert (lost > 0) is (single > 0)
    assert lost >= single
