"""
A running machine: core, link and a broker as processes of their own, its devices on pseudo-terminals and UDP.

It is what `make demo` runs, one part at a time, so that a test can take any part away.
"""

import queue
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from controller.channel import Answer
from controller.cli.broker import start_broker
from controller.cli.process import free_port, start, stop_all
from controller.core.inputs import AnyRequest
from controller.core.shown import Snapshot
from controller.store.sessions import FOLDER
from firmware_bridge.clock import now_ns
from sim.console_client import ConsoleClient
from sim.live import Devices
from sim.machine_config import Rig, config_text
from sim.scenario import Scenario
from sim.testing.core_client import CoreClient
from sim.testing.days import planned_day
from sim.testing.waiting import PATIENCE_S, eventually

HOST = "127.0.0.1"
FEED_S = 0.02  # how often the devices look up while nothing is due and nothing is asked of them


class Machine:
    """
    A simulated vehicle in a directory, nothing of it running yet; everything it listens on is on loopback.

    directory   : holds `controller.toml`, the logs and `data` with the sessions; what is left after a test
    broker_port : of a broker that runs already; `start_broker` starts one at another port where there is none
    rig         : where its ports, socket, records, broker and console are
    config      : the path of the configuration that core and link read when they start; a test may rewrite it before
    """

    def __init__(self, directory: Path, scenario: Scenario, *, seed: int = 1, broker_port: int | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        # Of the ports and the socket alone: a socket's path must be shorter than a test's directory may be.
        self.rig_directory = Path(tempfile.mkdtemp(prefix="fg-"))
        self.directory, self.data = directory, directory / "data"
        self.has_own_broker = broker_port is None
        self.broker_port = free_port() if broker_port is None else broker_port
        self.console_port = free_port()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((HOST, 0))
            self.autopilot_port = int(probe.getsockname()[1])
        self.rig = Rig(
            gnss=str(self.rig_directory / "gnss"),
            head=str(self.rig_directory / "head"),
            autopilot=f"udp://{HOST}:{self.autopilot_port}",
            data=str(self.data),
            socket=str(self.rig_directory / "core.sock"),
            broker=(HOST, self.broker_port),
            console_port=self.console_port,
        )
        self.scenario, self.seed = scenario, seed
        self.config = directory / "controller.toml"
        self.config.write_text(config_text(scenario, self.rig), encoding="utf-8")
        self.console = ConsoleClient(self.console_port)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.logs: dict[str, Path] = {}
        self._devices: Devices | None = None
        self._feeding: threading.Thread | None = None
        self._is_fed = threading.Event()
        self._actions: queue.SimpleQueue[tuple[Callable[[Devices], object], threading.Event]] = queue.SimpleQueue()

    def start_all(self) -> None:
        """Start everything; back once the console hears a core whose head and receiver speak."""
        if self.has_own_broker:
            self.start_broker()
        self.start_core()
        self.start("link")
        self.begin()
        eventually(self.console.is_online, why=lambda: f"the console hears no core: {self.log('link')}")
        self.wait_for(lambda shown: shown.fix_class is not None and all(head.channels for head in shown.heads))

    def start(self, name: str, *options: str) -> subprocess.Popen[bytes]:
        """Start `core`, `link` or `run`; its log is kept in the directory."""
        log = self.directory / f"{name}-{len(self.logs)}.log"
        with log.open("wb") as output:
            process = start([name, "--config", str(self.config), *options], stdout=output, stderr=output)
        self.processes[name] = process
        self.logs[name] = log
        return process

    def start_core(self) -> subprocess.Popen[bytes]:
        """Start core; back once its socket answers. Fails with core's own words."""
        process = self.start("core")
        eventually(
            lambda: self.is_core_there() or process.poll() is not None,
            why=lambda: f"core does not answer: {self.log('core')}",
        )
        assert process.poll() is None, f"core ended with code {process.returncode}: {self.log('core')}"
        return process

    def start_broker(self) -> subprocess.Popen[bytes]:
        """Start the broker that the demo would start; raises `ServiceError` where there is none."""
        _, self.processes["broker"] = start_broker(self.directory, self.broker_port)
        return self.processes["broker"]

    def begin(self) -> None:
        """Switch the devices on, and feed them in real time from now on."""
        devices = self._devices = Devices(planned_day(self.scenario, self.seed), self.rig)
        self._feeding = threading.Thread(target=self._feed, args=(devices, now_ns()), name="devices", daemon=True)
        self._feeding.start()

    @property
    def devices(self) -> Devices:
        """What stands at the other ends of the wires; `head.lamp_on` says whether the lamp is lit."""
        assert self._devices is not None, "the devices are off; call begin() or start_all() first"
        return self._devices

    def unplug(self, device: str) -> None:
        """Pull the plug of `head` or `gnss`."""
        self.do(lambda devices: devices.serial[device].unplug())

    def plug(self, device: str) -> None:
        """Plug it in again: another tty behind the same name."""
        self.do(lambda devices: devices.serial[device].plug())

    def do(self, action: Callable[[Devices], object]) -> None:
        """Change the devices between two feedings: a descriptor must not be closed while it is waited on."""
        is_done = threading.Event()
        self._actions.put((action, is_done))
        assert is_done.wait(PATIENCE_S), "the devices do not move on; begin() switches them on"

    def client(self) -> CoreClient:
        """A new connection to core's socket."""
        return CoreClient(self.rig.socket)

    def is_core_there(self) -> bool:
        """Whether core's socket answers."""
        try:
            self.client().close()
        except OSError:
            return False
        return True

    def ask(self, request: AnyRequest) -> Answer:
        """Put a person's request to core; its answer, `durable` or `refused` with the reason."""
        with self.client() as client:
            return client.settle(request)

    def wait_for(self, where: Callable[[Snapshot], object]) -> Snapshot:
        """The first snapshot of core that fits."""
        with self.client() as client:
            return client.snapshot(where)

    def session(self) -> Path:
        """The directory of the newest session."""
        return max((self.data / FOLDER).iterdir())

    def log(self, name: str) -> str:
        """What a process has said since it was last started."""
        return self.logs[name].read_text(errors="replace") if name in self.logs else ""

    def kill(self, name: str) -> None:
        """End a process as a power cut would: SIGKILL, and nothing afterwards."""
        self.processes[name].kill()
        self.processes[name].wait()

    def stop(self, name: str) -> int:
        """End a process in order, by SIGTERM; its exit code."""
        process = self.processes[name]
        process.send_signal(signal.SIGTERM)
        return process.wait(PATIENCE_S)

    def close(self) -> None:
        """End everything that was started, and take the ports away; the directory stays."""
        self._is_fed.set()
        if self._feeding is not None:
            self._feeding.join()
            self.devices.close()
        for name, process in self.processes.items():
            if name == "run":  # killed, it could not end what it has started
                stop_all(process)
            elif process.poll() is None:
                self.kill(name)
        shutil.rmtree(self.rig_directory)

    def _feed(self, devices: Devices, begun_ns: int) -> None:
        while not self._is_fed.is_set():
            while not self._actions.empty():
                action, is_done = self._actions.get()
                action(devices)
                is_done.set()
            due_ns = devices.feed(now_ns() - begun_ns)
            devices.wait(min(FEED_S, max(0.0, (due_ns - (now_ns() - begun_ns)) / 1e9)))
