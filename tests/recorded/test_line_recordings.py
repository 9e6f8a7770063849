"""Recordings of plain-line instruments, read by configuration alone, against independent counts of the files."""

import math
import statistics

import numpy as np
import pytest

from firmware_bridge.codec.line import LineDecoder
from firmware_bridge.codec.line_format import LineChannel, LineFormat
from firmware_bridge.codec.n38 import N38Decoder
from firmware_bridge.records import GnssFix, SampleBlock

pytestmark = pytest.mark.recorded

MS = 1_000_000
# A reading in a G-858's file: kind 0, two sensors in nT, time of day, date, mark. Kinds 3 and 6 mark lines, 21 is GGA.
G858 = LineFormat(
    pattern=r"0 +(?P<first>\d+\.\d{3}) +(?P<second>\d+\.\d{3}) (?P<time>\d\d:\d\d:\d\d\.\d+) \d\d/\d\d/\d\d +\d+",
    channels=(
        LineChannel(name="first", unit="nT", column="first", invalid=("0.000",)),
        LineChannel(name="second", unit="nT", column="second", invalid=("0.000",)),
    ),
    device_time_column="time",
    device_time_unit="hms",
    comments=("3 ", "6 ", "21 "),
)
MAGWALK = LineFormat(
    separator=";",
    columns=20,
    channels=tuple(
        LineChannel(name=name, unit="nT", column=column)
        for column, name in enumerate(("b1x", "b1y", "b1z", "b2x", "b2y", "b2z"), start=1)
    ),
    device_time_column=0,
    device_time_unit="ms",
)


def decode(decoder, data, chunk=1_000):
    """All records and the counters, fed in chunks of one size."""
    records = [record for start in range(0, len(data), chunk) for record in decoder.feed(data[start : start + chunk])]
    return records + decoder.finish(), decoder.stats


@pytest.fixture(scope="module")
def em38(recordings):
    """The EM38's file."""
    return (recordings / "detector" / "em38" / "em38_demo.N38").read_bytes()


def test_every_reading_and_sentence_of_the_em38_is_read(em38):
    """3,164 readings 190 ms apart and 4,214 sentences, none bad, and not a byte skipped."""
    records, stats = decode(N38Decoder(), em38)
    samples = [record for record in records if isinstance(record, SampleBlock)]
    assert len(samples) == 3_164
    assert stats.frames == 3_164 + 4_214
    assert (stats.bad_checksum, stats.malformed, stats.bytes_skipped) == (0, 0, 0)
    assert [int(sample.sequence[0]) for sample in samples] == list(range(3_164))
    times = np.array([sample.device_time_ns[0] for sample in samples])
    assert statistics.median(np.diff(times).tolist()) == 190 * MS
    fixes = [record for record in records if isinstance(record, GnssFix)]
    assert len(fixes) == em38.count(b"@$GPGGA")


@pytest.mark.parametrize(
    ("name", "readings", "dropouts"),
    [("g858_2.stn", 348, 70), ("g858_4.stn", 232, 48), ("uxo_grid_2024_rover.stn", 18_449, 0)],
)
def test_the_g858_s_readings_are_read_and_its_dropouts_are_no_reading(recordings, name, readings, dropouts):
    """As many samples as lines of kind 0, NaN where and only where a sensor printed 0.000, at the time it printed."""
    data = (recordings / "detector" / "g858" / name).read_bytes()
    rows = [line.split() for line in data.decode().splitlines() if line.startswith("0 ")]
    records, stats = decode(LineDecoder(G858), data)
    assert len(records) == len(rows) == stats.frames == readings
    assert sum(math.isnan(value) for record in records for value in record.values[0]) == dropouts
    assert stats.malformed == 0
    assert stats.unknown == sum(line.startswith(("3 ", "6 ", "21 ")) for line in data.decode().splitlines())
    for record, row in zip(records, rows, strict=True):
        for value, text in zip(record.values[0], row[1:3], strict=True):
            assert math.isnan(value) if float(text) == 0.0 else value == float(text)
    first = records[0].device_time_ns[0]
    hours, minutes, seconds = rows[0][3].split(":")
    assert first == round(((int(hours) * 60 + int(minutes)) * 60 + float(seconds)) * 1e9)


def test_the_magwalk_s_rows_are_read_at_their_250_hz(recordings):
    """6,753 rows, exactly 4 ms apart; the header's lines are refused and counted."""
    data = (recordings / "detector" / "fluxgate" / "magwalk_250hz_static.csv").read_bytes()
    records, stats = decode(LineDecoder(MAGWALK), data)
    assert len(records) == 6_753
    assert set(np.diff([record.device_time_ns[0] for record in records]).tolist()) == {4 * MS}
    assert records[0].values.tolist() == [[14807.81, -7837.12, 49649.84, 14316.36, -6926.94, 50027.84]]
    header = data[: data.index(b"\r\n0;")].split(b"\r\n")
    assert stats.malformed == sum(bool(line.strip()) for line in header)
