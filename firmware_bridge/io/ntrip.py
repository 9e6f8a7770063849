"""
The NTRIP client: corrections from a caster, for as long as somebody wants them. Runs in the link process.

It connects, reconnects with growing, random pauses, gives up a connection that is silent, and hands on RTCM frames with
a good CRC. It never raises for what a caster or a network does; what became of it is in `stats`.

    async with contextlib.aclosing(client.frames()) as frames:
        async for frame in frames:
            ...  # must not wait: corrections that are handed on late are worse than none
"""

import asyncio
import contextlib
import difflib
import ssl
from collections.abc import AsyncGenerator, Callable

import msgspec

from firmware_bridge.codec.ntrip import (
    Corrections,
    NtripConnection,
    NtripEvent,
    NtripProblem,
    NtripRequest,
    Refused,
    StreamEnded,
    StreamStarted,
)
from firmware_bridge.codec.rtcm import RtcmFrame, RtcmFramer
from firmware_bridge.codec.source_table import SourceTable

READ_BYTES_MAX = 65_536  # a stream of all constellations at 1 Hz is 1 to 2 kB a second
# A caster that takes no more of our 100-byte sentences is not listening; the rest is not sent.
UNSENT_BYTES_MAX = 4_096
# What only a person can change; public casters ban addresses that keep asking all the same.
NEEDS_A_PERSON = (NtripProblem.UNAUTHORIZED, NtripProblem.NO_SUCH_MOUNTPOINT)
MOUNTPOINTS_NAMED = 5  # of a source table, in a message for people


class NtripTiming(msgspec.Struct, frozen=True, kw_only=True):
    """
    How patient the client is, in seconds.

    connect_s         : until the caster has accepted the request
    stall_s           : without any byte; streams send every second, a network needs some seconds for its first
    no_frame_s        : with bytes but without a good frame: another format, or damage
    retry_s_min       : first pause between attempts; it doubles with each connection that lasted less than the pause
                        before it
    retry_s_max       : longest pause
    refused_s         : pause after a refusal that only a person can change
    report_interval_s : between position reports; networks ask for one every 5 to 60 s
    """

    connect_s: float = 10.0
    stall_s: float = 15.0
    no_frame_s: float = 30.0
    retry_s_min: float = 1.0
    retry_s_max: float = 30.0
    refused_s: float = 60.0
    report_interval_s: float = 10.0


class NtripStats(msgspec.Struct, frozen=True, kw_only=True):
    """
    One frozen snapshot of the client since it was made.

    is_streaming  : the caster has accepted and the connection stands
    problem, text : why there are no corrections, and in words; None while frames come
    attempts      : connections tried
    streams       : connections that the caster accepted
    bytes         : of the streams, requests and headers not counted
    bad_crc       : frames that were damaged
    bytes_skipped : bytes of no frame
    reports_sent  : position reports
    last_frame_s  : when the last good frame came, on the clock that the client was given
    """

    is_streaming: bool
    problem: NtripProblem | None
    text: str | None
    attempts: int
    streams: int
    bytes: int
    frames: int
    bad_crc: int
    bytes_skipped: int
    reports_sent: int
    last_frame_s: float | None


class NtripClient:
    """
    The stream of one mountpoint, kept alive.

    clock   : seconds that never step back: the running loop's `time`, since timeouts are kept by it
    random  : uniform in [0, 1), for the pauses: a hundred machines must not return at the same instant
    context : for a caster that speaks TLS; None sends the password readable
    """

    def __init__(
        self,
        request: NtripRequest,
        *,
        clock: Callable[[], float],
        random: Callable[[], float],
        timing: NtripTiming,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._request = request
        self._clock = clock
        self._random = random
        self._timing = timing
        self._context = context
        self._connection = NtripConnection(request)
        self._framer = RtcmFramer()
        self._writer: asyncio.StreamWriter | None = None
        self._report: bytes | None = None
        self._report_due_s = 0.0
        self._problem: NtripProblem | None = None
        self._text: str | None = "not connected yet"
        self._failures = 0  # connections in a row that lasted less than the pause before them
        self._pause_s = 0.0
        self._started_s = 0.0  # when the stream began
        self._last_frame_s: float | None = None
        self._attempts = self._streams = self._reports_sent = 0

    @property
    def stats(self) -> NtripStats:
        """The counters as one snapshot."""
        counts = self._framer.counts
        return NtripStats(
            is_streaming=self._connection.is_streaming,
            problem=self._problem,
            text=self._text,
            attempts=self._attempts,
            streams=self._streams,
            bytes=counts.bytes,
            frames=counts.frames,
            bad_crc=counts.bad_crc,
            bytes_skipped=counts.bytes_skipped,
            reports_sent=self._reports_sent,
            last_frame_s=self._last_frame_s,
        )

    def report_position(self, report: bytes | None) -> None:
        """
        Where the rover is: sent at once when it is time, and with the next connection.

        report : a whole GGA sentence, to be given with every fix; None as soon as the place is not known any more
        """
        self._report = report
        if report is not None and self._connection.is_streaming and self._clock() >= self._report_due_s:
            self._send_report(report)

    async def frames(self) -> AsyncGenerator[RtcmFrame, None]:
        """Good frames for ever, over as many connections as it takes; to be closed by whoever iterates."""
        while True:
            async with contextlib.aclosing(self._one_connection()) as frames:
                async for frame in frames:
                    yield frame
            self._pause_s = self._next_pause_s()
            await asyncio.sleep(self._pause_s)

    def _next_pause_s(self) -> float:
        """Doubling from the shortest to the longest; half of each is left to chance."""
        timing = self._timing
        pause_s = min(timing.retry_s_max, timing.retry_s_min * 2.0 ** min(self._failures, 32))
        if self._problem in NEEDS_A_PERSON:
            pause_s = max(pause_s, timing.refused_s)
        self._failures += 1
        return pause_s * (0.5 + 0.5 * self._random())

    async def _one_connection(self) -> AsyncGenerator[RtcmFrame, None]:
        """The good frames of one connection, from the attempt to its end, which is noted as the problem."""
        self._attempts += 1
        self._connection = NtripConnection(self._request)
        deadline_s = self._clock() + self._timing.connect_s
        try:
            reader = await self._open(deadline_s)
            while reader is not None and not self._connection.is_over:
                for event in await self._next_events(reader, deadline_s):
                    for frame in self._take(event):
                        yield frame
            for frame in self._framer.finish():
                yield frame
        finally:
            self._framer.finish()
            self._connection.finish()
            if self._writer is not None:
                # Nothing is owed to the caster: closing must not wait for one that does not answer.
                self._writer.transport.abort()
                self._writer = None

    async def _open(self, deadline_s: float) -> asyncio.StreamReader | None:
        """Connects and asks; None, with the problem noted, where nobody answers."""
        host, port = self._request.host, self._request.port
        try:
            async with asyncio.timeout(deadline_s - self._clock()):
                reader, self._writer = await asyncio.open_connection(host, port, ssl=self._context)
        except TimeoutError:
            self._fail(NtripProblem.UNREACHABLE, f"{host}:{port} does not answer; is there a network?")
            return None
        except (OSError, UnicodeError) as error:  # also names that do not resolve or are none, and TLS that fails
            reason = getattr(error, "strerror", None) or error
            self._fail(NtripProblem.UNREACHABLE, f"{host}:{port} cannot be reached: {reason}")
            return None
        self._writer.write(self._connection.open(self._report))
        if self._report is not None and self._request.version == 2:  # it went with the request
            self._count_report()
        return reader

    async def _next_events(self, reader: asyncio.StreamReader, deadline_s: float) -> list[NtripEvent]:
        """What the next bytes mean, or their absence."""
        if self._connection.is_streaming:
            deadline_s = min(self._clock() + self._timing.stall_s, self._frame_due_s())
        try:
            async with asyncio.timeout(deadline_s - self._clock()):
                data = await reader.read(READ_BYTES_MAX)
        except TimeoutError:
            return self._give_up()
        except OSError as error:
            self._connection.finish()
            self._fail(NtripProblem.CLOSED, f"the connection broke: {error.strerror or error}")
            return []
        return self._connection.feed(data) if data else self._connection.finish()

    def _frame_due_s(self) -> float:
        last_s = self._started_s if self._last_frame_s is None else max(self._started_s, self._last_frame_s)
        return last_s + self._timing.no_frame_s

    def _give_up(self) -> list[NtripEvent]:
        """Time is over: the connection ends here. A source table that came in part still says what is wrong."""
        was_streaming = self._connection.is_streaming
        events = self._connection.finish()
        if was_streaming and self._clock() >= self._frame_due_s():
            text = f"no whole RTCM 3 frame for {self._timing.no_frame_s:g} s; is the mountpoint's format RTCM 3?"
            self._fail(NtripProblem.NO_CORRECTIONS, text)
        elif was_streaming:
            text = f"nothing came for {self._timing.stall_s:g} s; a network sends nothing before it knows the position"
            self._fail(NtripProblem.STALLED, text)
        elif isinstance(events[-1], SourceTable):
            return events
        else:
            self._fail(NtripProblem.STALLED, f"the caster gave no answer for {self._timing.connect_s:g} s")
        return []

    def _take(self, event: NtripEvent) -> list[RtcmFrame]:
        """The good frames that an event brings; anything else is noted."""
        match event:
            case Corrections():
                frames = self._framer.feed(event.data)
                if frames:
                    self._note_frames()
                return frames
            case StreamStarted():
                self._streams += 1
                self._started_s = self._clock()
                self._problem, self._text = None, "accepted; no frame yet"
                # A header of version 2 means nothing to a caster of version 1, and nothing carried it in a version 1.
                if self._report is not None and 1 in (event.version, self._request.version):
                    self._send_report(self._report)
            case SourceTable():
                self._fail(NtripProblem.NO_SUCH_MOUNTPOINT, _wrong_mountpoint(self._request.mountpoint, event))
            case Refused():
                self._fail(event.problem, event.text)
            case StreamEnded():
                self._fail(NtripProblem.CLOSED, "the caster closed the stream")
        return []

    def _note_frames(self) -> None:
        self._last_frame_s = self._clock()
        self._problem = self._text = None
        if self._last_frame_s - self._started_s >= self._pause_s:
            self._failures = 0

    def _fail(self, problem: NtripProblem, text: str) -> None:
        self._problem, self._text = problem, text

    def _send_report(self, report: bytes) -> None:
        if self._writer is None or self._writer.transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            return
        self._writer.write(self._connection.report_position(report))
        self._count_report()

    def _count_report(self) -> None:
        self._reports_sent += 1
        self._report_due_s = self._clock() + self._timing.report_interval_s


def _wrong_mountpoint(asked: str, table: SourceTable) -> str:
    names = sorted(mountpoint.name for mountpoint in table.mountpoints)
    near = difflib.get_close_matches(asked, names, MOUNTPOINTS_NAMED, cutoff=0.6)
    what = f'the caster has no mountpoint "{asked}"' if asked else "no mountpoint is configured"
    if near:
        return f"{what}; did you mean {', '.join(near)}?"
    if not names:
        return f"{what}, and its list of streams is empty"
    others = len(names) - MOUNTPOINTS_NAMED
    return f"{what}; it has {', '.join(names[:MOUNTPOINTS_NAMED])}{f' and {others} more' if others > 0 else ''}"
