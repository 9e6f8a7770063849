"""Ports as the loop uses them: real ttys, datagrams and streams, and everything that can be wrong with them."""

import errno
import os
import select
import socket

import pytest

from firmware_bridge.errors import PortError
from firmware_bridge.io import ports
from firmware_bridge.io.ports import open_port, open_serial_port, parse_address
from sim.pty import SerialDevice


@pytest.fixture
def device(tmp_path):
    device = SerialDevice(tmp_path / "head")
    yield device
    device.unplug()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "head")


def readable(port, seconds=2.0):
    return bool(select.select([port.fileno()], [], [], seconds)[0])


def test_bytes_pass_both_ways_through_a_tty(device, path):
    """What the device sends is read as it was, control characters included, and the other way round."""
    port = open_port(path, 115_200)
    everything = bytes(range(256))
    device.send(everything)
    assert readable(port)
    assert port.read() == everything
    assert port.read() == b"", "a quiet line is no end of file"
    assert port.write(everything) == 256
    select.select([device.fileno()], [], [], 2.0)
    assert device.receive() == everything
    port.close()


def test_a_device_that_is_unplugged_is_told_from_one_that_is_silent(device, path):
    """The poll wakes, and reading says that it has gone."""
    port = open_port(path, 115_200)
    device.unplug()
    assert readable(port)
    with pytest.raises(PortError, match="has gone"):
        port.read()
    port.close()
    port.close()


def test_a_port_that_is_not_there_says_so(path):
    """The message names the port and asks the likeliest question."""
    with pytest.raises(PortError, match=r"head: is not there; is the device plugged in"):
        open_port(path, 115_200)


def test_a_port_that_another_program_holds_says_so(device, path):
    """Two programs on one line would each get half of the bytes; the lock holds for root, too."""
    port = open_port(path, 115_200)
    with pytest.raises(PortError, match="is taken by another program"):
        open_port(path, 115_200)
    port.close()
    open_port(path, 115_200).close()


def test_a_port_this_user_may_not_open_says_which_group_to_join(device, path, monkeypatch):
    """The system's refusal in words; made by hand, since tests may run as root."""

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(ports.serial, "Serial", refuse)
    with pytest.raises(PortError, match="may not be opened by this user; add the user to the group"):
        open_port(path, 115_200)


def test_a_file_that_is_no_tty_is_refused(tmp_path):
    """A configuration that names an ordinary file gets a clear error."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(PortError, match="file: "):
        open_port(str(tmp_path / "file"), 115_200)


def test_a_pattern_opens_its_one_match_and_refuses_two(tmp_path):
    """`/dev/serial/by-id/usb-u-blox*` is enough while there is one such receiver."""
    pattern = str(tmp_path / "usb-u-blox*")
    with pytest.raises(PortError, match="is not there"):
        open_port(pattern, 9600)
    one = SerialDevice(tmp_path / "usb-u-blox-1")
    open_port(pattern, 9600).close()
    two = SerialDevice(tmp_path / "usb-u-blox-2")
    with pytest.raises(PortError, match="matches 2 devices"):
        open_port(pattern, 9600)
    one.unplug()
    two.unplug()


def test_datagrams_are_read_in_order_and_answered_to_whoever_spoke():
    """An autopilot needs no configured address; before it has spoken, nothing can be sent to it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as autopilot:
        autopilot.bind(("127.0.0.1", 0))
        autopilot.settimeout(2.0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            number = probe.getsockname()[1]
        port = open_port(f"udp://127.0.0.1:{number}", 0)
        assert port.read() == b""
        assert port.write(b"early") == 0
        autopilot.sendto(b"one ", ("127.0.0.1", number))
        autopilot.sendto(b"two", ("127.0.0.1", number))
        assert readable(port)
        assert port.read() == b"one two"
        assert port.write(b"answer") == 6
        assert autopilot.recv(100) == b"answer"
        with pytest.raises(PortError, match="is taken by another program"):
            open_port(f"udp://127.0.0.1:{number}", 0)
        port.close()


def test_an_autopilot_that_has_gone_does_not_take_its_port_with_it():
    """The network's refusals of our own datagrams are not the port's end."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    port = open_port(f"udp://127.0.0.1:{number}", 0)
    gone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    gone.sendto(b"x", ("127.0.0.1", number))
    assert readable(port)
    port.read()
    gone.close()
    port.write(b"nobody hears this")
    port.write(b"nor this")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.sendto(b"back", ("127.0.0.1", number))
        assert readable(port)
        assert port.read() == b"back"
    port.close()


def test_a_stream_is_read_until_its_other_end_hangs_up():
    """A serial server on the vehicle's bus: connected without waiting, read, and gone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = open_port(f"tcp://127.0.0.1:{server.getsockname()[1]}", 0)
        peer, _ = server.accept()
        peer.sendall(b"hello")
        assert readable(port)
        assert port.read() == b"hello"
        assert port.write(b"x") == 1
        assert peer.recv(1) == b"x"
        peer.close()
        assert readable(port)
        with pytest.raises(PortError, match="the other end hung up"):
            port.read()
        port.close()


def test_a_stream_nobody_listens_to_says_so():
    """Refused at once, or with the first poll: in both cases in words."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
    try:
        port = open_port(f"tcp://127.0.0.1:{number}", 0)
        readable(port)
        port.read()
    except PortError as error:
        said = str(error)
    assert "nobody listens there" in said


@pytest.mark.parametrize(
    "name", ["udp://127.0.0.1", "tcp://127.0.0.1:0", "udp://127.0.0.1:70000", "tcp://host:1", "udp://:::x"]
)
def test_an_address_that_is_none_is_refused(name):
    """Numbers only: looking up a name may take seconds, and the loop never waits."""
    with pytest.raises((ValueError, OSError)):
        parse_address(name)


def test_both_kinds_of_addresses_are_understood():
    """IPv4 as it is, IPv6 in brackets."""
    assert parse_address("udp://0.0.0.0:14550") == ("0.0.0.0", 14_550)
    assert parse_address("tcp://[::1]:4001") == ("::1", 4001)


def test_a_line_changes_its_speed_without_letting_go_of_its_lock(device, path):
    """Bytes still pass, a quiet line still is no end of file, and nobody else gets in between."""
    port = open_serial_port(path, 115_200)
    port.set_baud(230_400)
    assert (port.baud, device.baud()) == (230_400, 230_400)
    with pytest.raises(PortError, match="is taken by another program"):
        open_port(path, 115_200)
    device.send(b"after")
    assert readable(port)
    assert port.read() == b"after"
    assert port.read() == b""
    port.close()


def test_the_speed_of_a_line_that_has_gone_cannot_be_changed(device, path):
    """In words, as everything else about a port."""
    port = open_serial_port(path, 115_200)
    device.unplug()
    with pytest.raises(PortError, match="has gone"):
        port.set_baud(230_400)
    port.close()
