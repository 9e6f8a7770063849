"""Corrections from a caster to the receiver's port, through link and core as processes; and the place back."""

import socket
import threading

import pytest

from controller.core.effects import StationChanged
from controller.core.geometry import Plane
from controller.link.corrections import position_report
from controller.replay import replay
from controller.store.ledger import read_events
from firmware_bridge.codec.gnss import GnssDecoder
from sim.testing.waiting import eventually
from tests.command import run_firmground

STATION_FRAME = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")


class Caster:
    """Says yes to whoever asks and sends a station frame every tenth of a second; keeps what it was sent."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.heard = b""
        self.is_closed = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        peer, _ = self.server.accept()
        peer.settimeout(0.1)
        self.heard += peer.recv(4096)
        peer.sendall(b"ICY 200 OK\r\n\r\n")
        while not self.is_closed.is_set():
            peer.sendall(STATION_FRAME)
            try:
                self.heard += peer.recv(4096)
            except TimeoutError:
                continue
        peer.close()

    def close(self):
        self.is_closed.set()
        self.server.close()


@pytest.fixture
def caster():
    caster = Caster()
    yield caster
    caster.close()


@pytest.fixture
def machine(firmground_machine):
    return firmground_machine()


def with_ntrip(machine, lines):
    machine.config.write_text(machine.config.read_text() + "\n[ntrip]\n" + lines)


def test_corrections_reach_the_receiver_and_the_place_reaches_the_caster(machine, caster):
    """Frame by frame to the receiver's port; the station is in the record, which replays; a GGA goes back."""
    with_ntrip(machine, f'host = "127.0.0.1"\nport = {caster.port}\nmountpoint = "NEAR"\nlink = "gnss"\nversion = 1\n')
    machine.start_core()
    machine.start("link")
    machine.begin()
    received = []
    original = machine.devices.serial["gnss"].receive
    machine.devices.serial["gnss"].receive = lambda: received.append(original()) or b""
    eventually(lambda: STATION_FRAME in b"".join(received), why=lambda: machine.log("link"))
    eventually(lambda: b"GGA," in caster.heard, why=lambda: machine.log("link"))
    assert caster.heard.startswith(b"GET /NEAR HTTP/1.0")
    assert machine.console.state()["corrections"]["is_streaming"]
    assert machine.stop("core") == 0
    (changed,) = [event for event in read_events(machine.session()) if isinstance(event, StationChanged)]
    assert (changed.station_id, changed.is_credit_withheld) == (2003, False)
    assert replay(machine.session()).difference is None


def test_a_caster_that_is_not_there_is_shown_and_nothing_else_suffers(machine):
    """Said on the console; core and link go on."""
    with_ntrip(machine, 'host = "127.0.0.1"\nport = 9\nmountpoint = "NEAR"\nlink = "gnss"\n')
    machine.start_core()
    machine.start("link")
    eventually(machine.console.is_online, why=lambda: machine.log("link"))
    eventually(lambda: "cannot be reached" in (machine.console.state()["corrections"]["text"] or ""))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('host = "c"\nmountpoint = "N"\nlink = "head"\n', "[ntrip] link: link 'head' speaks head; needed is gnss"),
        ('host = "c"\nmountpoint = "a b"\nlink = "gnss"\n', "[ntrip]: mountpoint 'a b' has a space"),
        ('host = "c"\nmountpoint = "N"\nlink = "gnss"\npassword_file = "/absent"\n', "[ntrip] password_file: /absent"),
    ],
)
def test_wrong_settings_are_said_in_one_line(machine, lines, words):
    """Before anything is served."""
    with_ntrip(machine, lines)
    done = run_firmground("link", "--config", machine.config)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_the_place_is_reported_as_a_whole_sentence_and_only_while_it_is_known(machine):
    """To some metres; nothing before a fix, nothing after it has grown old (P3)."""
    machine.start_core()
    plane = Plane(machine.scenario.world.latitude_deg, machine.scenario.world.longitude_deg, 1600.0)
    client = machine.client()
    assert position_report(client.snapshot(), plane) is None
    machine.begin()
    snapshot = client.snapshot(lambda shown: shown.utc_ns is not None and shown.position_dmm is not None)
    report = position_report(snapshot, plane)
    decoder = GnssDecoder()
    (fix,) = [*decoder.feed(report + b"\r\n"), *decoder.finish()]
    assert fix.latitude_deg == pytest.approx(machine.scenario.world.latitude_deg, abs=1e-4)
    assert position_report(snapshot, None) is None
    assert position_report(None, plane) is None
    machine.unplug("gnss")
    client.snapshot(lambda shown: shown.fix_age_ns > 5_000_000_000 and position_report(shown, plane) is None)
