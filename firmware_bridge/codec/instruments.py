"""
Instruments whose lines are publicly documented, by name: how each is read, and an encoder for a simulated one.

    g823       Geometrics G-823 and G-882 counters, alone or in a daisy chain (`counters`)
    qtfm1      QuSpin QTFM, first generation
    qtfm2      QuSpin QTFM, second generation
    fga        FG Sensors FGA Logger, one or two three-axis fluxgates
    two-coil   the two-coil Arduino detector of the HRATC robot competition

**What was not built in, and why.** The receiver inside the FGA prints positions without an epoch or an accuracy: they
cannot place evidence and are not read. Signal and sensitivity levels are not channels, since a head's channels raise
alarms; rules (`valid`) may refer to them. Only what an instrument itself marks as invalid, and readings of exactly
zero, count as no reading: a bound on the field would also silence the strongest signals.
"""

import math
from collections.abc import Callable

import msgspec

from firmware_bridge.codec.line_format import LineChannel, LineFormat, LineRule

QTFM1_COUNTS_PER_NT = 6009.342147  # QuSpin, "QTFM Serial Communication", 16 May 2017
G823_COUNTERS_MAX = 20  # G-882 manual, "Command Set Descriptions": counter numbers are 00 to 19
MS = 1_000_000

# Each counter of a chain: blank or 1 for 100,000 nT, five digits, point, three decimals, comma, four digits of signal.
_G823_COUNTER = r"(?P<mag{0}>[ 1]\d{{5}}\.\d{{3}}),(?P<signal{0}>\d{{4}})"
_FGA_COLUMNS = 15
_FGA_CHANNELS = ("b1x", "b1y", "b1z", "b1v", "b2x", "b2y", "b2z", "b2v")  # columns 1 to 8
_FGA_NOT_ZERO_NT = 0.05  # half of the last digit it prints
_AXES = ("x", "y", "z")


def g823(counters: int = 1) -> LineFormat:
    """
    Geometrics G-823 and G-882, default ASCII output: `$ 49895.131,1249` (G-882 operation manual, "Counter module").

    Each further counter of a daisy chain appends a comma and its own 15 characters. Channels are `mag0`, `mag1`, … in
    nT; rules may use `signal0`, … (0 to 9999 for 0 to 5 V). Error replies (`ERR01:…`) are counted as unknown. Analog
    channels and the Julian clock, off by default, must stay off.
    """
    if not 1 <= counters <= G823_COUNTERS_MAX:
        raise ValueError(f"counters: {counters} must be 1 to {G823_COUNTERS_MAX}")
    return LineFormat(
        pattern=r"\$" + ",".join(_G823_COUNTER.format(number) for number in range(counters)),
        channels=tuple(
            LineChannel(name=f"mag{number}", unit="nT", column=f"mag{number}", invalid=("00000.000",))
            for number in range(counters)
        ),
        valid=tuple(
            LineRule(column=f"signal{number}", not_equals=("0000",), channels=(f"mag{number}",))
            for number in range(counters)
        ),
        comments=("ERR",),
    )


def encode_g823(fields_nt: list[float], signals: list[int]) -> bytes:
    """One line of a chain of counters; NaN is written as the all-zero reading of a sensor without signal."""
    counters = []
    for field_nt, signal in zip(fields_nt, signals, strict=True):
        thousandths = 0 if math.isnan(field_nt) else round(field_nt * 1000)
        assert 0 <= thousandths < 200_000_000, "a counter prints 0 to 199999.999 nT"
        assert 0 <= signal <= 9999, "a counter prints its signal in four digits"
        lead = "1" if thousandths >= 100_000_000 else " "
        nanotesla, decimals = divmod(thousandths % 100_000_000, 1000)
        counters.append(f"{lead}{nanotesla:05d}.{decimals:03d},{0 if math.isnan(field_nt) else signal:04d}")
    return ("$" + ",".join(counters) + "\r\n").encode()


def qtfm1() -> LineFormat:
    """
    QuSpin QTFM of the first generation: `!mag`, `!mag@signal` or `!mag@signal^counter` by decimation mode (QuSpin,
    "QTFM Serial Communication", 16 May 2017); nT = integer / 6009.342147. `#` status and `*` state lines are counted
    as unknown. The page gives neither the counter's step nor its wrap: where every sample is reported as a gap, set
    `sequence_step`. Rules may use `signal`.
    """
    return LineFormat(
        pattern=r"!(?P<mag>\d{1,10})(?:@(?P<signal>\d{1,9})(?:\^(?P<counter>\d{1,10}))?)?",
        channels=(LineChannel(name="mag", unit="nT", column="mag", scale=1.0 / QTFM1_COUNTS_PER_NT, invalid=("0",)),),
        sequence_column="counter",
        comments=("#", "*"),
    )


def encode_qtfm1(field_nt: float, signal: int | None = None, counter: int | None = None) -> bytes:
    """One line; a counter is only ever sent with a signal. NaN is written as 0."""
    assert counter is None or signal is not None, "the counter follows the signal"
    text = f"!{0 if math.isnan(field_nt) else round(field_nt * QTFM1_COUNTS_PER_NT)}"
    text += "" if signal is None else f"@{signal}"
    text += "" if counter is None else f"^{counter}"
    return text.encode() + b"\r\n"


def qtfm2() -> LineFormat:
    """
    QuSpin QTFM of the second generation, `!52926.706_Y53998.412=@394>86341532s139v107`: field in nT, `_` valid or `*`
    not; one axis of the vector in nT, `=` valid or `?` not; `@` counter, `>` milliseconds since power-on, `s` and `v`
    sensitivities. All but the field can be switched off. QuSpin, "Serial Communication and Data Format", gives the
    order; the marks, nT and the wraps are as users of the instrument publish their streams.

    Channels: `mag`, and `x`, `y`, `z`, of which each line carries one at most. Rules may use `s` and `v`. The counter
    is taken to run 0 to 249; a unit that counts to 498 by twos needs `sequence_step = 2`, `sequence_wrap = 500`.
    Lower-case auxiliary readings at the end are passed over. A field without decimals (first generation) is refused.
    """
    axes = "|".join(rf"{axis.upper()}(?P<{axis}>-?\d{{1,6}}\.\d{{1,3}})" for axis in _AXES)
    return LineFormat(
        pattern=(
            rf"!(?P<mag>\d{{1,6}}\.\d{{3}})(?P<mag_mark>[_*])?(?:(?:{axes})(?P<vector_mark>[=?])?)?"
            r"(?:@(?P<counter>\d{1,6}))?(?:>(?P<time>\d{1,10}))?(?:s(?P<s>\d{1,4}))?(?:v(?P<v>\d{1,4}))?[-.a-z0-9]*"
        ),
        channels=(
            LineChannel(name="mag", unit="nT", column="mag", invalid=("0.000", "00000.000")),
            *(LineChannel(name=axis, unit="nT", column=axis, invalid=("",)) for axis in _AXES),
        ),
        valid=(
            LineRule(column="mag_mark", equals=("_",), channels=("mag",)),
            LineRule(column="vector_mark", equals=("=",), channels=_AXES),
        ),
        sequence_column="counter",
        sequence_wrap=250,
        device_time_column="time",
        device_time_unit="ms",
        device_time_wrap=2**32,
        comments=("#", "*", "(", ")", "+", "="),
    )


def encode_qtfm2(
    field_nt: float,
    counter: int,
    device_time_ns: int,
    axis: tuple[str, float] | None = None,
    sensitivities: tuple[int, int] = (139, 107),
) -> bytes:
    """One line with everything switched on; `axis` is a name of `x`, `y`, `z` and its nT. NaN is marked invalid."""
    text = "!00000.000*" if math.isnan(field_nt) else f"!{field_nt:.3f}_"
    if axis is not None:
        name, vector_nt = axis
        text += f"{name.upper()}0.000?" if math.isnan(vector_nt) else f"{name.upper()}{vector_nt:.3f}="
    milliseconds = device_time_ns // MS % 2**32
    return f"{text}@{counter % 250:03d}>{milliseconds}s{sensitivities[0]:03d}v{sensitivities[1]:03d}\r\n".encode()


def fga() -> LineFormat:
    """
    FG Sensors FGA Logger (docs.fgsensors.com, "Serial and CSV Formats"): 15 columns, `Timestamp_ms`, x, y, z and total
    of two sensors in nT, then latitude, longitude, altitude, satellites, fix and HDOP of its receiver, which may be
    invalid without harm to the fields. Channels `b1x` to `b2v`; a sensor whose total is 0 is not there. The header
    line is counted as unknown. Rules may use all columns, counted from 0.
    """
    return LineFormat(
        columns=_FGA_COLUMNS,
        channels=tuple(
            LineChannel(name=name, unit="nT", column=column) for column, name in enumerate(_FGA_CHANNELS, start=1)
        ),
        valid=(
            LineRule(column=4, at_least=_FGA_NOT_ZERO_NT, channels=_FGA_CHANNELS[:4]),
            LineRule(column=8, at_least=_FGA_NOT_ZERO_NT, channels=_FGA_CHANNELS[4:]),
        ),
        device_time_column=0,
        device_time_unit="ms",
        comments=("Timestamp_ms",),
    )


def encode_fga(device_time_ns: int, fields_nt: list[float], position: str = "0.000000,0.000000,0.0,0,0,99.9") -> bytes:
    """
    One line; `fields_nt` are x, y, z and total of sensor 1, then of sensor 2, NaN written as 0.

    position : the last six columns as text; the default is a receiver without a fix
    """
    assert len(fields_nt) == len(_FGA_CHANNELS), "two sensors of four values each"
    fields = ",".join(f"{0.0 if math.isnan(field) else field:.1f}" for field in fields_nt)
    return f"{device_time_ns // MS},{fields},{position}\r\n".encode()


def two_coil() -> LineFormat:
    """
    The HRATC two-coil Arduino: `left,right`, the oscillators' frequencies in Hz; the coil that is not being read sends
    0 and has no reading in that line.
    """
    return LineFormat(
        columns=2,
        channels=(
            LineChannel(name="left", unit="Hz", column=0, invalid=("0", "0.00")),
            LineChannel(name="right", unit="Hz", column=1, invalid=("0", "0.00")),
        ),
    )


def encode_two_coil(left_hz: float, right_hz: float) -> bytes:
    """One line; NaN for the coil that is not being read."""
    hertz = [0 if math.isnan(value) else round(value) for value in (left_hz, right_hz)]
    return f"{hertz[0]},{hertz[1]}\n".encode()


_FORMATS: dict[str, Callable[[], LineFormat]] = {"qtfm1": qtfm1, "qtfm2": qtfm2, "fga": fga, "two-coil": two_coil}
INSTRUMENTS = ("g823", *_FORMATS)
# What a user gets who does not name channels (`use`): those that a bare threshold can be set on.
_USED = {"qtfm2": ("mag",), "fga": ("b1v", "b2v")}
# What may be said beside `instrument`; the rest is the instrument's own.
_MAY_BE_SET = ("valid", "sequence_step", "sequence_wrap", "device_time_wrap", "length_max")


class LineTable(LineFormat, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    A `[link.line]` table: a format in full, or the name of an instrument that is built in.

    instrument : one of `INSTRUMENTS`; its format then stands in all the other fields
    counters   : for "g823", the counters in the daisy chain
    use        : names of the instrument's channels to read, in its order; empty: its usual ones

    Beside `instrument` only `use`, `counters`, `valid` (in place of the instrument's own rules), `sequence_step`,
    `sequence_wrap`, `device_time_wrap` and `length_max` may be given.
    """

    instrument: str | None = None
    counters: int | None = None
    use: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.instrument is None:
            if self.use or self.counters is not None:
                raise ValueError("instrument: is missing, but use or counters is given")
        else:
            self._fill(self.instrument)
        super().__post_init__()

    def _fill(self, instrument: str) -> None:
        """Put the instrument's format into the fields that were not given."""
        layout = named_format(instrument, self.counters)
        defaults = dict(zip(self.__struct_fields__, self.__struct_defaults__, strict=True))
        for name in LineFormat.__struct_fields__:
            is_given = getattr(self, name) != defaults[name]
            if is_given and name not in _MAY_BE_SET:
                raise ValueError(f"{name}: belongs to a format of your own, not beside instrument {instrument!r}")
            if not is_given:
                msgspec.structs.force_setattr(self, name, getattr(layout, name))
        names = [channel.name for channel in layout.channels]
        used = self.use or _USED.get(instrument) or names
        unknown = [name for name in used if name not in names]
        if unknown:
            raise ValueError(f"use: there is no channel {unknown[0]!r}; {instrument} has {', '.join(names)}")
        channels = tuple(channel for channel in layout.channels if channel.name in used)
        msgspec.structs.force_setattr(self, "channels", channels)
        unused = set(names) - set(used)
        rules = tuple(rule for rule in self.valid if not rule.channels or set(rule.channels) - unused)
        msgspec.structs.force_setattr(self, "valid", tuple(_without(rule, unused) for rule in rules))


def named_format(instrument: str, counters: int | None = None) -> LineFormat:
    """The format of an instrument with all its channels; ValueError, beginning with the key, where there is none."""
    if instrument == "g823":
        return g823(1 if counters is None else counters)
    if instrument not in _FORMATS:
        raise ValueError(f"instrument: {instrument!r} is not built in; there are {', '.join(INSTRUMENTS)}")
    if counters is not None:
        raise ValueError(f'counters: belongs to instrument "g823", not to {instrument!r}')
    return _FORMATS[instrument]()


def _without(rule: LineRule, unused: set[str]) -> LineRule:
    return msgspec.structs.replace(rule, channels=tuple(name for name in rule.channels if name not in unused))
