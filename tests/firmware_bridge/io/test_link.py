"""Links whose ports come and go: found again, counted all along, never an exception."""

import fcntl
import select
import sys
import termios
from itertools import pairwise

import pytest

from firmware_bridge.errors import PortError
from firmware_bridge.io.link import RETRY_NS_MAX, RETRY_NS_MIN, Link
from firmware_bridge.io.signing import Signing, StampFile
from sim.pty import SerialDevice
from sim.testing.waiting import eventually
from tests.firmware_bridge.mavlink_peer import KEY, frames_of, new_peer

SECOND = 1_000_000_000


@pytest.fixture
def link(tmp_path):
    link = Link("head", str(tmp_path / "head"), 115_200)
    yield link
    link.close()


def read(link, now_ns):
    assert select.select([link.fileno()], [], [], 2.0)[0]
    return link.read(now_ns)


def test_a_port_that_is_missing_at_the_start_is_opened_when_it_appears(link, tmp_path):
    """Until then the status says why, and reading and writing do no harm."""
    assert not link.tend(0)
    assert "is not there" in link.status.trouble
    assert link.read(1) == b""
    link.write(b"lost", 1)
    assert link.status.bytes_refused == 4
    device = SerialDevice(tmp_path / "head")
    assert not link.tend(RETRY_NS_MIN - 1), "not before its time"
    assert link.tend(RETRY_NS_MIN)
    assert link.status.trouble is None
    assert link.status.is_open
    device.unplug()


def test_a_device_that_returns_as_another_tty_is_found_by_its_stable_name(link, tmp_path):
    """Plugged in again it is /dev/ttyUSB1 and no longer /dev/ttyUSB0; its name under by-id is the same."""
    device = SerialDevice(tmp_path / "head")
    first = (tmp_path / "head").resolve()
    assert link.tend(0)
    device.send(b"before")
    assert read(link, 1) == b"before"
    device.unplug()
    assert read(link, 2) == b""
    assert link.fileno() is None
    assert "has gone" in link.status.trouble
    others = []
    device.plug()
    while (tmp_path / "head").resolve() == first:  # the kernel gives a number again: somebody else takes it
        device.unplug()
        others.append(SerialDevice(tmp_path / f"other{len(others)}"))
        device.plug()
    assert link.tend(2 + RETRY_NS_MIN)
    device.send(b"after")
    assert read(link, 3) == b"after"
    assert (link.status.opened, link.status.bytes_in, link.status.last_byte_ns) == (2, 11, 3)
    for each in (device, *others):
        each.unplug()


def test_pauses_between_attempts_double_up_to_a_limit_and_begin_anew_after_bytes(link, tmp_path, monkeypatch):
    """A port that stays away is asked for every two seconds; one that worked is tried again at once."""
    attempts = []

    def refuse(name, baud):
        attempts.append(now_ns)
        raise PortError(f"{name}: is not there")

    with monkeypatch.context() as patch:
        patch.setattr("firmware_bridge.io.link.open_port", refuse)
        for now_ns in range(0, 12 * SECOND, 10_000_000):
            link.tend(now_ns)
    pauses = [later - earlier for earlier, later in pairwise(attempts)]
    assert pauses[:4] == [RETRY_NS_MIN, 2 * RETRY_NS_MIN, 4 * RETRY_NS_MIN, 8 * RETRY_NS_MIN]
    assert pauses[-1] == RETRY_NS_MAX
    device = SerialDevice(tmp_path / "head")
    now_ns = 20 * SECOND
    assert link.tend(now_ns)
    device.send(b"x")
    read(link, now_ns)
    device.unplug()
    read(link, now_ns)
    device.plug()
    assert link.tend(now_ns + RETRY_NS_MIN)
    device.unplug()


def waiting(link):
    """Bytes that a read would find."""
    count = bytearray(4)
    fcntl.ioctl(link.fileno(), termios.FIONREAD, count)
    return int.from_bytes(count, sys.byteorder)


def test_what_waited_is_read_at_once_and_shown(link, tmp_path):
    """After a stall everything comes with one read, and the most that waited stays on show."""
    device = SerialDevice(tmp_path / "head")
    assert link.tend(0)
    for piece in (b"x" * 1_000, b"y" * 500):
        device.send(piece)
    eventually(lambda: waiting(link) == 1_500)  # a pseudo-terminal passes bytes on when the kernel finds the time
    assert read(link, 1) == b"x" * 1_000 + b"y" * 500
    device.send(b"z")
    assert read(link, 2) == b"z"
    assert (link.status.bytes_waiting, link.status.bytes_waiting_max) == (1, 1_500)
    device.unplug()


def test_a_full_port_refuses_and_counts(link, tmp_path):
    """What the line does not take is counted, never waited for."""
    device = SerialDevice(tmp_path / "head")
    assert link.tend(0)
    for _ in range(100):
        link.write(bytes(4096), 0)
    assert link.status.bytes_out + link.status.bytes_refused == 409_600
    assert link.status.bytes_refused > 0
    device.unplug()
    for _ in range(2):
        link.write(b"gone", 1)
    assert not link.status.is_open


@pytest.fixture
def signed(tmp_path):
    """A link with a key, at a wall clock of 2026-01-01."""
    signing = Signing(KEY, 1, StampFile(tmp_path / "stamp"), lambda: 1_767_225_600 * SECOND)
    link = Link("autopilot", str(tmp_path / "head"), 115_200, signing)
    yield link
    link.finish()


def test_a_signed_link_hands_on_what_is_verified_and_counts_all_that_arrived(signed, tmp_path):
    """Refused bytes are no silence: the port is alive, and its status says why nothing comes of it."""
    device = SerialDevice(tmp_path / "head")
    assert signed.tend(0)
    (unsigned,), (good,) = frames_of(new_peer(), 1), frames_of(new_peer(KEY), 1)
    device.send(unsigned)
    assert read(signed, 1) == b""
    status = signed.status
    assert (status.bytes_in, status.last_byte_ns) == (len(unsigned), 1)
    assert (status.signing.gate.unsigned, status.signing.gate.verified) == (1, 0)
    device.send(good)
    assert read(signed, 2) == good
    device.unplug()


def test_a_signed_link_takes_no_recording_after_its_port_was_gone(signed, tmp_path):
    """What was verified is remembered over a loss of the port, and half a frame harms nothing."""
    device = SerialDevice(tmp_path / "head")
    assert signed.tend(0)
    first, second = frames_of(new_peer(KEY), 2)
    device.send(first + second[:20])
    assert read(signed, 1) == first
    device.unplug()
    assert read(signed, 2) == b""
    device.plug()
    assert signed.tend(2 + RETRY_NS_MIN)
    device.send(first + second + bytes(280))
    assert read(signed, 3) == second
    assert signed.status.signing.gate.replayed == 1
    device.unplug()


def test_what_cannot_be_signed_is_not_sent(signed, tmp_path):
    """It is counted as refused; once the disk holds a reservation, the next one goes out signed."""
    device = SerialDevice(tmp_path / "head")
    assert signed.tend(0)
    (frame,) = frames_of(new_peer(), 1)
    signed.write(frame, 0)
    assert (signed.status.bytes_out, signed.status.bytes_refused) == (0, len(frame))
    eventually((tmp_path / "stamp").exists)
    eventually(lambda: signed.write(frame, 0) or signed.status.bytes_out)
    assert signed.status.bytes_out == len(frame) + 13
    (message,) = new_peer(KEY).parse_buffer(eventually(device.receive))
    assert message.get_type() == "ATTITUDE"
    device.unplug()
