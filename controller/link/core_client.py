"""
Link's end of the socket between core and link: connects, and connects again; never waits for a core that is silent.
"""

import asyncio
import contextlib
import itertools
import logging
import socket
from collections.abc import Callable
from pathlib import Path

from controller.channel import (
    MESSAGE_BYTES_MAX,
    VERSION,
    Answer,
    AnyToLink,
    Ask,
    CorrectionFrame,
    Hello,
    Live,
    Published,
    Refused,
    ToCore,
    Welcome,
    decode_to_link,
    encode,
)
from controller.core.inputs import AnyRequest
from firmware_bridge.errors import ServiceError

RETRY_S = 0.25
ANSWER_S_MAX = 5.0

_log = logging.getLogger(__name__)


class CoreClient:
    """
    One connection at a time; `hear` is called with every message, of several snapshots only with the newest.

    `lost` is called when the connection ends.
    """

    def __init__(self, path: Path, hear: Callable[[AnyToLink], None], lost: Callable[[], None]) -> None:
        self._path = path
        self._hear = hear
        self._lost = lost
        self._connection: socket.socket | None = None
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Queue[Answer]] = {}
        self._trouble: str | None = None

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            try:
                await self._connect_and_hear()
            except OSError as error:
                self._say(f"{self._path}: no core there: {error.strerror or error}")
            await asyncio.sleep(RETRY_S)

    def tell(self, message: Published | CorrectionFrame) -> None:
        """Say something that needs no answer; lost where no core hears."""
        with contextlib.suppress(OSError):
            self._send(message)

    async def ask(self, request: AnyRequest, *, until_durable: bool = False) -> Answer:
        """
        Put a request to the core.

        Returns its answer, the last one where `until_durable`; raises `ServiceError` where none comes.
        """
        number = next(self._numbers)
        self._answers[number] = asyncio.Queue(4)
        try:
            self._send(Ask(number=number, request=request))
            async with asyncio.timeout(ANSWER_S_MAX):
                answer = await self._answers[number].get()
                if until_durable and answer.state == "accepted":
                    answer = await self._answers[number].get()
            return answer
        except OSError as error:
            raise ServiceError("the core cannot be reached; nothing was done") from error
        except TimeoutError as error:
            raise ServiceError(f"the core has not answered within {ANSWER_S_MAX:.0f} s") from error
        finally:
            del self._answers[number]

    async def _connect_and_hear(self) -> None:
        loop = asyncio.get_running_loop()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        with connection:
            await loop.sock_connect(connection, str(self._path))
            connection.send(encode(Hello(version=VERSION, client="link")))
            self._connection = connection
            try:
                await self._hear_all(loop, connection)
            finally:
                self._connection = None
                self._lost()

    async def _hear_all(self, loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
        while True:
            packets = [await loop.sock_recv(connection, MESSAGE_BYTES_MAX + 1)]
            with contextlib.suppress(BlockingIOError):
                while packets[-1]:
                    packets.append(connection.recv(MESSAGE_BYTES_MAX + 1))
            newest: Live | None = None
            for packet in filter(None, packets):
                try:
                    message = decode_to_link(packet)
                except ValueError as error:
                    self._say(f"the core said something this link does not know: {error}")
                    continue
                if isinstance(message, Live):
                    newest = message
                else:
                    self._take(message)
            if newest is not None:
                self._hear(newest)
            if not packets[-1]:
                self._say("the core hung up")
                return

    def _take(self, message: AnyToLink) -> None:
        match message:
            case Answer():
                waiting = self._answers.get(message.number)
                if waiting is not None and not waiting.full():
                    waiting.put_nowait(message)
            case Refused():
                self._say(f"the core refused this link: {message.why}")
            case Welcome():
                self._say(f"connected to session {message.session}")
                self._hear(message)
            case _:
                self._hear(message)

    def _send(self, message: ToCore) -> None:
        if self._connection is None:
            raise ConnectionError("no core")
        self._connection.send(encode(message))  # type: ignore[arg-type]

    def _say(self, what: str) -> None:
        if what != self._trouble:
            _log.info("%s", what)
        self._trouble = what
