"""
The logged inputs of a session as MCAP: every turn of the loop, in order, readable after a cut at any byte.

One channel, `inputs`, whose messages are `RawInputs` as msgpack arrays; log time is the turn's monotonic time. Each
second's turns are one compressed chunk with a CRC of its own, and the data section has a CRC at a proper end, so that
`mcap` tools can read the file in stream order. What the ledger anchors is the running SHA-256 over all messages.
MCAP: https://mcap.dev/spec, version 0.
"""

import hashlib
import io
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec
from mcap.data_stream import RecordBuilder
from mcap.exceptions import McapError
from mcap.records import Channel, Chunk, DataEnd, Footer, Header, Message, Schema
from mcap.stream_reader import StreamReader

from controller.core.inputs import RawInputs
from controller.store.compression import compress, decompress
from firmware_bridge.errors import StoreError

FILE_NAME = "raw-0001.mcap"
MAGIC = b"\x89MCAP0\r\n"
CHUNK_BYTES_MAX = 4_194_304  # a second of the reference load is 16 kB; a burst of everything stays far below this
RECORD_BYTES_MAX = 2 * CHUNK_BYTES_MAX


class RawAnchor(msgspec.Struct, frozen=True, kw_only=True):
    """How much was logged by now: turns, and the digest over all of them."""

    inputs: int
    sha256: str


class InputDigest:
    """Running SHA-256 over logged messages: length as u32 little-endian, then the bytes."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._count = 0

    def add(self, message: bytes) -> None:
        """The next message."""
        self._hash.update(struct.pack("<I", len(message)))
        self._hash.update(message)
        self._count += 1

    @property
    def anchor(self) -> RawAnchor:
        """What was added so far."""
        return RawAnchor(inputs=self._count, sha256=self._hash.hexdigest())


def encode_inputs(raw: RawInputs) -> bytes:
    """One turn as it is logged."""
    return msgspec.msgpack.encode(raw)


class RawLogWriter:
    """Appends turns to a new raw log in a session directory; one writer."""

    def __init__(self, directory: Path, *, is_durable: bool = True) -> None:
        path = directory / FILE_NAME
        try:
            self._file = path.open("xb", buffering=0)
        except OSError as error:
            raise StoreError(f"{path}: cannot be created: {error.strerror}") from error
        self._path = path
        self._is_durable = is_durable
        self._crc = 0
        self._size = 0
        self._chunk = RecordBuilder()
        self._finished: list[bytes] = []
        self._first_ns = self._last_ns = 0
        self._sequence = 0
        start = RecordBuilder()
        Header(profile="firmground", library="firmground").write(start)
        Schema(id=1, name="firmground.RawInputs", encoding="", data=b"").write(start)
        Channel(id=1, topic="inputs", message_encoding="msgpack", metadata={}, schema_id=1).write(start)
        self._finished.append(MAGIC + _built(start))

    def append(self, now_ns: int, message: bytes) -> None:
        """Log one encoded turn, in memory until the next `sync`."""
        if self._chunk.count == 0:
            self._first_ns = now_ns
        self._last_ns = now_ns
        Message(
            channel_id=1, log_time=now_ns, data=message, publish_time=now_ns, sequence=self._sequence % 2**32
        ).write(self._chunk)
        self._sequence += 1
        if self._chunk.count >= CHUNK_BYTES_MAX // 2:
            self._finish_chunk()

    def sync(self) -> None:
        """
        Everything appended so far is in the file, and on the disk where the log is durable.

        Raises `StoreError` where the disk refuses; then nothing is lost, and `sync` may be called again.
        """
        self._finish_chunk()
        try:
            while self._finished:
                self._write(self._finished[0])
                del self._finished[0]
            if self._is_durable:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """End the file properly."""
        self.sync()
        end = RecordBuilder()
        DataEnd(data_section_crc=self._crc).write(end)
        Footer(summary_start=0, summary_offset_start=0, summary_crc=0).write(end)
        self._finished.append(_built(end) + MAGIC)
        self.sync()
        self._file.close()

    def _finish_chunk(self) -> None:
        content = _built(self._chunk)
        if not content:
            return
        record = RecordBuilder()
        Chunk(
            compression="zstd",
            data=compress(content),
            message_start_time=self._first_ns,
            message_end_time=self._last_ns,
            uncompressed_crc=zlib.crc32(content),
            uncompressed_size=len(content),
        ).write(record)
        self._finished.append(_built(record))

    def _write(self, content: bytes) -> None:
        """All of it or, where the disk refuses, nothing; raises OSError."""
        written = 0
        try:
            while written < len(content):
                written += self._file.write(content[written:])
        except OSError:
            self._file.truncate(self._size)
            self._file.seek(self._size)
            raise
        self._size += written
        self._crc = zlib.crc32(content, self._crc)


class _BoundedFile(io.BytesIO):
    """A file that refuses to read more than it has: a damaged length must not become an allocation."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        super().__init__()
        self._file = file
        self._left = size

    def read(self, size: int | None = -1) -> bytes:
        """Exactly `size` bytes; raises `StoreError` where the file ends before."""
        if size is None or not 0 <= size <= self._left:
            raise StoreError(f"it ends {self._left} bytes on, where {size} were to follow")
        self._left -= size
        return self._file.read(size)


def _built(builder: RecordBuilder) -> bytes:
    """What a builder holds, which it then forgets."""
    content: bytes = builder.end()  # type: ignore[no-untyped-call]
    return content


class RawLogReader:
    """
    Reads a raw log from its beginning to its end, to a cut, or to damage.

    After `messages` is exhausted, `damage` says in words why it ended early; None for a log that was closed in order.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self.damage: str | None = None

    def messages(self) -> Iterator[bytes]:
        """The logged messages in order; raises `StoreError` where there is no raw log."""
        try:
            file = self._path.open("rb")
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be read: {error.strerror}") from error
        with file:
            bounded = _BoundedFile(file, self._path.stat().st_size)
            reader = StreamReader(bounded, emit_chunks=True, validate_crcs=True, record_size_limit=RECORD_BYTES_MAX)
            count = 0
            try:
                for record in reader.records:
                    if isinstance(record, Chunk):
                        for message in _messages_of(record, count):
                            count += 1
                            yield message
            except (McapError, StoreError, ValueError, struct.error) as error:
                what = "it ends early" if not str(error) else str(error)
                self.damage = f"{self._path.name}: readable up to turn {count}, byte {file.tell()}: {what}"

    def inputs(self) -> Iterator[tuple[bytes, RawInputs]]:
        """The logged turns, encoded and decoded; a message that is none ends the log as damage."""
        for count, message in enumerate(self.messages()):
            try:
                raw = msgspec.msgpack.decode(message, type=RawInputs)
            except (UnicodeDecodeError, msgspec.DecodeError) as error:
                self.damage = f"{self._path.name}: turn {count + 1} is not a logged input: {error}"
                return
            yield message, raw


def _messages_of(chunk: Chunk, first: int) -> Iterator[bytes]:
    """
    A chunk's messages; raises `StoreError` or ValueError where its content is not what its CRC says, or where its
    first message is not number `first`: a chunk before it was not recognised as one.
    """
    content = decompress(chunk.data, CHUNK_BYTES_MAX)
    if zlib.crc32(content) != chunk.uncompressed_crc:
        raise StoreError("a chunk's CRC does not fit its content")
    at = 0
    while at < len(content):
        _, length, _, sequence = struct.unpack_from("<BQHI", content, at)
        if sequence != first % 2**32:
            raise StoreError(f"turn {first} is missing; the next is {sequence}")
        first += 1
        yield content[at + 9 + 22 : at + 9 + length]
        at += 9 + length
