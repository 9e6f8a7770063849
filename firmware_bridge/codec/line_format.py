"""
How one line of a plain-text instrument is read: columns or a regular expression, to channels with units.

Everything here is checked when the configuration is loaded; a message begins with the key that is wrong.
"""

import math
from typing import Literal

import msgspec

from firmware_bridge.codec.line_pattern import LinePattern

LINE_BYTES_MAX = 4_096  # what `length_max` may be at most: ten times the longest line of the instruments known here
CHANNELS_MAX = 64  # as many as a head's dictionary may name

# What stands in a line: a column counted from 0, or the name of a group of `pattern`.
Column = int | str


class LineChannel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    One channel; its value is the number in the column * `scale` + `offset`, in `unit`.

    invalid : texts, as they stand in the column, that mean "no reading"
    """

    name: str
    unit: str
    column: Column
    scale: float = 1.0
    offset: float = 0.0
    invalid: tuple[str, ...] = ()


class LineRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What a column must say for channels to be valid; where it says anything else, or nothing, they have no reading.

    equals, not_equals : texts, compared without the blanks around them
    at_least, at_most  : bounds of the number as it stands in the column, both inclusive
    channels           : names of the channels that hang on it; empty: all

    A channel without a reading is out of spec, and raises no alarm: bounds must lie beyond every possible signal.
    """

    column: Column
    equals: tuple[str, ...] = ()
    not_equals: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    channels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        bounds = [bound for bound in (self.at_least, self.at_most) if bound is not None]
        if not (self.equals or self.not_equals or bounds):
            raise ValueError("a rule needs equals, not_equals, at_least or at_most")
        if any(not math.isfinite(bound) for bound in bounds) or bounds != sorted(bounds):
            raise ValueError("at_least and at_most must be finite numbers, at_least not above at_most")


class LineFormat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    How a line is laid out: in columns by `separator`, or, where that is not enough, by `pattern`.

    pattern          : a regular expression for the whole line, see `LinePattern`; its named groups are the columns
    columns          : columns of a good line; None takes any line that reaches the last column used
    length_max       : longest line in bytes without its end; longer ones are dropped and counted
    comments         : lines that begin so are no samples (status messages, replies); they are counted as unknown
    valid            : rules that all must hold, see `LineRule`
    sequence_column  : the instrument's own sample number; None counts lines, the unusable ones included
    sequence_step    : by how much it grows from one line to the next
    sequence_wrap    : how many values it has before it begins at 0 again; None where it never does
    device_time_column, device_time_unit : the instrument's clock, where it sends one; "hms" is `hh:mm:ss.sss`
                       (a line in which an optional group for counter or clock has no part goes without it)
    device_time_wrap : at how many units (seconds for "hms") the clock begins at 0 again; None where it never does
    """

    channels: tuple[LineChannel, ...] = ()
    separator: str = ","
    columns: int | None = None
    pattern: str | None = None
    length_max: int = 512
    comments: tuple[str, ...] = ()
    valid: tuple[LineRule, ...] = ()
    sequence_column: Column | None = None
    sequence_step: int = 1
    sequence_wrap: int | None = None
    device_time_column: Column | None = None
    device_time_unit: Literal["s", "ms", "us", "hms"] = "ms"
    device_time_wrap: int | None = None

    def __post_init__(self) -> None:
        check_format(self)

    @property
    def last_column(self) -> int:
        """The highest column that is read; -1 for a format with a pattern."""
        return max((column for column in columns_of(self) if isinstance(column, int)), default=-1)


def columns_of(layout: LineFormat) -> list[Column]:
    """Every column that is read, in the order of channels, counter, clock, rules; those of rules may repeat others."""
    named = (layout.sequence_column, layout.device_time_column)
    return [
        *(channel.column for channel in layout.channels),
        *(column for column in named if column is not None),
        *(rule.column for rule in layout.valid),
    ]


def check_format(layout: LineFormat) -> None:
    """Raise ValueError, beginning with the key, for a format that cannot be."""
    if not 1 <= len(layout.channels) <= CHANNELS_MAX:
        raise ValueError(f"channels: a line needs at least one channel, and at most {CHANNELS_MAX}")
    names = [channel.name for channel in layout.channels]
    if len(set(names)) != len(names):
        raise ValueError("channels: each channel needs a name of its own")
    for channel in layout.channels:
        if not math.isfinite(channel.scale) or channel.scale == 0.0 or not math.isfinite(channel.offset):
            raise ValueError(
                f"channels: {channel.name}: scale must be a finite number other than 0, offset a finite one"
            )
    if not 1 <= layout.length_max <= LINE_BYTES_MAX:
        raise ValueError(f"length_max: {layout.length_max} must be 1 to {LINE_BYTES_MAX} bytes")
    if any(not comment for comment in layout.comments):
        raise ValueError("comments: an empty text would make every line a comment")
    for rule in layout.valid:
        unknown = [name for name in rule.channels if name not in names]
        if unknown:
            raise ValueError(f"valid: there is no channel {unknown[0]!r}; there are {', '.join(names)}")
    _check_counters(layout)
    if layout.pattern is None:
        _check_columns(layout)
    else:
        _check_pattern(layout, layout.pattern)


def _check_counters(layout: LineFormat) -> None:
    wrap = layout.sequence_wrap
    if layout.sequence_step < 1 or (wrap is not None and wrap <= layout.sequence_step):
        raise ValueError("sequence_step: must be at least 1, and sequence_wrap greater than it")
    if layout.sequence_column is None and (wrap is not None or layout.sequence_step != 1):
        raise ValueError("sequence_column: is missing, but sequence_step or sequence_wrap is given")
    if layout.device_time_wrap is not None and layout.device_time_wrap < 1:
        raise ValueError("device_time_wrap: must be at least 1 unit")
    if layout.device_time_column is None and layout.device_time_wrap is not None:
        raise ValueError("device_time_column: is missing, but device_time_wrap is given")


def _check_columns(layout: LineFormat) -> None:
    separator = layout.separator
    if len(separator) != 1 or not separator.isascii() or separator in "\r\n+-.0123456789eE":
        raise ValueError(f"separator: {separator!r} must be one character that no number contains")
    used = columns_of(layout)
    numbers = [column for column in used if isinstance(column, int)]
    if len(numbers) != len(used):
        raise ValueError("column: must be a number counted from 0; names belong to the groups of a pattern")
    own = numbers[: len(numbers) - len(layout.valid)]
    if min(numbers) < 0 or len(set(own)) != len(own):
        raise ValueError("column: columns are counted from 0 and each may be used once")
    if max(numbers) >= LINE_BYTES_MAX:
        raise ValueError(f"column: {max(numbers)} is beyond the longest line of {LINE_BYTES_MAX} bytes")
    if layout.columns is not None and max(numbers) >= layout.columns:
        raise ValueError(f"columns: column {max(numbers)} is used; a line has {layout.columns}, counted from 0")


def _check_pattern(layout: LineFormat, pattern: str) -> None:
    if layout.columns is not None or layout.separator != ",":
        raise ValueError("pattern: separator and columns belong to lines without a pattern")
    try:
        groups = sorted(LinePattern(pattern).names)
    except ValueError as error:
        raise ValueError(f"pattern: {error}") from error
    for column in columns_of(layout):
        if column not in groups:
            known = ", ".join(groups) or "none"
            raise ValueError(f"column: {column!r} is no named group of the pattern; there are {known}")
