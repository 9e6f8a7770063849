"""
HTTP/1.1 chunked transfer coding, reading side (RFC 9112, section 7.1), for streams that never end.

Content is handed on as it comes, so a chunk's size costs no memory; only its size line is held back, and bounded.
"""

import enum
import re

# Sizes have one to three digits in practice; chunk extensions are allowed and meant for nobody here.
SIZE_LINE_BYTES_MAX = 256
# The trailer after the last chunk repeats headers, if there is one at all.
TRAILER_BYTES_MAX = 4_096

_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(;.*)?")


class _State(enum.Enum):
    SIZE = enum.auto()
    CONTENT = enum.auto()
    CONTENT_END = enum.auto()
    TRAILER = enum.auto()
    COMPLETE = enum.auto()
    DAMAGED = enum.auto()


class ChunkedBody:
    """Feed it what follows the header; it returns the content, and says when the body has ended or is damaged."""

    def __init__(self) -> None:
        self._state = _State.SIZE
        self._line = b""
        self._remaining = 0
        self._trailer_bytes = 0

    @property
    def is_complete(self) -> bool:
        """True once the last chunk and its trailer were read; what follows is not the body's."""
        return self._state is _State.COMPLETE

    @property
    def is_damaged(self) -> bool:
        """True once something that is no chunk was met; nothing more can be read."""
        return self._state is _State.DAMAGED

    def feed(self, data: bytes) -> bytes:
        """The content that `data` completes."""
        content = []
        position = 0
        while position < len(data) and self._state not in (_State.COMPLETE, _State.DAMAGED):
            if self._state is _State.CONTENT:
                piece = data[position : position + self._remaining]
                content.append(piece)
                position += len(piece)
                self._remaining -= len(piece)
                if self._remaining == 0:
                    self._state = _State.CONTENT_END
            else:
                position = self._read_line(data, position)
        return b"".join(content)

    def _read_line(self, data: bytes, position: int) -> int:
        """Takes bytes up to and with the next LF and returns where it stopped."""
        end = data.find(b"\n", position)
        stop = len(data) if end < 0 else end + 1
        self._line += data[position:stop][: SIZE_LINE_BYTES_MAX + 1 - len(self._line)]
        if len(self._line) > SIZE_LINE_BYTES_MAX and self._state is not _State.TRAILER:
            self._state = _State.DAMAGED
        self._trailer_bytes += stop - position if self._state is _State.TRAILER else 0
        if self._trailer_bytes > TRAILER_BYTES_MAX:
            self._state = _State.DAMAGED
        if end >= 0 and self._state is not _State.DAMAGED:
            line, self._line = self._line.rstrip(b"\r\n"), b""
            self._state = self._after_line(line)
        return stop

    def _after_line(self, line: bytes) -> _State:
        if self._state is _State.CONTENT_END:
            return _State.DAMAGED if line else _State.SIZE
        if self._state is _State.TRAILER:
            return _State.TRAILER if line else _State.COMPLETE
        match = _SIZE.fullmatch(line)
        if match is None:
            return _State.DAMAGED
        self._remaining = int(match.group(1), 16)
        return _State.CONTENT if self._remaining else _State.TRAILER
