"""Receivers' logs replayed by socat into the pty of a running core, at the speed at which they were recorded."""

import shutil
import subprocess
import sys

import pytest

from controller.channel import Health, Live
from controller.core.effects import PlaneSet
from controller.core.geometry import Plane, to_dmm
from controller.replay import replay
from controller.store.ledger import read_events
from controller.store.raw_log import RawLogReader
from controller.store.verify import verify
from firmware_bridge.codec.gnss import GnssDecoder
from firmware_bridge.records import FixClass, GnssFix
from tests.command import ROOT
from tests.gnss_feeder import by_epoch

pytestmark = pytest.mark.recorded

EPOCHS = 9
PACE_S = 0.25  # how far an arrival may be from the log's own time, on two noisy cores
CONFIG = """
format = 1
head = []
machine = {{ id = "replay", site = "recorded", profile = "training" }}
vehicle = {{ antenna_m = [0.0, 0.0, 2.0], slope_deg_max = 10.0 }}
position = {{ link = "gnss", relative_error_m = 0.02, drift_m_s = 0.002 }}
storage = {{ directory = "{data}", socket = "{socket}" }}

[[link]]
name = "gnss"
protocol = "gnss"
port = "{gnss}"
latency_ms = 100.0
latency_error_ms = 50.0
"""


@pytest.fixture
def machine(firmground_machine):
    machine = firmground_machine()
    machine.config.write_text(CONFIG.format(data=machine.data, socket=machine.rig.socket, gnss=machine.rig.gnss))
    return machine


@pytest.fixture
def replayed(machine):
    """Starts socat on a log, into the pty that the configuration names; it waits for core to open it."""
    if shutil.which("socat") is None:
        pytest.skip("socat is not installed; `make packages` installs it where that needs no question")

    def start(log):
        path = machine.rig_directory / "log"
        path.write_bytes(log)
        feeder = f"EXEC:{sys.executable} -m tests.gnss_feeder {path}"
        pty = f"PTY,link={machine.rig.gnss},raw,echo=0,wait-slave"
        machine.processes["socat"] = subprocess.Popen(["socat", pty, feeder], cwd=ROOT)

    return start


def shown_until(client, stats):
    """
    Class, place and speed of each fix that a screen is shown until the link's counters are these.

    Fixes are told apart by when they were, so that a receiver that stands still is seen to go on.
    """
    shown, is_read = {}, False
    while not is_read:
        message = client.next(Live | Health)
        if isinstance(message, Health):
            is_read = message.links[0].stats == stats
        elif message.snapshot.fix_age_ns is not None:
            snapshot = message.snapshot
            fix_ns = snapshot.now_ns - snapshot.fix_age_ns
            shown[fix_ns] = (snapshot.fix_class, snapshot.position_dmm, snapshot.speed_m_s)
    return [shown[fix_ns] for fix_ns in sorted(shown)]


def is_placed(record):
    """Whether it is a fix that a place is taken from."""
    return isinstance(record, GnssFix) and record.latitude_deg is not None and record.fix_class is not FixClass.NONE


def on_screen(fix, plane):
    """Class, place and speed as a snapshot has them."""
    east_m, north_m = plane.project(fix.latitude_deg, fix.longitude_deg)
    return fix.fix_class.value, (int(to_dmm(float(east_m))), int(to_dmm(float(north_m)))), fix.speed_m_s


@pytest.mark.parametrize("name", ["ublox-zed-f9p-hp", "skytraq-PX1172RH_DS"])
def test_every_fix_of_a_log_at_its_own_speed_is_logged_and_shown(machine, replayed, recordings, name):
    """UBX of an F9P and NMEA of a float receiver: bytes, records, counters, plane and snapshots, none lost."""
    pieces = by_epoch((recordings / "gnss" / "gpsd" / f"{name}.log").read_bytes())[:EPOCHS]
    log = b"".join(piece for _, piece in pieces)
    decoder = GnssDecoder()
    turns = [[record for record in decoder.feed(piece) if is_placed(record)] for _, piece in pieces]
    stats = decoder.stats
    decoder = GnssDecoder()
    expected = decoder.feed(log) + decoder.finish()
    placed = [fix for fixes in turns for fix in fixes]
    assert len(placed) >= EPOCHS - 1

    replayed(log)
    machine.start_core()
    client = machine.client()
    plane = Plane(placed[0].latitude_deg, placed[0].longitude_deg, placed[0].altitude_m)
    screens = [on_screen(fixes[-1], plane) for fixes in turns if fixes]
    shown = shown_until(client, stats)
    # A first epoch is complete only when the second begins: its fix comes a second late, with the second on its heels,
    # which then is not the later one on the host's clock and gives no place. Both are in the record; from there on
    # each fix is shown.
    assert set(shown) <= {on_screen(fix, plane) for fix in placed}
    assert shown[1 - len(screens) :] == screens[1:]
    assert len(screens) >= EPOCHS - 1
    assert machine.stop("core") == 0

    session = machine.session()
    chunks = [c for _, raw in RawLogReader(session).inputs() for c in raw.chunks if c.link == "gnss"]
    assert b"".join(chunk.payload for chunk in chunks) == log
    logged = GnssDecoder()
    assert [record for chunk in chunks for record in logged.feed(chunk.payload)] + logged.finish() == expected
    (set_here,) = (event for event in read_events(session) if isinstance(event, PlaneSet))
    assert (set_here.latitude_deg, set_here.longitude_deg) == (placed[0].latitude_deg, placed[0].longitude_deg)
    assert verify(session).problems == ()
    assert replay(session).difference is None

    size, begun = 0, {0: chunks[0].arrival_ns}  # byte -> when the first chunk with it or a later one arrived
    for chunk in chunks:
        begun[size] = chunk.arrival_ns
        size += len(chunk.payload)
    at = 0
    for due_ns, piece in pieces:
        arrived_ns = max(stamp for byte, stamp in begun.items() if byte <= at)
        assert abs(arrived_ns - begun[0] - due_ns) < PACE_S * 1e9
        at += len(piece)
