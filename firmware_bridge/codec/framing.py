"""
COBS frames with CRC-32: what every message of the head protocol travels in.

A frame is COBS(payload + CRC-32 of the payload, little-endian) followed by one zero byte (`docs/PROTOCOL.md`).
COBS: S. Cheshire, M. Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM ToN 7(2), 1999. CRC-32: as zlib's.
"""

import zlib

from cobs import cobs

PAYLOAD_BYTES_MAX = 4_096  # a dictionary of 64 channels with long names takes about 3 kB
FRAME_BYTES_MAX = PAYLOAD_BYTES_MAX + 4 + (PAYLOAD_BYTES_MAX + 4) // 254 + 1  # CRC and COBS overhead
CRC_BYTES = 4


def encode_frame(payload: bytes) -> bytes:
    """One frame, ended by its zero byte."""
    assert len(payload) <= PAYLOAD_BYTES_MAX, "the payload does not fit a frame"
    return bytes(cobs.encode(payload + zlib.crc32(payload).to_bytes(CRC_BYTES, "little"))) + b"\x00"


class FrameSplitter:
    """Finds frames in a stream. Whatever lies between two zero bytes is one frame or none."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._is_skipping = False
        self.frames = 0
        self.bad_checksum = 0
        self.bytes_skipped = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Payloads of the frames that these bytes complete."""
        payloads = []
        *complete, rest = data.split(b"\x00")
        for piece in complete:
            self._take(piece)
            payload = self._finish()
            if payload is not None:
                payloads.append(payload)
        self._take(rest)
        return payloads

    def _take(self, piece: bytes) -> None:
        """Collect up to the largest frame; beyond it, count and drop until the next zero byte."""
        if not self._is_skipping:
            self._buffer += piece
            if len(self._buffer) <= FRAME_BYTES_MAX:
                return
            self.bytes_skipped += len(self._buffer)
            self._buffer.clear()
            self._is_skipping = True
        else:
            self.bytes_skipped += len(piece)

    def _finish(self) -> bytes | None:
        frame = bytes(self._buffer)
        self._buffer.clear()
        if self._is_skipping:
            self._is_skipping = False
            return None
        if not frame:
            return None
        try:
            content = bytes(cobs.decode(frame))
        except cobs.DecodeError:
            content = b""
        payload, checksum = content[:-CRC_BYTES], content[-CRC_BYTES:]
        if len(content) <= CRC_BYTES or zlib.crc32(payload).to_bytes(CRC_BYTES, "little") != checksum:
            self.bad_checksum += 1
            self.bytes_skipped += len(frame)
            return None
        self.frames += 1
        return payload
