"""
A configurable line of separated columns: plain-text instruments without code of their own.

Lines end with LF; a CR before it is dropped. Each good line becomes one sample. Decode and encode stand side by side.
"""

import math
from typing import Literal

import msgspec
import numpy as np

from firmware_bridge.records import LinkStats, Record, SampleBlock

LINE_BYTES_MAX = 4_096  # ten times the longest line of the instruments known here
_UNIT_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000}


class LineChannel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    One channel's column, counted from 0; value = number in the column * `scale`, in `unit`.

    invalid : texts, as they stand in the column, that mean "no reading"
    """

    name: str
    unit: str
    column: int
    scale: float = 1.0
    invalid: tuple[str, ...] = ()


class LineFormat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    How a line is laid out.

    columns          : columns of a good line; None takes any line that reaches the last column used
    sequence_column  : the instrument's own sample number; None counts lines, the unusable ones included
    device_time_column, device_time_unit : the instrument's clock, where it sends one
    comments         : lines that begin so are no samples
    """

    channels: tuple[LineChannel, ...]
    separator: str = ","
    columns: int | None = None
    sequence_column: int | None = None
    device_time_column: int | None = None
    device_time_unit: Literal["s", "ms", "us"] = "ms"
    comments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        used = [channel.column for channel in self.channels]
        used += [column for column in (self.sequence_column, self.device_time_column) if column is not None]
        if not self.channels:
            raise ValueError("a line needs at least one channel")
        if len(self.separator) != 1 or not self.separator.isascii() or self.separator in "\r\n+-.0123456789eE":
            raise ValueError(f"separator {self.separator!r}: must be one character that no number contains")
        if min(used) < 0 or len(set(used)) != len(used):
            raise ValueError("columns are counted from 0 and each may be used once")
        if self.columns is not None and max(used) >= self.columns:
            raise ValueError(f"column {max(used)} is used; a line has {self.columns} columns, counted from 0")
        if any(not math.isfinite(channel.scale) or channel.scale == 0.0 for channel in self.channels):
            raise ValueError("a channel's scale must be a finite number other than 0")

    @property
    def last_column(self) -> int:
        """The highest column that is read."""
        used = [channel.column for channel in self.channels]
        used += [column for column in (self.sequence_column, self.device_time_column) if column is not None]
        return max(used)


class LineDecoder:
    """Lines to samples, one block each."""

    def __init__(self, line_format: LineFormat) -> None:
        self._format = line_format
        self._buffer = bytearray()
        self._is_skipping = False
        self._lines_seen = 0
        self._bytes = self._frames = self._records = self._malformed = self._unknown = self._skipped = 0

    def feed(self, data: bytes) -> list[Record]:
        """Samples of the lines that these bytes complete."""
        self._bytes += len(data)
        *complete, rest = data.split(b"\n")
        records: list[Record] = []
        for piece in complete:
            self._take(piece)
            record = self._finish_line()
            if record is not None:
                records.append(record)
        self._take(rest)
        self._records += len(records)
        return records

    def finish(self) -> list[Record]:
        """The last line, where a recording ends without a line end."""
        record = self._finish_line() if self._buffer else None
        self._records += record is not None
        return [] if record is None else [record]

    @property
    def stats(self) -> LinkStats:
        """The link's counters; comment lines are `unknown`, lines without checksum never `bad_checksum`."""
        return LinkStats(
            bytes=self._bytes,
            frames=self._frames,
            records=self._records,
            bad_checksum=0,
            malformed=self._malformed,
            unknown=self._unknown,
            bytes_skipped=self._skipped,
        )

    def _take(self, piece: bytes) -> None:
        if self._is_skipping:
            self._skipped += len(piece)
            return
        self._buffer += piece
        if len(self._buffer) > LINE_BYTES_MAX:
            self._skipped += len(self._buffer)
            self._buffer.clear()
            self._is_skipping = True

    def _finish_line(self) -> SampleBlock | None:
        line = bytes(self._buffer).removesuffix(b"\r")
        self._buffer.clear()
        if self._is_skipping:
            self._is_skipping = False
            self._lines_seen += 1
            self._malformed += 1
            return None
        text = line.decode("ascii", errors="replace")
        if not text.strip():
            return None
        if text.startswith(self._format.comments):
            self._unknown += 1
            return None
        self._lines_seen += 1
        block = self._sample(text.split(self._format.separator))
        if block is None:
            self._malformed += 1
        else:
            self._frames += 1
        return block

    def _sample(self, fields: list[str]) -> SampleBlock | None:
        layout = self._format
        wrong_count = layout.columns is not None and len(fields) != layout.columns
        if wrong_count or len(fields) <= layout.last_column:
            return None
        sequence: int | None = self._lines_seen - 1
        if layout.sequence_column is not None:
            sequence = _whole(fields[layout.sequence_column])
        device_time_ns = None
        if layout.device_time_column is not None:
            device_time = _number(fields[layout.device_time_column])
            if math.isnan(device_time) or abs(device_time) * _UNIT_NS[layout.device_time_unit] >= 2**63:
                return None
            ticks = round(device_time * _UNIT_NS[layout.device_time_unit])
            device_time_ns = np.array([ticks], dtype=np.int64)
        if sequence is None:
            return None
        values = [self._value(channel, fields[channel.column]) for channel in layout.channels]
        return SampleBlock(
            dictionary_id=None,
            sequence=np.array([sequence], dtype=np.int64),
            device_time_ns=device_time_ns,
            values=np.array([values]),
            status=np.zeros(1, dtype=np.int64),
        )

    @staticmethod
    def _value(channel: LineChannel, field: str) -> float:
        return math.nan if field.strip() in channel.invalid else _number(field) * channel.scale


def encode_line(line_format: LineFormat, sequence: int, device_time_ns: int | None, values: list[float]) -> bytes:
    """One line for a simulated instrument: blank where there is no reading, columns nobody reads left empty."""
    fields = [""] * (line_format.columns or line_format.last_column + 1)
    if line_format.sequence_column is not None:
        fields[line_format.sequence_column] = str(sequence)
    if line_format.device_time_column is not None:
        assert device_time_ns is not None, "this format carries the device's time"
        fields[line_format.device_time_column] = repr(device_time_ns / _UNIT_NS[line_format.device_time_unit])
    for channel, value in zip(line_format.channels, values, strict=True):
        fields[channel.column] = "" if math.isnan(value) else repr(value / channel.scale)
    return line_format.separator.join(fields).encode() + b"\r\n"


def _number(field: str) -> float:
    """A finite decimal number, or NaN: what an instrument would not write is no reading."""
    text = field.strip()
    if not text or text.strip("+-.0123456789eE"):
        return math.nan
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _whole(field: str) -> int | None:
    text = field.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
