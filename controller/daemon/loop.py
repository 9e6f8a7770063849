"""
The core's loop: wait for bytes, a tick or a person; take one turn; perform what it decided, in the stated order.

First commands leave for the heads, lamp and buzzer before all; then the turn goes to the record; then it is shown.
Nothing in here waits but `poll`, and nothing below an alarm can delay it.
"""

import logging
import select
import socket
from collections.abc import Callable

from controller.channel import Health, LinkHealth, Welcome
from controller.core.effects import Effects, RequestRefused
from controller.core.inputs import AnyRequest, Chunk, EndSession, RawInputs
from controller.daemon.desk import Asked, Desk
from controller.daemon.store_thread import StoreThread
from controller.daemon.timer import Ticker
from controller.engine import Engine
from controller.notify import Notifier
from firmware_bridge.io.link import Link
from firmware_bridge.records import MonoNs

TICK_NS = 10_000_000
SYSTEM = "system"  # who ends a session when the process is told to stop, in place of a person's id code

_log = logging.getLogger(__name__)


class Loop:
    """
    Owns ports, timer and clients while it runs; everything is built and handed in by `controller.daemon.main`.

    heads          : the links that detector heads speak on
    corrections_to : the link of the receiver that takes RTCM, if one is configured
    """

    def __init__(
        self,
        *,
        engine: Engine,
        links: tuple[Link, ...],
        heads: frozenset[str],
        corrections_to: str | None,
        store: StoreThread,
        desk: Desk,
        notifier: Notifier,
        wakeup: socket.socket,
        welcome: Welcome,
        now_ns: Callable[[], MonoNs],
    ) -> None:
        self._engine = engine
        self._links = {link.name: link for link in links}
        self._heads = heads
        self._corrections_to = corrections_to
        self._store = store
        self._desk = desk
        self._notifier = notifier
        self._wakeup = wakeup
        self._welcome = welcome
        self._now_ns = now_ns
        self._poll = select.epoll()
        self._polled: dict[int, Link] = {}
        self._is_ended = False
        self._is_stopping = False

    def run(self) -> None:
        """Until the session is ended, by a person or by a signal."""
        now_ns = self._now_ns()
        ticker = Ticker(MonoNs(now_ns + TICK_NS), TICK_NS)
        for descriptor in (ticker, self._store, self._desk, self._wakeup):
            self._poll.register(descriptor.fileno(), select.EPOLLIN)
        self._desk.introduce(self._welcome, lambda descriptor: self._poll.register(descriptor, select.EPOLLIN))
        second = now_ns // 1_000_000_000
        try:
            while not self._is_ended:
                # A person's request that waits gets a turn of its own at once.
                chunks = self._gather(0.0 if self._desk.waiting else None)
                from_heads = [chunk for chunk in chunks if chunk.link in self._heads]
                if 0 < len(from_heads) < len(chunks):
                    # An alarm that is in these bytes must not wait for the decoding of a fix.
                    self._turn(self._now_ns(), 0, from_heads)
                    chunks = [chunk for chunk in chunks if chunk.link not in self._heads]
                now_ns = self._now_ns()
                self._turn(now_ns, ticker.lateness_ns(now_ns), chunks)
                if now_ns // 1_000_000_000 != second:
                    second = now_ns // 1_000_000_000
                    self._each_second(now_ns)
        finally:
            ticker.close()
            for link in self._links.values():
                link.finish()
            self._poll.close()

    def _gather(self, timeout_s: float | None) -> list[Chunk]:
        """Wait, then read every port that has something, stamping each read once."""
        chunks: list[Chunk] = []
        for descriptor, _ in self._poll.poll(timeout_s):
            link = self._polled.get(descriptor)
            if link is not None:
                self._read(link, descriptor, chunks)
            elif descriptor == self._desk.fileno():
                self._desk.accept()
            elif descriptor == self._store.fileno():
                self._desk.recorded(*self._store.take_durable())
            elif descriptor == self._wakeup.fileno():
                self._wakeup.recv(64)
                self._is_stopping = True
            elif self._desk.is_client(descriptor):
                self._desk.hear(descriptor)
        return chunks

    def _read(self, link: Link, descriptor: int, chunks: list[Chunk]) -> None:
        now_ns = self._now_ns()
        payload = link.read(now_ns)
        if payload:
            chunks.append(Chunk(link=link.name, arrival_ns=now_ns, payload=payload))
        if link.fileno() is None:  # closing it took its descriptor out of the poll
            del self._polled[descriptor]
            _log.warning("link %s: %s", link.name, link.status.trouble)

    def _turn(self, now_ns: MonoNs, lateness_ns: int, chunks: list[Chunk]) -> None:
        asked = self._desk.waiting.pop(0) if self._desk.waiting else None
        requests: tuple[AnyRequest, ...] = () if asked is None else (asked.request,)
        if self._is_stopping and asked is None:
            requests = (EndSession(person=SYSTEM),)
        requests += self._pass_corrections(now_ns)
        raw = RawInputs(
            now_ns=now_ns,
            chunks=tuple(chunks),
            requests=requests,
            lateness_ns=lateness_ns,
            backlog_ns=self._store.backlog_ns(now_ns),
        )
        effects = self._engine.turn(raw)
        for outgoing in self._engine.outgo.encode_commands(effects.commands):
            self._links[outgoing.link].write(outgoing.payload, now_ns)
        turn = self._store.put(raw, effects)
        if effects.snapshot is not None:
            self._desk.show(effects.snapshot)
            self._is_ended = effects.snapshot.is_ended
        if asked is not None:
            self._desk.answer(asked, turn, _why_refused(asked, effects))
        self._tend(now_ns)

    def _pass_corrections(self, now_ns: MonoNs) -> tuple[AnyRequest, ...]:
        """Corrections that link has brought go to the receiver; of where they come from the core is told."""
        payloads, seen = self._desk.corrections.take()
        if self._corrections_to is not None:
            for payload in payloads:
                self._links[self._corrections_to].write(payload, now_ns)
        return seen

    def _tend(self, now_ns: MonoNs) -> None:
        """Open what is closed and due."""
        for link in self._links.values():
            before = link.status.trouble if link.fileno() is None else None
            if link.tend(now_ns):
                descriptor = link.fileno()
                assert descriptor is not None, "it has just been opened"
                self._polled[descriptor] = link
                self._poll.register(descriptor, select.EPOLLIN)
                _log.info("link %s: open", link.name)
            elif link.fileno() is None and link.status.trouble != before:
                _log.warning("link %s: %s", link.name, link.status.trouble)

    def _each_second(self, now_ns: MonoNs) -> None:
        self._notifier.say("WATCHDOG=1")
        stats = self._engine.intake.stats()
        self._desk.report(
            Health(
                links=tuple(LinkHealth(port=link.status, stats=stats[name]) for name, link in self._links.items()),
                record_trouble=self._store.trouble,
                backlog_ns=self._store.backlog_ns(now_ns),
                published_seq=self._desk.published_seq,
            )
        )


def _why_refused(asked: Asked, effects: Effects) -> str | None:
    """Why the core did not carry out the one request of this turn; None where it did."""
    name = str(asked.request.__struct_config__.tag)
    for event in effects.events:
        if isinstance(event, RequestRefused) and event.request == name:
            return event.why
    return None
