"""Core as a process on a signed MAVLink link: what the library signs is believed, and nothing else is."""

import msgspec
import pytest
from pymavlink import mavutil
from pymavlink.dialects.v20 import ardupilotmega as dialect

from controller.channel import Health
from controller.cli.process import free_port
from controller.replay import replay
from sim.pty import SerialDevice
from sim.testing.waiting import eventually
from tests.command import run_firmground
from tests.firmware_bridge.mavlink_peer import KEY, OTHER_KEY, frames_of, new_peer


@pytest.fixture
def machine(firmground_machine):
    """A machine whose autopilot's link has a key, kept outside its data."""
    machine = firmground_machine()
    key_file = machine.rig_directory / "key"
    key_file.write_bytes(KEY)
    key_file.chmod(0o600)
    text = machine.config.read_text()
    machine.config.write_text(text.replace("system_id = 1\n", f'system_id = 1\nsigning_key_file = "{key_file}"\n'))
    machine.rig = msgspec.structs.replace(machine.rig, autopilot=f"udp://127.0.0.1:{free_port()}")
    return machine


class Peer:
    """The vehicle's end of the link over UDP, with the library's own signing; keeps the bytes that it sent."""

    def __init__(self, port, key):
        self.link = mavutil.mavlink_connection(f"udpout:127.0.0.1:{port}", source_system=1, source_component=1)
        self.link.auto_mavlink_version(b"\xfd")  # or it would forget its key with the first frame of version 2
        if key is not None:
            self.link.setup_signing(key, link_id=0)
        self.sent = []

    def say(self, message):
        self.sent.append(bytes(message.pack(self.link.mav)))
        self.link.write(self.sent[-1])

    def beat(self):
        kind = dialect.MAV_TYPE_GROUND_ROVER, dialect.MAV_AUTOPILOT_ARDUPILOTMEGA
        self.say(dialect.MAVLink_heartbeat_message(*kind, 0, 0, 4, 3))

    def hears(self, kind):
        """The next message of a kind, after a heartbeat that gives core an address to answer."""
        self.beat()
        while (message := self.link.recv_match()) is not None:
            if message.get_type() == kind:
                return message
        return None


@pytest.fixture
def peer(machine):
    """Makes peers of core's port, and lets go of them."""
    peers = []

    def make(key=KEY):
        peers.append(Peer(machine.autopilot_port, key))
        return peers[-1]

    yield make
    for each in peers:
        each.link.close()


def gate(client, where):
    """The counts of the autopilot's gate once they fit."""
    fits = client.next(Health, lambda health: where(_autopilot(health).port.signing.gate))
    return _autopilot(fits)


def _autopilot(health):
    return next(link for link in health.links if link.port.link == "autopilot")


def test_vehicle_and_controller_believe_each_other_and_the_session_replays_without_the_key(machine, peer):
    """Our request is signed, its attitude read, all that is forged counted; the key is in no file of the record."""
    machine.start_core()
    machine.begin()
    vehicle = peer()
    ask = eventually(lambda: vehicle.hears("COMMAND_LONG"))
    assert vehicle.link.mav.signing.goodsig_count > 0
    assert vehicle.link.mav.signing.badsig_count == 0
    assert (ask.command, ask.param1) == (511, 30)
    assert {stream[:1] for stream in vehicle.link.mav.signing.stream_timestamps} == {(1,)}
    client = machine.client()
    before = len(vehicle.sent)
    vehicle.say(dialect.MAVLink_attitude_message(1_000, 0.1, -0.1, 1.5, 0.0, 0.0, 0.0))
    gate(client, lambda counts: counts.verified > before)
    for frame in vehicle.sent:
        vehicle.link.write(frame)
    gate(client, lambda counts: counts.replayed >= len(vehicle.sent))
    stranger, liar = peer(None), peer(OTHER_KEY)
    stranger.beat()
    liar.beat()
    seen = gate(client, lambda counts: counts.unsigned and counts.bad_signature)
    assert seen.stats.frames == seen.port.signing.gate.verified
    client.close()
    assert machine.stop("core") == 0
    (machine.rig_directory / "key").unlink()
    assert replay(machine.session()).difference is None
    files = [path for path in machine.data.rglob("*") if path.is_file()]
    assert machine.data / "mavlink-stamp-autopilot" in files
    for path in files:
        assert not any(key in path.read_bytes() for key in (KEY, KEY.hex().encode())), path
    assert KEY.hex() not in machine.log("core")


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_the_vehicle_still_believes_a_controller_that_was_started_again(machine, peer, end):
    """Its timestamps go on where they ended, in order or not; the library refuses any that goes back."""
    vehicle = peer()
    machine.start_core()
    eventually(lambda: vehicle.hears("HEARTBEAT"))
    streams = vehicle.link.mav.signing.stream_timestamps
    ((stream, before),) = streams.items()
    assert stream == (1, 1, 191)
    getattr(machine, end)("core")
    machine.start_core()
    eventually(lambda: vehicle.hears("HEARTBEAT") and streams[stream] > before)
    assert vehicle.link.mav.signing.badsig_count == 0


def test_a_vehicle_with_another_key_is_neither_heard_nor_obeyed(machine, peer):
    """Both sides refuse; the operator is told why."""
    machine.start_core()
    vehicle = peer(OTHER_KEY)
    client = machine.client()
    eventually(lambda: vehicle.hears("BAD_DATA"))
    seen = gate(client, lambda counts: counts.bad_signature)
    assert (seen.port.signing.gate.verified, seen.stats.bytes) == (0, 0)
    assert seen.port.is_open
    assert vehicle.link.mav.signing.goodsig_count == 0
    client.close()


def test_the_same_over_a_serial_line(machine):
    """Bytes in pieces, noise between them: only what is verified counts."""
    path = machine.rig_directory / "autopilot"
    text = machine.config.read_text()
    machine.config.write_text(text.replace(f"udp://127.0.0.1:{machine.autopilot_port}", str(path)))
    device = SerialDevice(path)
    machine.start_core()
    client = machine.client()
    reader = new_peer(KEY)
    eventually(lambda: [m for m in reader.parse_buffer(device.receive()) or [] if m.get_type() == "HEARTBEAT"])
    assert (reader.signing.goodsig_count, reader.signing.badsig_count) == (1, 0)
    good = frames_of(new_peer(KEY, stamp=reader.signing.timestamp), 10)
    bad = frames_of(new_peer(), 10)
    wire = b"noise".join(one + other for one, other in zip(good, bad, strict=True))
    for at in range(0, len(wire), 7):
        device.send(wire[at : at + 7])
    seen = gate(client, lambda counts: counts.verified == 10 and counts.unsigned == 10)
    assert (seen.stats.frames, seen.stats.bytes_skipped) == (10, 0)
    assert seen.port.bytes_in == len(wire)
    client.close()
    assert machine.stop("core") == 0
    assert replay(machine.session()).difference is None
    device.unplug()


def test_a_key_that_cannot_be_used_stops_the_start_in_one_line(machine):
    """Before anything is opened; the message names the link, the file and what to do."""
    (machine.rig_directory / "key").chmod(0o644)
    done = run_firmground("core", "--config", machine.config)
    assert done.returncode == 2
    assert "[[link]] autopilot: signing_key_file: " in done.stderr
    assert "chmod o= " in done.stderr
    assert "Traceback" not in done.stderr
    assert not machine.data.exists()
