"""
The capture format: recorded bytes of several ports, stamped, with the configuration of the machine (`docs/CAPTURE.md`).
"""

import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Literal

import msgspec

from controller.config import parse_config
from controller.core.site import Identifier, Section
from controller.toml_records import decode_toml
from firmware_bridge.errors import CaptureError

CAPTURE_NAME = "capture.toml"
CONFIG_NAME = "config.toml"
CHUNK_BYTES_MAX = 65_536  # one read of a port; longer is damage, not data
_HEADER = struct.Struct("<qI")

StampedChunk = tuple[int, bytes]


class Stream(Section, frozen=True, kw_only=True):
    """One recorded port. `date_known`: whether UTC stamps carry a true date; without one they lie on 1970-01-01."""

    name: Identifier
    timebase: Literal["host", "utc"]
    date_known: bool = True


class CaptureHead(Section, frozen=True, kw_only=True):
    """`capture.toml`. `origin`: whether instruments or a simulator made the bytes."""

    format: Literal[1]
    name: str
    description: str
    origin: Literal["live", "simulated"]
    stream: tuple[Stream, ...]


class Capture:
    """An opened capture; `damage` lists in sentences what could not be read."""

    def __init__(
        self, head: CaptureHead, config_path: Path, config_text: str, streams: dict[str, list[StampedChunk]]
    ) -> None:
        self.name = head.name
        self.origin = head.origin
        self.streams = head.stream
        self.config_path = config_path
        self.config_text = config_text
        self.damage: list[str] = []
        self._chunks = streams

    @classmethod
    def open(cls, directory: Path) -> "Capture":
        """Read a capture directory; raises `CaptureError` or `ConfigError` with what is wrong and where."""
        path = directory / CAPTURE_NAME
        head = decode_toml(_read_text(path), CaptureHead, str(path))
        config_path = directory / CONFIG_NAME
        config_text = _read_text(config_path)
        config = parse_config(config_text, str(config_path))
        timebases = {link.name: link.timebase for link in config.link}
        damage: list[str] = []
        streams = {}
        for stream in head.stream:
            if timebases.get(stream.name) != stream.timebase:
                raise CaptureError(
                    f"{path}: stream {stream.name!r} with timebase {stream.timebase!r} needs a [[link]] of that name "
                    f"and timebase in {CONFIG_NAME}"
                )
            streams[stream.name] = _read_chunks(directory / f"{stream.name}.chunks", damage)
        _check_overlap(path, streams)
        capture = cls(head, config_path, config_text, streams)
        capture.damage += damage
        return capture

    def chunks(self) -> Iterator[tuple[int, str, bytes]]:
        """(stamp_ns, stream, bytes) in order of the stamps; equal stamps in the order of the streams."""
        merged = [
            (stamp_ns, order, position, name, payload)
            for order, (name, chunks) in enumerate(self._chunks.items())
            for position, (stamp_ns, payload) in enumerate(chunks)
        ]
        for stamp_ns, _, _, name, payload in sorted(merged, key=lambda entry: entry[:3]):
            yield stamp_ns, name, payload


def write_capture(directory: Path, head: CaptureHead, config_text: str, streams: dict[str, list[StampedChunk]]) -> None:
    """Write a capture into a new directory; raises `CaptureError` where it cannot be written."""
    try:
        directory.mkdir(parents=True)
        (directory / CAPTURE_NAME).write_bytes(_toml(head))
        (directory / CONFIG_NAME).write_text(config_text, encoding="utf-8")
        for name, chunks in streams.items():
            with (directory / f"{name}.chunks").open("wb") as file:
                for stamp_ns, payload in chunks:
                    assert len(payload) <= CHUNK_BYTES_MAX, "a chunk is one read of a port"
                    file.write(_HEADER.pack(stamp_ns, len(payload)) + payload)
    except OSError as error:
        raise CaptureError(f"{directory}: cannot be written: {error.strerror}") from error


def _toml(head: CaptureHead) -> bytes:
    """`capture.toml` by hand: five keys and the streams; JSON strings are TOML strings."""
    fields = msgspec.to_builtins(head)
    streams = fields.pop("stream")
    lines = [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in fields.items()]
    for stream in streams:
        lines += ["", "[[stream]]"]
        lines += [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in stream.items()]
    return ("\n".join(lines) + "\n").encode()


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CaptureError(f"{path}: cannot be read: {error}") from error


def _read_chunks(path: Path, damage: list[str]) -> list[StampedChunk]:
    """All whole chunks of a stream file; what follows the first damage is left out and said."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CaptureError(f"{path}: cannot be read: {error.strerror}") from error
    chunks: list[StampedChunk] = []
    at = 0
    while at < len(content):
        if at + _HEADER.size > len(content):
            damage.append(f"{path.name}: cut within a chunk's header at byte {at}; {len(chunks)} chunks are read")
            break
        stamp_ns, length = _HEADER.unpack_from(content, at)
        if length > CHUNK_BYTES_MAX or stamp_ns < 0:
            damage.append(f"{path.name}: no chunk at byte {at} (length {length}); {len(chunks)} chunks are read")
            break
        if at + _HEADER.size + length > len(content):
            damage.append(f"{path.name}: cut within a chunk at byte {at}; {len(chunks)} chunks are read")
            break
        chunks.append((stamp_ns, content[at + _HEADER.size : at + _HEADER.size + length]))
        at += _HEADER.size + length
    backwards = sum(later[0] < earlier[0] for earlier, later in pairwise(chunks))
    if backwards:
        damage.append(f"{path.name}: {backwards} stamps go backwards; the chunks are put in order")
    return chunks


def _check_overlap(path: Path, streams: dict[str, list[StampedChunk]]) -> None:
    spans = {}
    for name, chunks in streams.items():
        if not chunks:
            raise CaptureError(f"{path}: stream {name!r} holds no whole chunk")
        stamps = [stamp_ns for stamp_ns, _ in chunks]
        spans[name] = (min(stamps) / 1e9, max(stamps) / 1e9)
    if not spans:
        raise CaptureError(f"{path}: names no stream")
    latest = max(spans, key=lambda name: spans[name][0])
    earliest = min(spans, key=lambda name: spans[name][1])
    if spans[latest][0] > spans[earliest][1]:
        raise CaptureError(
            f"{path}: streams do not overlap in time: {earliest!r} runs from {spans[earliest][0]:.3f} s to "
            f"{spans[earliest][1]:.3f} s, {latest!r} from {spans[latest][0]:.3f} s to {spans[latest][1]:.3f} s"
        )
