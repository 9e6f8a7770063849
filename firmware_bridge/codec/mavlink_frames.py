"""
MAVLink frames cut from a stream of bytes, as mavlink.io, "Packet Serialization", lays them out. No message is known.

A frame with an unknown id cannot be checked, so it is no frame: like after any false header, one byte is skipped.
"""

import re
from collections.abc import Callable, Mapping

MARKER_1 = 0xFE
MARKER_2 = 0xFD
HEADER_BYTES_1 = 6
HEADER_BYTES_2 = 10
CRC_BYTES = 2
SIGNED_FLAG = 0x01
SIGNATURE_BYTES = 13
# The longest frame: a signed MAVLink 2 message with 255 bytes of payload. What is held back stays below it.
FRAME_BYTES_MAX = HEADER_BYTES_2 + 255 + CRC_BYTES + SIGNATURE_BYTES

_MARKER = re.compile(rb"[\xfd\xfe]")


class MavlinkFramer:
    """
    Whole frames of one link's stream with a good checksum, and the counts of everything else.

    seeds    : CRC_EXTRA by message id; a frame of any other id is none
    crc      : the checksum of a frame without its marker, followed by its seed
    is_taken : asked of each frame with a good checksum; where it is not, one byte is skipped, as after a false header
    """

    def __init__(
        self,
        seeds: Mapping[int, int],
        crc: Callable[[bytes], int],
        is_taken: Callable[[bytes], bool] = lambda _: True,
    ) -> None:
        self._seeds = seeds
        self._crc = crc
        self._is_taken = is_taken
        self._pending = b""
        self.bytes = 0
        self.frames = 0
        self.bad_checksum = 0
        self.bytes_skipped = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that `data` completes."""
        self.bytes += len(data)
        return self._split(self._pending + data, is_last=False)

    def finish(self) -> list[bytes]:
        """The frames inside what was held back: no more bytes will come, so an unfinished frame was a false header."""
        return self._split(self._pending, is_last=True)

    def _split(self, buffer: bytes, *, is_last: bool) -> list[bytes]:
        frames: list[bytes] = []
        position = 0
        while (marker := _MARKER.search(buffer, position)) is not None:
            start = marker.start()
            self.bytes_skipped += start - position
            position = start
            length = self._frame_length(buffer, start)
            if length is None and not is_last:
                break
            if length and self._is_taken(frame := buffer[start : start + length]):
                frames.append(frame)
                position += length
            else:
                self.bytes_skipped += 1
                position += 1
        else:
            self.bytes_skipped += len(buffer) - position
            position = len(buffer)
        self.frames += len(frames)
        self._pending = buffer[position:]
        return frames

    def _frame_length(self, buffer: bytes, start: int) -> int | None:
        """The length of the good frame at `start`; 0 when none begins there; None when more bytes must decide."""
        header = HEADER_BYTES_1 if buffer[start] == MARKER_1 else HEADER_BYTES_2
        if len(buffer) < start + header:
            return None
        flags = buffer[start + 2] if header == HEADER_BYTES_2 else 0
        seed = self._seeds.get(message_id(buffer, start))
        # An unknown flag may change the layout: such a frame must be refused (mavlink.io, "Incompatibility flags").
        if seed is None or flags & ~SIGNED_FLAG:
            return 0
        end = start + header + buffer[start + 1]
        length = end + CRC_BYTES + (SIGNATURE_BYTES if flags else 0) - start
        if len(buffer) < start + length:
            return None
        crc = self._crc(buffer[start + 1 : end] + bytes((seed,)))
        if crc != int.from_bytes(buffer[end : end + CRC_BYTES], "little"):
            self.bad_checksum += 1
            return 0
        return length


def message_id(buffer: bytes, start: int) -> int:
    """The id in the whole header at `start`: one byte in MAVLink 1, three in MAVLink 2."""
    if buffer[start] == MARKER_1:
        return buffer[start + 5]
    return int.from_bytes(buffer[start + 7 : start + 10], "little")
