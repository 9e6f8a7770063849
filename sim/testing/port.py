"""A serial device that does what a test's script says, on a pseudo-terminal."""

import heapq
import os
import select
import threading
from collections.abc import Callable
from pathlib import Path

from firmware_bridge.clock import now_ns
from sim.pty import SerialDevice
from sim.testing.waiting import PATIENCE_S

KEPT_BYTES_MAX = 1_000_000  # of what the software under test sent and the test never took; the oldest go first
SHOWN_BYTES_MAX = 200  # of what came instead of what was expected


class ScriptedPort:
    """
    What is plugged in at `path`, for the software under test to open; a thread of its own answers for it.

    As on a wire, what is sent while nobody reads may be lost once the terminal's buffer is full. `unplug` hangs up on
    whoever has it open, and `plug` puts another terminal behind the same name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._device = SerialDevice(path)
        self._changed = threading.Condition()
        self._untaken = bytearray()
        self._unanswered = bytearray()
        self._answers: dict[bytes, bytes] = {}
        self._due: list[tuple[int, bytes]] = []
        self._wanted: Callable[[], None] | None = None
        self._is_closed = False
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._serve, name=f"port {path.name}", daemon=True)
        self._thread.start()

    def send(self, payload: bytes) -> None:
        """Bytes to the software under test, now."""
        with self._changed:
            self._device.send(payload)

    def at(self, seconds: float, send: bytes) -> None:
        """Send so many seconds from now."""
        with self._changed:
            heapq.heappush(self._due, (now_ns() + round(seconds * 1e9), send))
            self._wake()

    def when(self, received: bytes, send: bytes) -> None:
        """From now on, each time these bytes have come, answer with those; what is said last of them holds."""
        assert received, "when(b'') would answer for ever: name the bytes that are waited for"
        with self._changed:
            self._answers[received] = send

    def receive(self, timeout_s: float = PATIENCE_S) -> bytes:
        """All that came and was not taken yet; waits for the first byte. Fails with the path if none comes in time."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._untaken, timeout_s), (
                f"nothing came at {self.path} within {timeout_s:g} s"
            )
            taken = bytes(self._untaken)
            self._untaken.clear()
            return taken

    def expect(self, wanted: bytes, timeout_s: float = PATIENCE_S) -> bytes:
        """Wait for these bytes and take all up to their end; fails with what came instead."""
        with self._changed:
            has_come = self._changed.wait_for(lambda: wanted in self._untaken, timeout_s)
            came, count = bytes(self._untaken[-SHOWN_BYTES_MAX:]), len(self._untaken)
            last = f", the last of them {came!r}" if count else ""
            assert has_come, f"{wanted!r} did not come at {self.path} within {timeout_s:g} s; {count} bytes came{last}"
            end = self._untaken.index(wanted) + len(wanted)
            taken = bytes(self._untaken[:end])
            del self._untaken[:end]
            return taken

    @property
    def baud(self) -> int:
        """The speed that the software under test has set the line to; 0 while unplugged."""
        with self._changed:
            return self._device.baud()

    @property
    def is_plugged(self) -> bool:
        """Whether there is anything at `path`."""
        return self._device.fileno() is not None

    def unplug(self) -> None:
        """Pull the plug."""
        self._do(self._device.unplug)

    def plug(self) -> None:
        """Plug it in again; nothing changes where it is."""
        if not self.is_plugged:
            self._do(self._device.plug)

    def close(self) -> None:
        """Unplug it for good."""
        if self._is_closed:
            return
        self.unplug()
        with self._changed:
            self._is_closed = True
            self._wake()
        self._thread.join()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _do(self, action: Callable[[], None]) -> None:
        """Have the thread do it: a descriptor must not be closed while it is waited on."""
        with self._changed:
            self._wanted = action
            self._wake()
            assert self._changed.wait_for(lambda: self._wanted is None, PATIENCE_S), f"the thread of {self.path} hangs"

    def _wake(self) -> None:
        os.write(self._wake_write, b"w")

    def _serve(self) -> None:
        while True:
            with self._changed:
                if self._is_closed:
                    return
                self._send_due()
                descriptor = self._device.fileno()
                wait_s = (self._due[0][0] - now_ns()) / 1e9 if self._due else None
            waited_on = [self._wake_read] if descriptor is None else [self._wake_read, descriptor]
            ready = select.select(waited_on, [], [], wait_s if wait_s is None else max(0.0, wait_s))[0]
            with self._changed:
                if self._wake_read in ready:
                    os.read(self._wake_read, 65_536)
                self._take(self._device.receive())
                if self._wanted is not None:
                    self._wanted()
                    self._wanted = None
                self._changed.notify_all()

    def _send_due(self) -> None:
        while self._due and self._due[0][0] <= now_ns():
            self._device.send(heapq.heappop(self._due)[1])

    def _take(self, payload: bytes) -> None:
        self._untaken += payload
        del self._untaken[:-KEPT_BYTES_MAX]
        self._unanswered += payload
        while found := [
            (end, answer)
            for wanted, answer in self._answers.items()
            if (end := self._unanswered.find(wanted) + len(wanted)) >= len(wanted)
        ]:
            end, answer = min(found)
            del self._unanswered[:end]
            self._device.send(answer)
        # The beginning of what is waited for may be the end of what came.
        del self._unanswered[: max(0, len(self._unanswered) - max(map(len, self._answers), default=0))]
