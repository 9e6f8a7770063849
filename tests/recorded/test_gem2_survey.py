"""The main job on real input: a GEM-2 walked with an RTK receiver, through the same core as a live machine."""

import csv
import json
import statistics
import subprocess
import sys

import numpy as np
import pyproj
import pytest

pytestmark = pytest.mark.recorded


def firmground(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "controller.cli", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def survey(recordings, tmp_path_factory):
    """The played session, its summary, and its exported samples."""
    session = tmp_path_factory.mktemp("survey") / "session"
    played = firmground("play", recordings / "detector" / "gem2", "--out", session, "--json")
    assert played.returncode == 0, played.stderr
    out = session.parent / "samples.csv"
    exported = firmground("export", session, "--what", "samples", "--format", "csv", "--out", out)
    assert exported.returncode == 0, exported.stderr
    with out.open(newline="") as file:
        return session, json.loads(played.stdout), list(csv.DictReader(file))


@pytest.fixture(scope="module")
def vendor(recordings):
    """The vendor's own table: sample number -> easting, northing (UTM 13N), value."""
    (path,) = (recordings / "detector" / "gem2").glob("*_gem.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {int(row["Sample"]): (float(row["X"]), float(row["Y"]), float(row["QSum"])) for row in rows}


def test_every_sample_is_listed_once_with_its_place_or_its_reason(survey, vendor):
    """All 1,536, in the instrument's own numbering, none invented and none lost."""
    _, summary, rows = survey
    assert summary["samples"] == len(rows) == len(vendor) == 1_536
    assert [int(row["sequence"]) for row in rows] == list(vendor)
    assert all(row["latitude_deg"] or row["reasons"] for row in rows)
    assert all(float(row["value"]) == vendor[int(row["sequence"])][2] for row in rows)


def test_samples_lie_where_the_vendor_puts_them(survey, vendor):
    """Median distance to the vendor's own positions at most 5 mm, by PROJ's UTM."""
    _, _, rows = survey
    utm = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32613", always_xy=True)
    placed = [row for row in rows if row["latitude_deg"]]
    assert len(placed) == 1_536
    east, north = utm.transform(
        [float(row["longitude_deg"]) for row in placed], [float(row["latitude_deg"]) for row in placed]
    )
    expected = np.array([vendor[int(row["sequence"])][:2] for row in placed])
    distances = np.hypot(np.array(east) - expected[:, 0], np.array(north) - expected[:, 1])
    assert statistics.median(distances.tolist()) <= 0.005
    # The vendor prints centimetres and a fix each second: a turn between two fixes is a chord to both.
    assert float(np.quantile(distances, 0.99)) <= 0.05


def test_nothing_is_searched_and_the_reasons_add_up(survey):
    """No calibration, no check, no stated accuracy: every cell passed says so (P1, P3)."""
    session, summary, _ = survey
    assert summary["origin"] == "replayed"
    assert summary["searched_m2"] == summary["provisional_m2"] == summary["research_due_m2"] == 0.0
    out = session.parent / "coverage.geojson"
    assert firmground("export", session, "--what", "coverage", "--format", "geojson", "--out", out).returncode == 0
    areas = {}
    for feature in json.loads(out.read_text())["features"]:
        properties = feature["properties"]
        assert properties["origin"] == "replayed"
        key = (properties["state"], properties["reason"])
        areas[key] = areas.get(key, 0.0) + properties["area_m2"]
    assert {state for state, _ in areas} <= {"out_of_spec", "signal_open"}
    by_reason = {reason: area for (state, reason), area in areas.items() if state == "out_of_spec"}
    assert by_reason == pytest.approx(summary["out_of_spec_m2"])
    assert sum(by_reason.values()) > 40.0


def test_every_sample_says_not_checked_among_its_reasons(survey):
    """Whatever stronger reason a cell shows, this one is behind it."""
    _, _, rows = survey
    assert all("not_checked" in row["reasons"].split() for row in rows)
    assert all("position_error" in row["reasons"].split() for row in rows), "an HDOP is no statement of error"


def test_signals_are_picked_all_the_same(survey):
    """Anomalies with places inside the survey, and no more than a walk can hold."""
    _, summary, rows = survey
    assert 5 <= summary["alarms"] == len(summary["detections"]) <= 150
    latitudes = [float(row["latitude_deg"]) for row in rows]
    for detection in summary["detections"]:
        assert min(latitudes) <= detection["lat"] <= max(latitudes)
        assert detection["channels"] == ["QSum"]
        assert detection["origin"] == "replayed"


def test_the_survey_replays_and_verifies(survey):
    """The record of real input can be derived again, byte for byte."""
    session, _, _ = survey
    assert firmground("replay", session).returncode == 0
    assert firmground("verify", session).returncode == 0


def test_an_operational_export_refuses_a_played_survey(survey):
    """Replayed is not live (P8): exit 1, and no file."""
    session, _, _ = survey
    out = session.parent / "operational.geojson"
    refused = firmground("export", session, "--what", "coverage", "--format", "geojson", "--out", out, "--operational")
    assert refused.returncode == 1
    assert "replayed" in refused.stderr
    assert not out.exists()
