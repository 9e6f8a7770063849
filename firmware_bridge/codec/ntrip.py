"""
NTRIP, the client's side of one connection, versions 1 and 2: bytes in, events out; bytes to send are return values.

After RTCM 10410.0 (version 1.0, sections 5 to 8, published by BKG in 2003 as "Networked Transport of RTCM via Internet
Protocol (Ntrip), Version 1.0") and RTCM 10410.1 (version 2.0). What casters answer, and what it becomes:

| first line                                  | meaning                                       | event            |
|---------------------------------------------|-----------------------------------------------|------------------|
| `ICY 200 OK`                                | version 1: corrections follow at once         | `StreamStarted`  |
| `HTTP/1.1 200`, content type gnss/data      | version 2: corrections, chunked or to the end | `StreamStarted`  |
| `SOURCETABLE 200 OK`                        | version 1: no such mountpoint, or none asked  | `SourceTable`    |
| `HTTP/1.1 200`, gnss/sourcetable, text/plain| the same in version 2                         | `SourceTable`    |
| `HTTP/1.x 401` or `403`                     | user name or password is not accepted         | `Refused`        |
| `HTTP/1.x 404`                              | no such mountpoint                            | `Refused`        |
| `ERROR - ...`                               | version 1 casters' own words                  | `Refused`        |
| any other status; a web page; anything else | refused; not a caster; also a damaged chunk   | `Refused`        |

A client that asks in version 2 is answered in version 1 by a caster that knows no other; the reply decides. Between
`ICY 200 OK` and the first frame some casters print an empty line or headers: they are handed on, and the framer behind
skips them.

Position reports: a network (VRS) computes corrections for the place that a GGA sentence names. Version 2 has a header
for the first one (`Ntrip-GGA`); later ones, and all of them in version 1, are lines on the open connection.
"""

import base64
import enum
import re

import msgspec

from firmware_bridge.codec.chunked import ChunkedBody
from firmware_bridge.codec.source_table import SourceTable, SourceTableReader, printable

VERSIONS = (1, 2)
USER_AGENT = "NTRIP Firmground"  # 10410.0, section 6: the user agent of a client begins with "NTRIP"

STATUS_LINE_BYTES_MAX = 1_024
# As h11 and other HTTP libraries allow for a whole header; casters send about 200 bytes.
HEAD_BYTES_MAX = 16_384
REPORT_BYTES_MAX = 128  # NMEA 0183 allows 82 characters, high-precision GGA need about 100
TEXT_CHARACTERS_MAX = 120  # of a caster's own words, in a message for people

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: (.*))?")
_ICY = re.compile(rb"ICY (\d{3})(?: (.*))?")
_MOUNTPOINT = re.compile(r"[!-~]*")
_REPORT = re.compile(rb"\$[A-Z]{2}GGA,[ -)+-~]*\*[0-9A-F]{2}")


class NtripProblem(enum.Enum):
    """Why there are no corrections. The last four are the shell's to see: the codec knows neither sockets nor time."""

    UNAUTHORIZED = "unauthorized"
    NO_SUCH_MOUNTPOINT = "no_such_mountpoint"
    REFUSED = "refused"
    NOT_NTRIP = "not_ntrip"
    UNREACHABLE = "unreachable"
    CLOSED = "closed"
    STALLED = "stalled"
    NO_CORRECTIONS = "no_corrections"


class NtripRequest(msgspec.Struct, frozen=True, kw_only=True):
    """
    What to ask a caster for.

    mountpoint : the stream's name; empty asks for the source table
    username   : None asks without credentials; they travel readable unless the connection is encrypted
    version    : 1 or 2
    """

    host: str
    port: int
    mountpoint: str
    username: str | None
    password: str | None
    version: int

    def __post_init__(self) -> None:
        """Raises ValueError for what cannot be written into a request, since it would become part of its header."""
        if self.version not in VERSIONS:
            raise ValueError(f"NTRIP version {self.version} is none of 1, 2")
        if _MOUNTPOINT.fullmatch(self.mountpoint) is None:
            raise ValueError(f"mountpoint {self.mountpoint!r} has a space or a character that is not ASCII")
        if not self.host or _MOUNTPOINT.fullmatch(self.host) is None:
            raise ValueError(f"host {self.host!r} is not a name")
        if self.username is not None and (":" in self.username or not self.username.isprintable()):
            raise ValueError("the user name has a colon or a character that cannot be sent")
        if self.password is not None and not self.password.isprintable():
            raise ValueError("the password has a character that cannot be sent")

    def __repr__(self) -> str:
        """Without the password, so that none is ever logged."""
        return f"NtripRequest({self.host}:{self.port}/{self.mountpoint}, version {self.version})"


class StreamStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The caster accepted; `version` is the one it speaks."""

    version: int


class Corrections(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of the stream, cut anywhere."""

    data: bytes


class StreamEnded(msgspec.Struct, frozen=True, kw_only=True):
    """The stream that had started is over: the caster closed it."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """No stream: `text` says why in words, the caster's own among them; `status` is its number if it gave one."""

    problem: NtripProblem
    status: int | None
    text: str


NtripEvent = StreamStarted | Corrections | StreamEnded | SourceTable | Refused


class _State(enum.Enum):
    STATUS_LINE = enum.auto()
    HEADERS = enum.auto()
    STREAM = enum.auto()
    TABLE = enum.auto()
    OVER = enum.auto()


class NtripConnection:
    """
    One connection to a caster, from the request to its end. After `Refused`, `SourceTable` or `StreamEnded` it is over.

    No bytes raise. What it holds back is bounded by the constants of this module and of the body's readers.
    """

    def __init__(self, request: NtripRequest) -> None:
        self._request = request
        self._state = _State.STATUS_LINE
        self._buffer = b""
        self._status_line = b""
        self._chunked: ChunkedBody | None = None
        self._table = SourceTableReader()

    @property
    def is_streaming(self) -> bool:
        """True between `StreamStarted` and the end: position reports may be sent."""
        return self._state is _State.STREAM

    @property
    def is_over(self) -> bool:
        """True when nothing more will come."""
        return self._state is _State.OVER

    def open(self, report: bytes | None = None) -> bytes:
        """
        The request to send.

        report : the first position report, sent with the request where the version has a place for it
        """
        request = self._request
        lines = [f"GET /{request.mountpoint} HTTP/1.{request.version - 1}"]
        if request.version == 2:
            host = f"[{request.host}]" if ":" in request.host else request.host
            lines += [f"Host: {host}:{request.port}", "Ntrip-Version: Ntrip/2.0"]
            if report is not None:
                lines.append(f"Ntrip-GGA: {_report_line(report).decode('ascii').rstrip()}")
        lines += [f"User-Agent: {USER_AGENT}", "Accept: */*", "Connection: close"]
        if request.username is not None:
            credentials = f"{request.username}:{request.password or ''}".encode()
            lines.append(f"Authorization: Basic {base64.b64encode(credentials).decode('ascii')}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")

    def report_position(self, report: bytes) -> bytes:
        """The bytes that tell the caster where the rover is; none while no stream is open. `report` is a whole GGA."""
        return _report_line(report) if self.is_streaming else b""

    def feed(self, data: bytes) -> list[NtripEvent]:
        """What `data` means."""
        events: list[NtripEvent] = []
        if self._state in (_State.STATUS_LINE, _State.HEADERS):
            self._buffer += data
            data = self._read_head(events)
        if self._state in (_State.STREAM, _State.TABLE):
            self._read_body(data, events)
        return events

    def finish(self) -> list[NtripEvent]:
        """What the connection's end means: no more bytes will come, or nobody waits for them any longer."""
        state, self._state = self._state, _State.OVER
        if state is _State.HEADERS:
            # Some casters refuse with a status line alone.
            event = self._judge_headers(self._buffer)
            if isinstance(event, Refused):
                return [event]
        if state in (_State.STATUS_LINE, _State.HEADERS):
            said = self._status_line or self._buffer
            return [_refused(NtripProblem.NOT_NTRIP, None, "it gave no whole answer", said)]
        if state is _State.STREAM:
            return [StreamEnded()]
        if state is _State.TABLE:
            return [self._table.finish()]
        return []

    def _read_head(self, events: list[NtripEvent]) -> bytes:
        """Reads the status line and the headers once they are whole; returns what of the body came with them."""
        if self._state is _State.STATUS_LINE:
            self._buffer = self._buffer.lstrip(b"\r\n")
            line, end, rest = self._buffer.partition(b"\n")
            if len(line) > STATUS_LINE_BYTES_MAX:
                return self._refuse(events, NtripProblem.NOT_NTRIP, None, "it did not answer as a caster does", line)
            if not end:
                return b""
            self._status_line, self._buffer = line.rstrip(b"\r"), rest
            event = self._judge_status_line()
            if event is not None:
                return self._enter(events, event)
        header_end = re.search(rb"^\r?\n", self._buffer, re.MULTILINE)
        if header_end is not None and header_end.end() <= HEAD_BYTES_MAX:
            head, rest = self._buffer[: header_end.start()], self._buffer[header_end.end() :]
            self._buffer = rest
            return self._enter(events, self._judge_headers(head))
        if len(self._buffer) > HEAD_BYTES_MAX:
            return self._refuse(events, NtripProblem.NOT_NTRIP, None, "its header does not end", self._status_line)
        return b""

    def _enter(self, events: list[NtripEvent], event: NtripEvent | _State) -> bytes:
        """Goes where the head leads; what was held back is the body's beginning."""
        rest, self._buffer = self._buffer, b""
        if isinstance(event, _State):
            self._state = event
            return rest
        events.append(event)
        self._state = _State.STREAM if isinstance(event, StreamStarted) else _State.OVER
        return rest

    def _refuse(
        self, events: list[NtripEvent], problem: NtripProblem, status: int | None, text: str, said: bytes
    ) -> bytes:
        events.append(_refused(problem, status, text, said))
        self._state, self._buffer = _State.OVER, b""
        return b""

    def _judge_status_line(self) -> NtripEvent | None:
        """The event that the first line alone decides; None when headers must be read first."""
        line = self._status_line
        icy = _ICY.fullmatch(line)
        if icy is not None:
            return StreamStarted(version=1) if icy.group(1) == b"200" else _refused_by(int(icy.group(1)), icy.group(2))
        if line.startswith(b"ERROR"):
            words = line.lower()
            problem = NtripProblem.REFUSED
            if b"password" in words or b"auth" in words:
                problem = NtripProblem.UNAUTHORIZED
            elif b"mount" in words:
                problem = NtripProblem.NO_SUCH_MOUNTPOINT
            return _refused(problem, None, "the caster refused", line)
        if _STATUS.fullmatch(line) is not None or line.startswith(b"SOURCETABLE 200"):
            self._state = _State.HEADERS
            return None
        return _refused(NtripProblem.NOT_NTRIP, None, "it did not answer as a caster does", line)

    def _judge_headers(self, head: bytes) -> NtripEvent | _State:
        headers = _headers(head)
        status = _STATUS.fullmatch(self._status_line)
        if status is not None and status.group(1) != b"200":
            return _refused_by(int(status.group(1)), status.group(2))
        coding = headers.get("transfer-encoding", "identity")
        if coding == "chunked":
            self._chunked = ChunkedBody()
        elif coding != "identity":
            return _refused(NtripProblem.NOT_NTRIP, None, "it encodes its answer in a way nobody asked for", head)
        content = headers.get("content-type", "").partition(";")[0].strip()
        is_table_asked = not self._request.mountpoint and not content
        if status is None or is_table_asked or content in ("gnss/sourcetable", "text/plain"):
            return _State.TABLE
        if content in ("text/html", "application/json"):
            return _refused(NtripProblem.NOT_NTRIP, 200, "a web server answered, not a caster", self._status_line)
        return StreamStarted(version=2)

    def _read_body(self, data: bytes, events: list[NtripEvent]) -> None:
        if self._chunked is not None:
            data = self._chunked.feed(data)
        if self._state is _State.TABLE:
            self._read_table(data, events)
        elif data:
            events.append(Corrections(data=data))
        if self._chunked is None or self._state is _State.OVER:
            return
        if self._chunked.is_damaged:
            self._refuse(events, NtripProblem.NOT_NTRIP, None, "what should be a chunk of its stream is none", b"")
        elif self._chunked.is_complete:
            events += self.finish()

    def _read_table(self, data: bytes, events: list[NtripEvent]) -> None:
        table = self._table.feed(data)
        if table is not None:
            events.append(table)
            self._state = _State.OVER


def _report_line(report: bytes) -> bytes:
    line = report.rstrip(b"\r\n")
    assert len(line) <= REPORT_BYTES_MAX, report
    assert _REPORT.fullmatch(line) is not None, report
    return line + b"\r\n"


def _headers(head: bytes) -> dict[str, str]:
    """Header fields by lower-case name, their values in lower case; what is no field is skipped, as casters vary."""
    fields = {}
    for line in head.decode("latin-1").lower().splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields[name.strip()] = value.strip()
    return fields


def _refused_by(status: int, words: bytes | None) -> Refused:
    problems = {
        401: (NtripProblem.UNAUTHORIZED, "the caster does not accept this user name and password"),
        403: (NtripProblem.UNAUTHORIZED, "the caster does not allow this user this stream"),
        404: (NtripProblem.NO_SUCH_MOUNTPOINT, "the caster has no such mountpoint"),
    }
    problem, text = problems.get(status, (NtripProblem.REFUSED, f"the caster refused with status {status}"))
    return _refused(problem, status, text, words or b"")


def _refused(problem: NtripProblem, status: int | None, text: str, said: bytes) -> Refused:
    quoted = printable(said[:TEXT_CHARACTERS_MAX])
    return Refused(problem=problem, status=status, text=f'{text}: it said "{quoted}"' if quoted else text)
