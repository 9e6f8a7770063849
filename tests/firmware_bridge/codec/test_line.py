"""Plain lines: a real instrument's row, damage, round trips."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codec.line import LineDecoder, encode_line
from firmware_bridge.codec.line_format import LineChannel, LineFormat, LineRule

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


REGEX = LineFormat(
    pattern=r"<(?P<left>[^;]*);(?P<right>[^>]*)>(?:#(?P<count>\d+))?(?:@(?P<time>\S+))?",
    channels=(
        LineChannel(name="left", unit="mV", column="left", scale=2.0, offset=-1.0),
        LineChannel(name="right", unit="mV", column="right"),
    ),
    sequence_column="count",
    device_time_column="time",
    device_time_unit="us",
)
RULED = LineFormat(
    channels=(LineChannel(name="a", unit="nT", column=0), LineChannel(name="b", unit="nT", column=1)),
    columns=4,
    valid=(
        LineRule(column=2, equals=("A", "D")),
        LineRule(column=3, at_least=10.0, at_most=20.0, not_equals=("13",), channels=("b",)),
    ),
)


def values(decoder, data):
    return [block.values[0].tolist() for block in decoder.feed(data)]


def test_a_pattern_s_named_groups_are_columns():
    """Scale and offset apply, counter and clock come from their groups where the line has them."""
    first, second = LineDecoder(REGEX).feed(b"<1.5;2>#7@1500000\n<-2;3e2>\n")
    assert first.values.tolist() == [[2.0, 2.0]]
    assert first.sequence.tolist() == [7]
    assert first.device_time_ns.tolist() == [1_500_000_000]
    assert second.values.tolist() == [[-5.0, 300.0]]
    assert second.sequence.tolist() == [8]
    assert second.device_time_ns is None


@pytest.mark.parametrize("line", [b"1;2>\n", b"<1;2> \n", b"x<1;2>\n", b"<1;2>@x\n", b"<1;2>@1e30\n"])
def test_a_line_that_the_pattern_does_not_cover_whole_is_counted(line):
    """Neither a beginning nor an end may be left over, and a clock that is there must be a time."""
    decoder = LineDecoder(REGEX)
    assert decoder.feed(line) == []
    assert decoder.stats.malformed == 1


def test_a_value_that_cannot_be_read_is_counted_and_never_zero():
    """Blank or garbage: NaN and malformed once a line; what the format calls invalid is NaN and not counted."""
    decoder = LineDecoder(TWO)
    (blank,) = decoder.feed(b"1;;x;\n")
    assert np.isnan(blank.values).all()
    assert decoder.stats.malformed == 1
    decoder.feed(b"2;0.000;x;1\n")
    assert decoder.stats.malformed == 1
    assert decoder.stats.frames == 2


@pytest.mark.parametrize(
    ("line", "is_a", "is_b"),
    [
        (b"1,2,A,10\n", True, True),
        (b"1,2, D ,20.0\n", True, True),
        (b"1,2,A,20.01\n", True, False),
        (b"1,2,A,13\n", True, False),
        (b"1,2,A,\n", True, False),
        (b"1,2,A,nan\n", True, False),
        (b"1,2,V,15\n", False, False),
        (b"1,2,,15\n", False, False),
    ],
)
def test_a_rule_that_does_not_hold_leaves_no_reading(line, is_a, is_b):
    """Equals, not equals and range; a column that says nothing proves nothing; one rule governs one channel alone."""
    decoder = LineDecoder(RULED)
    ((a, b),) = values(decoder, line)
    assert (a == 1.0, b == 2.0) == (is_a, is_b)
    assert (math.isnan(a), math.isnan(b)) == (not is_a, not is_b)
    assert decoder.stats.malformed == 0


@pytest.mark.parametrize(
    ("step", "wrap", "counters", "expected"),
    [
        (1, None, (5, 6, 9, 3), (5, 6, 9, 3)),
        (1, 10, (8, 9, 0, 1), (8, 9, 10, 11)),
        (1, 10, (8, 0), (8, 10)),
        (1, 10, (8, 8), (8, 10)),
        (2, 10, (6, 8, 0, 4), (6, 7, 8, 10)),
        (2, 10, (6, 7, 9), (6, 8, 9)),
        (4, None, (3, 7, 11, 19, 3), (3, 4, 5, 7, 9)),
    ],
)
def test_a_counter_that_is_not_exactly_one_step_on_is_a_gap(step, wrap, counters, expected):
    """Numbers follow each other by 1 only where nothing is missing, over any wrap; a repeated line is a gap too."""
    line_format = LineFormat(
        channels=(LineChannel(name="a", unit="nT", column=1),),
        sequence_column=0,
        sequence_step=step,
        sequence_wrap=wrap,
    )
    blocks = LineDecoder(line_format).feed(b"".join(b"%d,1\n" % counter for counter in counters))
    assert tuple(int(block.sequence[0]) for block in blocks) == expected


def test_a_counter_beyond_its_wrap_is_refused():
    """The configured wrap is then wrong, and every gap it would show as well."""
    line_format = LineFormat(
        channels=(LineChannel(name="a", unit="nT", column=1),), sequence_column=0, sequence_wrap=250
    )
    decoder = LineDecoder(line_format)
    assert decoder.feed(b"250,1\n") == []
    assert decoder.stats.malformed == 1


@pytest.mark.parametrize(
    ("unit", "wrap", "texts", "expected_ns"),
    [
        ("s", None, ("1.000000001",), (1_000_000_001,)),
        ("us", None, ("1", "-5"), (1_000, -5_000)),
        ("ms", None, ("1710500123456",), (1_710_500_123_456_000_000,)),
        ("ms", 2**32, ("4294967295", "0", "1"), (4_294_967_295_000_000, 4_294_967_296_000_000, 4_294_967_297_000_000)),
        ("ms", 1000, ("10", "990", "20"), (10_000_000, -10_000_000, 20_000_000)),
        ("hms", None, ("10:07:43.400",), (36_463_400_000_000,)),
        ("hms", 86_400, ("23:59:59.5", "00:00:00.5"), (86_399_500_000_000, 86_400_500_000_000)),
    ],
)
def test_the_device_s_clock_is_exact_and_carried_over_its_wrap(unit, wrap, texts, expected_ns):
    """No float comes between text and nanoseconds; a line that comes late is not a turn ahead."""
    line_format = LineFormat(
        channels=(LineChannel(name="a", unit="nT", column=1),),
        device_time_column=0,
        device_time_unit=unit,
        device_time_wrap=wrap,
    )
    blocks = LineDecoder(line_format).feed(b"".join(text.encode() + b",1\n" for text in texts))
    assert tuple(int(block.device_time_ns[0]) for block in blocks) == expected_ns


@pytest.mark.parametrize("text", ["24:00:00", "10:60:00", "10:00:61", "1:2:3", "10:00", "", "-1:00:00"])
def test_a_time_of_day_that_is_none_is_refused(text):
    """Hours to 23, minutes to 59, seconds to 60 for the leap second."""
    line_format = LineFormat(
        channels=(LineChannel(name="a", unit="nT", column=1),), device_time_column=0, device_time_unit="hms"
    )
    decoder = LineDecoder(line_format)
    assert decoder.feed(text.encode() + b",1\n") == []
    assert decoder.stats.malformed == 1


@given(data=st.lists(st.binary(max_size=60), max_size=20), longest=st.integers(1, 40))
def test_no_more_than_the_longest_line_is_held_back(data, longest):
    """Whatever comes, the buffer holds a line and the CR after it; every byte is accounted for."""
    line_format = LineFormat(channels=(LineChannel(name="a", unit="nT", column=0),), length_max=longest)
    decoder = LineDecoder(line_format)
    for piece in data:
        decoder.feed(piece)
        assert len(decoder._buffer) <= longest + 1
    assert decoder.stats.bytes == sum(map(len, data))


@given(data=st.binary(max_size=300), line_format=st.sampled_from([TWO, GEM2, REGEX, RULED]))
def test_no_bytes_raise_in_any_layout_and_the_next_line_is_read(data, line_format):
    """Noise is counted, in columns and in patterns."""
    decoder = LineDecoder(line_format)
    decoder.feed(data + b"\n")
    good = {id(TWO): b"1;2;3;4\n", id(GEM2): ROW, id(REGEX): b"<1;2>\n", id(RULED): b"1,2,A,15\n"}[id(line_format)]
    assert len(decoder.feed(good)) == 1


@given(
    rows=st.lists(st.tuples(st.integers(0, 86_399_999), st.floats(-1e6, 1e6)), min_size=1, max_size=10),
    unit=st.sampled_from(["s", "ms", "us", "hms"]),
)
def test_counter_clock_and_rules_come_back_from_the_encoder(rows, unit):
    """What the encoder writes holds the format's own rules, in every unit of time."""
    line_format = LineFormat(
        channels=(LineChannel(name="a", unit="nT", column=2, scale=0.5, offset=7.0),),
        sequence_column=0, sequence_step=2, sequence_wrap=8,
        device_time_column=1, device_time_unit=unit,
        valid=(
            LineRule(column=3, not_equals=("0", "1", "2")),
            LineRule(column=4, equals=("ok",)),
            LineRule(column=5, at_most=-3.0),
        ),
    )  # fmt: skip
    lines = [encode_line(line_format, n, ms * 1_000_000, [value]) for n, (ms, value) in enumerate(rows)]
    blocks = LineDecoder(line_format).feed(b"".join(lines))
    assert [int(block.sequence[0]) for block in blocks] == list(range(len(rows)))
    assert [int(block.device_time_ns[0]) for block in blocks] == [ms * 1_000_000 for ms, _ in rows]
    assert [float(block.values[0, 0]) for block in blocks] == pytest.approx([value for _, value in rows])


def test_a_counter_that_leaps_for_ever_stays_a_number():
    """Damaged counters that leap 9e17 again and again do not leave what an int64 holds."""
    leaping = LineFormat(sequence_column=0, sequence_step=2, channels=(LineChannel(name="a", unit="nT", column=1),))
    decoder = LineDecoder(leaping)
    blocks = decoder.feed(b"0,1\n900000000000000000,1\n" * 100)
    assert len(blocks) == 200
    assert all(0 <= int(block.sequence[0]) < 2**62 for block in blocks)
