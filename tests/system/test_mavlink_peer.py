"""Core as a process, seen from the other end of its MAVLink port by the library that ground stations are made with."""

import msgspec
import pytest
from pymavlink import mavutil
from pymavlink.dialects.v20 import ardupilotmega as dialect

from controller.cli.process import free_port
from controller.replay import replay
from sim.testing.waiting import eventually


class Peer:
    """The vehicle's end of the link: says a heartbeat, and keeps what the controller says."""

    def __init__(self, port):
        self.link = mavutil.mavlink_connection(f"udpout:127.0.0.1:{port}", source_system=1, source_component=1)
        self.heard = []

    def hears(self, kind, where=lambda message: True):
        """The first message of a kind that fits, among all that was said so far."""
        self.link.mav.heartbeat_send(dialect.MAV_TYPE_GROUND_ROVER, dialect.MAV_AUTOPILOT_ARDUPILOTMEGA, 0, 0, 4)
        while (message := self.link.recv_match()) is not None:
            self.heard.append(message)
        return next((m for m in self.heard if m.get_type() == kind and where(m)), None)


@pytest.fixture
def machine(firmground_machine):
    return firmground_machine()


@pytest.fixture
def peer(machine):
    """The vehicle's end, in place of the simulated autopilot."""
    peer = Peer(machine.autopilot_port)
    machine.rig = msgspec.structs.replace(machine.rig, autopilot=f"udp://127.0.0.1:{free_port()}")
    yield peer
    peer.link.close()


def test_a_vehicle_sees_the_controller_its_requests_and_its_alarms(machine, peer):
    """Heartbeat of a companion, a request for attitude, an alarm's text; nothing else; and the session replays."""
    machine.start_core()
    machine.begin()
    beat = eventually(lambda: peer.hears("HEARTBEAT"))
    assert (beat.get_srcSystem(), beat.get_srcComponent()) == (1, 191)
    ask = eventually(lambda: peer.hears("COMMAND_LONG"))
    assert (ask.command, ask.param1, ask.param2) == (511, 30, 50_000)
    text = eventually(lambda: peer.hears("STATUSTEXT"), patience_s=40.0)
    assert text.severity == dialect.MAV_SEVERITY_ALERT
    assert text.text.startswith("SIMULATED ANOMALY 1 ")  # the head says that it is simulated (P8)
    assert {message.get_type() for message in peer.heard} == {"HEARTBEAT", "COMMAND_LONG", "STATUSTEXT"}
    assert machine.stop("core") == 0
    assert replay(machine.session()).difference is None


def test_the_simulated_autopilot_speaks_once_it_is_asked_and_again_after_a_restart(machine):
    """Over real UDP: no attitude until core asks; a restart is noticed and asked for again."""
    machine.start_core()
    machine.begin()
    eventually(lambda: machine.devices.autopilot.intervals_us == {30: 50_000.0, 193: 200_000.0})
    machine.devices.autopilot.restart()
    eventually(lambda: machine.devices.autopilot.intervals_us == {30: 50_000.0, 193: 200_000.0})
