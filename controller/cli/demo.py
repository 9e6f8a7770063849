"""
`firmground demo`: the whole running system on one computer, against the simulator, for about a minute.

Simulator, broker, core and link are four processes, as they are on a machine; this one starts them and ends them.
"""

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import click
from rich.console import Console

from controller.cli.broker import start_broker
from controller.cli.map_view import draw_map
from controller.cli.process import free_port, start, stop_all
from controller.store.sessions import FOLDER
from controller.summary import read_map
from firmware_bridge.clock import now_ns
from firmware_bridge.errors import FirmgroundError, ServiceError

CONFIG_S_MAX = 30.0
JUDGE_S = 5.0  # of the given seconds, kept for closing and judging the session
CONSOLE_PORT = 8080  # where newcomers look first; any other where it is taken


@click.command()
@click.option("--scenario", default="demo", show_default=True, help="Which world and work to simulate.")
@click.option("--seed", default=1, show_default=True, help="Which targets, errors and noise.")
@click.option("--seconds", type=click.FloatRange(min=10.0), help="Close the session in time to be done by then.")
@click.option("--headless", is_flag=True, help="No map at the end.")
@click.option("--out", type=click.Path(path_type=Path), help="Session directory; default sessions/demo-SCENARIO-SEED.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object and no map.")
def demo(scenario: str, seed: int, seconds: float | None, headless: bool, out: Path | None, as_json: bool) -> None:
    """Run the real system live against the simulator, with a broker and the console; judge what it leaves."""
    until_ns = None if seconds is None else now_ns() + round((seconds - JUDGE_S) * 1e9)
    directory = out or _free_directory(Path("sessions"), f"demo-{scenario}-{seed}")
    if directory.exists() and any(directory.iterdir()):
        raise ServiceError(f"{directory}: is not empty; name a directory that does not exist yet")
    data = directory.with_name(directory.name + ".running")
    data.mkdir(parents=True, exist_ok=True)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with tempfile.TemporaryDirectory(prefix="firmground-") as rig:
        code = _Demo(Path(rig), data, as_json, stopping).run(scenario, seed, until_ns)
    kept = _keep(data, directory)
    if kept and not as_json:
        _say_what_next(directory, with_map=not headless)
    sys.exit(code)


class _Demo:
    """The processes of one demo."""

    def __init__(self, rig: Path, data: Path, as_json: bool, stopping: threading.Event) -> None:
        self._rig = rig
        self._data = data
        self._as_json = as_json
        self._stopping = stopping
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, scenario: str, seed: int, until_ns: int | None) -> int:
        """Start all, wait for the simulator's verdict, end all; the simulator's exit code."""
        broker_port, console_port = free_port(), _console_port()
        logs = {name: (self._rig / f"{name}.log").open("wb") for name in ("core", "link")}
        try:
            broker, self._processes["broker"] = start_broker(self._rig, broker_port)
            simulator = self._start_simulator(scenario, seed, until_ns, broker_port, console_port)
            if not self._wait_for_config(simulator):
                return simulator.wait()
            config = str(self._rig / "controller.toml")
            core = ["core", "--config", config, "--origin", "simulated"]
            self._processes["core"] = start(core, stderr=logs["core"])
            self._processes["link"] = start(["link", "--config", config], stderr=logs["link"])
            click.echo(f"console:  http://127.0.0.1:{console_port}", err=True)
            click.echo(f"broker:   mqtt://127.0.0.1:{broker_port}  ({broker})", err=True)
            click.echo(f"          firmground watch --broker mqtt://127.0.0.1:{broker_port}", err=True)
            click.echo("Ctrl-C closes the session in order.", err=True)
            self._supervise(simulator)
            return simulator.wait()
        finally:
            # Link last but one, so that the end of the session still reaches the broker.
            order = [name for name in ("simulator", "core", "link", "broker") if name in self._processes]
            stop_all(*(self._processes[name] for name in order))
            for log in logs.values():
                log.close()

    def _start_simulator(
        self, scenario: str, seed: int, until_ns: int | None, broker_port: int, console_port: int
    ) -> subprocess.Popen[bytes]:
        arguments = ["sim", "--scenario", scenario, "--seed", str(seed), "--directory", str(self._rig)]
        arguments += ["--data", str(self._data), "--broker", str(broker_port), "--console", str(console_port)]
        arguments += ["--quiet", *(["--json"] if self._as_json else [])]
        if until_ns is not None:
            arguments += ["--seconds", f"{max(1.0, (until_ns - now_ns()) / 1e9):.1f}"]
        self._processes["simulator"] = start(arguments, module="sim")
        return self._processes["simulator"]

    def _wait_for_config(self, simulator: subprocess.Popen[bytes]) -> bool:
        """The simulator writes the machine's configuration once its ports are there."""
        deadline_ns = now_ns() + round(CONFIG_S_MAX * 1e9)
        while not (self._rig / "controller.toml").exists():
            if simulator.poll() is not None:
                return False
            if now_ns() > deadline_ns or self._stopping.wait(0.05):
                raise ServiceError("the simulator did not get ready")
        return True

    def _supervise(self, simulator: subprocess.Popen[bytes]) -> None:
        """Until the simulator is done; a Ctrl-C is passed on to it, so that the crew closes the session."""
        is_told = False
        while simulator.poll() is None:
            if self._stopping.is_set() and not is_told:
                simulator.terminate()
                is_told = True
            for name in ("core", "link", "broker"):
                process = self._processes[name]
                if process.poll() not in (None, 0):
                    simulator.kill()
                    raise ServiceError(f"{name} ended with code {process.returncode}: {self._last_words(name)}")
            time.sleep(0.05)

    def _last_words(self, name: str) -> str:
        return (self._rig / f"{name}.log").read_text(errors="replace").strip()[-500:]


def _keep(data: Path, directory: Path) -> bool:
    """The session's folder becomes what the user named; what only the running system needed is removed."""
    sessions = sorted((data / FOLDER).glob("*")) if (data / FOLDER).is_dir() else []
    if sessions:
        if directory.exists():
            directory.rmdir()
        sessions[0].rename(directory)
    shutil.rmtree(data)
    return bool(sessions)


def _say_what_next(directory: Path, *, with_map: bool) -> None:
    console = Console()
    if with_map:
        try:
            console.print(draw_map(read_map(directory), console.width))
        except FirmgroundError as error:
            click.echo(f"firmground: {error}", err=True)
    click.echo(f"\nThe session is kept in {directory}. Try:")
    click.echo(f"  firmground replay {directory}")
    click.echo(f"  firmground verify {directory}")
    click.echo(f"  firmground export {directory} --what coverage --format geojson --out coverage.geojson")


def _console_port() -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", CONSOLE_PORT))
        except OSError:
            return free_port()
    return CONSOLE_PORT


def _free_directory(parent: Path, name: str) -> Path:
    """The first of NAME, NAME-2, NAME-3 … that does not exist: a demo never overwrites a session."""
    count = 1
    directory = parent / name
    while directory.exists() or directory.with_name(directory.name + ".running").exists():
        count += 1
        directory = parent / f"{name}-{count}"
    return directory
