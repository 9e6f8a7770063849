"""Built-in instruments: bytes and values from their documents, damage, chunking and round trips for each."""

import itertools
import math
import time

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codec.instruments import (
    INSTRUMENTS,
    LineTable,
    encode_fga,
    encode_g823,
    encode_qtfm1,
    encode_qtfm2,
    encode_two_coil,
    fga,
    g823,
    named_format,
    qtfm1,
    qtfm2,
    two_coil,
)
from firmware_bridge.codec.line import LineDecoder

MS = 1_000_000
NAN = math.nan
# A line of each instrument as its document prints it (the two-coil's as its description says it).
DOCUMENTED = {
    "g823": b"$ 49895.131,1249\r\n",
    "qtfm1": b"!300467107@812^7\r\n",
    "qtfm2": b"!52926.706_Y53998.412=@094>86341532s139v107\r\n",
    "fga": (
        b"1710500123456,24312.5,-1823.1,44521.8,50234.6,24318.2,-1819.4,44518.3,50231.1,"
        b"46.051980,14.506280,312.4,8,3,1.2\r\n"
    ),
    "two-coil": b"19532,0\n",
}


def decode(line_format, *chunks):
    decoder = LineDecoder(line_format)
    blocks = [block for chunk in chunks for block in decoder.feed(chunk)]
    return blocks + decoder.finish(), decoder.stats


def values(blocks):
    return [block.values[0].tolist() for block in blocks]


def same(left, right, tolerance=0.0):
    """Equal to a tolerance, NaN where NaN."""
    return np.allclose(left, right, rtol=0.0, atol=tolerance, equal_nan=True)


# G-823


def test_the_g882_manual_s_lines_give_their_fields():
    """The print-out of the manual's page 38, to the picotesla."""
    lines = b"$ 49895.131,1249\r\n$ 49895.376,1287\r\n$ 49995.517,1245\r\n$ 49995.293,1272\r\n"
    blocks, stats = decode(g823(), lines)
    assert values(blocks) == [[49895.131], [49895.376], [49995.517], [49995.293]]
    assert (stats.frames, stats.malformed, stats.unknown) == (4, 0, 0)


def test_a_one_before_the_digits_is_a_hundred_thousand():
    """`_99999.999 nT` is where the blank becomes a 1."""
    assert values(decode(g823(), b"$199999.999,1249\r\n$100000.000,1249\r\n")[0]) == [[199999.999], [100000.0]]


def test_a_chain_of_counters_appends_fifteen_characters_each():
    """18 + 16 (N - 1) bytes a line; only the first counter prints the preamble."""
    line = encode_g823([49895.131, 50001.0, 123456.789], [1249, 12, 9999])
    assert line == b"$ 49895.131,1249, 50001.000,0012,123456.789,9999\r\n"
    assert len(line) == 18 + 16 * 2
    (block,), _ = decode(g823(3), line)
    assert block.values.tolist() == [[49895.131, 50001.0, 123456.789]]
    assert len(encode_g823([5e4] * 20, [1000] * 20)) == 18 + 16 * 19
    assert len(decode(g823(20), encode_g823([5e4] * 20, [1000] * 20))[0]) == 1


def test_another_number_of_counters_is_refused():
    """A counter that fell out of the chain would shift its neighbours' fields to the wrong sensor."""
    blocks, stats = decode(g823(2), encode_g823([5e4], [1000]) + encode_g823([5e4] * 3, [1000] * 3))
    assert blocks == []
    assert stats.malformed == 2


def test_an_error_reply_is_counted_and_costs_no_sample_number():
    """`ERR` and the counter's number answer a bad command in the middle of the stream."""
    blocks, stats = decode(g823(), b"$ 49895.131,1249\r\nERR00:X99\r\n$ 49895.376,1287\r\n")
    assert [int(block.sequence[0]) for block in blocks] == [0, 1]
    assert stats.unknown == 1


def test_a_counter_without_signal_has_no_reading():
    """Signal level 0 or a field of zeros: NaN in that channel, the others stand."""
    line = b"$ 49895.131,0000, 00000.000,1000, 50000.000,0001\r\n"
    (block,), stats = decode(g823(3), line)
    assert same(block.values, [[NAN, NAN, 50000.0]])
    assert stats.malformed == 0
    assert same(decode(g823(), encode_g823([NAN], [1000]))[0][0].values, [[NAN]])


# QTFM


def test_first_generation_lines_are_divided_by_the_page_s_constant():
    """`!mag`, with signal, with counter; nT = integer / 6009.342147, which is integer * 1.664075660e-4."""
    blocks, stats = decode(qtfm1(), b"!300467107\r\n!300467108@812\r\n!300467109@812^7\r\n")
    expected = [300467107 / 6009.342147, 300467108 / 6009.342147, 300467109 / 6009.342147]
    assert same([v for (v,) in values(blocks)], expected, 1e-9)
    assert values(blocks)[0][0] == pytest.approx(300467107 * 1.664075660e-4, rel=1e-9)
    assert stats.malformed == 0
    assert int(blocks[2].sequence[0]) == 7


def test_status_and_state_lines_are_no_samples():
    """`#` and `*` are counted as unknown."""
    blocks, stats = decode(qtfm1(), b"#Auto Start\r\n*03\r\n!300467107\r\n")
    assert len(blocks) == 1
    assert stats.unknown == 2


def test_a_second_generation_line_gives_field_axis_counter_and_clock():
    """A published line, with every item switched on."""
    (block,), stats = decode(qtfm2(), DOCUMENTED["qtfm2"])
    assert same(block.values, [[52926.706, NAN, 53998.412, NAN]])
    assert block.sequence.tolist() == [94]
    assert block.device_time_ns.tolist() == [86341532 * MS]
    assert stats.malformed == 0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"!52926.706*Y53998.412=@000>4s001v107\r\n", [NAN, NAN, 53998.412, NAN]),
        (b"!52926.706_X-53998.412?@000>4s139v001\r\n", [52926.706, NAN, NAN, NAN]),
        (b"!52926.706_Z-12.500=\r\n", [52926.706, NAN, NAN, -12.5]),
        (b"!53098.490_@066>222476s114a17.09b-47.85c-1025.88\r\n", [53098.490, NAN, NAN, NAN]),
        (b"!52926.706\r\n", [NAN, NAN, NAN, NAN]),
    ],
)
def test_what_the_instrument_marks_as_invalid_is_no_reading(line, expected):
    """`*` and `?` invalidate field and vector; a field without its mark is not taken for good."""
    (block,), stats = decode(qtfm2(), line)
    assert same(block.values, [expected])
    assert stats.malformed == 0


def test_the_counter_and_the_clock_are_carried_over_their_wraps():
    """249 is followed by 0, and 2^32 - 4 ms by 0: no gap, and no step back in time."""
    lines = [
        encode_qtfm2(5e4, count, (2**32 - 8 + 4 * number) * MS) for number, count in enumerate((248, 249, 250, 252))
    ]
    blocks, _ = decode(qtfm2(), *lines)
    assert [int(block.sequence[0]) for block in blocks] == [248, 249, 250, 252]
    assert np.diff([block.device_time_ns[0] for block in blocks]).tolist() == [4 * MS] * 3


def test_a_unit_that_counts_by_twos_is_configured():
    """000 to 498 by twos, as another user's unit does."""
    table = LineTable(instrument="qtfm2", sequence_step=2, sequence_wrap=500)
    blocks, _ = decode(table, *(b"!50000.000_@%03d\r\n" % count for count in (494, 496, 498, 0, 4)))
    assert np.diff([block.sequence[0] for block in blocks]).tolist() == [1, 1, 1, 2]


@pytest.mark.parametrize(("layout", "other"), [(qtfm1(), "qtfm2"), (qtfm2(), "qtfm1")])
def test_the_other_generation_s_lines_are_refused(layout, other):
    """Taken for each other, fields would be wrong by a factor of 6009."""
    blocks, stats = decode(layout, DOCUMENTED[other])
    assert blocks == []
    assert stats.malformed == 1


# FGA


def test_the_fga_s_documented_row_gives_eight_fields():
    """The example of the maker's page; the header line is no sample."""
    header = (
        b"Timestamp_ms,B1x_nT,B1y_nT,B1z_nT,B1v_nT,B2x_nT,B2y_nT,B2z_nT,B2v_nT,Lat_deg,Lon_deg,Alt_m,SIV,Fix,HDOP_m\r\n"
    )
    (block,), stats = decode(fga(), header + DOCUMENTED["fga"])
    assert block.values.tolist() == [[24312.5, -1823.1, 44521.8, 50234.6, 24318.2, -1819.4, 44518.3, 50231.1]]
    assert block.device_time_ns.tolist() == [1_710_500_123_456 * MS], "not to 256 ns, as a float would have it"
    assert (stats.unknown, stats.malformed) == (1, 0)


def test_a_row_without_a_fix_keeps_its_fields():
    """The receiver inside says nothing about the magnetometers."""
    without = DOCUMENTED["fga"].replace(b"46.051980,14.506280,312.4,8,3,1.2", b"0,0,0,0,0,")
    assert values(decode(fga(), without)[0]) == values(decode(fga(), DOCUMENTED["fga"])[0])


@pytest.mark.parametrize("missing", [b"0.0,0.0,0.0,0.0", b"0,0,0,0", b",,,"])
def test_a_sensor_that_is_not_there_has_no_reading(missing):
    """Zeros or blanks in all its columns; 0 nT would be a reading that no place on Earth has."""
    single = DOCUMENTED["fga"].replace(b"24318.2,-1819.4,44518.3,50231.1", missing)
    (block,), _ = decode(fga(), single)
    assert same(block.values, [[24312.5, -1823.1, 44521.8, 50234.6, NAN, NAN, NAN, NAN]])


# Two-coil


def test_the_coil_that_is_not_read_has_no_sample():
    """0 is what the Arduino sends for it, not a frequency."""
    blocks, stats = decode(two_coil(), b"19532,0\n0,19611\n19530,19610\n")
    assert same(values(blocks), [[19532, NAN], [NAN, 19611], [19530, 19610]])
    assert stats.malformed == 0


# All of them

FIELDS = st.one_of(st.just(NAN), st.floats(20_000.0, 150_000.0))
AXES = st.tuples(st.sampled_from("xyz"), st.floats(-99_999.0, 99_999.0))
ENCODED = {
    "g823": FIELDS.map(lambda v: (encode_g823([v], [1249]), [v], 0.0006)),
    "qtfm1": st.tuples(FIELDS, st.integers(0, 10**9)).map(
        lambda t: (encode_qtfm1(t[0], 812, t[1]), [t[0]], 0.6 / 6009.342147)
    ),
    "qtfm2": st.tuples(FIELDS, st.integers(0, 10**6), st.integers(0, 10**15), AXES).map(
        lambda t: (
            encode_qtfm2(t[0], t[1], t[2] * MS, t[3]),
            [t[0], *(t[3][1] if name == t[3][0] else NAN for name in "xyz")],
            0.0006,
        )
    ),
    "fga": st.tuples(st.integers(0, 10**12), st.lists(st.floats(1.0, 1e5), min_size=8, max_size=8)).map(
        lambda t: (encode_fga(t[0] * MS, t[1]), t[1], 0.051)
    ),
    "two-coil": st.tuples(st.floats(1.0, 1e6), st.one_of(st.just(NAN), st.floats(1.0, 1e6))).map(
        lambda t: (encode_two_coil(*t), list(t), 0.51)
    ),
}
READINGS = st.sampled_from(INSTRUMENTS).flatmap(
    lambda name: st.tuples(st.just(name), st.lists(ENCODED[name], max_size=6))
)


@given(readings=READINGS, cuts=st.lists(st.integers(0, 1000), max_size=10))
def test_readings_come_back_however_they_are_cut(readings, cuts):
    """Encoder to decoder within the last printed digit, in any chunks."""
    name, sent = readings
    wire = b"".join(line for line, _, _ in sent)
    edges = sorted({cut % (len(wire) + 1) for cut in cuts} | {0, len(wire)})
    blocks, stats = decode(named_format(name), *(wire[start:end] for start, end in itertools.pairwise(edges)))
    assert len(blocks) == len(sent)
    assert stats.malformed == 0
    for block, (_, expected, tolerance) in zip(blocks, sent, strict=True):
        assert same(block.values[0], expected, tolerance)


@given(
    name=st.sampled_from(INSTRUMENTS),
    at=st.integers(0, 10_000),
    length=st.integers(0, 30),
    noise=st.binary(max_size=30),
)
def test_damage_loses_no_line_that_it_does_not_touch(name, at, length, noise):
    """Whatever stands in place of a stretch of bytes, the whole lines before and after it are read as without it."""
    lines = [DOCUMENTED[name]] * 8
    wire = b"".join(lines)
    at %= len(wire)
    end = min(at + length, len(wire))
    whole, _ = decode(named_format(name), wire)
    blocks, stats = decode(named_format(name), wire[:at] + noise + wire[end:])
    before = at // len(lines[0])
    after = len(lines) - 1 - end // len(lines[0])  # the line in which damage ends is touched too
    good = values(whole)
    assert same(values(blocks)[:before], good[:before])
    assert after <= 0 or same(values(blocks)[-after:], good[-after:])
    assert stats.bytes == len(wire) - (end - at) + len(noise)


@given(name=st.sampled_from(INSTRUMENTS), data=st.binary(max_size=400), chunk=st.integers(1, 50))
def test_no_bytes_raise(name, data, chunk):
    """Noise is counted, and a line feed ends it."""
    decoder = LineDecoder(named_format(name))
    for start in range(0, len(data), chunk):
        decoder.feed(data[start : start + chunk])
    decoder.feed(b"\n" * 2)
    assert len(decoder.feed(DOCUMENTED[name])) == 1


@pytest.mark.parametrize("name", INSTRUMENTS)
@pytest.mark.parametrize("filler", [b"1", b"9.", b" 1", b"$ 4", b"!1@", b"a-", b"0,"])
def test_a_long_line_of_near_misses_costs_no_time(name, filler):
    """A pattern whose time explodes would stop the loop: under 20 ms for a line at the length limit."""
    line_format = named_format(name)
    line = (filler * line_format.length_max)[: line_format.length_max] + b"\n"
    decoder = LineDecoder(line_format)
    began = time.perf_counter()
    for _ in range(20):
        decoder.feed(line)
    assert (time.perf_counter() - began) / 20 < 0.02


# The configuration's table


def test_a_named_instrument_stands_in_all_fields_of_its_table():
    """What lies behind the configuration needs to know formats alone."""
    table = msgspec.toml.decode('instrument = "g823"\ncounters = 2', type=LineTable)
    expected = g823(2)
    assert all(getattr(table, name) == getattr(expected, name) for name in expected.__struct_fields__)


def test_an_instrument_s_usual_channels_can_be_chosen():
    """All axes of a fluxgate would alarm at every turn of the machine: its totals unless others are named."""
    names = [channel.name for channel in LineTable(instrument="fga").channels]
    assert names == ["b1v", "b2v"]
    table = LineTable(instrument="fga", use=("b1v",))
    assert [channel.name for channel in table.channels] == ["b1v"]
    single = DOCUMENTED["fga"].replace(b"24318.2,-1819.4,44518.3,50231.1", b",,,")
    assert values(decode(table, single)[0]) == [[50234.6]]
    assert [channel.name for channel in LineTable(instrument="qtfm2").channels] == ["mag"]


def test_a_site_s_own_rules_stand_in_place_of_the_instrument_s():
    """A minimum signal level is for the site to set: no document gives one."""
    rule = {"column": "signal0", "at_least": 300}
    table = msgspec.convert({"instrument": "g823", "valid": [rule]}, LineTable)
    assert same(values(decode(table, b"$ 49895.131,0299\n$ 49895.131,0300\n")[0]), [[NAN], [49895.131]])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"instrument": "g999"}, r"^instrument: 'g999' is not built in; there are g823, qtfm1, qtfm2, fga, two-coil"),
        ({"instrument": "g823", "counters": 21}, "^counters: 21 must be 1 to 20"),
        ({"instrument": "g823", "counters": 0}, "^counters: 0 must be 1 to 20"),
        ({"instrument": "fga", "counters": 2}, '^counters: belongs to instrument "g823"'),
        ({"instrument": "fga", "use": ("b3v",)}, "^use: there is no channel 'b3v'; fga has b1x, b1y"),
        ({"instrument": "fga", "separator": ";"}, "^separator: belongs to a format of your own"),
        ({"instrument": "qtfm1", "pattern": "x"}, "^pattern: belongs to a format of your own"),
        ({"instrument": "fga", "sequence_step": 2}, "^sequence_column: is missing"),
        ({"use": ("mag",)}, "^instrument: is missing"),
        ({}, "^channels: a line needs at least one"),
    ],
)
def test_a_table_that_cannot_be_names_the_key(fields, words):
    """Each with what is allowed."""
    with pytest.raises(ValueError, match=words):
        LineTable(**fields)
