"""A running machine for tests: real ttys, UDP, a real broker, core and link as processes, all on loopback."""

import contextlib
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import msgspec

from controller.channel import MESSAGE_BYTES_MAX, VERSION, Answer, Ask, Hello, Live, Welcome, decode_to_link, encode
from controller.cli.broker import start_broker
from controller.cli.process import free_port
from firmware_bridge.clock import now_ns
from sim.console_client import ConsoleClient
from sim.day import plan
from sim.live import Devices
from sim.machine_config import Rig, config_text
from sim.scenario import load_scenario

ROOT = Path(__file__).parent.parent
PATIENCE_S = 20.0  # on two noisy cores; what is awaited usually comes within a tenth of it


def eventually(condition, patience_s=PATIENCE_S, why="it did not happen"):
    """What `condition` returns as soon as that is true; asks a hundred times a second."""
    deadline_ns = now_ns() + round(patience_s * 1e9)
    while True:
        result = condition()
        if result:
            return result
        assert now_ns() < deadline_ns, why
        time.sleep(0.01)


class Client:
    """A client of core's socket, as link is one, but one step at a time."""

    def __init__(self, path, hello=None):
        self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.connection.settimeout(PATIENCE_S)
        self.connection.connect(str(path))
        self.numbers = iter(range(1, 10_000))
        if hello is None:
            self.connection.send(encode(Hello(version=VERSION, client="test")))
            self.welcome = self.next(Welcome)

    def next(self, kind, where=lambda message: True):
        """The next message of a kind that fits; None once core has hung up."""
        deadline_ns = now_ns() + round(PATIENCE_S * 1e9)
        while True:
            packet = self.connection.recv(MESSAGE_BYTES_MAX)
            if not packet:
                return None
            assert now_ns() < deadline_ns, f"core never said {kind} of that kind"
            message = decode_to_link(packet)
            if isinstance(message, kind) and where(message):
                return message

    def snapshot(self, where=lambda snapshot: True):
        """The next snapshot that fits."""
        return self.next(Live, lambda live: where(live.snapshot)).snapshot

    def ask(self, request):
        """Put a request; its first answer."""
        number = next(self.numbers)
        self.connection.send(encode(Ask(number=number, request=request)))
        return self.next(Answer, lambda answer: answer.number == number)

    def close(self):
        self.connection.close()


class Machine:
    """A demo machine in a directory; devices are fed in real time from `begin` on."""

    def __init__(self, directory, scenario="demo", **scenario_changes):
        self.rig_directory = Path(tempfile.mkdtemp(prefix="fg-"))  # a socket's path must be short
        self.data = directory / "data"
        self.broker_port, self.console_port = free_port(), free_port()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.autopilot_port = probe.getsockname()[1]
        self.rig = Rig(
            gnss=str(self.rig_directory / "gnss"),
            head=str(self.rig_directory / "head"),
            autopilot=f"udp://127.0.0.1:{self.autopilot_port}",
            data=str(self.data),
            socket=str(self.rig_directory / "core.sock"),
            broker=("127.0.0.1", self.broker_port),
            console_port=self.console_port,
        )
        self.scenario = msgspec.structs.replace(load_scenario(scenario), **scenario_changes)
        self.config = self.rig_directory / "controller.toml"
        self.config.write_text(config_text(self.scenario, self.rig))
        self.console = ConsoleClient(self.console_port)
        self.processes = {}
        self.logs = {}
        self.devices = None
        self._feeding = None
        self._is_fed = threading.Event()
        self._actions = queue.SimpleQueue()

    def start(self, name, *options):
        """Start core or link, its log kept in the directory."""
        log = self.rig_directory / f"{name}-{len(self.logs)}.log"
        arguments = [sys.executable, "-m", "controller.cli", name, "--config", str(self.config), *options]
        with log.open("wb") as output:
            process = subprocess.Popen(arguments, stdout=output, stderr=output, cwd=ROOT)
        self.processes[name] = process
        self.logs[name] = log
        return process

    def start_core(self):
        """Start core; back once its socket answers."""
        process = self.start("core")
        eventually(lambda: self.is_core_there() or process.poll() is not None, why=self.log("core"))
        assert process.poll() is None, self.log("core")
        return process

    def start_broker(self):
        """Start the broker that the demo would start."""
        _, self.processes["broker"] = start_broker(self.rig_directory, self.broker_port)
        return self.processes["broker"]

    def is_core_there(self):
        with contextlib.suppress(OSError):
            Client(self.rig.socket).close()
            return True
        return False

    def log(self, name):
        return self.logs[name].read_text(errors="replace") if name in self.logs else ""

    def begin(self):
        """Switch the devices on and feed them in a thread of their own."""
        self.devices = Devices(plan(self.scenario, 1), self.rig)
        begun_ns = now_ns()

        def feed():
            while not self._is_fed.is_set():
                while not self._actions.empty():
                    action, is_done = self._actions.get()
                    action(self.devices)
                    is_done.set()
                due_ns = self.devices.feed(now_ns() - begun_ns)
                self.devices.wait(min(0.02, max(0.0, (due_ns - (now_ns() - begun_ns)) / 1e9)))

        self._feeding = threading.Thread(target=feed, daemon=True)
        self._feeding.start()

    def do(self, action):
        """Change the devices between two feedings: a descriptor must not be closed while it is waited on."""
        is_done = threading.Event()
        self._actions.put((action, is_done))
        assert is_done.wait(PATIENCE_S)

    def client(self):
        return Client(self.rig.socket)

    def session(self):
        """The directory of the newest session."""
        return max((self.data / "sessions").iterdir())

    def kill(self, name):
        """As a power cut would: SIGKILL, and nothing afterwards."""
        self.processes[name].kill()
        self.processes[name].wait()

    def stop(self, name):
        """SIGTERM, and its exit code."""
        process = self.processes[name]
        process.send_signal(signal.SIGTERM)
        return process.wait(PATIENCE_S)

    def close(self):
        self._is_fed.set()
        if self._feeding is not None:
            self._feeding.join()
            self.devices.close()
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.rig_directory)


def run_firmground(*arguments, **options):
    """The command as a user runs it."""
    command = [sys.executable, "-m", "controller.cli", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "120"}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False, timeout=180, **options
    )
