"""
The head protocol, version 1: messages of a detector head and its host (`docs/PROTOCOL.md`), decode beside encode.

Every payload begins with the protocol version and the message type; integers are little-endian. Sample frames name
the dictionary that describes their channels, so that no sample is ever read with another head's scale.
"""

import struct
from collections.abc import Callable

import numpy as np

from firmware_bridge.codec import head_messages as messages
from firmware_bridge.codec.framing import FrameSplitter, encode_frame
from firmware_bridge.codec.head_dictionary import dictionary_body, read_dictionary
from firmware_bridge.codec.head_messages import DEVICE_US_MAX, MalformedError
from firmware_bridge.records import (
    HEAD_PROTOCOL_VERSIONS,
    DictionaryRequest,
    HeadDictionary,
    HeadStatus,
    HelloReply,
    HostHello,
    LeaseGrant,
    LeaseStatus,
    LinkStats,
    OutputCommand,
    OutputReply,
    PulseStamp,
    Record,
    SampleBlock,
    SelfTestReply,
    SelfTestRequest,
    StatusBit,
    TimeQuery,
    TimeReply,
)

VERSION = 1
VERSIONS = HEAD_PROTOCOL_VERSIONS

DICTIONARY_REQUEST = 0x01
TIME_QUERY = 0x02
OUTPUT_COMMAND = 0x03
SELF_TEST_REQUEST = 0x04
HELLO = 0x05
LEASE_GRANT = 0x0A
DICTIONARY = 0x81
TIME_REPLY = 0x82
OUTPUT_REPLY = 0x83
SELF_TEST_REPLY = 0x84
SAMPLES = 0x85
STATUS = 0x86
HELLO_REPLY = 0x87
PULSE = 0x88
LEASE_STATUS = 0x8A

NO_READING = -(2**31)  # a count that stands for none
COUNT_MAX = 2**31 - 1

_HEADER = struct.Struct("<BB")
_SAMPLES = struct.Struct("<IIBB")


def choose_version(offered: tuple[int, ...]) -> int | None:
    """A head's answer to a hello: the highest version that both speak, None where there is none."""
    return max(set(offered) & set(VERSIONS), default=None)


def encode(record: Record) -> bytes:
    """Any message but samples as one frame; raises TypeError for a record that the protocol does not carry."""
    message = _host_message(record) or _head_message(record)
    if message is None:
        raise TypeError(f"the head protocol does not carry {type(record).__name__}")
    kind, body = message
    return _frame(kind, body)


def _host_message(record: Record) -> tuple[int, bytes] | None:
    """Type and body of what a host says."""
    match record:
        case DictionaryRequest():
            return DICTIONARY_REQUEST, b""
        case TimeQuery():
            return TIME_QUERY, messages.token_body(record)
        case OutputCommand():
            return OUTPUT_COMMAND, messages.output_body(record)
        case SelfTestRequest():
            return SELF_TEST_REQUEST, messages.token_body(record)
        case HostHello():
            return HELLO, messages.hello_body(record)
        case LeaseGrant():
            return LEASE_GRANT, messages.grant_body(record)
        case _:
            return None


def _head_message(record: Record) -> tuple[int, bytes] | None:
    """Type and body of what a head says."""
    match record:
        case HeadDictionary():
            return DICTIONARY, dictionary_body(record)
        case TimeReply():
            return TIME_REPLY, messages.time_reply_body(record)
        case OutputReply():
            return OUTPUT_REPLY, messages.output_body(record)
        case SelfTestReply():
            return SELF_TEST_REPLY, messages.self_test_body(record)
        case HeadStatus():
            return STATUS, messages.status_body(record)
        case HelloReply():
            return HELLO_REPLY, messages.hello_reply_body(record)
        case PulseStamp():
            return PULSE, messages.pulse_body(record)
        case LeaseStatus():
            return LEASE_STATUS, messages.lease_body(record)
        case _:
            return None


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
        except (MalformedError, struct.error):
            self._malformed += 1
            return None


class HeadDecoder(_MessageDecoder):
    """Messages of a detector head."""

    def __init__(self) -> None:
        super().__init__()
        self._decoders = {
            DICTIONARY: self._take_dictionary,
            TIME_REPLY: messages.read_time_reply,
            OUTPUT_REPLY: messages.read_output_reply,
            SELF_TEST_REPLY: messages.read_self_test,
            SAMPLES: self._samples,
            STATUS: messages.read_status,
            HELLO_REPLY: self._hello_reply,
            PULSE: messages.read_pulse,
            LEASE_STATUS: messages.read_lease,
        }
        self._dictionary_id: int | None = None
        self._scale = np.empty(0)

    @property
    def needs_dictionary(self) -> bool:
        """Whether samples cannot be read yet."""
        return self._dictionary_id is None

    def _take_dictionary(self, body: bytes) -> HeadDictionary:
        dictionary = read_dictionary(body)
        self._dictionary_id = dictionary.dictionary_id
        self._scale = np.array([channel.scale for channel in dictionary.channels])
        return dictionary

    def _hello_reply(self, body: bytes) -> HelloReply | None:
        """A version that this codec does not speak was never offered: counted as unknown, and never guessed at."""
        reply = messages.read_hello_reply(body)
        if reply.version is not None and reply.version not in VERSIONS:
            self._unknown += 1
            return None
        return reply

    def _samples(self, body: bytes) -> SampleBlock | None:
        dictionary_id, sequence, count, channels = _SAMPLES.unpack_from(body)
        if dictionary_id != self._dictionary_id:
            self._unknown += 1
            return None
        kind = _sample_type(channels)
        if count == 0 or channels != len(self._scale) or len(body) != _SAMPLES.size + count * kind.itemsize:
            raise MalformedError
        samples = np.frombuffer(body, dtype=kind, offset=_SAMPLES.size)
        if int(samples["time_us"].max()) > DEVICE_US_MAX:
            raise MalformedError
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
            DICTIONARY_REQUEST: messages.read_dictionary_request,
            TIME_QUERY: messages.read_time_query,
            OUTPUT_COMMAND: messages.read_output_command,
            SELF_TEST_REQUEST: messages.read_self_test_request,
            HELLO: messages.read_hello,
            LEASE_GRANT: messages.read_grant,
        }


def _frame(kind: int, body: bytes) -> bytes:
    return encode_frame(_HEADER.pack(VERSION, kind) + body)


def _sample_type(channels: int) -> np.dtype[np.void]:
    """One sample on the wire: device microseconds, status bits, counts."""
    return np.dtype([("time_us", "<u8"), ("status", "<u2"), ("counts", "<i4", (channels,))])
