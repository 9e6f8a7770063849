"""
The head protocol, version 1: messages of a detector head and its host (`docs/PROTOCOL.md`), decode beside encode.

Every payload begins with the protocol version and the message type; integers are little-endian. Sample frames name
the dictionary that describes their channels, so that no sample is ever read with another head's scale.
"""

import math
import struct
from collections.abc import Callable

import numpy as np

from firmware_bridge.codec.framing import FrameSplitter, encode_frame
from firmware_bridge.records import (
    DictionaryRequest,
    HeadChannel,
    HeadDictionary,
    HeadStatus,
    LinkStats,
    OutputCommand,
    OutputReply,
    Record,
    SampleBlock,
    SelfTestReply,
    SelfTestRequest,
    StatusBit,
    TimeQuery,
    TimeReply,
)

VERSION = 1

DICTIONARY_REQUEST = 0x01
TIME_QUERY = 0x02
OUTPUT_COMMAND = 0x03
SELF_TEST_REQUEST = 0x04
DICTIONARY = 0x81
TIME_REPLY = 0x82
OUTPUT_REPLY = 0x83
SELF_TEST_REPLY = 0x84
SAMPLES = 0x85
STATUS = 0x86

NO_READING = -(2**31)  # a count that stands for none
COUNT_MAX = 2**31 - 1
NO_GATE = 0xFFFF_FFFF
NO_TEMPERATURE = -(2**15)
DEVICE_US_MAX = (2**63 - 1) // 1_000  # device times beyond this do not fit int64 nanoseconds

_LAMP, _BUZZER = 1, 2
_IS_FAULTY, _LAMP_ON, _BUZZER_ON = 1, 2, 4
_IS_SIMULATED = 1

_HEADER = struct.Struct("<BB")
_TOKEN = struct.Struct("<I")
_OUTPUT = struct.Struct("<IB")
_TIME_REPLY = struct.Struct("<IQ")
_SAMPLES = struct.Struct("<IIBB")
_STATUS = struct.Struct("<IhHB")
_DICTIONARY = struct.Struct("<IBd")
_CHANNEL = struct.Struct("<dIhhh")


class _MalformedError(ValueError):
    """A good frame whose content cannot be used; counted, and never seen outside this module."""


def encode(record: Record) -> bytes:
    """Any message but samples as one frame; raises TypeError for a record that the protocol does not carry."""
    match record:
        case DictionaryRequest():
            return _frame(DICTIONARY_REQUEST, b"")
        case TimeQuery():
            return _frame(TIME_QUERY, _TOKEN.pack(record.token))
        case OutputCommand():
            return _frame(OUTPUT_COMMAND, _OUTPUT.pack(record.token, _output_bits(record.lamp_on, record.buzzer_on)))
        case SelfTestRequest():
            return _frame(SELF_TEST_REQUEST, _TOKEN.pack(record.token))
        case HeadDictionary():
            return _frame(DICTIONARY, _dictionary_body(record))
        case TimeReply():
            return _frame(TIME_REPLY, _TIME_REPLY.pack(record.token, record.device_time_ns // 1_000))
        case OutputReply():
            return _frame(OUTPUT_REPLY, _OUTPUT.pack(record.token, _output_bits(record.lamp_on, record.buzzer_on)))
        case SelfTestReply():
            return _frame(SELF_TEST_REPLY, _TOKEN.pack(record.token) + bytes([len(record.passed), *record.passed]))
        case HeadStatus():
            return _frame(STATUS, _status_body(record))
        case _:
            raise TypeError(f"the head protocol does not carry {type(record).__name__}")


def encode_samples(block: SampleBlock, dictionary: HeadDictionary) -> bytes:
    """
    Samples as one frame. Values become counts of the channel's scale; NaN becomes "no reading"; what does not fit is
    clipped and its sample marked `StatusBit.SATURATED`. The block must have device times and fit one frame.
    """
    assert block.device_time_ns is not None, "samples of the head protocol carry the device's time"
    scale = np.array([channel.scale for channel in dictionary.channels])
    counts = np.rint(block.values / scale)
    is_clipped = np.abs(counts) > COUNT_MAX
    samples = np.zeros(len(block.sequence), dtype=_sample_type(len(scale)))
    samples["time_us"] = block.device_time_ns // 1_000
    samples["status"] = block.status | np.where(is_clipped.any(axis=1), int(StatusBit.SATURATED), 0)
    samples["counts"] = np.where(np.isnan(counts), NO_READING, np.clip(counts, -COUNT_MAX, COUNT_MAX))
    head = _SAMPLES.pack(
        dictionary.dictionary_id, int(block.sequence[0]) % 2**32, len(block.sequence), len(dictionary.channels)
    )
    return _frame(SAMPLES, head + samples.tobytes())


class _MessageDecoder:
    """Frames to records by message type; what cannot be used is counted."""

    def __init__(self) -> None:
        self._splitter = FrameSplitter()
        self._decoders: dict[int, Callable[[bytes], Record | None]] = {}
        self._bytes = self._records = self._malformed = self._unknown = 0

    def feed(self, data: bytes) -> list[Record]:
        """Records of the frames that these bytes complete."""
        self._bytes += len(data)
        records = []
        for payload in self._splitter.feed(data):
            record = self._decode(payload)
            if record is not None:
                records.append(record)
        self._records += len(records)
        return records

    def finish(self) -> list[Record]:
        """What is still held at the end of a stream: nothing, a frame is whole or none."""
        return []

    @property
    def stats(self) -> LinkStats:
        """The link's counters."""
        return LinkStats(
            bytes=self._bytes,
            frames=self._splitter.frames,
            records=self._records,
            bad_checksum=self._splitter.bad_checksum,
            malformed=self._malformed,
            unknown=self._unknown,
            bytes_skipped=self._splitter.bytes_skipped,
        )

    def _decode(self, payload: bytes) -> Record | None:
        if len(payload) < _HEADER.size:
            self._malformed += 1
            return None
        version, kind = _HEADER.unpack_from(payload)
        decode = self._decoders.get(kind) if version == VERSION else None
        if decode is None:
            self._unknown += 1
            return None
        try:
            return decode(payload[_HEADER.size :])
        except (_MalformedError, struct.error, UnicodeDecodeError):
            self._malformed += 1
            return None


class HeadDecoder(_MessageDecoder):
    """Messages of a detector head."""

    def __init__(self) -> None:
        super().__init__()
        self._decoders = {
            DICTIONARY: self._take_dictionary,
            TIME_REPLY: _time_reply,
            OUTPUT_REPLY: _output_reply,
            SELF_TEST_REPLY: _self_test_reply,
            SAMPLES: self._samples,
            STATUS: _status,
        }
        self._dictionary_id: int | None = None
        self._scale = np.empty(0)

    @property
    def needs_dictionary(self) -> bool:
        """Whether samples cannot be read yet."""
        return self._dictionary_id is None

    def _take_dictionary(self, body: bytes) -> HeadDictionary:
        dictionary = _dictionary(body)
        self._dictionary_id = dictionary.dictionary_id
        self._scale = np.array([channel.scale for channel in dictionary.channels])
        return dictionary

    def _samples(self, body: bytes) -> SampleBlock | None:
        dictionary_id, sequence, count, channels = _SAMPLES.unpack_from(body)
        if dictionary_id != self._dictionary_id:
            self._unknown += 1
            return None
        kind = _sample_type(channels)
        if count == 0 or channels != len(self._scale) or len(body) != _SAMPLES.size + count * kind.itemsize:
            raise _MalformedError
        samples = np.frombuffer(body, dtype=kind, offset=_SAMPLES.size)
        if int(samples["time_us"].max()) > DEVICE_US_MAX:
            raise _MalformedError
        counts = samples["counts"]
        values = counts * self._scale
        values[counts == NO_READING] = np.nan
        return SampleBlock(
            dictionary_id=dictionary_id,
            sequence=(sequence + np.arange(count, dtype=np.int64)) % 2**32,
            device_time_ns=samples["time_us"].astype(np.int64) * 1_000,
            values=values,
            status=samples["status"].astype(np.int64),
        )


class HostCommandDecoder(_MessageDecoder):
    """Messages of the host, as a head reads them: for simulated heads and tests of firmware."""

    def __init__(self) -> None:
        super().__init__()
        self._decoders = {
            DICTIONARY_REQUEST: _dictionary_request,
            TIME_QUERY: lambda body: TimeQuery(token=_token(body)),
            OUTPUT_COMMAND: _output_command,
            SELF_TEST_REQUEST: lambda body: SelfTestRequest(token=_token(body)),
        }


def _frame(kind: int, body: bytes) -> bytes:
    return encode_frame(_HEADER.pack(VERSION, kind) + body)


def _sample_type(channels: int) -> np.dtype[np.void]:
    """One sample on the wire: device microseconds, status bits, counts."""
    return np.dtype([("time_us", "<u8"), ("status", "<u2"), ("counts", "<i4", (channels,))])


def _exact(layout: struct.Struct, body: bytes) -> tuple[int, ...]:
    if len(body) != layout.size:
        raise _MalformedError
    return layout.unpack(body)


def _token(body: bytes) -> int:
    return _exact(_TOKEN, body)[0]


def _dictionary_request(body: bytes) -> DictionaryRequest:
    if body:
        raise _MalformedError
    return DictionaryRequest()


def _output_bits(lamp_on: bool, buzzer_on: bool) -> int:
    return (_LAMP if lamp_on else 0) | (_BUZZER if buzzer_on else 0)


def _output_fields(body: bytes) -> tuple[int, bool, bool]:
    """Token, lamp, buzzer."""
    token, bits = _exact(_OUTPUT, body)
    if bits & ~(_LAMP | _BUZZER):
        raise _MalformedError
    return token, bool(bits & _LAMP), bool(bits & _BUZZER)


def _output_command(body: bytes) -> OutputCommand:
    token, lamp_on, buzzer_on = _output_fields(body)
    return OutputCommand(token=token, lamp_on=lamp_on, buzzer_on=buzzer_on)


def _output_reply(body: bytes) -> OutputReply:
    token, lamp_on, buzzer_on = _output_fields(body)
    return OutputReply(token=token, lamp_on=lamp_on, buzzer_on=buzzer_on)


def _time_reply(body: bytes) -> TimeReply:
    token, device_us = _exact(_TIME_REPLY, body)
    if device_us > DEVICE_US_MAX:
        raise _MalformedError
    return TimeReply(token=token, device_time_ns=device_us * 1_000)


def _self_test_reply(body: bytes) -> SelfTestReply:
    (token,) = _TOKEN.unpack_from(body)
    results = body[_TOKEN.size :]
    if not results or results[0] != len(results) - 1 or any(result > 1 for result in results[1:]):
        raise _MalformedError
    return SelfTestReply(token=token, passed=tuple(bool(result) for result in results[1:]))


def _status_body(status: HeadStatus) -> bytes:
    temperature = NO_TEMPERATURE if status.temperature_c is None else round(status.temperature_c * 100)
    supply = 0 if status.supply_v is None else round(status.supply_v * 1_000)
    flags = (
        (_IS_FAULTY if status.is_faulty else 0)
        | (_LAMP_ON if status.lamp_on else 0)
        | (_BUZZER_ON if status.buzzer_on else 0)
    )
    return _STATUS.pack(status.uptime_ms, temperature, supply, flags)


def _status(body: bytes) -> HeadStatus:
    uptime_ms, temperature, supply, flags = _exact(_STATUS, body)
    if flags & ~(_IS_FAULTY | _LAMP_ON | _BUZZER_ON):
        raise _MalformedError
    return HeadStatus(
        uptime_ms=uptime_ms,
        temperature_c=None if temperature == NO_TEMPERATURE else temperature / 100,
        supply_v=None if supply == 0 else supply / 1_000,
        is_faulty=bool(flags & _IS_FAULTY),
        lamp_on=bool(flags & _LAMP_ON),
        buzzer_on=bool(flags & _BUZZER_ON),
    )


def _dictionary_body(dictionary: HeadDictionary) -> bytes:
    flags = _IS_SIMULATED if dictionary.is_simulated else 0
    parts = [_DICTIONARY.pack(dictionary.dictionary_id, flags, dictionary.rate_hz)]
    parts += [_text(text) for text in (dictionary.model, dictionary.firmware, dictionary.serial)]
    parts.append(bytes([len(dictionary.channels)]))
    for channel in dictionary.channels:
        gate = NO_GATE if channel.gate_us is None else round(channel.gate_us * 1_000)
        position = (round(metres * 1_000) for metres in channel.position_m)
        parts += [_text(channel.name), _text(channel.unit), _CHANNEL.pack(channel.scale, gate, *position)]
    return b"".join(parts)


def _dictionary(body: bytes) -> HeadDictionary:
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
        raise _MalformedError
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
        raise _MalformedError
    gate_us = None if gate == NO_GATE else gate / 1_000
    position_m = (x / 1_000, y / 1_000, z / 1_000)
    return HeadChannel(name=name, unit=unit, scale=scale, gate_us=gate_us, position_m=position_m), at + _CHANNEL.size


def _text(text: str) -> bytes:
    encoded = text.encode()
    assert len(encoded) <= 255, "texts of a dictionary have at most 255 bytes"
    return bytes([len(encoded)]) + encoded


def _read_byte(body: bytes, at: int) -> tuple[int, int]:
    if at >= len(body):
        raise _MalformedError
    return body[at], at + 1


def _read_text(body: bytes, at: int) -> tuple[str, int]:
    length, at = _read_byte(body, at)
    if at + length > len(body):
        raise _MalformedError
    return body[at : at + length].decode(), at + length
