"""
Core's end of the socket between core and link: who may speak, what they may ask, and what they are told.

Nothing here waits. A client that does not read loses snapshots, counted; one that lets answers pile up is cut off.
"""

import contextlib
import logging
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import msgspec

from controller.channel import (
    MESSAGE_BYTES_MAX,
    VERSION,
    Answer,
    AnyToLink,
    Ask,
    CorrectionFrame,
    Health,
    Hello,
    Live,
    Published,
    Recorded,
    Refused,
    Welcome,
    decode_to_core,
    encode,
)
from controller.core.inputs import AnyRequest
from controller.core.shown import Snapshot
from controller.daemon.corrections import CorrectionQueue
from firmware_bridge.errors import ServiceError

CLIENTS_MAX = 4
WAITING_MAX = 64  # requests taken and not yet in a turn; people ask a few times a minute
SEND_BYTES = 65_536  # what a client may leave unread: one to two seconds
PACKETS_A_TURN = 16  # of one client, so that no client can hold the loop
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid

_log = logging.getLogger(__name__)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request that waits for its turn; `client`: who asked, a number never given twice."""

    client: int
    number: int
    request: AnyRequest


class _Client(msgspec.Struct, kw_only=True):
    connection: socket.socket
    identity: int
    name: str | None = None
    dropped: int = 0


class Desk:
    """The listening socket and its clients, by descriptor; `introduce` says what each new one is told."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._welcome: Welcome | None = None
        self._clients: dict[int, _Client] = {}
        self._accepted = 0
        self._unrecorded: list[tuple[int, int, int]] = []
        self.waiting: list[Asked] = []
        self.published_seq: int | None = None
        self.corrections = CorrectionQueue()
        self._watch: Callable[[int], None] = lambda descriptor: None
        self._listener = _listen(path)

    def fileno(self) -> int:
        """The listening descriptor."""
        return self._listener.fileno()

    def introduce(self, welcome: Welcome, watch: Callable[[int], None]) -> None:
        """Begin: answer every hello with `welcome`; `watch` is called with each new client's descriptor."""
        self._welcome, self._watch = welcome, watch

    def is_client(self, descriptor: int) -> bool:
        """Whether a descriptor belongs to a client that is still there."""
        return descriptor in self._clients

    def accept(self) -> None:
        """Take the connections that wait, if their credentials allow it."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                _log.warning("a connection to %s failed: %s", self._path, error)
                return
            connection.setblocking(False)
            why = self._why_not(connection)
            if why is not None:
                _log.warning("refused a connection: %s", why)
                with contextlib.suppress(OSError):
                    connection.send(encode(Refused(why=why)))
                connection.close()
                continue
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
            self._accepted += 1
            self._clients[connection.fileno()] = _Client(connection=connection, identity=self._accepted)
            self._watch(connection.fileno())

    def hear(self, descriptor: int) -> None:
        """Take what one client has sent."""
        client = self._clients[descriptor]
        for _ in range(PACKETS_A_TURN):
            try:
                packet = client.connection.recv(MESSAGE_BYTES_MAX + 1)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self._drop(descriptor, "gone")
                return
            if not self._take(descriptor, client, packet):
                return

    def answer(self, asked: Asked, turn: int, why: str | None) -> None:
        """A request was carried out in this turn, or refused; it is reported durable when the turn is."""
        if why is not None:
            self._answer(asked.client, Answer(number=asked.number, state="refused", why=why))
            return
        self._answer(asked.client, Answer(number=asked.number, state="accepted"))
        self._unrecorded.append((turn, asked.client, asked.number))

    def recorded(self, turns: int, seq: int) -> None:
        """So many turns are on the disk, and records up to `seq`."""
        while self._unrecorded and self._unrecorded[0][0] <= turns:
            _, client, number = self._unrecorded.pop(0)
            self._answer(client, Answer(number=number, state="durable"))
        for descriptor in list(self._clients):
            self._send(descriptor, Recorded(seq=seq))

    def show(self, snapshot: Snapshot) -> None:
        """The newest state to every client that keeps up."""
        for descriptor, client in list(self._clients.items()):
            if client.name is None:
                continue
            try:
                client.connection.send(encode(Live(snapshot=snapshot, dropped=client.dropped)))
            except BlockingIOError:
                client.dropped += 1
            except OSError:
                self._drop(descriptor, "gone")

    def report(self, health: Health) -> None:
        """Ports and record, to every client."""
        for descriptor in list(self._clients):
            self._send(descriptor, health)

    def close(self) -> None:
        """Hang up on everybody; the path is free again."""
        for descriptor in list(self._clients):
            self._drop(descriptor, "core ends")
        self._listener.close()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _take(self, descriptor: int, client: _Client, packet: bytes) -> bool:
        """One packet; False where the client was cut off for it."""
        try:
            message = decode_to_core(packet)
        except ValueError as error:
            return self._refuse(descriptor, f"not a message this core knows: {error}")
        match message:
            case Hello(version=version) if version != VERSION:
                return self._refuse(descriptor, f"it speaks version {version}; this core speaks {VERSION}")
            case Hello():
                client.name = message.client
                assert self._welcome is not None, "nobody is heard before `introduce`"
                self._send(descriptor, self._welcome)
            case _ if client.name is None:
                return self._refuse(descriptor, "the first message must be a hello")
            case Ask() if len(self.waiting) >= WAITING_MAX:
                busy = f"{WAITING_MAX} requests are waiting already"
                self._send(descriptor, Answer(number=message.number, state="refused", why=busy))
            case Ask():
                self.waiting.append(Asked(client=client.identity, number=message.number, request=message.request))
            case CorrectionFrame():
                self.corrections.add(message.payload)
            case Published():
                if self._welcome is not None and message.session == self._welcome.session:
                    self.published_seq = message.seq
        return descriptor in self._clients

    def _why_not(self, connection: socket.socket) -> str | None:
        """Who may connect: this user, root, or a member of this process's group; the socket's mode says the same."""
        packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, gid = _CREDENTIALS.unpack(packed)
        if uid not in (0, os.geteuid()) and gid != os.getegid():
            return f"process {pid} of user {uid} is neither of this user nor of group {os.getegid()}"
        if len(self._clients) >= CLIENTS_MAX:
            return f"{CLIENTS_MAX} clients are connected already"
        return None

    def _refuse(self, descriptor: int, why: str) -> bool:
        _log.warning("cut off a client: %s", why)
        self._send(descriptor, Refused(why=why))
        self._drop(descriptor, why)
        return False

    def _answer(self, identity: int, answer: Answer) -> None:
        """To whoever asked, if it is still there."""
        for descriptor, client in list(self._clients.items()):
            if client.identity == identity:
                self._send(descriptor, answer)

    def _send(self, descriptor: int, message: AnyToLink) -> None:
        client = self._clients.get(descriptor)
        if client is None or (client.name is None and not isinstance(message, Welcome | Refused)):
            return
        try:
            client.connection.send(encode(message))
        except OSError as error:
            self._drop(descriptor, f"does not read what it is told: {error}")

    def _drop(self, descriptor: int, why: str) -> None:
        client = self._clients.pop(descriptor, None)
        if client is None:
            return
        _log.info("client %s: %s", client.name or "without a hello", why)
        # Requests already taken stay: whoever asked, it was asked.
        client.connection.close()


def _listen(path: Path) -> socket.socket:
    """The listening socket; a path left by a process that is no more is taken over, one in use is not."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and _is_answered(path):
            raise ServiceError(f"{path}: another core is running on this machine; stop it first")
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        listener.bind(str(path))
        path.chmod(0o660)
        listener.listen(CLIENTS_MAX)
    except OSError as error:
        listener.close()
        raise ServiceError(f"{path}: cannot be listened on: {error.strerror or error}") from error
    return listener


def _is_answered(path: Path) -> bool:
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    with probe:
        return probe.connect_ex(str(path)) == 0
