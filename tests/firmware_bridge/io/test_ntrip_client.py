"""The NTRIP client against a caster on the loopback, in both versions, with everything that goes wrong."""

import asyncio
import contextlib
import socket
import ssl
import struct

import pytest
from ntrip_caster import GOOD, TABLE, Caster, Visit

from firmware_bridge.codec.ntrip import NtripProblem, NtripRequest
from firmware_bridge.io.ntrip import NtripClient, NtripTiming

FRAME = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")
OTHER = bytes.fromhex("d300274050170084736e151e5554462d3820d0bfd180d0bed0b2d0b5d180d0bad0b02077c3b672746572eda33b")
GGA = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47"
DEADLINE_S = 10.0
# Fast, so that tests are; what a test is about is said there.
TIMING = {
    "connect_s": 5.0, "stall_s": 5.0, "no_frame_s": 5.0, "retry_s_min": 0.01, "retry_s_max": 0.05, "refused_s": 0.05,
    "report_interval_s": 0.0,
}  # fmt: skip


def make_client(port, *, version=1, mountpoint="BASE1", password="secret", context=None, host="127.0.0.1", **timing):
    """A client on the running loop's clock, with pauses that are always the longest."""
    request = NtripRequest(
        host=host, port=port, mountpoint=mountpoint, username="ntrip", password=password, version=version
    )
    return NtripClient(
        request,
        clock=asyncio.get_running_loop().time,
        random=lambda: 1.0,
        timing=NtripTiming(**(TIMING | timing)),
        context=context,
    )


async def take(client, count):
    """The next frames' numbers, within the deadline."""
    numbers = []
    async with asyncio.timeout(DEADLINE_S), contextlib.aclosing(client.frames()) as frames:
        async for frame in frames:
            numbers.append(frame.number)
            if len(numbers) == count:
                return numbers
    raise AssertionError("frames end only when they are closed")


@contextlib.asynccontextmanager
async def running(client):
    """The client at work in the background."""
    task = asyncio.create_task(take(client, 1_000_000))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition):
    """Lets the loop turn until it is so, within the deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.001)


async def problem_of(client):
    """The first problem that the client meets."""
    async with running(client):
        await until(lambda: client.stats.problem is not None)
        return client.stats


async def serve_frames(visit: Visit) -> None:
    """Two frames, and then silence."""
    await visit.accept()
    await visit.send(FRAME + OTHER)
    await visit.wait_for_the_end()


def run(test):
    """One test on a loop of its own."""
    asyncio.run(test())


@pytest.mark.parametrize("version", [1, 2])
def test_frames_come_in_both_versions(version):
    """The request names mountpoint, version and credentials; the frames arrive whole, the statistics say so."""

    async def test():
        async with Caster(serve_frames) as caster:
            client = make_client(caster.port, version=version)
            assert client.stats.text == "not connected yet"
            assert await take(client, 2) == [1005, 1029]
            (visit,) = caster.visits
            assert visit.request_line == f"GET /BASE1 HTTP/1.{version - 1}"
            assert (visit.version, visit.headers["authorization"]) == (version, GOOD)
            stats = client.stats
            assert (stats.frames, stats.attempts, stats.streams) == (2, 1, 1)
            assert (stats.problem, stats.text) == (None, None)
            assert stats.bytes == len(FRAME + OTHER) + (2 if version == 1 else 0)  # the empty line behind ICY 200 OK
            assert 0.0 <= asyncio.get_running_loop().time() - stats.last_frame_s < DEADLINE_S

    run(test)


def test_closing_the_frames_leaves_the_caster_at_once():
    """The caster sees the connection end."""

    async def test():
        left = asyncio.Event()

        async def script(visit):
            await serve_frames(visit)
            left.set()

        async with Caster(script) as caster:
            client = make_client(caster.port)
            await take(client, 1)
            assert not client.stats.is_streaming
            async with asyncio.timeout(DEADLINE_S):
                await left.wait()

    run(test)


@pytest.mark.parametrize("version", [1, 2])
def test_a_frame_cut_by_the_connections_end_is_not_joined_to_the_next_connection(version):
    """Each connection begins afresh: a half frame is skipped and counted, never completed by other bytes."""

    async def test():
        async def script(visit):
            await visit.accept()
            if len(caster.visits) == 1:
                await visit.send(OTHER[:20])
                return
            await visit.send(OTHER[20:] + FRAME)
            await visit.wait_for_the_end()

        async with Caster(script) as caster:
            client = make_client(caster.port, version=version)
            assert await take(client, 1) == [1005]
            assert client.stats.streams == 2
            assert client.stats.bytes_skipped >= len(OTHER)

    run(test)


def test_a_damaged_frame_is_counted_and_never_handed_on():
    """Only frames with a good CRC leave the client."""

    async def test():
        async def script(visit):
            await visit.accept()
            await visit.send(OTHER[:10] + b"\x00" + OTHER[11:] + FRAME)
            await visit.wait_for_the_end()

        async with Caster(script) as caster:
            client = make_client(caster.port)
            assert await take(client, 1) == [1005]
            assert client.stats.bad_crc == 1

    run(test)


def test_a_frame_behind_a_false_preamble_is_found_when_the_connection_ends():
    """It waited for bytes that the false header claimed."""

    async def test():
        async def script(visit):
            await visit.accept()
            await visit.send(b"\xd3\x03\xff" + FRAME)

        async with Caster(script) as caster:
            assert await take(make_client(caster.port), 1) == [1005]

    run(test)


def test_a_connection_that_is_reset_is_a_problem_in_words():
    """What a router does that forgot the connection."""

    async def test():
        async def script(visit):
            await visit.accept()
            linger = struct.pack("ii", 1, 0)  # close with a reset
            visit.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            await visit.read_line()
            visit.writer.transport.abort()

        async with Caster(script) as caster:
            client = make_client(caster.port)
            client.report_position(GGA)
            stats = await problem_of(client)
        assert stats.problem is NtripProblem.CLOSED
        assert "broke" in stats.text

    run(test)


def test_a_caster_that_dies_and_returns_is_found_again():
    """Cut off in the stream, refused while it is away, and streaming again when it is back, on the same port."""

    async def test():
        caster = Caster(serve_frames)
        await caster.start()
        client = make_client(caster.port)
        async with running(client):
            await until(lambda: client.stats.frames == 2)
            caster.stop()
            await until(lambda: client.stats.problem is NtripProblem.UNREACHABLE)
            assert "cannot be reached" in client.stats.text
            await caster.start()
            await until(lambda: client.stats.frames == 4)
            assert client.stats.problem is None
            assert client.stats.streams == 2
        caster.stop()

    run(test)


def test_nobody_listening_is_said_in_words():
    """A port that is closed."""

    async def test():
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            stats = await problem_of(make_client(closed.getsockname()[1]))
        assert stats.problem is NtripProblem.UNREACHABLE
        assert "127.0.0.1" in stats.text

    run(test)


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 70 + ".example"])
def test_a_host_without_an_address_is_unreachable(host):
    """A name that does not resolve, and one that cannot be a name."""

    async def test():
        stats = await problem_of(make_client(1, host=host))
        assert stats.problem is NtripProblem.UNREACHABLE

    run(test)


@pytest.mark.parametrize(
    ("reply", "problem", "words"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", NtripProblem.UNAUTHORIZED, "password"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", NtripProblem.NO_SUCH_MOUNTPOINT, "mountpoint"),
        (b"SOURCETABLE 200 OK\r\n\r\n" + TABLE, NtripProblem.NO_SUCH_MOUNTPOINT, "did you mean BASE1?"),
        (b"SOURCETABLE 200 OK\r\n\r\nENDSOURCETABLE\r\n", NtripProblem.NO_SUCH_MOUNTPOINT, "empty"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", NtripProblem.REFUSED, "503"),
        (b"220 mail.example ESMTP\r\n", NtripProblem.NOT_NTRIP, "ESMTP"),
        (b"", NtripProblem.NOT_NTRIP, "no whole answer"),
        (b"ICY 200 OK\r\n", NtripProblem.CLOSED, "closed"),
    ],
)
def test_every_refusal_is_a_problem_in_words(reply, problem, words):
    """What a person must do shows in the text."""

    async def test():
        async def script(visit):
            await visit.send_raw(reply)

        async with Caster(script) as caster:
            stats = await problem_of(make_client(caster.port, mountpoint="BASE2"))
        assert stats.problem is problem
        assert words in stats.text
        assert not stats.is_streaming

    run(test)


@pytest.mark.parametrize(
    ("names", "asked", "words"),
    [
        ([f"S{n}" for n in range(8)], "XYZ", "it has S0, S1, S2, S3, S4 and 3 more"),
        (["S1"], "XYZ", "it has S1"),
        (["S1"], "", "no mountpoint is configured; it has S1"),
    ],
)
def test_a_wrong_mountpoint_is_answered_with_what_there_is(names, asked, words):
    """The caster's own list, shortened."""

    async def test():
        table = "".join(f"STR;{name};x;RTCM 3;\r\n" for name in names).encode()

        async def script(visit):
            await visit.send_raw(b"SOURCETABLE 200 OK\r\n\r\n" + table + b"ENDSOURCETABLE\r\n")

        async with Caster(script) as caster:
            stats = await problem_of(make_client(caster.port, mountpoint=asked))
        assert stats.text.endswith(words)

    run(test)


def test_a_silent_stream_is_given_up_and_tried_anew():
    """A connection that stands and says nothing is what a dead mobile link looks like."""

    async def test():
        async def script(visit):
            await visit.accept()
            if len(caster.visits) > 1:
                await visit.send(FRAME)
            await visit.wait_for_the_end()

        async with Caster(script) as caster:
            client = make_client(caster.port, stall_s=0.05)
            async with running(client):
                await until(lambda: client.stats.problem is NtripProblem.STALLED)
                assert "nothing came for 0.05 s" in client.stats.text
                await until(lambda: client.stats.frames >= 1)
            assert client.stats.streams >= 2

    run(test)


def test_a_caster_that_never_answers_is_given_up():
    """It takes the connection and the request, and nothing comes."""

    async def test():
        async with Caster(Visit.wait_for_the_end) as caster:
            stats = await problem_of(make_client(caster.port, connect_s=0.05))
        assert stats.problem is NtripProblem.STALLED
        assert "no answer" in stats.text

    run(test)


def test_a_source_table_that_never_ends_still_says_what_is_wrong():
    """Its beginning is answer enough."""

    async def test():
        async def script(visit):
            await visit.send_raw(b"SOURCETABLE 200 OK\r\n\r\n" + TABLE[:80] + b"\r\n")
            await visit.wait_for_the_end()

        async with Caster(script) as caster:
            stats = await problem_of(make_client(caster.port, mountpoint="X", connect_s=0.2))
        assert stats.problem is NtripProblem.NO_SUCH_MOUNTPOINT
        assert "BASE1" in stats.text

    run(test)


def test_bytes_without_frames_are_given_up():
    """A mountpoint of another format sends for ever and corrects nothing."""

    async def test():
        async def script(visit):
            await visit.accept()
            while not visit.writer.is_closing():
                await visit.send(b"YFh|bk\\_dHpa}pK@@@")
                await asyncio.sleep(0.005)

        async with Caster(script) as caster:
            stats = await problem_of(make_client(caster.port, no_frame_s=0.1))
        assert stats.problem is NtripProblem.NO_CORRECTIONS
        assert "RTCM 3" in stats.text
        assert stats.bytes > 0

    run(test)


@pytest.mark.parametrize("version", [1, 2])
def test_positions_reach_the_caster(version):
    """The first with the request or right after the answer, the next ones as lines; none once the place is unknown."""

    async def test():
        lines = []

        async def script(visit):
            await visit.accept()
            if visit.version == 2:
                lines.append(visit.headers["ntrip-gga"].encode())
            while line := await visit.read_line():
                lines.append(line.rstrip())

        async with Caster(script) as caster:
            client = make_client(caster.port, version=version)
            client.report_position(GGA)
            async with running(client):
                await until(lambda: client.stats.is_streaming and len(lines) == 1)
                client.report_position(GGA)
                await until(lambda: len(lines) == 2)
                client.report_position(None)
                assert lines == [GGA, GGA]
                assert client.stats.reports_sent == 2

    run(test)


def test_a_caster_of_version_1_gets_the_position_of_a_client_of_version_2():
    """The header meant nothing to it, so the line follows its answer."""

    async def test():
        lines = []

        async def script(visit):
            await visit.send_raw(b"ICY 200 OK\r\n")
            lines.append(await visit.read_line())

        async with Caster(script) as caster:
            client = make_client(caster.port, version=2)
            client.report_position(GGA)
            async with running(client):
                await until(lambda: lines)
        assert lines == [GGA + b"\r\n"]

    run(test)


def test_positions_keep_their_interval():
    """A fix every 0.1 s is not a report every 0.1 s."""

    async def test():
        async with Caster(serve_frames) as caster:
            client = make_client(caster.port, report_interval_s=60.0)
            async with running(client):
                await until(lambda: client.stats.is_streaming)
                for _ in range(5):
                    client.report_position(GGA)
                assert client.stats.reports_sent == 1

    run(test)


def test_a_caster_that_reads_nothing_fills_no_memory():
    """Reports that are not taken are not kept."""

    async def test():
        async def script(visit):
            visit.writer.transport.pause_reading()
            await visit.accept()
            await released.wait()

        released = asyncio.Event()
        async with Caster(script) as caster:
            client = make_client(caster.port)
            async with running(client):
                await until(lambda: client.stats.is_streaming)
                for _ in range(100_000):
                    client.report_position(GGA)
                    if client.stats.reports_sent < 100_000:
                        assert client._writer.transport.get_write_buffer_size() < 4_096 + 2 * len(GGA)
                assert client.stats.reports_sent < 100_000
            released.set()

    run(test)


def test_pauses_grow_to_their_limit_and_begin_anew_after_a_stream():
    """Doubling, capped, longer where only a person can help, and short again once frames came long enough."""

    async def test():
        client = make_client(1, retry_s_min=1.0, retry_s_max=10.0, refused_s=60.0)
        assert [client._next_pause_s() for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
        for _ in range(10_000):
            client._next_pause_s()
        client._note_frames()
        assert [client._next_pause_s() for _ in range(2)] == [1.0, 2.0]
        client._fail(NtripProblem.UNAUTHORIZED, "no")
        assert client._next_pause_s() == 60.0
        client._random = lambda: 0.0
        assert client._next_pause_s() == 30.0
        client._pause_s = 1e9  # the stream that brings this frame has lasted less than the pause before it
        client._note_frames()
        client._fail(NtripProblem.CLOSED, "flapping")
        assert client._next_pause_s() == 5.0

    run(test)


def test_a_caster_without_tls_is_unreachable_with_it():
    """A failed handshake is a problem in words, not an exception."""

    async def test():
        async def answer_readable(_, writer):
            writer.write(b"ICY 200 OK\r\n")
            writer.close()

        async with await asyncio.start_server(answer_readable, "127.0.0.1", 0) as server:
            client = make_client(server.sockets[0].getsockname()[1], context=ssl.create_default_context())
            stats = await problem_of(client)
        assert stats.problem is NtripProblem.UNREACHABLE
        assert "cannot be reached" in stats.text

    run(test)


def test_a_caster_that_does_not_even_connect_is_given_up():
    """A handshake that nobody answers ends with the time to connect."""

    async def test():
        async with Caster(serve_frames) as caster:
            stats = await problem_of(make_client(caster.port, context=ssl.create_default_context(), connect_s=0.1))
        assert stats.problem is NtripProblem.UNREACHABLE
        assert "does not answer" in stats.text

    run(test)
