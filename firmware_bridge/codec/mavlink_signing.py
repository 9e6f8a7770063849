"""
MAVLink 2 signatures: frames that are verified, and frames that are signed (mavlink.io, "Message Signing").

A signed frame ends in link id (1 byte), timestamp (6 bytes, little-endian: 10 us since 2015-01-01) and signature: the
first 6 bytes of SHA-256 over key, header, payload, checksum, link id and timestamp. Keys are 32 bytes.

A stream is what one component sends with one link id; its timestamps only rise. The first one of a stream may be up to
a minute behind our own, and ahead as far as it likes: only a holder of the key can have written it, and a computer
without a clock chip learns the time in this way.
"""

import hashlib
import hmac

import msgspec

from firmware_bridge.codec.mavlink import frame_crc, make_framer
from firmware_bridge.codec.mavlink_frames import (
    CRC_BYTES,
    HEADER_BYTES_2,
    MARKER_2,
    SIGNATURE_BYTES,
    SIGNED_FLAG,
)

KEY_BYTES = 32
HASH_BYTES = 6
STAMP_MAX = 2**48 - 1
BEHIND_MAX = 6_000_000  # one minute: mavlink.io, "Accepting Signed Packets"
STREAMS_MAX = 64  # the C library remembers 16; a vehicle has a handful of components, each on a link or two

_Stream = tuple[int, int, int]


class GateStats(msgspec.Struct, frozen=True, kw_only=True):
    """
    One frozen snapshot of what a gate let through, and what it refused and why.

    verified         : frames with a good signature and a new timestamp; all others were refused
    unsigned         : good frames of MAVLink 1, or of MAVLink 2 without a signature; RADIO_STATUS is no exception
    bad_signature    : signed frames that were changed, or signed with another key
    old_timestamp    : good signatures on the first frame of a stream, more than a minute behind our own time
    replayed         : good signatures that are not newer than the last one of their stream
    too_many_streams : good signatures of one more stream than a gate remembers
    bad_checksum     : frames whose CRC failed
    bytes_skipped    : bytes that were not let through
    """

    verified: int
    unsigned: int
    bad_signature: int
    old_timestamp: int
    replayed: int
    too_many_streams: int
    bad_checksum: int
    bytes_skipped: int


class SigningGate:
    """
    Lets the frames through that a holder of the key has signed, byte for byte, each once.

    A frame that is refused costs one byte: a good one that stands inside it, or begins there, is still found.
    """

    def __init__(self, key: bytes) -> None:
        assert len(key) == KEY_BYTES, len(key)
        self._key = key
        self._framer = make_framer(self._is_verified)
        self._streams: dict[_Stream, int] = {}
        self._current = 0
        self._newest = 0
        self._unsigned = 0
        self._bad_signature = 0
        self._old_timestamp = 0
        self._replayed = 0
        self._too_many_streams = 0

    @property
    def newest(self) -> int:
        """The highest timestamp that was verified; 0 before any."""
        return self._newest

    @property
    def stats(self) -> GateStats:
        """The gate's counters as one snapshot."""
        return GateStats(
            verified=self._framer.frames,
            unsigned=self._unsigned,
            bad_signature=self._bad_signature,
            old_timestamp=self._old_timestamp,
            replayed=self._replayed,
            too_many_streams=self._too_many_streams,
            bad_checksum=self._framer.bad_checksum,
            bytes_skipped=self._framer.bytes_skipped,
        )

    def feed(self, data: bytes, current: int) -> list[bytes]:
        """The verified frames that `data` completes; `current` is our own timestamp now."""
        self._current = current
        return self._framer.feed(data)

    def _is_verified(self, frame: bytes) -> bool:
        if frame[0] != MARKER_2 or not frame[2] & SIGNED_FLAG:
            self._unsigned += 1
            return False
        # Before anything that stands in it is believed: a forged timestamp must not move a stream.
        if not hmac.compare_digest(_hash(self._key, frame[:-HASH_BYTES]), frame[-HASH_BYTES:]):
            self._bad_signature += 1
            return False
        stream = frame[5], frame[6], frame[-SIGNATURE_BYTES]
        stamp = int.from_bytes(frame[-SIGNATURE_BYTES + 1 : -HASH_BYTES], "little")
        if not self._is_new(stream, stamp):
            return False
        self._streams[stream] = stamp
        self._newest = max(self._newest, stamp)
        return True

    def _is_new(self, stream: _Stream, stamp: int) -> bool:
        last = self._streams.get(stream)
        if last is not None and stamp <= last:
            self._replayed += 1
            return False
        # What was verified earlier in these bytes counts too, or the result would depend on how they were cut.
        if last is None and stamp < max(self._current, self._newest) - BEHIND_MAX:
            self._old_timestamp += 1
            return False
        if last is None and len(self._streams) >= STREAMS_MAX:
            self._too_many_streams += 1
            return False
        return True


def sign(frame: bytes, key: bytes, link_id: int, stamp: int) -> bytes:
    """One unsigned MAVLink 2 frame with its signature: 13 bytes longer, its flag set, its checksum made anew."""
    assert len(key) == KEY_BYTES, len(key)
    assert frame[0] == MARKER_2, frame[0]
    assert not frame[2], "flags are set already"
    assert len(frame) == HEADER_BYTES_2 + frame[1] + CRC_BYTES, len(frame)
    body = frame[:2] + bytes((SIGNED_FLAG,)) + frame[3:-CRC_BYTES]
    crc = frame_crc(body).to_bytes(CRC_BYTES, "little")
    signed = body + crc + bytes((link_id,)) + stamp.to_bytes(6, "little")
    return signed + _hash(key, signed)


def _hash(key: bytes, signed: bytes) -> bytes:
    return hashlib.sha256(key + signed).digest()[:HASH_BYTES]
