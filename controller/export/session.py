"""One export of a session, from its record, to a file that appears whole or not at all."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from controller.core.effects import PlacedSamples, PlaneSet
from controller.core.geometry import Plane
from controller.export import alarms, coverage, samples
from controller.replay import rederive
from controller.store.ledger import read_origins
from controller.summary import read_map
from firmware_bridge.errors import StoreError

SUBJECTS = ("samples", "coverage", "gaps", "alarms")
FORMATS = ("csv", "geojson")


class ExportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, or why nothing was."""

    what: str
    format: str
    out: str
    rows: int
    origins: tuple[str, ...]
    refusal: str | None


def export_session(
    directory: Path, what: str, file_format: str, out: Path, *, is_operational: bool = False
) -> ExportReport:
    """
    Write one subject of a session; raises `StoreError` where it cannot be read or written.

    With `is_operational`, any record whose origin is not `live` refuses the whole export (promise P8).
    """
    origins = read_origins(directory)
    refusal, rows = None, 0
    if is_operational and origins != ("live",):
        refusal = f"not operational: the session holds records of origin {', '.join(origins)}; nothing was written"
    else:
        rows = _write(directory, what, file_format, out)
    return ExportReport(what=what, format=file_format, out=str(out), rows=rows, origins=origins, refusal=refusal)


def _write(directory: Path, what: str, file_format: str, out: Path) -> int:
    partial = out.with_name(out.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            if what == "samples":
                rows = samples.sample_rows(_placed(directory))
                count = (samples.write_csv if file_format == "csv" else samples.write_geojson)(rows, file)
            else:
                session = read_map(directory)
                common = {"session": session.info.session, "origin": session.info.origin}
                if what == "alarms":
                    count = alarms.write(session, file_format, file)
                else:
                    found = (coverage.gap_rows if what == "gaps" else coverage.coverage_rows)(session.fold)
                    write = coverage.write_csv if file_format == "csv" else coverage.write_geojson
                    count = write(found, session.plane, common, file)
        os.replace(partial, out)
    except OSError as error:
        raise StoreError(f"{out}: cannot be written: {error.strerror}") from error
    return count


def _placed(directory: Path) -> Iterator[tuple[PlacedSamples, Plane | None, str]]:
    """Placed samples with the plane and the origin in force at each."""
    plane = None
    for effects, origin in rederive(directory):
        for event in effects.events:
            if isinstance(event, PlaneSet):
                plane = Plane(event.latitude_deg, event.longitude_deg, event.altitude_m)
        for placed in effects.placed:
            yield placed, plane, origin
