"""Exports: balance, places, origin, and files that appear whole or not at all."""

import csv
import json

import pytest

from controller.export.session import SUBJECTS, export_session
from controller.summary import summarize
from firmware_bridge.errors import StoreError


def test_regions_add_up_to_the_totals(simulated, tmp_path):
    """The sum of exported areas is the summary's, state by state."""
    out = tmp_path / "coverage.geojson"
    report = export_session(simulated, "coverage", "geojson", out)
    features = json.loads(out.read_text())["features"]
    assert report.rows == len(features) > 0
    areas = {}
    for feature in features:
        state = feature["properties"]["state"]
        areas[state] = areas.get(state, 0.0) + feature["properties"]["area_m2"]
    summary = summarize(simulated)
    assert areas["searched"] == pytest.approx(summary.searched_m2)
    assert areas["signal_open"] == pytest.approx(summary.signal_open_m2)


def test_every_sample_has_a_row_with_its_origin(simulated, tmp_path):
    """One row a sample and channel; placed ones lie near the field, unplaced ones say why."""
    out = tmp_path / "samples.csv"
    report = export_session(simulated, "samples", "csv", out)
    summary = summarize(simulated)
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert report.rows == len(rows) == summary.samples * 4
    for row in rows:
        assert row["origin"] == "simulated"
        assert row["utc"] or "no_fix" in row["reasons"] or "clock_unsynced" in row["reasons"]
        if row["latitude_deg"]:
            assert abs(float(row["latitude_deg"]) - 8.5) < 0.001
        else:
            assert "no_fix" in row["reasons"]


@pytest.mark.parametrize("what", [subject for subject in SUBJECTS if subject != "gaps"])
@pytest.mark.parametrize("file_format", ["csv", "geojson"])
def test_every_subject_comes_in_every_format(simulated, tmp_path, what, file_format):
    """Rows, and a file that its format's reader opens."""
    out = tmp_path / f"out.{file_format}"
    report = export_session(simulated, what, file_format, out)
    assert report.rows > 0
    if file_format == "csv":
        with out.open(newline="") as file:
            assert sum(1 for _ in csv.DictReader(file)) == report.rows
    else:
        assert len(json.loads(out.read_text())["features"]) == report.rows


@pytest.mark.parametrize("file_format", ["csv", "geojson"])
def test_gaps_are_what_the_boundary_holds_and_nobody_searched(session, tmp_path, file_format):
    """Their areas are the summary's `not_visited`, largest first, and each says that it is no route."""
    config = session / "config.toml"
    corners = [[8.49998, 39.24998], [8.49998, 39.2501], [8.5001, 39.2501], [8.5001, 39.24998]]
    config.write_text(config.read_text().replace("[task]\n", f"[task]\nboundary = {corners}\n"))
    out = tmp_path / f"gaps.{file_format}"
    report = export_session(session, "gaps", file_format, out)
    if file_format == "csv":
        with out.open(newline="") as file:
            rows = list(csv.DictReader(file))
    else:
        rows = [feature["properties"] for feature in json.loads(out.read_text())["features"]]
    areas = [float(row["area_m2"]) for row in rows]
    summary = summarize(session)
    assert report.rows == len(rows) > 0
    assert areas == sorted(areas, reverse=True)
    assert sum(areas) == pytest.approx(summary.not_visited_m2)
    assert summary.not_visited_m2 < summary.task_m2
    assert {row["warning"] for row in rows} == {"not a safe route"}


def test_an_operational_export_of_simulated_ground_is_refused(simulated, tmp_path):
    """Synthetic is never real (P8): nothing is written."""
    out = tmp_path / "coverage.geojson"
    report = export_session(simulated, "coverage", "geojson", out, is_operational=True)
    assert "simulated" in report.refusal
    assert not out.exists()


def test_a_place_that_cannot_be_written_is_named(simulated, tmp_path):
    """One clear error."""
    with pytest.raises(StoreError, match="cannot be written"):
        export_session(simulated, "coverage", "csv", tmp_path / "absent" / "coverage.csv")


def test_a_directory_that_is_no_session_is_named(tmp_path):
    """What is missing, and where."""
    with pytest.raises(StoreError, match="is no session directory"):
        export_session(tmp_path, "coverage", "csv", tmp_path / "coverage.csv")
