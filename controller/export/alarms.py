"""Every alarm of a session with what is known of it; an unlocated one keeps its row."""

import csv
import json
from typing import Any, TextIO

import msgspec

from controller.summary import Detection, SessionMap, detections

COLUMNS = ("session", *Detection.__struct_fields__)


def write(session: SessionMap, file_format: str, file: TextIO) -> int:
    """All alarms as CSV or GeoJSON points; returns how many."""
    found = detections(session.events, session.info.origin)
    rows: list[dict[str, Any]] = []
    for detection in found:
        row = msgspec.structs.asdict(detection)
        rows.append({"session": session.info.session, **row, "channels": " ".join(detection.channels)})
    if file_format == "csv":
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    else:
        json.dump({"type": "FeatureCollection", "features": [_feature(row) for row in rows]}, file)
        file.write("\n")
    return len(rows)


def _feature(row: dict[str, Any]) -> dict[str, Any]:
    properties = {key: value for key, value in row.items() if key not in ("lat", "lon")}
    geometry = None if row["lat"] is None else {"type": "Point", "coordinates": [row["lon"], row["lat"]]}
    return {"type": "Feature", "geometry": geometry, "properties": properties}
