"""A small NTRIP caster on the loopback that does what a test tells it, faults included."""

import asyncio
import base64
import contextlib
from collections.abc import Awaitable, Callable

GOOD = "Basic " + base64.b64encode(b"ntrip:secret").decode()
TABLE = b"STR;BASE1;Here;RTCM 3.1;1004(1);2;GPS;NET;CHE;46.5;7.25;0;0;x;none;B;N;500;\r\nENDSOURCETABLE\r\n"
V1_OK = b"ICY 200 OK\r\n\r\n"
V2_OK = (
    b"HTTP/1.1 200 OK\r\nNtrip-Version: Ntrip/2.0\r\nContent-Type: gnss/data\r\n"
    b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
)


class Visit:
    """One client at the caster: its request, and the means to answer it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.request_line = ""
        self.headers: dict[str, str] = {}

    async def read_request(self) -> None:
        """The request line and the headers."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
        self.request_line = head[0]
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}

    @property
    def version(self) -> int:
        """The protocol's version that the client asked for."""
        return 2 if self.headers.get("ntrip-version") == "Ntrip/2.0" else 1

    async def accept(self) -> None:
        """Says yes in the client's version."""
        await self.send_raw(V2_OK if self.version == 2 else V1_OK)

    async def send(self, data: bytes) -> None:
        """Content, chunked if the version wants it."""
        await self.send_raw(b"%x\r\n%s\r\n" % (len(data), data) if self.version == 2 else data)

    async def send_raw(self, data: bytes) -> None:
        """Bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def read_line(self) -> bytes:
        """What the client sends after its request."""
        return await self.reader.readline()

    async def wait_for_the_end(self) -> None:
        """Until the client has gone."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(1_024):
                pass


class Caster:
    """Serves each visit with `script`; refuses connections while it is not started."""

    def __init__(self, script: Callable[[Visit], Awaitable[None]]) -> None:
        self.script = script
        self.port = 0
        self.visits: list[Visit] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Caster":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()

    async def start(self) -> None:
        """Listens, on the same port as before if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Dies: nobody listens, and whoever is connected is cut off."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for visit in self.visits:
            visit.writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = Visit(reader, writer)
        self.visits.append(visit)
        try:
            await visit.read_request()
            await self.script(visit)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client has gone, or never was one
        finally:
            writer.close()
