"""Plain lines: a real instrument's row, damage, round trips."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codec.line import LineDecoder, encode_line
from firmware_bridge.codec.line_format import LineChannel, LineFormat

GEM2 = LineFormat(channels=(LineChannel(name="QSum", unit="ppm", column=17),), sequence_column=1, columns=18)
ROW = (
    b" 0,   6,   481068.18,  4400197.32,   0,0,4, 1761.32, 79836881.400,221036.8814,   23.3,-2.97325e+004,"
    b"-6.00777e+003,-3.20379e+004,-2.69026e+003,-3.26337e+004, 1.12676e+003,-7.57126e+003\r\n"
)
TWO = LineFormat(
    channels=(
        LineChannel(name="a", unit="nT", column=1, scale=0.5, invalid=("0.000",)),
        LineChannel(name="b", unit="nT", column=3),
    ),
    separator=";",
    device_time_column=0,
    device_time_unit="ms",
    comments=("#",),
)


def test_a_row_of_a_real_instrument_is_read():
    """A GEM-2 export's first sample, padded fields, three-digit exponents and all."""
    (block,) = LineDecoder(GEM2).feed(ROW)
    assert block.sequence.tolist() == [6]
    assert block.values.tolist() == [[-7571.26]]
    assert block.device_time_ns is None


def test_scale_device_time_comments_and_invalid_texts_are_applied():
    """Half the number, milliseconds to nanoseconds; `0.000` is this instrument's dropout."""
    decoder = LineDecoder(TWO)
    first, second = decoder.feed(b"# made in Ulm\n1500.5;8;x;3\n1600;0.000;x;4\n")
    assert first.values.tolist() == [[4.0, 3.0]]
    assert first.device_time_ns.tolist() == [1_500_500_000]
    assert math.isnan(second.values[0, 0])
    assert second.sequence.tolist() == [1]
    assert decoder.stats.unknown == 1


@pytest.mark.parametrize("field", [b"", b"nan", b"inf", b"1e999", b"0x10", b"1_000", b"--", b"12abc"])
def test_what_is_no_number_is_no_reading(field):
    """The line counts, the channel has no reading: NaN, never zero."""
    (block,) = LineDecoder(TWO).feed(b"1;" + field + b";;2\n")
    assert math.isnan(block.values[0, 0])
    assert block.values[0, 1] == 2.0


@pytest.mark.parametrize("line", [b"1;2;3\n", b"x;2;3;4\n", b"1e300;2;3;4\n", b"\xff\xfe\n"])
def test_a_line_that_is_none_is_counted(line):
    """Too few columns, or no time: malformed; the next line's number shows the gap."""
    decoder = LineDecoder(TWO)
    assert decoder.feed(line) == []
    assert decoder.stats.malformed == 1
    assert decoder.feed(b"1;2;3;4\n")[0].sequence.tolist() == [1]


@given(
    rows=st.lists(st.tuples(st.integers(0, 10**9), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), max_size=10),
    cuts=st.lists(st.integers(0, 1000), max_size=10),
)
def test_lines_come_back_however_they_are_cut(rows, cuts):
    """Round trip through the encoder, any chunking."""
    stream = b"".join(
        encode_line(TWO, count, time_ms * 1_000_000, [a, b]) for count, (time_ms, a, b) in enumerate(rows)
    )
    decoder = LineDecoder(TWO)
    edges = sorted({cut % (len(stream) + 1) for cut in cuts} | {0, len(stream)})
    blocks = [block for s, e in itertools.pairwise(edges) for block in decoder.feed(stream[s:e])]
    assert [block.device_time_ns[0] // 1_000_000 for block in blocks] == [row[0] for row in rows]
    assert np.array([block.values[0] for block in blocks]).reshape(-1, 2) == pytest.approx(
        np.array([row[1:] for row in rows]).reshape(-1, 2)
    )


def test_a_last_line_without_an_end_is_read_at_the_end():
    """Recordings end anywhere."""
    decoder = LineDecoder(GEM2)
    assert decoder.feed(ROW.rstrip()) == []
    assert len(decoder.finish()) == 1
    assert decoder.finish() == []


def test_an_endless_line_is_dropped_and_counted():
    """The buffer is bounded, and the line after it is read."""
    decoder = LineDecoder(GEM2)
    assert decoder.feed(b"7" * 10_000) == []
    assert len(decoder.feed(b"\n" + ROW)) == 1
    assert decoder.stats.bytes_skipped == 10_000
    assert decoder.stats.malformed == 1


@given(data=st.binary(max_size=500))
def test_no_bytes_raise(data):
    """Noise is counted."""
    decoder = LineDecoder(TWO)
    decoder.feed(data)
    decoder.finish()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"channels": ()}, "at least one"),
        ({"separator": "::"}, "one character"),
        ({"separator": "."}, "no number"),
        ({"sequence_column": 1}, "used once"),
        ({"sequence_column": -1}, "from 0"),
        ({"columns": 3}, "column 3"),
        ({"channels": (LineChannel(name="a", unit="x", column=1, scale=0.0),)}, "scale"),
    ],
)
def test_a_format_that_cannot_be_is_refused(fields, words):
    """Each with its reason."""
    good = {"channels": TWO.channels}
    with pytest.raises(ValueError, match=words):
        LineFormat(**{**good, **fields})
