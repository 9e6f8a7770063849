"""
The simulated day in real time: serial devices on pseudo-terminals, an autopilot on UDP, people at the console.

The controller meets it only through ttys, sockets and the console's web server, and cannot tell how it is made.
"""

import contextlib
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
from sim.autopilot import SimulatedAutopilot
from sim.console_client import ConsoleClient
from sim.crew import OPERATOR, Action
from sim.gnss import SECOND
from sim.head import SimulatedHead
from sim.inproc import START_NS, Day
from sim.machine_config import Rig
from sim.pty import SerialDevice

STATUS_NS = SECOND
DATAGRAM_BYTES_MAX = 2048
ASKED_S_MAX = 3.0  # how long people try to put a request before they give up


class Devices:
    """The machine's devices of one day; `feed` moves them on to the present."""

    def __init__(self, day: Day, rig: Rig) -> None:
        self.head = SimulatedHead(day.scenario)
        self.autopilot = SimulatedAutopilot()
        self.serial = {name: SerialDevice(Path(getattr(rig, name))) for name in ("gnss", "head")}
        self._autopilot = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._autopilot_at = parse_address(rig.autopilot)
        self._arrivals = day.arrivals
        self._position = 0
        self._replies: list[tuple[int, bytes]] = []
        self._next_status_ns = STATUS_NS
        self._unanswered = b""

    def feed(self, at_ns: int) -> int:
        """Send what is due at `at_ns` of the day, answer what was asked; the instant of what comes next."""
        self._hear(at_ns)
        while self._position < len(self._arrivals) and self._arrivals[self._position][0] <= at_ns:
            _, link, payload = self._arrivals[self._position]
            self._position += 1
            if link == "autopilot":
                self._say(self.autopilot.say(payload))
            else:
                self.serial[link].send(payload)
        while self._replies and self._replies[0][0] <= at_ns:
            self.serial["head"].send(self._replies.pop(0)[1])
        if at_ns >= self._next_status_ns:
            self._next_status_ns += STATUS_NS
            self.serial["head"].send(self.head.status(at_ns))
        waiting = [self._next_status_ns, *(at for at, _ in self._replies[:1])]
        if self._position < len(self._arrivals):
            waiting.append(self._arrivals[self._position][0])
        return min(waiting)

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

    def _say(self, payload: bytes) -> None:
        if payload:
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
        self.serial["gnss"].receive()
        asked = self._unanswered + self.serial["head"].receive()
        self._unanswered = b""
        if asked:
            # On a wire the answer is on its way within a few milliseconds of the last byte.
            self._replies += self.head.hear(asked, at_ns)
            self._replies.sort(key=lambda reply: reply[0])


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
        day.truth.mono_ns[:] += begun_ns - START_NS
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
