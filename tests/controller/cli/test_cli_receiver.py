"""`firmground receiver` as a user meets it: exit codes, one JSON object, and no word to a receiver that core holds."""

import json
import subprocess
import sys

import pytest

from controller.channel import Health
from firmware_bridge.io.ports import open_port
from sim.receiver import FLASH, RAM, RATE_MEASUREMENT, ReceiverFaults, SimulatedReceiver
from tests.receiver_rig import PluggedReceiver


def receiver_command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "controller.cli", "receiver", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gnss"


@pytest.fixture
def plug(path):
    plugged = []

    def start(**faults):
        simulated = SimulatedReceiver(ReceiverFaults(**faults))
        plugged.append(PluggedReceiver(path, simulated))
        return simulated

    yield start
    for one in plugged:
        one.close()


def one_object(done):
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout + done.stderr
    return json.loads(lines[0])


def test_a_receiver_is_found_wanting_set_up_and_found_good(plug, path):
    """check 1, set-up 0, check 0 at the new speed; then it is shown."""
    simulated = plug()
    before = receiver_command("check", "--port", path, "--baud", 38_400, "--rate", 10)
    assert before.returncode == 1
    assert "CFG-RATE-MEAS is 1000, and must be 100" in before.stdout.replace("\n", " ")
    wishes = ("--rate", 10, "--save", "flash", "--json")
    done = receiver_command("set-up", "--port", path, "--baud", 38_400, "--new-baud", 115_200, *wishes)
    assert done.returncode == 0, done.stdout
    report = one_object(done)
    assert report["receiver"] == {"module": "ZED-F9P", "firmware": "HPG 1.32", "protocol": "27.31"}
    assert (report["problems"], report["period_ms"]) == ([], 100)
    assert "CFG-UART1-BAUDRATE" in report["changed"]
    assert simulated.layers[RAM][RATE_MEASUREMENT] == simulated.layers[FLASH][RATE_MEASUREMENT] == 100
    assert receiver_command("check", "--port", path, *wishes).returncode == 0
    shown = receiver_command("show", "--port", path)
    assert shown.returncode == 0
    assert "ZED-F9P, HPG 1.32" in shown.stdout
    rows = one_object(receiver_command("show", "--port", path, "--json"))["settings"]
    assert {"name": "CFG-RATE-MEAS", "ram": 100, "bbr": 100, "flash": 100} in rows


def test_a_silent_receiver_is_a_problem_and_not_wrong_use(plug, path):
    """Exit 1; the JSON object says so too."""
    plug(unanswered=-1)
    done = receiver_command("check", "--port", path, "--json")
    assert done.returncode == 1
    (problem,) = one_object(done)["problems"]
    assert "nothing arrives at 115200 baud" in problem
    assert problem in done.stderr


def test_a_cable_pulled_in_the_middle_is_one_line_and_exit_1(plug, path):
    """Never a traceback."""
    plug(unplugged_after=3)
    done = receiver_command("set-up", "--port", path, "--baud", 38_400)
    assert done.returncode == 1
    assert "gnss: has gone" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["show", "check", "set-up"])
def test_a_port_that_is_held_is_refused_in_words(plug, path, command):
    """The lock that core takes; the receiver hears nothing."""
    simulated = plug()
    held = open_port(str(path), 38_400)
    done = receiver_command(command, "--port", path, "--baud", 38_400)
    held.close()
    assert done.returncode == 2
    assert "is taken by another program; during a session core holds it: end the session" in done.stderr
    assert simulated.asked == []


def test_a_running_core_keeps_its_receiver(firmground_machine):
    """The real process, the real lock: refused while it runs, and its own fixes go on."""
    machine = firmground_machine()
    machine.start_core()
    machine.begin()
    client = machine.client()
    client.next(Health, lambda health: all(entry.port.is_open for entry in health.links))
    done = receiver_command("set-up", "--port", machine.rig.gnss)
    assert done.returncode == 2
    assert "during a session core holds it" in done.stderr
    assert client.snapshot(lambda shown: shown.fix_class).fix_class


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check"], "--port"),
        (["check", "--port", "absent"], "absent: is not there; is the device plugged in"),
        (["check", "--port", "absent", "--rate", "3"], "'3' is not one of"),
        (["set-up", "--port", "absent", "--receiver-port", "usb", "--new-baud", "115200"], "--new-baud is for uart1"),
        (["set-up", "--port", "absent", "--baud", "38400", "--rate", "20"], "20 Hz would fill 113% of a line at 38400"),
    ],
)
def test_wrong_use_exits_with_2_and_one_line_says_why(arguments, words):
    """Before anything is opened."""
    done = receiver_command(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "core holds it" not in done.stderr
