"""
Lines of plain-text instruments: each good line becomes one sample, as a `LineFormat` says.

Lines end with LF; a CR before it is dropped. Decode and encode stand side by side.

A value that is blank or no number is no reading: NaN, never 0, and its line is counted as malformed though the other
channels' values are used. A value that the format's own rules call invalid is no reading either; that is no fault of
the line and is not counted.
"""

import itertools
import math
import re
from decimal import Decimal

import numpy as np

from firmware_bridge.codec.line_format import Column, LineChannel, LineFormat, LineRule
from firmware_bridge.codec.line_pattern import LinePattern
from firmware_bridge.records import IntArray, LinkStats, Record, SampleBlock

_UNIT_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "hms": 1_000_000_000}
_NUMBER = re.compile(r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d{1,4})?", re.ASCII)  # possessive: linear time
_CLOCK = re.compile(r"(\d{1,2}):(\d{2}):(\d{2}(?:\.\d{1,9})?)", re.ASCII)
_NS_MAX = 2**62  # half of what an int64 holds, so that differences fit too
_NUMBER_MAX = 2**62  # the same for sample numbers: no instrument counts so far, damaged counters leap there


class LineDecoder:
    """Lines to samples, one block each. Holds back at most one line of `length_max` bytes."""

    def __init__(self, line_format: LineFormat) -> None:
        self._format = line_format
        self._pattern = None if line_format.pattern is None else LinePattern(line_format.pattern)
        self._rules = {
            channel.name: [rule for rule in line_format.valid if channel.name in (rule.channels or (channel.name,))]
            for channel in line_format.channels
        }
        self._buffer = bytearray()
        self._is_skipping = False
        self._sequence = _Sequence(line_format.sequence_step, line_format.sequence_wrap)
        self._clock = _Clock(line_format)
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
        """
        The link's counters. Comments are `unknown`; lines without checksum are never `bad_checksum`; `malformed` counts
        the lines that were refused and those that gave a sample with a value missing.
        """
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
        if len(self._buffer) > self._format.length_max + 1:  # the one is the CR
            self._skipped += len(self._buffer)
            self._buffer.clear()
            self._is_skipping = True

    def _finish_line(self) -> SampleBlock | None:
        wire_bytes = len(self._buffer) + 1
        line = bytes(self._buffer).removesuffix(b"\r")
        self._buffer.clear()
        if self._is_skipping:
            self._is_skipping = False
            self._refuse()
            return None
        text = line.decode("ascii", errors="replace")
        if not text.strip():
            return None
        if text.startswith(self._format.comments):
            self._unknown += 1
            return None
        fields = self._split(line, text)
        block = None if fields is None else self._sample(fields, wire_bytes)
        if block is None:
            self._refuse()
        else:
            self._frames += 1
        return block

    def _refuse(self) -> None:
        self._malformed += 1
        self._sequence.skip()

    def _split(self, line: bytes, text: str) -> dict[Column, str] | None:
        """
        The texts of the line's columns, by number or name; None where it is not laid out as the format says.

        A group that took no part in the match has no text.
        """
        if self._pattern is not None:
            return self._pattern.split(line)
        layout = self._format
        texts = text.split(layout.separator)
        if (layout.columns is not None and len(texts) != layout.columns) or len(texts) <= layout.last_column:
            return None
        return dict(enumerate(texts))

    def _sample(self, fields: dict[Column, str], wire_bytes: int) -> SampleBlock | None:
        layout = self._format
        counter = None
        if layout.sequence_column is not None and layout.sequence_column in fields:
            counter = _whole(fields[layout.sequence_column])
            if counter is None or (layout.sequence_wrap is not None and counter >= layout.sequence_wrap):
                return None
        device_time_ns: IntArray | None = None
        if layout.device_time_column is not None and layout.device_time_column in fields:
            time_ns = self._clock.read(fields[layout.device_time_column])
            if time_ns is None:
                return None
            device_time_ns = np.array([time_ns], dtype=np.int64)
        values = [self._value(channel, fields) for channel in layout.channels]
        self._malformed += any(value is None for value in values)
        return SampleBlock(
            dictionary_id=None,
            sequence=np.array([self._sequence.take(counter)], dtype=np.int64),
            device_time_ns=device_time_ns,
            values=np.array([[math.nan if value is None else value for value in values]]),
            status=np.zeros(1, dtype=np.int64),
            wire_bytes=wire_bytes,
        )

    def _value(self, channel: LineChannel, fields: dict[Column, str]) -> float | None:
        """The channel's value; NaN where the instrument says that it has none, None where that cannot be read."""
        text = fields.get(channel.column, "").strip()
        if text in channel.invalid or not all(_holds(rule, fields) for rule in self._rules[channel.name]):
            return math.nan
        number = _number(text)
        value = None if number is None else number * channel.scale + channel.offset
        return value if value is not None and math.isfinite(value) else None


class _Sequence:
    """Sample numbers: the instrument's own where it sends one, else a count of lines. A step of 1 means no gap."""

    def __init__(self, step: int, wrap: int | None) -> None:
        self._step = step
        self._wrap = wrap
        self._counter: int | None = None
        self._number = -1

    def take(self, counter: int | None) -> int:
        """The number of a good line."""
        last, self._counter = self._counter, counter
        if counter is None:
            self._number += 1
        elif last is None or (self._wrap is None and self._step == 1):
            self._number = counter
        else:
            steps = counter - last if self._wrap is None else (counter - last) % self._wrap
            # Whatever is not exactly one step on is a gap: two or more.
            self._number += 1 if steps == self._step else max(2, steps // self._step)
        if self._number >= _NUMBER_MAX:
            self._number = 0  # begins anew, as an instrument that was switched off and on does
        return self._number

    def skip(self) -> None:
        """A line was refused; the instrument's own counter shows it by itself."""
        if self._counter is None:
            self._number += 1


class _Clock:
    """The instrument's clock in nanoseconds, carried on over its wraps."""

    def __init__(self, layout: LineFormat) -> None:
        self._unit = layout.device_time_unit
        self._unit_ns = _UNIT_NS[layout.device_time_unit]
        self._wrap_ns = None if layout.device_time_wrap is None else layout.device_time_wrap * self._unit_ns
        self._last_ns: int | None = None
        self._carried_ns = 0

    def read(self, text: str) -> int | None:
        """The time that a column says; None where it says none."""
        ticks_ns = self._ticks_ns(text.strip())
        if ticks_ns is None or self._wrap_ns is None:
            return ticks_ns
        if not 0 <= ticks_ns < self._wrap_ns:
            return None
        # The shorter way round is taken, so that a line that comes late is not a whole turn ahead.
        since_ns = 0 if self._last_ns is None else (ticks_ns - self._last_ns) % self._wrap_ns
        if 2 * since_ns > self._wrap_ns:
            since_ns -= self._wrap_ns
        carried_ns = ticks_ns if self._last_ns is None else self._carried_ns + since_ns
        if abs(carried_ns) >= _NS_MAX:
            return None
        self._last_ns, self._carried_ns = ticks_ns, carried_ns
        return carried_ns

    def _ticks_ns(self, text: str) -> int | None:
        if self._unit == "hms":
            match = _CLOCK.fullmatch(text)
            if match is None:
                return None
            hours, minutes, seconds = int(match[1]), int(match[2]), Decimal(match[3])
            is_time = hours < 24 and minutes < 60 and seconds < 61  # 60 is a leap second
            return (hours * 3600 + minutes * 60) * self._unit_ns + int(seconds * self._unit_ns) if is_time else None
        number = _number(text)
        if number is None or abs(number) * self._unit_ns >= _NS_MAX:
            return None
        # A float would round milliseconds since 1970 to 256 ns.
        return round(Decimal(text) * self._unit_ns)


def encode_line(line_format: LineFormat, sequence: int, device_time_ns: int | None, values: list[float]) -> bytes:
    """
    One line in columns for a simulated instrument: blank where there is no reading, columns nobody reads left empty.

    A format with a pattern has no inverse; those that are built in have encoders of their own in `instruments`.
    """
    assert line_format.pattern is None, "a pattern says how to read a line, not how to write it"
    fields = [""] * (line_format.columns or line_format.last_column + 1)
    for rule in line_format.valid:
        fields[_index(rule.column)] = _text_that_holds(rule)
    if line_format.sequence_column is not None:
        counter = sequence * line_format.sequence_step
        wrap = line_format.sequence_wrap
        fields[_index(line_format.sequence_column)] = str(counter if wrap is None else counter % wrap)
    if line_format.device_time_column is not None:
        assert device_time_ns is not None, "this format carries the device's time"
        fields[_index(line_format.device_time_column)] = _time_text(line_format, device_time_ns)
    for channel, value in zip(line_format.channels, values, strict=True):
        text = "" if math.isnan(value) else repr((value - channel.offset) / channel.scale)
        fields[_index(channel.column)] = text
    return line_format.separator.join(fields).encode() + b"\r\n"


def _time_text(line_format: LineFormat, device_time_ns: int) -> str:
    unit_ns = _UNIT_NS[line_format.device_time_unit]
    wrap = line_format.device_time_wrap
    ticks_ns = device_time_ns if wrap is None else device_time_ns % (wrap * unit_ns)
    if line_format.device_time_unit != "hms":
        return format(Decimal(ticks_ns) / unit_ns, "f")
    seconds, rest_ns = divmod(ticks_ns % (86_400 * unit_ns), unit_ns)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest_ns:09d}"


def _index(column: Column) -> int:
    assert isinstance(column, int), "lines in columns have numbered columns"
    return column


def _text_that_holds(rule: LineRule) -> str:
    if rule.equals:
        return rule.equals[0]
    bound = rule.at_least if rule.at_least is not None else rule.at_most
    return (
        repr(bound)
        if bound is not None
        else next(text for text in map(str, itertools.count()) if text not in rule.not_equals)
    )


def _holds(rule: LineRule, fields: dict[Column, str]) -> bool:
    """Whether a column says what the rule wants; a column that says nothing does not."""
    text = fields.get(rule.column, "").strip()
    if not text or (rule.equals and text not in rule.equals) or text in rule.not_equals:
        return False
    if rule.at_least is None and rule.at_most is None:
        return True
    number = _number(text)
    if number is None:
        return False
    return (rule.at_least is None or number >= rule.at_least) and (rule.at_most is None or number <= rule.at_most)


def _number(text: str) -> float | None:
    """A finite decimal number; None for anything that an instrument would not write."""
    if _NUMBER.fullmatch(text) is None:
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def _whole(text: str) -> int | None:
    stripped = text.strip()
    return int(stripped) if stripped.isascii() and stripped.isdigit() and len(stripped) < 19 else None
