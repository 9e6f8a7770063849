"""The dictionary message: round trip, and what must not be read from a damaged one."""

import struct

import pytest
from head_records import DICTIONARIES, dictionary
from hypothesis import given, settings

from firmware_bridge.codec.framing import encode_frame
from firmware_bridge.codec.head import HeadDecoder, encode


@settings(max_examples=50, deadline=None)
@given(record=DICTIONARIES)
def test_a_dictionary_comes_back(record):
    """Round trip, names in any script."""
    assert HeadDecoder().feed(encode(record)) == [record]


@pytest.mark.parametrize(
    "body",
    [
        struct.pack("<IBd", 1, 0, float("nan")) + b"\x00\x00\x00\x00",
        struct.pack("<IBd", 1, 0, 10.0) + b"\x05ab",
        struct.pack("<IBd", 1, 0, 10.0) + b"\x01\xff\x00\x00\x00",
        struct.pack("<IBd", 1, 0, 10.0) + b"\x00\x00\x00\x00",
        struct.pack("<IBd", 1, 0, 10.0) + b"\x00\x00\x00",
        struct.pack("<IBd", 1, 0, 10.0) + b"\x00\x00\x00\x01\x00\x00" + struct.pack("<dIhhh", 0.0, 0, 0, 0, 0),
    ],
)
def test_a_dictionary_that_cannot_be_used_is_counted(body):
    """No rate, a text cut short or not UTF-8, no channels, no scale: nothing is taken from it."""
    decoder = HeadDecoder()
    assert decoder.feed(encode_frame(b"\x01\x81" + body)) == []
    assert decoder.stats.malformed == 1
    assert decoder.needs_dictionary


@pytest.mark.parametrize("channels", [0, 256])
def test_a_head_has_a_channel_and_at_most_255(channels):
    """Our own mistake stops the process."""
    with pytest.raises(AssertionError):
        encode(dictionary(channels=channels))
