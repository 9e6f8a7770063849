"""An EM38 walked with a GNSS receiver on its logger, as its file stands, through the same core as a live machine."""

import csv
import json
import re
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.recorded

READINGS, SENTENCES = 3_164, 4_214
METRES_PER_DEGREE = 111_320.0
_GGA = re.compile(rb"\$GPGGA,(\d\d)(\d\d)([\d.]+),(\d\d)([\d.]+),S,(\d{3})([\d.]+),E,")


def firmground(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "controller.cli", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def survey(recordings, tmp_path_factory):
    """The played session, its summary, and the samples of one channel."""
    session = tmp_path_factory.mktemp("em38") / "session"
    played = firmground("play", recordings / "detector" / "em38" / "em38_demo.N38", "--out", session, "--json")
    assert played.returncode == 0, played.stderr
    out = session.parent / "samples.csv"
    exported = firmground("export", session, "--what", "samples", "--format", "csv", "--out", out)
    assert exported.returncode == 0, exported.stderr
    with out.open(newline="") as file:
        return session, json.loads(played.stdout), [row for row in csv.DictReader(file) if row["channel"] == "cond50"]


@pytest.fixture(scope="module")
def walked(recordings):
    """The file read by hand: (logger's ms, UTC s, latitude, longitude) of each GGA, float64 (n, 4)."""
    data = (recordings / "detector" / "em38" / "em38_demo.N38").read_bytes()
    fixes, text = [], b""
    for start in range(0, len(data), 26):
        record = data[start : start + 25]
        if record[:1] == b"@":
            text = record[1:]
        elif record[:1] == b"#":
            text += record[1:]
        elif record[:1] == b"!" and (match := _GGA.match(text)) is not None:
            hour, minute, second, lat, lat_min, lon, lon_min = (float(part) for part in match.groups())
            utc_s = hour * 3600 + minute * 60 + second
            fixes.append((float(record[1:]), utc_s, -(lat + lat_min / 60.0), lon + lon_min / 60.0))
    return np.array(fixes)


def test_every_reading_and_sentence_arrives_and_nothing_is_damaged(survey):
    """3,164 readings in order, 4,214 sentences, none refused; no time of the logger is doubted."""
    _, summary, rows = survey
    link = summary["links"]["logger"]
    assert summary["samples"] == len(rows) == READINGS
    assert [int(row["sequence"]) for row in rows] == list(range(READINGS))
    assert link["frames"] == READINGS + SENTENCES
    assert (link["bad_checksum"], link["malformed"], link["bytes_skipped"]) == (0, 0, 0)
    assert summary["damage"] == []


def test_the_readings_lie_on_the_walk(survey, walked):
    """
    All but those before the first fix; each where a straight line between the two fixes around it has it.

    The epochs are put on the logger's clock by their earliest arrival. Here that is the GGA's over the whole file, in
    the core that of the RMC that completes the epoch, some 25 ms later, over a minute: at 1.1 m/s that is 3 cm.
    """
    _, summary, rows = survey
    placed = [row for row in rows if row["latitude_deg"]]
    assert len(placed) == summary["samples_placed"] >= READINGS - 10
    assert all("no_fix" in row["reasons"] for row in rows if not row["latitude_deg"])
    at_ms = walked[:, 1] * 1000.0 + np.min(walked[:, 0] - walked[:, 1] * 1000.0)
    times_ms = np.array([float(row["device_time"]) * 1000.0 for row in placed])
    latitude = np.interp(times_ms, at_ms, walked[:, 2])
    longitude = np.interp(times_ms, at_ms, walked[:, 3])
    north_m = (np.array([float(row["latitude_deg"]) for row in placed]) - latitude) * METRES_PER_DEGREE
    east_m = (np.array([float(row["longitude_deg"]) for row in placed]) - longitude) * METRES_PER_DEGREE
    distance_m = np.hypot(east_m * np.cos(np.radians(27.44)), north_m)
    assert float(np.median(distance_m)) < 0.04
    assert float(np.quantile(distance_m, 0.99)) < 0.2


def test_nothing_is_credited_and_the_ground_walked_says_why(survey):
    """A receiver on its own, no calibration, no check: out of spec, never searched (P1, P3)."""
    _, summary, rows = survey
    assert summary["origin"] == "replayed"
    assert summary["searched_m2"] == summary["provisional_m2"] == 0.0
    assert sum(summary["out_of_spec_m2"].values()) > 100.0
    assert all("not_checked" in row["reasons"].split() for row in rows)


def test_the_survey_replays_and_verifies(survey):
    """Its record can be derived again, byte for byte."""
    session, _, _ = survey
    assert firmground("replay", session).returncode == 0
    assert firmground("verify", session).returncode == 0
