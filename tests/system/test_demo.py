"""The demo as a newcomer starts it: four processes, one verdict, a session that stands every examination."""

import json
import re
import shutil
import signal
import subprocess
import sys
import threading

import pytest

from controller.core.effects import SessionEnded
from controller.replay import replay
from controller.store.ledger import read_events
from controller.store.verify import verify
from sim.testing.waiting import eventually
from tests.command import ROOT, run_firmground


class Demo:
    """`firmground demo` running, its messages read as they come."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "controller.cli", "demo", *map(str, arguments)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        self.said = []
        self._reader = threading.Thread(target=lambda: self.said.extend(self.process.stderr), daemon=True)
        self._reader.start()

    def address(self, scheme):
        """The address that it prints, once it has."""
        pattern = re.compile(rf"{scheme}://127\.0\.0\.1:(\d+)")
        found = eventually(lambda: [m for line in list(self.said) for m in pattern.findall(line)], why=str(self.said))
        return int(found[0])

    def finish(self, timeout=120):
        output = self.process.stdout.read()
        code = self.process.wait(timeout)
        self._reader.join()
        return code, output


@pytest.fixture
def demo():
    started = []

    def start(*arguments):
        started.append(Demo(*arguments))
        return started[-1]

    yield start
    for running in started:
        running.process.kill()
        running.process.wait()


def test_a_minute_of_demo_searches_finds_and_leaves_a_session_that_verifies_and_replays(demo, tmp_path):
    """Exit 0, nothing over-claimed, every target in searched ground found, provisional turned to searched."""
    running = demo("--headless", "--seconds", 60, "--json", "--out", tmp_path / "s")
    broker = running.address("mqtt")
    watched = eventually(lambda: _watch(broker), why="nothing was published")
    subscribed = _mosquitto_sub(broker)
    code, output = running.finish()
    assert code == 0, running.said
    summary = json.loads(output)
    assert summary["origin"] == "simulated"
    assert summary["oracle"]["over_claimed_m2"] == 0.0
    assert summary["oracle"]["targets_missed"] == 0
    assert summary["oracle"]["targets_found"] == 5
    assert summary["searched_m2"] > 10.0
    assert summary["provisional_m2"] == 0.0
    assert {message["topic"].split("/")[4] for message in watched} >= {"status", "live", "event"}
    assert subscribed is None or "firmground/v1/demo/simulated/live/state" in subscribed
    assert verify(tmp_path / "s").problems == ()
    assert replay(tmp_path / "s").difference is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s"], "nothing else is left behind"


def test_a_demo_that_is_given_too_little_time_closes_its_session_and_draws_what_there_is(demo, tmp_path):
    """Cut short in order: exit 0, the legend with its warning, and where to go next."""
    running = demo("--seconds", 14, "--out", tmp_path / "s")
    code, output = running.finish()
    assert code == 0, running.said
    assert "searched is not cleared" in output
    assert "SIMULATED" in output
    assert f"firmground replay {tmp_path / 's'}" in output
    assert any(isinstance(event, SessionEnded) for event in read_events(tmp_path / "s"))


def test_ctrl_c_ends_a_demo_in_order(demo, tmp_path):
    """The crew closes the session, the processes are gone, the record is whole."""
    running = demo("--headless", "--json", "--out", tmp_path / "s")
    broker = running.address("mqtt")
    eventually(lambda: _watch(broker))
    running.process.send_signal(signal.SIGINT)
    code, output = running.finish()
    assert code == 0, running.said
    assert json.loads(output)["oracle"]["over_claimed_m2"] == 0.0
    assert replay(tmp_path / "s").difference is None
    assert run_firmground("watch", "--broker", f"mqtt://127.0.0.1:{broker}", "--seconds", 1).returncode == 2


def test_a_demo_is_never_written_over_a_session(tmp_path):
    """A directory that is not empty is left alone."""
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "mine").write_text("x")
    done = run_firmground("demo", "--headless", "--out", tmp_path / "s")
    assert done.returncode == 2
    assert "is not empty" in done.stderr


def test_run_starts_core_and_link_again_when_they_are_killed(firmground_machine):
    """Supervised: a killed core is back with a new session; Ctrl-C ends both."""
    machine = firmground_machine()
    process = machine.start("run")
    first = eventually(lambda: machine.is_core_there() and machine.session(), why=lambda: machine.log("run"))
    (core,) = _children(process.pid, " core ")
    subprocess.run(["kill", "-9", str(core)], check=True)
    eventually(lambda: machine.session() != first and machine.is_core_there(), why=lambda: machine.log("run"))
    eventually(machine.console.is_online, why=lambda: machine.log("run"))
    assert "core ended with code -9; starting it again" in machine.log("run")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert _children(process.pid, " core ") == _children(process.pid, " link ") == []


def _children(pid, word):
    listed = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if word in line]


def _watch(port):
    """What three seconds of `firmground watch` show; nothing while the broker is empty."""
    done = run_firmground("watch", "--broker", f"mqtt://127.0.0.1:{port}", "--seconds", 3, "--json")
    assert done.returncode == 0, done.stderr
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    return messages if any("/live/" in message["topic"] for message in messages) else []


def _mosquitto_sub(port):
    if shutil.which("mosquitto_sub") is None:
        return None
    command = ["mosquitto_sub", "-p", str(port), "-t", "firmground/#", "-F", "%t %l", "-C", "20", "-W", "10"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
