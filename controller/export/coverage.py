"""
The derived map as files: regions of one state and one primary reason, whose areas add up to the session's totals, and
gaps: what must still be searched.
"""

import csv
import json
from typing import Any, TextIO

import msgspec
import numpy as np

from controller.core.fold import MapFold
from controller.core.gaps import WARNING, gaps
from controller.core.geometry import Plane
from controller.core.polygons import Outline
from controller.core.regions import regions
from controller.export.times import utc_text


class GroundRow(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Connected ground and what is said of it; all rows of a file have the same `columns`."""

    outline: Outline
    columns: dict[str, Any]


def coverage_rows(fold: MapFold) -> list[GroundRow]:
    """What every visited cell is, by state and primary reason."""
    return [
        GroundRow(
            outline=region.outline,
            columns={"state": region.state.label, "reason": region.reason, "area_m2": region.area_m2},
        )
        for region in regions(fold.tiles())
    ]


def gap_rows(fold: MapFold) -> list[GroundRow]:
    """What must be searched, largest first. Each row says that it is no route."""
    return [
        GroundRow(
            outline=gap.outline,
            columns={
                "state": gap.state.label,
                "reason": gap.cause,
                "area_m2": gap.area_m2,
                "last_utc": None if gap.last_utc_ns is None else utc_text(gap.last_utc_ns),
                "warning": WARNING,
            },
        )
        for gap in gaps((*fold.tiles(), *fold.untouched()), fold.dates())
    ]


def write_geojson(rows: list[GroundRow], plane: Plane | None, common: dict[str, Any], file: TextIO) -> int:
    """Rows as polygons in WGS 84; `common` goes into every feature's properties. Returns how many."""
    features = []
    for row in rows:
        assert plane is not None, "ground was passed, so there is a plane"
        rings = [_to_degrees(plane, ring).tolist() for ring in row.outline.rings()]
        geometry = {"type": "Polygon", "coordinates": rings}
        features.append({"type": "Feature", "geometry": geometry, "properties": {**common, **row.columns}})
    json.dump({"type": "FeatureCollection", "features": features}, file)
    file.write("\n")
    return len(features)


def write_csv(rows: list[GroundRow], plane: Plane | None, common: dict[str, Any], file: TextIO) -> int:
    """One line a row, placed by a point within it. Returns how many."""
    names = (*common, *(rows[0].columns if rows else ()), "latitude_deg", "longitude_deg")
    writer = csv.DictWriter(file, names)
    writer.writeheader()
    for row in rows:
        assert plane is not None, "ground was passed, so there is a plane"
        longitude, latitude = _to_degrees(plane, row.outline.point_within()[None])[0].tolist()
        writer.writerow({**common, **row.columns, "latitude_deg": latitude, "longitude_deg": longitude})
    return len(rows)


def _to_degrees(plane: Plane, points: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(east, north) in metres -> (longitude, latitude), to a nanodegree."""
    latitude, longitude = plane.unproject(points[:, 0], points[:, 1])
    return np.round(np.stack([longitude, latitude], axis=1), 9)
