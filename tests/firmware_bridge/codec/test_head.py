"""The head protocol: bytes by hand, round trips, damage."""

import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from cobs import cobs
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.codec.framing import encode_frame
from firmware_bridge.codec.head import HeadDecoder, HostCommandDecoder, encode, encode_samples
from firmware_bridge.records import (
    DictionaryRequest,
    GnssFix,
    HeadChannel,
    HeadDictionary,
    HeadStatus,
    OutputCommand,
    OutputReply,
    SampleBlock,
    SelfTestReply,
    SelfTestRequest,
    StatusBit,
    TimeQuery,
    TimeReply,
)

U32 = st.integers(0, 2**32 - 1)
TEXTS = st.text(max_size=20)
MILLIMETRES = st.integers(-32_768, 32_767).map(lambda mm: mm / 1_000)
CHANNELS = st.builds(
    HeadChannel,
    name=TEXTS,
    unit=TEXTS,
    scale=st.floats(1e-9, 1e6),
    gate_us=st.none() | st.integers(0, 2**32 - 2).map(lambda ns: ns / 1_000),
    position_m=st.tuples(MILLIMETRES, MILLIMETRES, MILLIMETRES),
)
DICTIONARIES = st.builds(
    HeadDictionary,
    dictionary_id=U32,
    model=TEXTS,
    firmware=TEXTS,
    serial=TEXTS,
    is_simulated=st.booleans(),
    rate_hz=st.floats(0.1, 1e5),
    channels=st.lists(CHANNELS, min_size=1, max_size=16).map(tuple),
)
COMMANDS = (
    st.just(DictionaryRequest())
    | st.builds(TimeQuery, token=U32)
    | st.builds(OutputCommand, token=U32, lamp_on=st.booleans(), buzzer_on=st.booleans())
    | st.builds(SelfTestRequest, token=U32)
)
REPLIES = (
    st.builds(TimeReply, token=U32, device_time_ns=st.integers(0, (2**63 - 1) // 1000).map(lambda us: us * 1000))
    | st.builds(OutputReply, token=U32, lamp_on=st.booleans(), buzzer_on=st.booleans())
    | st.builds(SelfTestReply, token=U32, passed=st.lists(st.booleans(), max_size=64).map(tuple))
    | st.builds(
        HeadStatus,
        uptime_ms=U32,
        temperature_c=st.none() | st.integers(-32_767, 32_767).map(lambda c: c / 100),
        supply_v=st.none() | st.integers(1, 65_535).map(lambda mv: mv / 1_000),
        is_faulty=st.booleans(),
        lamp_on=st.booleans(),
        buzzer_on=st.booleans(),
    )
)


def dictionary(channels=3, scale=0.5, dictionary_id=0xDEADBEEF):
    coils = tuple(
        HeadChannel(name=f"c{index}", unit="uV", scale=scale, gate_us=80.0, position_m=(0.0, index / 10, 0.0))
        for index in range(channels)
    )
    return HeadDictionary(
        dictionary_id=dictionary_id,
        model="m",
        firmware="f",
        serial="s",
        is_simulated=False,
        rate_hz=100.0,
        channels=coils,
    )


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


def test_the_example_of_the_document_is_true():
    """The bytes printed for firmware authors decode to what the text beside them says."""
    page = (Path(__file__).parents[3] / "docs" / "PROTOCOL.md").read_text()
    (example,) = re.findall(r"```hex\n(.+?)\n```", page, re.DOTALL)
    assert HeadDecoder().feed(bytes.fromhex(example)) == [TimeReply(token=7, device_time_ns=1_000_000_000)]


@given(record=REPLIES)
def test_what_a_head_says_comes_back(record):
    """Round trip of replies and status within the wire's resolution."""
    assert HeadDecoder().feed(encode(record)) == [record]


@given(record=COMMANDS)
def test_what_a_host_says_comes_back(record):
    """Round trip of commands."""
    assert HostCommandDecoder().feed(encode(record)) == [record]


@settings(max_examples=50, deadline=None)
@given(record=DICTIONARIES)
def test_a_dictionary_comes_back(record):
    """Round trip, names in any script."""
    assert HeadDecoder().feed(encode(record)) == [record]


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
        bytes([1, 0x81]) + struct.pack("<IBd", 1, 0, float("nan")) + b"\x00\x00\x00\x00",
        bytes([1, 0x81]) + struct.pack("<IBd", 1, 0, 10.0) + b"\x05ab",
        bytes([1, 0x81]) + struct.pack("<IBd", 1, 0, 10.0) + b"\x01\xff\x00\x00\x00",
    ],
)
def test_content_that_cannot_be_used_is_counted(payload):
    """Good frames, bad content: malformed, never raised."""
    decoder = HeadDecoder()
    assert decoder.feed(encode_frame(payload)) == []
    assert decoder.stats.malformed == 1


@pytest.mark.parametrize("payload", [bytes([2, 0x82]) + bytes(12), bytes([1, 0x0A]), bytes([1, 0xFF])])
def test_other_versions_and_types_are_ignored_and_counted(payload):
    """Either side may be newer."""
    decoder = HeadDecoder()
    assert decoder.feed(encode_frame(payload)) == []
    assert decoder.stats.unknown == 1


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
