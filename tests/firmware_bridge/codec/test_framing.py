"""COBS and CRC-32 against published vectors; frames against noise."""

import itertools
import zlib

import pytest
from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codec.framing import FRAME_BYTES_MAX, PAYLOAD_BYTES_MAX, FrameSplitter, encode_frame

PAYLOADS = st.lists(st.binary(min_size=1, max_size=300), max_size=8)


def chunked(data, cuts):
    edges = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:stop] for start, stop in itertools.pairwise(edges)]


@pytest.mark.parametrize(
    ("raw", "stuffed"),
    [
        ("00", "0101"),
        ("0000", "010101"),
        ("001100", "01021101"),
        ("11220033", "0311220233"),
        ("11223344", "0511223344"),
        ("11000000", "0211010101"),
        (bytes(range(1, 255)).hex(), "ff" + bytes(range(1, 255)).hex()),
        (bytes(range(256)).hex(), "01ff" + bytes(range(1, 255)).hex() + "02ff"),
    ],
)
def test_stuffing_agrees_with_the_published_examples(raw, stuffed):
    """The examples of Cheshire and Baker's paper, as reprinted in every implementation's tests."""
    assert cobs.encode(bytes.fromhex(raw)).hex() == stuffed


def test_the_checksum_is_the_common_one():
    """CRC-32's check value, and where it stands in a frame."""
    assert zlib.crc32(b"123456789") == 0xCBF43926
    assert encode_frame(b"123456789") == cobs.encode(b"123456789\x26\x39\xf4\xcb") + b"\x00"


@given(payloads=PAYLOADS, cuts=st.lists(st.integers(0, 5000), max_size=20))
def test_frames_come_back_whole_however_they_are_cut(payloads, cuts):
    """Any chunking gives the same payloads."""
    splitter = FrameSplitter()
    stream = b"".join(map(encode_frame, payloads))
    found = [payload for chunk in chunked(stream, cuts) for payload in splitter.feed(chunk)]
    assert found == payloads
    assert (splitter.frames, splitter.bad_checksum, splitter.bytes_skipped) == (len(payloads), 0, 0)


@given(payloads=PAYLOADS.filter(bool), position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_costs_at_most_the_frames_it_touches(payloads, position, bit):
    """A frame, or two where their zero byte was hit; nothing that was not sent comes out."""
    stream = bytearray(b"".join(map(encode_frame, payloads)))
    stream[position % len(stream)] ^= 1 << bit
    found = FrameSplitter().feed(bytes(stream) + b"\x00")
    assert len(found) >= len(payloads) - 2
    assert all(payload in payloads for payload in found)


@given(noise=st.binary(max_size=3000), payload=st.binary(min_size=1, max_size=100))
def test_a_frame_after_noise_and_a_zero_byte_is_found(noise, payload):
    """Synchronisation takes one zero byte."""
    assert FrameSplitter().feed(noise + b"\x00" + encode_frame(payload))[-1] == payload


def test_endless_noise_without_a_zero_byte_is_dropped():
    """The buffer is bounded; the next frame after the flood is read."""
    splitter = FrameSplitter()
    for _ in range(100):
        assert splitter.feed(b"\x55" * 1000) == []
        assert len(splitter._buffer) <= FRAME_BYTES_MAX
    assert splitter.feed(b"\x00" + encode_frame(b"after")) == [b"after"]
    assert splitter.bytes_skipped == 100_000


def test_the_largest_payload_fits():
    """And one byte more is our own mistake."""
    payload = bytes(PAYLOAD_BYTES_MAX)
    assert FrameSplitter().feed(encode_frame(payload)) == [payload]
    with pytest.raises(AssertionError):
        encode_frame(payload + b"x")
