"""MAVProxy, the ground station that ArduPilot's developers use, as the peer of a running core: by UDP and by TCP."""

import collections
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from pymavlink import mavutil

from controller.cli.process import free_port
from controller.replay import replay
from sim.testing.waiting import eventually

PEERS = Path(sys.prefix) / "peers"  # made by `make peers`
PATIENCE_S = 40.0  # for the demo's first anomaly, beside MAVProxy's own start


class Station:
    """A MAVProxy without its terminal; what it says and the log of all that it heard or passed on."""

    def __init__(self, machine, *connections):
        program = PEERS / "bin" / "mavproxy.py"
        if not program.exists():
            pytest.skip(f"MAVProxy is not installed in {PEERS}; `make peers` puts it there")
        self.said, self.log = machine.rig_directory / "mavproxy.log", machine.rig_directory / "mav.tlog"
        options = ("--non-interactive", "--default-modules=", "--dialect=ardupilotmega", "--mav20", "--streamrate=-1")
        places = (f"--logfile={self.log}", f"--state-basedir={machine.rig_directory}")
        with self.said.open("wb") as output:
            machine.processes["mavproxy"] = subprocess.Popen(
                [sys.executable, program, *connections, *options, *places], cwd=machine.rig_directory,
                env={**os.environ, "PYTHONPATH": str(PEERS)}, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        self.process = machine.processes["mavproxy"]

    def says(self, words):
        """Whether it has printed these words; fails with all that it printed where it has ended."""
        text = self.said.read_text(errors="replace")
        assert self.process.poll() is None, text
        return words in text

    def logged(self):
        """How many messages of each sender stand in its log: (system, component, type)."""
        log = mavutil.mavlink_connection(str(self.log))
        counts = collections.Counter()
        while (message := log.recv_match()) is not None:
            counts[message.get_srcSystem(), message.get_srcComponent(), message.get_type()] += 1
        log.close()
        return counts


@pytest.fixture
def machine(firmground_machine):
    return firmground_machine()


def test_a_ground_station_sees_the_controller_and_its_alarm(machine):
    """By UDP, with no autopilot there: component 191 is found by its heartbeat, an alarm's text is printed as it is."""
    machine.rig = msgspec.structs.replace(machine.rig, autopilot=f"udp://127.0.0.1:{free_port()}")
    station = Station(machine, f"--master=udpout:127.0.0.1:{machine.autopilot_port}")
    machine.start_core()
    machine.begin()
    eventually(lambda: station.says("Detected vehicle 1:191"))
    eventually(lambda: station.says("AP: SIMULATED ANOMALY 1 "), PATIENCE_S)  # the head is a simulated one (P8)
    # Its log is written by a thread of its own, later than it prints.
    eventually(lambda: station.logged()[1, 191, "STATUSTEXT"] >= 1, PATIENCE_S)
    machine.stop("mavproxy")
    heard = station.logged()
    assert heard[1, 191, "HEARTBEAT"] >= 2
    assert {kind for system, component, kind in heard if (system, component) == (1, 191)} == {"HEARTBEAT", "STATUSTEXT"}
    assert machine.stop("core") == 0
    assert replay(machine.session()).difference is None


def test_a_vehicle_behind_a_ground_station_is_asked_for_attitude_and_hears_the_alarm(machine):
    """The autopilot on MAVProxy's UDP side, core on its TCP side: each gets the other's messages through it."""
    vehicle_port, core_port = free_port(), free_port()
    text = machine.config.read_text()
    assert machine.rig.autopilot in text
    machine.config.write_text(text.replace(machine.rig.autopilot, f"tcp://127.0.0.1:{core_port}"))
    machine.rig = msgspec.structs.replace(machine.rig, autopilot=f"udp://127.0.0.1:{vehicle_port}")
    station = Station(machine, f"--master=udpin:127.0.0.1:{vehicle_port}", f"--out=tcpin:127.0.0.1:{core_port}")
    machine.start_core()
    machine.begin()
    eventually(lambda: station.says("Detected vehicle 1:1 "))
    # Asked by core, through MAVProxy.
    eventually(lambda: machine.devices.autopilot.intervals_us == {30: 50_000.0, 193: 200_000.0})
    client = machine.client()
    client.snapshot(lambda shown: shown.alarms > 0)
    eventually(lambda: station.logged()[1, 191, "STATUSTEXT"], PATIENCE_S)
    machine.stop("mavproxy")
    passed = station.logged()
    assert passed[1, 1, "ATTITUDE"] > 10
    assert passed[1, 191, "HEARTBEAT"] >= 2
    assert passed[1, 191, "COMMAND_LONG"] >= 1
    assert passed[1, 191, "STATUSTEXT"] >= 1
    assert machine.stop("core") == 0
    assert replay(machine.session()).difference is None
