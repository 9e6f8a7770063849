"""The dictionary message of the head protocol: what a head says of itself, bytes and record."""

import math
import struct

from firmware_bridge.codec.head_messages import MalformedError
from firmware_bridge.records import HeadChannel, HeadDictionary

NO_GATE = 0xFFFF_FFFF
TEXT_BYTES_MAX = 255
CHANNELS_MAX = 255

_IS_SIMULATED = 1

_DICTIONARY = struct.Struct("<IBd")
_CHANNEL = struct.Struct("<dIhhh")


def dictionary_body(dictionary: HeadDictionary) -> bytes:
    """The body of a dictionary; positions are rounded to millimetres, gates to nanoseconds."""
    assert 1 <= len(dictionary.channels) <= CHANNELS_MAX, "a head has 1 to 255 channels"
    flags = _IS_SIMULATED if dictionary.is_simulated else 0
    parts = [_DICTIONARY.pack(dictionary.dictionary_id, flags, dictionary.rate_hz)]
    parts += [_text(text) for text in (dictionary.model, dictionary.firmware, dictionary.serial)]
    parts.append(bytes([len(dictionary.channels)]))
    for channel in dictionary.channels:
        gate = NO_GATE if channel.gate_us is None else round(channel.gate_us * 1_000)
        position = (round(metres * 1_000) for metres in channel.position_m)
        parts += [_text(channel.name), _text(channel.unit), _CHANNEL.pack(channel.scale, gate, *position)]
    return b"".join(parts)


def read_dictionary(body: bytes) -> HeadDictionary:
    """The dictionary of a body; raises MalformedError or struct.error."""
    dictionary_id, flags, rate_hz = _DICTIONARY.unpack_from(body)
    at = _DICTIONARY.size
    texts = []
    for _ in range(3):
        text, at = _read_text(body, at)
        texts.append(text)
    count, at = _read_byte(body, at)
    channels = []
    for _ in range(count):
        channel, at = _read_channel(body, at)
        channels.append(channel)
    if at != len(body) or not channels or flags & ~_IS_SIMULATED or not (math.isfinite(rate_hz) and rate_hz > 0):
        raise MalformedError
    return HeadDictionary(
        dictionary_id=dictionary_id,
        model=texts[0],
        firmware=texts[1],
        serial=texts[2],
        is_simulated=bool(flags & _IS_SIMULATED),
        rate_hz=rate_hz,
        channels=tuple(channels),
    )


def _read_channel(body: bytes, at: int) -> tuple[HeadChannel, int]:
    name, at = _read_text(body, at)
    unit, at = _read_text(body, at)
    scale, gate, x, y, z = _CHANNEL.unpack_from(body, at)
    if not (math.isfinite(scale) and scale > 0):
        raise MalformedError
    gate_us = None if gate == NO_GATE else gate / 1_000
    position_m = (x / 1_000, y / 1_000, z / 1_000)
    return HeadChannel(name=name, unit=unit, scale=scale, gate_us=gate_us, position_m=position_m), at + _CHANNEL.size


def _text(text: str) -> bytes:
    encoded = text.encode()
    assert len(encoded) <= TEXT_BYTES_MAX, "texts of a dictionary have at most 255 bytes"
    return bytes([len(encoded)]) + encoded


def _read_byte(body: bytes, at: int) -> tuple[int, int]:
    if at >= len(body):
        raise MalformedError
    return body[at], at + 1


def _read_text(body: bytes, at: int) -> tuple[str, int]:
    length, at = _read_byte(body, at)
    if at + length > len(body):
        raise MalformedError
    try:
        return body[at : at + length].decode(), at + length
    except UnicodeDecodeError as error:
        raise MalformedError from error
