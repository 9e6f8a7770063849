"""
Splits a receiver's byte stream into whole frames: NMEA sentences, UBX and RTCM 3, mixed in any order.

A frame is handed on only when its checksum is good. After a false header exactly one byte is skipped, because a real
frame may begin inside what the header claimed. The result depends on the bytes alone, never on how they were chunked.

- NMEA 0183: `$`, printable text, `*`, two hexadecimal digits (the exclusive or of the text), a
  line end (CR, LF or both).
- UBX: b5 62, class, id, length (little endian), payload, two Fletcher sums over all between (u-blox interface
  description, "UBX frame structure" and "UBX checksum").
- RTCM 3: d3, six zero bits, ten bits of length, payload, CRC-24Q (RTCM 10403, "transport layer"). Recognised so that
  no payload can pass for a frame of the other two kinds.
"""

import enum
import functools
import itertools
import operator
import re

import msgspec

# NMEA 0183 allows 82 characters, high-precision receivers need about 100, and the longest sentence met in recordings is
# $PUBX,03 with all its satellites at 422. Longer printable text after a `$` is no sentence.
NMEA_BYTES_MAX = 512
# The longest periodic UBX message is RXM-RAWX with its largest count: 16 + 32 * 255 bytes of payload.
UBX_PAYLOAD_MAX = 16 + 32 * 255
UBX_OVERHEAD = 8
RTCM_OVERHEAD = 6

_HEADER = re.compile(rb"[$\xb5\xd3]")
_SENTENCE = re.compile(rb"\$[\x20-\x23\x25-\x7e]*")
_CHECKSUM = re.compile(rb"\*[0-9A-Fa-f]{2}")
_LINE_ENDS = b"\r\n"

_CRC24Q_POLYNOMIAL = 0x1864CFB  # RTCM 10403, CRC-24Q


class FrameKind(enum.Enum):
    """The three protocols that share a receiver's port."""

    NMEA = "nmea"
    UBX = "ubx"
    RTCM3 = "rtcm3"


class GnssFrame(msgspec.Struct, frozen=True, kw_only=True):
    """One whole frame with a good checksum; `data` is all of it, an NMEA sentence without its line end."""

    kind: FrameKind
    data: bytes


class FrameCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Counters since the start, with the meanings of `LinkStats`; line ends count neither as frame nor as skipped."""

    bytes: int
    frames: int
    bad_checksum: int
    without_checksum: int
    bytes_skipped: int


def fletcher(data: bytes) -> bytes:
    """The two bytes of the UBX checksum over class, id, length and payload."""
    sums = list(itertools.accumulate(data))
    return bytes((sums[-1] & 0xFF if sums else 0, sum(sums) & 0xFF))


def ubx_frame(class_and_id: bytes, payload: bytes) -> bytes:
    """A whole UBX frame around a payload."""
    body = class_and_id + len(payload).to_bytes(2, "little") + payload
    return b"\xb5\x62" + body + fletcher(body)


def exclusive_or(text: bytes) -> int:
    """The NMEA checksum over what stands between `$` and `*`."""
    return functools.reduce(operator.xor, text, 0)


def crc24q(data: bytes) -> int:
    """RTCM 3's CRC over header and payload, start value 0."""
    crc = 0
    for byte in data:
        crc = ((crc << 8) & 0xFFFFFF) ^ _CRC24Q[(crc >> 16) ^ byte]
    return crc


def _crc24q_entry(index: int) -> int:
    crc = index << 16
    for _ in range(8):
        crc <<= 1
        if crc & 0x1000000:
            crc ^= _CRC24Q_POLYNOMIAL
    return crc


_CRC24Q = tuple(_crc24q_entry(index) for index in range(256))


class GnssFramer:
    """
    Feed it chunks of any size; it returns the frames that they completed, in order.

    What it holds back never exceeds the longest frame, `UBX_PAYLOAD_MAX` + `UBX_OVERHEAD` bytes.
    """

    def __init__(self) -> None:
        self._pending = b""
        self._bytes = 0
        self._frames = 0
        self._bad_checksum = 0
        self._without_checksum = 0
        self._bytes_skipped = 0

    @property
    def counts(self) -> FrameCounts:
        """The counters as one snapshot."""
        return FrameCounts(
            bytes=self._bytes,
            frames=self._frames,
            bad_checksum=self._bad_checksum,
            without_checksum=self._without_checksum,
            bytes_skipped=self._bytes_skipped,
        )

    def feed(self, data: bytes) -> list[GnssFrame]:
        """The frames that `data` completes."""
        self._bytes += len(data)
        return self._split(self._pending + data, is_last=False)

    def finish(self) -> list[GnssFrame]:
        """The frames inside what was held back: no more bytes will come, so an unfinished frame was a false header."""
        return self._split(self._pending, is_last=True)

    def _split(self, buffer: bytes, *, is_last: bool) -> list[GnssFrame]:
        frames: list[GnssFrame] = []
        position = 0
        while (header := _HEADER.search(buffer, position)) is not None:
            self._skip(buffer[position : header.start()])
            position = header.start()
            found = self._frame_at(buffer, position)
            if found is None and not is_last:
                break
            if isinstance(found, GnssFrame):
                frames.append(found)
                self._frames += 1
                position += len(found.data)
            else:
                length = 1 if found is None else found
                self._skip(buffer[position : position + length])
                position += length
        else:
            self._skip(buffer[position:])
            position = len(buffer)
        self._pending = buffer[position:]
        return frames

    def _skip(self, noise: bytes) -> None:
        if noise:
            self._bytes_skipped += len(noise.translate(None, _LINE_ENDS))

    def _frame_at(self, buffer: bytes, start: int) -> GnssFrame | int | None:
        """The frame that begins at `start`; how many bytes to skip when none does; None when more bytes must decide."""
        if buffer[start] == 0x24:
            return self._sentence_at(buffer, start)
        if buffer[start] == 0xB5:
            return self._ubx_at(buffer, start)
        return self._rtcm_at(buffer, start)

    def _sentence_at(self, buffer: bytes, start: int) -> GnssFrame | int | None:
        match = _SENTENCE.match(buffer, start, start + NMEA_BYTES_MAX)
        assert match is not None
        end = match.end()
        if end - start >= NMEA_BYTES_MAX:
            return 1
        if end == len(buffer):
            return None
        if buffer[end] not in _LINE_ENDS:
            return 1
        # The text holds neither a `$` nor a byte above 126, so no frame can begin inside it: it goes as a whole.
        sentence = match.group()
        if _CHECKSUM.fullmatch(sentence, len(sentence) - 3) is None:
            self._without_checksum += 1
            return len(sentence)
        if exclusive_or(sentence[1:-3]) != int(sentence[-2:], 16):
            self._bad_checksum += 1
            return len(sentence)
        return GnssFrame(kind=FrameKind.NMEA, data=sentence)

    def _ubx_at(self, buffer: bytes, start: int) -> GnssFrame | int | None:
        available = len(buffer) - start
        if available >= 2 and buffer[start + 1] != 0x62:
            return 1
        if available < UBX_OVERHEAD - 2:
            return None
        payload = int.from_bytes(buffer[start + 4 : start + 6], "little")
        if payload > UBX_PAYLOAD_MAX:
            return 1
        if available < payload + UBX_OVERHEAD:
            return None
        frame = buffer[start : start + payload + UBX_OVERHEAD]
        if fletcher(frame[2:-2]) != frame[-2:]:
            self._bad_checksum += 1
            return 1
        return GnssFrame(kind=FrameKind.UBX, data=frame)

    def _rtcm_at(self, buffer: bytes, start: int) -> GnssFrame | int | None:
        available = len(buffer) - start
        if available >= 2 and buffer[start + 1] & 0xFC:
            return 1
        if available < 3:
            return None
        payload = int.from_bytes(buffer[start + 1 : start + 3], "big")
        if available < payload + RTCM_OVERHEAD:
            return None
        frame = buffer[start : start + payload + RTCM_OVERHEAD]
        if crc24q(frame[:-3]) != int.from_bytes(frame[-3:], "big"):
            self._bad_checksum += 1
            return 1
        return GnssFrame(kind=FrameKind.RTCM3, data=frame)
