"""A client of core's socket, as link is one, but one step at a time."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from controller.channel import (
    MESSAGE_BYTES_MAX,
    VERSION,
    Answer,
    AnyToLink,
    Ask,
    Hello,
    Live,
    Welcome,
    decode_to_link,
    encode,
)
from controller.core.inputs import AnyRequest
from controller.core.shown import Snapshot
from firmware_bridge.clock import now_ns
from sim.testing.waiting import PATIENCE_S

_M = TypeVar("_M", bound=AnyToLink)


class CoreClient:
    """
    Connects and says hello; `welcome` is what core answered. Closed by `close`, or as a context manager.

    has_hello : False leaves the first word to the test
    """

    def __init__(self, path: str | Path, *, has_hello: bool = True) -> None:
        """Raises OSError where no core listens."""
        self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.connection.settimeout(PATIENCE_S)
        try:
            self.connection.connect(str(path))
        except OSError:
            self.connection.close()
            raise
        self._numbers: Iterator[int] = iter(range(1, 10_000))
        if has_hello:
            self.connection.send(encode(Hello(version=VERSION, client="test")))
            self.welcome = self.next(Welcome)

    def next(self, kind: type[_M], where: Callable[[_M], object] = lambda message: True) -> _M:
        """The next message of a kind that fits; fails if core hangs up or does not say it in time."""
        message = self.next_or_end(kind, where)
        assert message is not None, f"core hung up before it said {kind} of that kind"
        return message

    def next_or_end(self, kind: type[_M], where: Callable[[_M], object] = lambda message: True) -> _M | None:
        """The same; None once core has hung up."""
        deadline_ns = now_ns() + round(PATIENCE_S * 1e9)
        while True:
            packet = self.connection.recv(MESSAGE_BYTES_MAX)
            if not packet:
                return None
            assert now_ns() < deadline_ns, f"core never said {kind} of that kind in {PATIENCE_S:g} s"
            message = decode_to_link(packet)
            if isinstance(message, kind) and where(message):
                return message

    def snapshot(self, where: Callable[[Snapshot], object] = lambda snapshot: True) -> Snapshot:
        """The next snapshot that fits."""
        return self.next(Live, lambda live: where(live.snapshot)).snapshot

    def ask(self, request: AnyRequest) -> Answer:
        """Put a request; its first answer, `accepted` or `refused`."""
        number = next(self._numbers)
        self.connection.send(encode(Ask(number=number, request=request)))
        return self.next(Answer, lambda answer: answer.number == number)

    def settle(self, request: AnyRequest) -> Answer:
        """Put a request; its last answer, `durable` or `refused`."""
        answer = self.ask(request)
        number = answer.number
        return answer if answer.state == "refused" else self.next(Answer, lambda answer: answer.number == number)

    def close(self) -> None:
        """Hang up."""
        self.connection.close()

    def __enter__(self) -> "CoreClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
