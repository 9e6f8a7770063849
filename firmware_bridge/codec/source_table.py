"""
An NTRIP caster's source table: the list of its streams (RTCM 10410.0, section 8, "Source-table").

Lines of fields separated by semicolons: STR for a stream, CAS for a caster, NET for a network; `ENDSOURCETABLE` closes
it. Only STR lines are kept. A caster sends its table to whoever asks for a mountpoint that it does not have.
"""

import re

import msgspec

# An STR line has 19 fields (section 8.3); the longest in public tables are under 400 bytes.
LINE_BYTES_MAX = 2_048
# The largest public casters list about 2,000 streams in under 1 MB.
TABLE_BYTES_MAX = 4_000_000
MOUNTPOINTS_MAX = 5_000

_END = b"ENDSOURCETABLE"
_FIELDS_READ = 13
_DEGREES = re.compile(r"[+-]?\d{1,3}(\.\d{0,12})?")


class Mountpoint(msgspec.Struct, frozen=True, kw_only=True):
    """
    One STR line (10410.0, section 8.3).

    longitude_deg  : to 180 or to 360, as the table's author prefers
    needs_position : the caster wants GGA sentences
    is_network     : computed from several stations
    """

    name: str
    identifier: str
    format: str
    latitude_deg: float | None
    longitude_deg: float | None
    needs_position: bool
    is_network: bool


class SourceTable(msgspec.Struct, frozen=True, kw_only=True):
    """The caster's streams; `is_complete` is False when the table was cut, or longer than what is kept."""

    mountpoints: tuple[Mountpoint, ...]
    is_complete: bool


class SourceTableReader:
    """Feed it the table's bytes in any chunks; it returns the table when its end was read."""

    def __init__(self) -> None:
        self._line = b""
        self._bytes = 0
        self._mountpoints: list[Mountpoint] = []
        self._is_cut = False

    def feed(self, data: bytes) -> SourceTable | None:
        """The table, once `data` completes it or makes it longer than any table is; feed no more after that."""
        *lines, rest = (self._line + data).split(b"\n")
        for line in lines:
            # Of a longer line only this much may have been kept, which depends on how it came.
            kept = line[: LINE_BYTES_MAX + 1]
            if _is_end(kept):
                return self._table(is_complete=not self._is_cut)
            self._take(kept)
            self._bytes += len(kept) + 1
            if self._bytes > TABLE_BYTES_MAX:
                return self._table(is_complete=False)
        self._line = rest[: LINE_BYTES_MAX + 1]
        return None

    def finish(self) -> SourceTable:
        """The table as far as it came: no more bytes will."""
        if _is_end(self._line):
            return self._table(is_complete=not self._is_cut)
        self._take(self._line)
        return self._table(is_complete=False)

    def _table(self, *, is_complete: bool) -> SourceTable:
        return SourceTable(mountpoints=tuple(self._mountpoints), is_complete=is_complete)

    def _take(self, line: bytes) -> None:
        self._is_cut = self._is_cut or len(line) > LINE_BYTES_MAX
        mountpoint = parse_mountpoint(line[:LINE_BYTES_MAX])
        if mountpoint is None:
            return
        if len(self._mountpoints) < MOUNTPOINTS_MAX:
            self._mountpoints.append(mountpoint)
        else:
            self._is_cut = True


def _is_end(line: bytes) -> bool:
    return len(line) <= LINE_BYTES_MAX and line.strip() == _END


def parse_mountpoint(line: bytes) -> Mountpoint | None:
    """The stream of an STR line; None for other lines and for one whose first fields are missing."""
    fields = [printable(field) for field in line.split(b";")]
    if len(fields) < 4 or fields[0] != "STR" or not fields[1]:
        return None
    fields += [""] * (_FIELDS_READ - len(fields))
    return Mountpoint(
        name=fields[1],
        identifier=fields[2],
        format=fields[3],
        latitude_deg=_degrees(fields[9], 90.0),
        longitude_deg=_degrees(fields[10], 360.0),
        needs_position=fields[11] == "1",
        is_network=fields[12] == "1",
    )


def printable(said: bytes) -> str:
    """A caster's words as one line of ASCII, the rest shown as question marks: it goes to logs and screens."""
    return "".join(character if " " <= character <= "~" else "?" for character in said.decode("latin-1").strip())


def _degrees(text: str, largest: float) -> float | None:
    if _DEGREES.fullmatch(text) is None or abs(float(text)) > largest:
        return None
    return float(text)
