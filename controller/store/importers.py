"""
Vendors' recordings turned into captures.

Geophex GEM-2: `*_gem.csv` (samples with the logger's UTC time of day in ms) and `*_gps.csv` (GGA sentences, each with
the logger's time of its arrival). The files carry no date. The survey's receiver stands over the coil: no lever arm.

Geonics EM38-MK2: one `*.N38` as its logger keeps it, readings and a receiver's NMEA in one stream, each with the
logger's milliseconds since it was switched on. Those are no UTC: a fix's epoch is mapped to them through its arrivals.
"""

import decimal
from collections.abc import Callable
from pathlib import Path

from controller.store.capture import (
    CAPTURE_NAME,
    CHUNK_BYTES_MAX,
    Capture,
    CaptureHead,
    StampedChunk,
    Stream,
    write_capture,
)
from firmware_bridge.codec.n38 import split_at_stamps
from firmware_bridge.errors import CaptureError

Importer = Callable[[Path, Path], Capture]

_TIME_COLUMN = "Time[ms]"
_VALUE_COLUMN = "QSum"
_NS_PER_MS = 1_000_000
JITTER_MS = 1_000  # an N38 sentence is stamped up to 14 ms before the reading that was stored ahead of it

GEM2_CONFIG = """# A Geophex GEM-2 walked with an RTK receiver, as its logger exports it.
format = 1

[machine]
id = "gem-2"
site = "recorded"
profile = "ap-shallow"

[vehicle]                     # a person: the receiver's antenna over the coil
antenna_m = [0.0, 0.0, 2.0]
slope_deg_max = 10.0

[position]
link = "gnss"
relative_error_m = 0.02
drift_m_s = 0.002

[[link]]
name = "gnss"
protocol = "gnss"
timebase = "utc"              # a fix belongs to its own UTC; nobody measured a latency

[[link]]
name = "gem2"
protocol = "line"
timebase = "utc"              # the logger's milliseconds are UTC

[link.line]
sequence_column = 1
columns = 18

[[link.line.channels]]
name = "QSum"                 # the sum of the quadrature responses: what the instrument offers for picking metal
unit = "ppm"
column = 17

[[head]]
id = "gem2"
link = "gem2"
mount_m = [0.0, 0.0, 0.0]
nominal_radius_m = 0.5
alarm_floor = 500.0
rate_hz = 10.0

[[head.channels]]
name = "QSum"
unit = "ppm"
position_m = [0.0, 0.0, 0.0]
"""


EM38_CONFIG = """# A Geonics EM38-MK2 carried with a GNSS receiver on its logger.
format = 1

[machine]
id = "em38"
site = "recorded"
profile = "ap-shallow"

[vehicle]                     # a person: the receiver's antenna over the coils
antenna_m = [0.0, 0.0, 2.0]
slope_deg_max = 10.0

[position]
link = "logger"
relative_error_m = 0.02
drift_m_s = 0.002

[[link]]
name = "logger"
protocol = "n38"              # readings and NMEA in one stream; stamps are the logger's own clock

[[head]]
id = "em38"
link = "logger"
mount_m = [0.0, 0.0, 0.0]
nominal_radius_m = 0.5
alarm_floor = 20.0
rate_hz = 5.25                # a reading every 190 ms
channels = [
  { name = "cond50", unit = "mS/m", position_m = [0.0, 0.0, 0.0] },
  { name = "inphase50", unit = "ppt", position_m = [0.0, 0.0, 0.0] },
  { name = "cond100", unit = "mS/m", position_m = [0.0, 0.0, 0.0] },
  { name = "inphase100", unit = "ppt", position_m = [0.0, 0.0, 0.0] },
]
"""


def find_importer(path: Path) -> Importer | None:
    """The importer that knows what lies at a path; None where it needs none, or none knows it."""
    if path.is_dir() and any(path.glob("*_gem.csv")):
        return import_gem2
    if path.is_file() and path.suffix.upper() == ".N38":
        return import_em38
    if path.is_dir() and not (path / CAPTURE_NAME).exists() and _n38_files(path):
        return import_em38
    return None


def import_gem2(source: Path, out: Path) -> Capture:
    """
    A GEM-2 export as a capture in `out`; raises `CaptureError` with file and line.

    Every data line is kept byte for byte; one whose time cannot be read is left out and counted in `damage`.
    """
    damage: list[str] = []
    samples = _read_samples(_only(source, "*_gem.csv"), damage)
    fixes = _read_fixes(_only(source, "*_gps.csv"), damage)
    head = CaptureHead(
        format=1,
        name="gem2",
        description="Geophex GEM-2 with RTK receiver, from the vendor's CSV export; no date is known",
        origin="live",
        stream=(
            Stream(name="gnss", timebase="utc", date_known=False),
            Stream(name="gem2", timebase="utc", date_known=False),
        ),
    )
    write_capture(out, head, GEM2_CONFIG, {"gnss": fixes, "gem2": samples})
    capture = Capture.open(out)
    capture.damage += damage
    return capture


def import_em38(source: Path, out: Path) -> Capture:
    """
    An N38 file, or the only one in a directory, as a capture in `out`; raises `CaptureError` with file and byte.

    Every byte is kept. Stamps have no checksum: one that leaps ahead or back alone is replaced by the one before it and
    counted in `damage`; a clock that begins anew is another recording, which must be split off.
    """
    path = _only_n38(source)
    damage: list[str] = []
    chunks = _in_step(path, list(split_at_stamps(_content(path))), damage)
    head = CaptureHead(
        format=1,
        name="em38",
        description=f"Geonics EM38-MK2 with a GNSS receiver, from its logger's {path.name}",
        origin="live",
        stream=(Stream(name="logger", timebase="host"),),
    )
    write_capture(out, head, EM38_CONFIG, {"logger": chunks})
    capture = Capture.open(out)
    capture.damage += damage
    return capture


def _n38_files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.iterdir() if path.suffix.upper() == ".N38")


def _only_n38(source: Path) -> Path:
    if source.is_file():
        return source
    found = _n38_files(source)
    if len(found) != 1:
        raise CaptureError(f"{source}: holds {len(found)} N38 files; name the one to play")
    return found[0]


def _in_step(path: Path, pieces: list[tuple[int | None, bytes]], damage: list[str]) -> list[StampedChunk]:
    """The pieces with stamps in ns that never go back, in chunks of the size that a capture may have."""
    stamps = [stamp_ms for stamp_ms, _ in pieces if stamp_ms is not None]
    if not stamps:
        raise CaptureError(f"{path.name}: holds no N38 record with the logger's time")
    last_ms = min(stamps[:2])  # a first stamp that leaps ahead has nothing before it to be measured by
    chunks: list[StampedChunk] = []
    at = wrong = 0
    for place, (stamp_ms, payload) in enumerate(pieces):
        if stamp_ms is not None:
            then_ms = stamps[place + 1] if place + 1 < len(stamps) else last_ms
            is_back = stamp_ms < last_ms - JITTER_MS
            if is_back and then_ms < last_ms - JITTER_MS:
                raise CaptureError(
                    f"{path.name}, byte {at}: the logger's clock goes back from {last_ms} ms to {stamp_ms} ms and goes "
                    "on from there: these are two recordings; split the file there"
                )
            is_ahead = last_ms - JITTER_MS <= then_ms < stamp_ms - JITTER_MS
            wrong += is_back or is_ahead
            last_ms = last_ms if is_back or is_ahead else max(last_ms, stamp_ms)
        for start in range(0, len(payload), CHUNK_BYTES_MAX):
            chunks.append((last_ms * _NS_PER_MS, payload[start : start + CHUNK_BYTES_MAX]))
        at += len(payload)
    if wrong:
        damage.append(f"{path.name}: {wrong} times of the logger leap; those of the records before them stand in")
    return chunks


def _only(source: Path, pattern: str) -> Path:
    found = sorted(source.glob(pattern))
    if len(found) != 1:
        raise CaptureError(f"{source}: a GEM-2 export has one file {pattern}; there are {len(found)}")
    return found[0]


def _read_samples(path: Path, damage: list[str]) -> list[StampedChunk]:
    lines = _lines(path)
    names = [name.strip() for name in lines[0][1].decode("ascii", errors="replace").split(",")] if lines else []
    if _TIME_COLUMN not in names or _VALUE_COLUMN not in names:
        raise CaptureError(f"{path.name}, line 1: is no GEM-2 header: it has no {_TIME_COLUMN} and {_VALUE_COLUMN}")
    column = names.index(_TIME_COLUMN)
    return _stamped(path, lines[1:], lambda fields: (fields[column], None), damage)


def _read_fixes(path: Path, damage: list[str]) -> list[StampedChunk]:
    return _stamped(path, _lines(path), lambda fields: (fields[0], 1), damage)


def _stamped(
    path: Path,
    lines: list[tuple[int, bytes]],
    where: Callable[[list[bytes]], tuple[bytes, int | None]],
    damage: list[str],
) -> list[StampedChunk]:
    """Each line, or its rest from a field on, stamped with the milliseconds it carries."""
    chunks: list[StampedChunk] = []
    for number, line in lines:
        try:
            text, first = where(line.split(b","))
            stamp_ns = int(decimal.Decimal(text.decode("ascii").strip()) * _NS_PER_MS)
        except (IndexError, UnicodeDecodeError, decimal.InvalidOperation, ValueError, OverflowError):
            damage.append(f"{path.name}, line {number}: its time cannot be read; the line is left out")
            continue
        payload = line if first is None else line.split(b",", first)[first].strip()
        chunks.append((stamp_ns, payload + b"\r\n"))
    if not chunks:
        raise CaptureError(f"{path.name}: holds no line with a time")
    return chunks


def _lines(path: Path) -> list[tuple[int, bytes]]:
    """(line number, line) of every line that is not blank."""
    return [(number, line) for number, line in enumerate(_content(path).splitlines(), 1) if line.strip()]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CaptureError(f"{path}: cannot be read: {error.strerror}") from error
