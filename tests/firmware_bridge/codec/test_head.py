"""The head protocol: samples by hand, versions, any chunking, any damage."""

import itertools
import struct
import zlib

import numpy as np
import pytest
from cobs import cobs
from head_records import COMMANDS, REPLIES, dictionary
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.codec.framing import encode_frame
from firmware_bridge.codec.head import HeadDecoder, HostCommandDecoder, choose_version, encode, encode_samples
from firmware_bridge.records import GnssFix, HelloReply, LeaseGrant, SampleBlock, StatusBit


def chunked(data, cuts):
    edges = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:stop] for start, stop in itertools.pairwise(edges)]


def test_samples_assembled_by_hand_are_read_as_documented():
    """Two samples of three channels, laid out from the document's table with struct alone."""
    decoder = HeadDecoder()
    decoder.feed(encode(dictionary()))
    payload = bytes([1, 0x85]) + struct.pack("<IIBB", 0xDEADBEEF, 2**32 - 1, 2, 3)
    payload += struct.pack("<QHiii", 1_000_000, 0, 2, -4, 1_000_000)
    payload += struct.pack("<QHiii", 1_010_000, 2, -(2**31), 0, 7)
    frame = cobs.encode(payload + struct.pack("<I", zlib.crc32(payload))) + b"\x00"
    (block,) = decoder.feed(frame)
    assert block.sequence.tolist() == [2**32 - 1, 0]
    assert block.device_time_ns.tolist() == [1_000_000_000, 1_010_000_000]
    assert block.values[0].tolist() == [1.0, -2.0, 500_000.0]
    assert np.isnan(block.values[1, 0])
    assert block.values[1, 1:].tolist() == [0.0, 3.5]
    assert block.status.tolist() == [0, StatusBit.SATURATED]


@settings(max_examples=60, deadline=None)
@given(counts=st.lists(st.lists(st.integers(-(2**31) + 1, 2**31 - 1), min_size=3, max_size=3), min_size=1, max_size=20))
def test_samples_come_back(counts):
    """Every count survives scale and wire."""
    values = np.array(counts) * 0.5
    block = SampleBlock(
        dictionary_id=0xDEADBEEF,
        sequence=np.arange(len(values)),
        device_time_ns=np.arange(len(values)) * 10_000_000,
        values=values,
        status=np.zeros(len(values), dtype=np.int64),
    )
    decoder = HeadDecoder()
    decoder.feed(encode(dictionary()))
    (found,) = decoder.feed(encode_samples(block, dictionary()))
    assert found.values.tolist() == values.tolist()
    assert found.device_time_ns.tolist() == block.device_time_ns.tolist()


def test_what_does_not_fit_is_clipped_and_marked():
    """A reading beyond the counts is saturated, one that is missing stays missing."""
    block = SampleBlock(
        dictionary_id=0xDEADBEEF,
        sequence=np.array([0]),
        device_time_ns=np.array([0]),
        values=np.array([[1e30, np.nan, 1.0]]),
        status=np.array([0]),
    )
    decoder = HeadDecoder()
    decoder.feed(encode(dictionary()))
    (found,) = decoder.feed(encode_samples(block, dictionary()))
    assert found.status.tolist() == [StatusBit.SATURATED]
    assert found.values[0, 0] == (2**31 - 1) * 0.5
    assert np.isnan(found.values[0, 1])


def test_samples_of_an_unknown_dictionary_are_counted_and_not_read():
    """No sample is ever read with another head's scale."""
    decoder = HeadDecoder()
    assert decoder.needs_dictionary
    frame = encode_samples(
        SampleBlock(
            dictionary_id=1,
            sequence=np.array([0]),
            device_time_ns=np.array([0]),
            values=np.zeros((1, 3)),
            status=np.array([0]),
        ),
        dictionary(dictionary_id=1),
    )
    assert decoder.feed(frame) == []
    decoder.feed(encode(dictionary(dictionary_id=2)))
    assert decoder.feed(frame) == []
    assert decoder.stats.unknown == 2
    assert not decoder.needs_dictionary


@pytest.mark.parametrize(
    "payload",
    [
        b"\x01",
        bytes([1, 0x82]) + b"\x00" * 5,
        bytes([1, 0x82]) + struct.pack("<IQ", 1, 2**64 - 1),
        bytes([1, 0x83]) + struct.pack("<IB", 1, 4),
        bytes([1, 0x84]) + struct.pack("<IBB", 1, 2, 1),
        bytes([1, 0x86]) + struct.pack("<IhHB", 1, 0, 0, 128),
        bytes([1, 0x85]) + struct.pack("<IIBB", 0xDEADBEEF, 0, 0, 3),
        bytes([1, 0x85]) + struct.pack("<IIBB", 0xDEADBEEF, 0, 1, 2) + bytes(18),
        bytes([1, 0x85]) + struct.pack("<IIBB", 0xDEADBEEF, 0, 2, 3) + bytes(22),
        bytes([1, 0x85]) + struct.pack("<IIBBQH", 0xDEADBEEF, 0, 1, 3, 2**63, 0) + bytes(12),
    ],
)
def test_content_that_cannot_be_used_is_counted(payload):
    """Good frames, bad content: malformed, never raised."""
    decoder = HeadDecoder()
    decoder.feed(encode(dictionary()))
    assert decoder.feed(encode_frame(payload)) == []
    assert decoder.stats.malformed == 1


@pytest.mark.parametrize("make", [HeadDecoder, HostCommandDecoder])
@pytest.mark.parametrize(
    "payload", [bytes([2, 0x82]) + bytes(12), bytes([0, 0x01]), bytes([1, 0x0B]), bytes([1, 0xFF])]
)
def test_other_versions_and_types_are_ignored_and_counted(make, payload):
    """Either side may be newer."""
    decoder = make()
    assert decoder.feed(encode_frame(payload)) == []
    assert decoder.stats.unknown == 1


def test_no_message_is_read_by_the_side_that_sends_it():
    """A cable that echoes, or two heads on one line, makes neither commands nor readings."""
    host, head = HostCommandDecoder(), HeadDecoder()
    assert head.feed(encode(LeaseGrant(sequence=1, duration_ms=300))) == []
    assert host.feed(encode(HelloReply(token=1, version=1))) == []
    assert (head.stats.unknown, host.stats.unknown) == (1, 1)


@pytest.mark.parametrize(
    ("offered", "chosen"), [((1,), 1), ((3, 1, 2), 1), ((255, 1), 1), ((2,), None), ((2, 255), None)]
)
def test_the_highest_common_version_is_chosen(offered, chosen):
    """And none where there is none in common: the nearest would be a guess."""
    assert choose_version(offered) == chosen


@pytest.mark.parametrize("version", [2, 255])
def test_a_version_that_nobody_offered_is_refused_and_counted(version):
    """A reply that names another version than this codec speaks never becomes a choice."""
    decoder = HeadDecoder()
    assert decoder.feed(encode_frame(bytes([1, 0x87, 0, 0, 0, 0, version]))) == []
    assert (decoder.stats.unknown, decoder.stats.malformed) == (1, 0)


@given(records=st.lists(REPLIES, max_size=6), cuts=st.lists(st.integers(0, 3_000), max_size=12))
def test_what_a_head_says_does_not_depend_on_chunks(records, cuts):
    """Any chunking gives the same records and counters."""
    decoder = HeadDecoder()
    stream = b"".join(map(encode, records))
    assert [record for chunk in chunked(stream, cuts) for record in decoder.feed(chunk)] == records
    assert (decoder.stats.frames, decoder.stats.bytes_skipped) == (len(records), 0)


@given(records=st.lists(COMMANDS, max_size=6), cuts=st.lists(st.integers(0, 3_000), max_size=12))
def test_what_a_host_says_does_not_depend_on_chunks(records, cuts):
    """Any chunking gives the same commands."""
    decoder = HostCommandDecoder()
    stream = b"".join(map(encode, records))
    assert [record for chunk in chunked(stream, cuts) for record in decoder.feed(chunk)] == records


@given(
    records=st.lists(COMMANDS | REPLIES, min_size=1, max_size=6),
    start=st.integers(0, 3_000),
    length=st.integers(0, 400),
    junk=st.binary(max_size=60),
)
def test_damage_costs_at_most_the_frames_that_it_touches(records, start, length, junk):
    """Bytes replaced, removed or inserted anywhere: every frame that lies wholly outside comes back, in order."""
    frames = [encode(record) for record in records]
    stream = b"".join(frames)
    start %= len(stream)
    stop = min(start + length, len(stream))
    ends = list(itertools.accumulate(map(len, frames)))
    before = [record for record, end in zip(records, ends, strict=True) if end <= start]
    # A frame that begins right after the damage is touched unless its predecessor's zero byte is still there.
    after = [
        record
        for record, end, frame in zip(records, ends, frames, strict=True)
        if end - len(frame) > stop or (end - len(frame) == stop and stop == start and not junk)
    ]
    damaged = stream[:start] + junk + stream[stop:]
    for decoder in (HeadDecoder(), HostCommandDecoder()):
        readable = set(map(type, decoder.feed(stream)))
        found = decoder.feed(damaged + b"\x00")
        kept = [record for record in before if type(record) in readable]
        assert found[: len(kept)] == kept
        kept = [record for record in after if type(record) in readable]
        assert found[len(found) - len(kept) :] == kept


@given(data=st.binary(max_size=600))
def test_no_bytes_raise(data):
    """Noise, and noise in good frames."""
    for decoder in (HeadDecoder(), HostCommandDecoder()):
        decoder.feed(data)
        decoder.feed(encode_frame(b"\x01" + data) if data else b"\x00")
        assert decoder.finish() == []


def test_a_record_that_the_protocol_does_not_carry_is_our_own_mistake():
    """TypeError, by name."""
    with pytest.raises(TypeError, match="GnssFix"):
        encode(object.__new__(GnssFix))
