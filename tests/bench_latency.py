"""
Serial byte to alarm decision, through the running core: from the last byte of a frame with a signal written to a
pseudo-terminal until the command for lamp and buzzer can be read there. Beside it, in the same run, the floor: an
epoll loop in a process of its own that answers each read with as many bytes.

The core carries the reference load meanwhile: 16 channels at 100 Hz, GNSS at 10 Hz, 100 MAVLink messages a second.
"""

import contextlib
import http.client
import multiprocessing
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from firmware_bridge.codec.head import HostCommandDecoder, encode, encode_samples
from firmware_bridge.io.ports import parse_address
from firmware_bridge.records import DictionaryRequest, OutputCommand, OutputReply, SampleBlock, TimeQuery, TimeReply
from sim.day import plan
from sim.head import DICTIONARY_ID, dictionary_of
from sim.machine_config import Rig
from sim.pty import SerialDevice
from sim.scenario import Scenario, load_scenario
from sim.testing.machine import Machine
from sim.testing.waiting import eventually

ROUNDS = 1_000
FRAME_NS = 20_000_000  # two samples at 100 Hz
SETTLE_FRAMES = 500
LATE_S = 1.0
SIGNAL_UV = 200.0
ECHO = """
import contextlib, os, select, sys
with contextlib.suppress(OSError):
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(40))
port = os.open(sys.argv[1], os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
poll = select.epoll()
poll.register(port, select.EPOLLIN)
os.write(port, b"!")
while True:
    poll.poll()
    os.write(port, os.read(port, 65536))
"""


def percentiles(seconds: list[float]) -> tuple[float, float, float]:
    """p50, p99 and p99.9 in milliseconds."""
    return tuple(float(np.percentile(seconds, share)) * 1e3 for share in (50, 99, 99.9))


def echo_times(*, is_disk_busy: bool) -> list[float]:
    """The floor: a frame's bytes to a process that waits by epoll, and back."""
    with tempfile.TemporaryDirectory() as folder, _busy_disk(folder if is_disk_busy else None):
        return _echo_times()


def _echo_times() -> list[float]:
    master, slave = os.openpty()
    tty.setraw(slave)
    process = subprocess.Popen([sys.executable, "-c", ECHO, os.ttyname(slave)])
    times = []
    try:
        os.read(master, 1)
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            os.write(master, bytes(80))
            os.read(master, 100)
            times.append(time.perf_counter() - begun)
            time.sleep(FRAME_NS / 2e9)
    finally:
        process.kill()
        process.wait()
        os.close(master)
        os.close(slave)
    return times


class _Head:
    """A head on a pseudo-terminal that raises a signal in every other frame, and measures the answer."""

    def __init__(self, machine: Machine, port: SerialDevice) -> None:
        self._dictionary = dictionary_of(machine.scenario)
        self._port = port
        self._decoder = HostCommandDecoder()
        self._sequence = 0
        self._random = np.random.default_rng(1)
        self._begun_ns = time.monotonic_ns()

    def frame(self, signal_uv: float) -> bytes:
        """The next two samples of every channel."""
        channels = len(self._dictionary.channels)
        values = self._random.normal(0.0, 1.0, (2, channels))
        values[:, 3] += signal_uv
        rows = np.arange(self._sequence, self._sequence + 2, dtype=np.int64)
        self._sequence += 2
        now_ns = time.monotonic_ns() - self._begun_ns
        return encode_samples(
            SampleBlock(
                dictionary_id=DICTIONARY_ID,
                sequence=rows,
                device_time_ns=np.array([now_ns - 10_000_000, now_ns], dtype=np.int64),
                values=values,
                status=np.zeros(2, dtype=np.int64),
            ),
            self._dictionary,
        )

    def hear(self, until_s: float, wanted: bool | None) -> float | None:
        """Answer commands until the lamp is commanded as wanted, or until the time is over; when that was."""
        while (left := until_s - time.perf_counter()) > 0:
            if not select.select([self._port.fileno()], [], [], left)[0]:
                return None
            payload, now = self._port.receive(), time.perf_counter()
            hit = None
            for command in self._decoder.feed(payload):
                match command:
                    case DictionaryRequest():
                        self._port.send(encode(self._dictionary))
                    case TimeQuery():
                        reply = TimeReply(token=command.token, device_time_ns=time.monotonic_ns() - self._begun_ns)
                        self._port.send(encode(reply))
                    case OutputCommand():
                        is_on = command.lamp_on
                        self._port.send(encode(OutputReply(token=command.token, lamp_on=is_on, buzzer_on=is_on)))
                        hit = now if is_on == wanted else hit
            if hit is not None:
                return hit
        return None

    def run(self) -> list[float]:
        """Settle, then a signal in every other frame: seconds from its last byte to the lamp's command."""
        times = []
        due = time.perf_counter()
        for number in range(SETTLE_FRAMES + 2 * ROUNDS):
            due += FRAME_NS / 1e9
            self.hear(due, None)
            is_signal = number >= SETTLE_FRAMES and number % 2 == 1
            frame = self.frame(SIGNAL_UV if is_signal else 0.0)
            begun = time.perf_counter()
            self._port.send(frame)
            if is_signal:
                at = self.hear(begun + LATE_S, True)
                times.append(LATE_S if at is None else at - begun)
        return times


def core_times(*, is_link_busy: bool, is_disk_busy: bool) -> list[float]:
    """The same path through the core, while link and disk do what is said."""
    scenario = load_scenario("demo")
    head = msgspec.structs.replace(scenario.head, channels=16)
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(Path(folder), msgspec.structs.replace(scenario, head=head))
        others: list[multiprocessing.Process] = []

        def beside(work: Callable[..., None], *arguments: object) -> None:
            # A process each: a thread would share the interpreter with the stopwatch.
            others.append(multiprocessing.Process(target=work, args=arguments, daemon=True))
            others[-1].start()

        try:
            machine.start_core()
            if is_link_busy:
                machine.start_broker()
                machine.start("link")
            device = SerialDevice(Path(machine.rig.head))
            beside(_others, machine.scenario, machine.rig)
            if is_link_busy:
                eventually(machine.console.is_online)
                beside(_read_stream, machine.console_port)
            with _busy_disk(str(machine.data) if is_disk_busy else None):
                return _Head(machine, device).run()
        finally:
            for other in others:
                other.kill()
                other.join()
            machine.close()


@contextlib.contextmanager
def _busy_disk(folder: str | None) -> Iterator[None]:
    """A process that writes and syncs on the same disk without pause."""
    if folder is None:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", _FILL_DISK, folder])
    yield
    process.kill()
    process.wait()


_FILL_DISK = """
import os, sys
path = os.path.join(sys.argv[1], "ballast")
block = os.urandom(4 << 20)
while True:
    with open(path, "wb", buffering=0) as file:
        for _ in range(16):
            file.write(block)
            os.fsync(file.fileno())
"""


def _others(scenario: Scenario, rig: Rig) -> None:
    """GNSS and autopilot, the latter five times over: position and attitude at 100 messages a second."""
    day = plan(scenario, 1)
    receiver = SerialDevice(Path(rig.gnss))
    autopilot = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    begun = time.perf_counter()
    for at_ns, link, payload in list(day.arrivals()):
        if link == "head":
            continue
        time.sleep(max(0.0, at_ns / 1e9 - (time.perf_counter() - begun)))
        if link == "gnss":
            receiver.send(payload)
        else:
            for _ in range(5):
                autopilot.sendto(payload, parse_address(rig.autopilot))


def _read_stream(port: int) -> None:
    """A console that shows everything."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/api/stream")
    answer = connection.getresponse()
    with contextlib.suppress(http.client.HTTPException, OSError):
        while answer.read(4096):
            pass


def measure(console: Console) -> None:
    """Run all and print one table."""
    table = Table(title="Serial byte to alarm decision, ms (smaller is better)", title_justify="left")
    for column in ("", "p50", "p99", "p99.9", "ratios to the floor"):
        table.add_column(column, justify="left" if not column else "right")
    # Core and echo run at their real-time priority where that is allowed; so must whoever holds the stopwatch.
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(30))
    floor, floor_busy = (percentiles(echo_times(is_disk_busy=is_busy)) for is_busy in (False, True))
    cases = [
        ("floor: bare epoll echo", floor, floor),
        ("core, link not running", percentiles(core_times(is_link_busy=False, is_disk_busy=False)), floor),
        (
            "core, link busy with broker and console",
            percentiles(core_times(is_link_busy=True, is_disk_busy=False)),
            floor,
        ),
        ("floor: bare epoll echo, disk saturated", floor_busy, floor_busy),
        ("core, link busy, disk saturated", percentiles(core_times(is_link_busy=True, is_disk_busy=True)), floor_busy),
    ]
    for name, measured, rival in cases:
        ratios = " / ".join(f"{own / other:.1f}" for own, other in zip(measured, rival, strict=True))
        table.add_row(name, *(f"{value:.2f}" for value in measured), ratios)
    console.print(table)
