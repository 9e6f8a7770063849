"""The EM38-MK2 logger's stream: Geonics' own conversion of a reading, damage, round trips."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codec.n38 import (
    CHANNELS,
    RECORD_BYTES,
    N38Decoder,
    encode_reading,
    encode_sentence,
    split_at_stamps,
)
from firmware_bridge.records import GnssFix, SampleBlock

READING = bytes.fromhex("5406908784ea950d84cb01070106") + b"      666940\n"[1:]
GGA = b"$GPGGA,015905.00,2726.53680,S,15126.05280,E,1,07,1.2,366.3,M,39.5,M,,*75"
MS = 1_000_000


def decode(*chunks):
    decoder = N38Decoder()
    records = [record for chunk in chunks for record in decoder.feed(chunk)]
    return records + decoder.finish(), decoder.stats


def readings(records):
    """The readings' times in milliseconds."""
    return [int(r.device_time_ns[0]) // MS for r in records if isinstance(r, SampleBlock)]


def stream(count):
    """Readings 200 ms apart, a fix among every five."""
    parts = []
    for number in range(count):
        if number % 5 == 0:
            parts.append(encode_sentence(number * 200 * MS, GGA))
        parts.append(encode_reading(number * 200 * MS, [100.0, 1.0, 200.0, 2.0]))
    return parts


def test_a_reading_is_what_geonics_own_conversion_makes_of_it():
    """The manufacturer's M38 line has 146.900, 0.287, 204.401, 0.639 with the survey line's offsets added."""
    (block,), stats = decode(READING)
    offsets = (-18.373, -0.067, -6.107, -0.742)  # of the file that the reading is from
    assert [round(value + offset, 3) for value, offset in zip(block.values[0].tolist(), offsets, strict=True)] == [
        146.900,
        0.287,
        204.401,
        0.639,
    ]
    assert block.device_time_ns.tolist() == [666_940_000_000]
    assert len(CHANNELS) == block.values.shape[1]
    assert (stats.frames, stats.bytes_skipped) == (1, 0)


def test_a_sentence_over_several_records_becomes_a_fix():
    """Cut after 24 characters as the logger cuts it, and put together again."""
    wire = encode_sentence(666_748 * MS, GGA)
    assert wire[:RECORD_BYTES] == b"@$GPGGA,015905.00,2726.53\n"
    assert wire[-RECORD_BYTES:] == b"!                  666748\n"
    (fix,), stats = decode(wire)
    assert isinstance(fix, GnssFix)
    assert fix.latitude_deg == pytest.approx(-27.44228)
    assert (stats.frames, stats.bad_checksum, stats.malformed) == (1, 0, 0)


def test_a_line_feed_inside_a_reading_is_no_end():
    """Readings are binary: 128 of a recording's 3,164 have one in them."""
    with_line_feed = READING[:3] + b"\n" + READING[4:]
    records, stats = decode(READING + with_line_feed + READING)
    assert len(records) == 3
    assert stats.bytes_skipped == 0


def test_the_survey_s_text_is_counted_and_a_torn_sentence_refused():
    """Headers are unknown; a sentence without its begin or its end is malformed and gives nothing."""
    header = b"O1    -6.107      0.000  \n"
    torn = encode_sentence(0, GGA)
    records, stats = decode(header + torn[RECORD_BYTES:] + torn[:-RECORD_BYTES] + READING)
    assert readings(records) == [666_940]
    assert stats.unknown == 1
    assert stats.malformed == len(torn) // RECORD_BYTES - 1 + 1
    assert stats.records == 1


@given(cuts=st.lists(st.integers(0, 2000), max_size=12))
def test_the_records_do_not_depend_on_the_chunks(cuts):
    """Any cutting gives the same readings and fixes."""
    wire = b"".join(stream(12))
    edges = sorted({cut % (len(wire) + 1) for cut in cuts} | {0, len(wire)})
    whole, _ = decode(wire)
    pieces, stats = decode(*(wire[start:end] for start, end in itertools.pairwise(edges)))
    assert readings(pieces) == readings(whole) == [number * 200 for number in range(12)]
    assert [type(r) for r in pieces] == [type(r) for r in whole]
    assert stats.bytes == len(wire)


@given(at=st.integers(0, 10_000), kind=st.sampled_from(["drop", "add", "change"]), byte=st.integers(0, 255))
def test_damage_loses_the_record_it_touches_and_shows_as_a_gap(at, kind, byte):
    """One byte lost, added or changed costs one reading at most, and the number of the next shows it."""
    parts = stream(12)
    wire = b"".join(parts)
    at %= len(wire)
    middle = {"drop": b"", "add": wire[at : at + 1] + bytes([byte]), "change": bytes([byte])}[kind]
    records, stats = decode(wire[:at] + middle + wire[at + 1 :])
    samples = [r for r in records if isinstance(r, SampleBlock)]
    assert len(samples) >= 11
    if len(samples) == 11 and at < wire.rindex(b"T"):
        assert samples[-1].sequence[0] >= 11
    assert stats.bytes == len(wire) + len(middle) - 1


@given(data=st.binary(max_size=600))
def test_no_bytes_raise_and_little_is_kept(data):
    """Noise is counted; less than a record is held back."""
    decoder = N38Decoder()
    for start in range(0, len(data), 7):
        decoder.feed(data[start : start + 7])
        assert len(decoder._buffer) < RECORD_BYTES
    decoder.finish()
    assert decoder.stats.bytes == len(data)


def test_an_endless_sentence_is_refused():
    """The memory for a sentence is bounded."""
    decoder = N38Decoder()
    decoder.feed(b"@" + b"x" * 24 + b"\n")
    for _ in range(1_000):
        decoder.feed(b"#" + b"x" * 24 + b"\n")
    assert decoder.finish() == []
    assert decoder.stats.malformed > 900


@given(
    values=st.tuples(st.floats(-1000, 1000), st.floats(-8, 8), st.floats(-1000, 1000), st.floats(-30, 30)),
    milliseconds=st.integers(0, 10**10 - 1),
)
def test_a_simulated_reading_comes_back(values, milliseconds):
    """Within half a count of each channel: 0.02 mS/m, and as much in the in-phase scales."""
    (block,), _ = decode(encode_reading(milliseconds * MS, list(values)))
    half_counts = (0.02, 0.02 * 0.0073, 0.02, 0.02 * 0.029)
    for got, sent, half in zip(block.values[0], values, half_counts, strict=True):
        assert math.isclose(got, sent, abs_tol=half)
    assert block.device_time_ns.tolist() == [milliseconds * MS]


def test_a_stream_is_split_behind_each_time_of_the_logger():
    """A sentence is one piece with its time, a reading another; what follows the last time has none."""
    pieces = list(split_at_stamps(encode_sentence(5 * MS, GGA) + READING + b"X$ENDED" + b" " * 18 + b"\n"))
    assert [stamp_ms for stamp_ms, _ in pieces] == [5, 666_940, None]
    assert pieces[1][1] == READING


@given(noise=st.binary(max_size=60), cut=st.integers(0, 500), position=st.integers(0, 500), rest=st.binary(max_size=30))
def test_every_byte_of_a_damaged_stream_is_in_one_piece_and_in_order(noise, cut, position, rest):
    """Nothing is dropped before the decoder has counted it."""
    data = b"".join(stream(12))[cut:]
    data = data[:position] + noise + data[position:] + rest
    pieces = list(split_at_stamps(data))
    assert b"".join(payload for _, payload in pieces) == data
    assert all(stamp_ms is not None for stamp_ms, _ in pieces[:-1])
