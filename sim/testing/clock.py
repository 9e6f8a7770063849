"""The controller's decoders and core on a clock that a test moves by hand."""

from collections import defaultdict
from pathlib import Path

from controller.config import parse_config
from controller.core.effects import AnyEvent, Command
from controller.core.inputs import AnyRequest, Chunk, Origin, RawInputs
from controller.core.shown import Snapshot
from controller.session import Session
from firmware_bridge.errors import SimulatorError
from firmware_bridge.records import LinkStats, MonoNs

SECOND = 1_000_000_000
BEGIN_NS = 1_000 * SECOND  # the controller's monotonic clock when the test begins
TURN_NS = 10_000_000  # the loop's timer: without bytes, a hundred turns a second


class HandClock:
    """
    Decoders, core and record of one machine; its time moves only by `advance`.

    Whatever is told it comes in at the present instant, and is decided upon before the call returns. All that was
    decided is kept: `events` as they go into the ledger, `commands` to heads and autopilots as records, the newest
    `snapshot` (None before the first). What the commands are as bytes is handed out, once, by `received`. The session
    in `directory` is whole once `close` was called, and says that it is simulated (P8).
    """

    def __init__(self, config_text: str, source: str, directory: Path) -> None:
        """`source` names the configuration in errors. Raises `ConfigError`."""
        self.links = tuple(link.name for link in parse_config(config_text, source).link)
        self._session = Session.create(
            config_text=config_text,
            source=source,
            directory=directory,
            origin=Origin.SIMULATED,
            session_id="by-hand",
        )
        self._outgoing: dict[str, bytearray] = defaultdict(bytearray)
        self._is_closed = False
        self.directory = directory
        self.now_ns = MonoNs(BEGIN_NS)
        self.events: list[AnyEvent] = []
        self.commands: list[Command] = []
        self.snapshot: Snapshot | None = None

    @property
    def seconds(self) -> float:
        """How far the clock has been moved."""
        return (self.now_ns - BEGIN_NS) / SECOND

    def send(self, link: str, payload: bytes) -> tuple[AnyEvent, ...]:
        """Bytes from a device, now; the events that they lead to at once. Raises `SimulatorError` for no such link."""
        self._check(link)
        return self._turn(chunks=(Chunk(link=link, arrival_ns=self.now_ns, payload=payload),))

    def ask(self, request: AnyRequest) -> tuple[AnyEvent, ...]:
        """A person's request, now; the events that it leads to at once, a refusal among them."""
        return self._turn(requests=(request,))

    def advance(self, seconds: float) -> tuple[AnyEvent, ...]:
        """Let time pass, a hundred turns a second; the events of all of them."""
        assert seconds >= 0.0, f"time runs forward: advance({seconds})"
        events: list[AnyEvent] = []
        until_ns = self.now_ns + round(seconds * SECOND)
        while self.now_ns < until_ns:
            self.now_ns = MonoNs(min(self.now_ns + TURN_NS, until_ns))
            events += self._turn()
        return tuple(events)

    def received(self, link: str) -> bytes:
        """What the controller has sent to a device since this was last asked. Raises `SimulatorError`."""
        self._check(link)
        return bytes(self._outgoing.pop(link, b""))

    def stats(self, link: str) -> LinkStats:
        """What the link's decoder made of its bytes: frames, records, bad checksums. Raises `SimulatorError`."""
        self._check(link)
        return self._session.link_stats()[link]

    def close(self) -> None:
        """Close the record's files; nothing can come in afterwards."""
        if not self._is_closed:
            self._is_closed = True
            self._session.close()

    def _check(self, link: str) -> None:
        if link not in self.links:
            raise SimulatorError(f"there is no link {link!r} in this configuration; there are {', '.join(self.links)}")

    def _turn(self, chunks: tuple[Chunk, ...] = (), requests: tuple[AnyRequest, ...] = ()) -> tuple[AnyEvent, ...]:
        assert not self._is_closed, "the clock is closed: its session has ended"
        turn = self._session.turn(RawInputs(now_ns=self.now_ns, chunks=chunks, requests=requests))
        for outgoing in turn.outgoing:
            self._outgoing[outgoing.link] += outgoing.payload
        self.commands += turn.effects.commands
        self.events += turn.effects.events
        self.snapshot = turn.effects.snapshot or self.snapshot
        return turn.effects.events
