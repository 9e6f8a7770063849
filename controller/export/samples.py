"""
Every sample of a session, re-derived from its logged inputs: where it was taken, or why it has no place.
"""

import csv
import json
import math
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from controller.core.effects import PlacedSamples
from controller.core.geometry import DMM_PER_M, Plane
from controller.core.reasons import NO_REASONS, labels
from controller.export.times import utc_text

COLUMNS = (
    "utc",
    "link",
    "channel",
    "sequence",
    "device_time",
    "latitude_deg",
    "longitude_deg",
    "error_95_m",
    "value",
    "reasons",
    "origin",
)


def sample_rows(blocks: Iterator[tuple[PlacedSamples, Plane | None, str]]) -> Iterator[dict[str, Any]]:
    """One row a sample and channel, in order of decision; absent is None."""
    for placed, plane, origin in blocks:
        places = _places(placed, plane)
        for row in range(len(placed.sequence)):
            for index, channel in enumerate(placed.channels):
                latitude, longitude = places(row, index)
                yield {
                    "utc": None if placed.utc_ns is None else utc_text(int(placed.utc_ns[row])),
                    "link": placed.link,
                    "channel": channel,
                    "sequence": int(placed.sequence[row]),
                    "device_time": _seconds(placed, row),
                    "latitude_deg": latitude,
                    "longitude_deg": longitude,
                    "error_95_m": _number(float(placed.error_95_m[row])),
                    "value": _number(float(placed.values[row, index])),
                    "reasons": " ".join(_reasons(int(placed.reasons[row, index]))),
                    "origin": origin,
                }


def write_csv(rows: Iterator[dict[str, Any]], file: TextIO) -> int:
    """Rows as CSV with a header; returns how many."""
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    return count


def write_geojson(rows: Iterator[dict[str, Any]], file: TextIO) -> int:
    """Rows as point features, written one by one; a sample without a place has a null geometry."""
    file.write('{"type": "FeatureCollection", "features": [')
    count = 0
    for row in rows:
        latitude, longitude = row.pop("latitude_deg"), row.pop("longitude_deg")
        geometry = None if latitude is None else {"type": "Point", "coordinates": [longitude, latitude]}
        feature = {"type": "Feature", "geometry": geometry, "properties": row}
        file.write(("," if count else "") + "\n" + json.dumps(feature))
        count += 1
    file.write("\n]}\n")
    return count


def _places(placed: PlacedSamples, plane: Plane | None) -> Callable[[int, int], tuple[float | None, float | None]]:
    """Latitude and longitude of (row, channel), to a nanodegree: a tenth of a millimetre."""
    if plane is None:
        return lambda _row, _channel: (None, None)
    metres = placed.position_dmm / DMM_PER_M
    latitude, longitude = plane.unproject(metres[:, :, 0], metres[:, :, 1])

    def place(row: int, channel: int) -> tuple[float | None, float | None]:
        if not placed.is_placed[row]:
            return None, None
        return round(float(latitude[row, channel]), 9), round(float(longitude[row, channel]), 9)

    return place


def _seconds(placed: PlacedSamples, row: int) -> float | None:
    return None if placed.device_time_ns is None else int(placed.device_time_ns[row]) / 1e9


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _reasons(mask: int) -> tuple[str, ...]:
    return () if mask == NO_REASONS else labels(mask)
