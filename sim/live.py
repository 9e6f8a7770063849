"""
The simulated day in real time: serial devices on pseudo-terminals, an autopilot on UDP, people at the console.

The controller meets it only through ttys, sockets and the console's web server, and cannot tell how it is made.
"""

import contextlib
import queue
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from controller.core.inputs import AnyRequest, EndSession
from firmware_bridge.clock import now_ns
from firmware_bridge.errors import SimulatorError
from firmware_bridge.io.ports import parse_address
from sim.console_client import ConsoleClient
from sim.crew import OPERATOR, Action
from sim.day import Day
from sim.gnss import SECOND
from sim.head import SimulatedHead
from sim.machine_config import Rig
from sim.machinery import Machinery, Said
from sim.pty import SerialDevice

DATAGRAM_BYTES_MAX = 2048
AHEAD = 50_000  # arrivals that are made ahead: ten minutes of them
ASKED_S_MAX = 3.0  # how long people try to put a request before they give up


class Devices:
    """The machine's devices of one day; `feed` moves them on to the present."""

    def __init__(self, day: Day, rig: Rig) -> None:
        self._machinery = Machinery(day, _ahead(day.arrivals()))
        self.head, self.autopilot = self._machinery.head, self._machinery.autopilot
        names = ("gnss", "head") if day.scenario.gnss2 is None else ("gnss", "gnss2", "head")
        self.serial = {name: SerialDevice(Path(getattr(rig, name))) for name in names}
        self._autopilot = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._autopilot_at = parse_address(rig.autopilot)
        self._pulled: set[str] = set()
        self._unanswered = b""

    def feed(self, at_ns: int) -> int:
        """Send what is due at `at_ns` of the day, answer what was asked; the instant of what comes next."""
        self._pull_plugs(at_ns)
        self._hear(at_ns)
        for _, link, payload in self._machinery.arrive(at_ns):
            if link == "autopilot":
                self._say(payload)
            else:
                self.serial[link].send(payload)
        return self._machinery.next_ns

    def wait(self, seconds: float) -> None:
        """Until the controller sends something, or for so long."""
        descriptors = [d for d in (device.fileno() for device in self.serial.values()) if d is not None]
        descriptors.append(self._autopilot.fileno())
        select.select(descriptors, [], [], max(0.0, seconds))

    def heard_anything(self) -> bool:
        """Whether the controller has opened the head's port and asked for something; it is answered by `feed`."""
        self._unanswered = self.serial["head"].receive() or self._unanswered
        return bool(self._unanswered)

    def close(self) -> None:
        """Switch everything off."""
        for device in self.serial.values():
            device.unplug()
        self._autopilot.close()

    def _pull_plugs(self, at_ns: int) -> None:
        """What the day's faults unplug is really unplugged, and is another tty when it comes back."""
        for name, device in self.serial.items():
            if self._machinery.is_unplugged(name, at_ns) == (name in self._pulled):
                continue
            if name in self._pulled:
                self._pulled.remove(name)
                device.plug()
            else:
                self._pulled.add(name)
                device.unplug()

    def _say(self, payload: bytes) -> None:
        with contextlib.suppress(OSError):  # a controller that is not there is nothing to a datagram's sender
            self._autopilot.sendto(payload, self._autopilot_at)

    def _hear_autopilot(self) -> None:
        while True:
            try:
                self.autopilot.hear(self._autopilot.recv(DATAGRAM_BYTES_MAX))
            except OSError:  # nothing more, or word that nobody listens
                return

    def _hear(self, at_ns: int) -> None:
        self._hear_autopilot()
        for name, device in self.serial.items():
            if name != "head":
                device.receive()
        asked = self._unanswered + self.serial["head"].receive()
        self._unanswered = b""
        if asked:
            self._machinery.hear("head", asked, at_ns)


def _ahead(arrivals: Iterator[Said]) -> Iterator[Said]:
    """The same, made by a thread some minutes ahead: making half a minute's bytes takes longer than one of them may."""
    made: queue.Queue[Said | None] = queue.Queue(maxsize=AHEAD)

    def make() -> None:
        try:
            for said in arrivals:
                made.put(said)
        finally:
            made.put(None)

    threading.Thread(target=make, name="making", daemon=True).start()
    while (said := made.get()) is not None:
        yield said


class Crew(threading.Thread):
    """The people: each request at its time, by the console; `trouble` says what they could not do."""

    def __init__(
        self, script: list[tuple[float, Action]], head: SimulatedHead, console: ConsoleClient, begun_ns: int
    ) -> None:
        super().__init__(name="crew", daemon=True)
        self._script = script
        self._head = head
        self._console = console
        self._begun_ns = begun_ns
        self._is_leaving = threading.Event()
        self.trouble: str | None = None

    def run(self) -> None:
        """Work through the script, then be done; leave early when told to, closing the session first."""
        for at_s, action in self._script:
            request = action(self._head) if self._wait_until(at_s) else EndSession(person=OPERATOR)
            if not self._ask(request) or isinstance(request, EndSession):
                return

    def leave(self) -> None:
        """End the session now."""
        self._is_leaving.set()

    def _wait_until(self, at_s: float) -> bool:
        remaining_s = at_s - (now_ns() - self._begun_ns) / SECOND
        return not self._is_leaving.wait(max(0.0, remaining_s))

    def _ask(self, request: AnyRequest) -> bool:
        deadline_ns = now_ns() + round(ASKED_S_MAX * SECOND)
        while True:
            try:
                why = self._console.ask(request)
            except SimulatorError as error:
                why = str(error)
                if now_ns() < deadline_ns:
                    time.sleep(0.1)
                    continue
            if why is not None:
                self.trouble = f"{request.__struct_config__.tag}: {why}"
            return why is None


def live(
    day: Day, rig: Rig, console: ConsoleClient, *, until_ns: int | None, is_stopped: Callable[[], bool]
) -> Iterator[float]:
    """
    Live through a day in real time; yields the share done. The day begins when a controller asks for the head.

    until_ns : the host's monotonic time at which the people end the session, done or not

    Afterwards the day's truth is on the host's monotonic clock.
    Raises `SimulatorError` where the people could not do their work.
    """
    devices = Devices(day, rig)
    crew: Crew | None = None
    try:
        yield from _until_asked(devices, console, is_stopped)
        begun_ns = now_ns()
        day.truth.begun_ns = begun_ns
        crew = Crew(day.script, devices.head, console, begun_ns)
        crew.start()
        while crew.is_alive():
            at_ns = now_ns() - begun_ns
            if is_stopped() or (until_ns is not None and now_ns() > until_ns):
                crew.leave()
            due_ns = devices.feed(at_ns)
            yield min(1.0, at_ns / (day.until_s * SECOND))
            devices.wait(min(0.05, (due_ns - (now_ns() - begun_ns)) / SECOND))
    finally:
        devices.close()
    if crew.trouble is not None:
        raise SimulatorError(crew.trouble)


def _until_asked(devices: Devices, console: ConsoleClient, is_stopped: Callable[[], bool]) -> Iterator[float]:
    """Wait for a controller that has opened the head's port, and for its console."""
    is_heard = False
    while not (is_heard and console.is_online()):
        if is_stopped():
            raise SimulatorError("stopped before a controller had opened the head's port")
        is_heard = is_heard or devices.heard_anything()
        yield 0.0
        devices.wait(0.1)
