"""
Serial, UDP and TCP ports as file descriptors for one epoll loop: opened, read and written without ever waiting.

Whatever a driver or a socket raises becomes a `PortError` that says in words what is wrong with which port.
"""

import contextlib
import errno
import glob
import os
import socket
import termios
from typing import Protocol

import serial

from firmware_bridge.errors import PortError

READ_BYTES_MAX = 65_536  # a second of the fastest serial line is 400 kB; the loop reads a hundred times a second
_WORDS = {
    errno.ENOENT: "is not there; is the device plugged in and switched on?",
    errno.ENODEV: "is not there; is the device plugged in and switched on?",
    errno.ENXIO: "is not there; is the device plugged in and switched on?",
    errno.EACCES: "may not be opened by this user; add the user to the group that owns it (often dialout)",
    errno.EPERM: "may not be opened by this user; add the user to the group that owns it (often dialout)",
    errno.EBUSY: "is taken by another program",
    errno.EAGAIN: "is taken by another program",
    errno.EADDRINUSE: "is taken by another program",
    errno.ECONNREFUSED: "refuses the connection; nobody listens there",
    errno.EIO: "has gone; was it unplugged?",
    errno.ECONNRESET: "has gone; the other end hung up",
    errno.EHOSTUNREACH: "cannot be reached; is it on this network and switched on?",
    errno.ETIMEDOUT: "cannot be reached; is it on this network and switched on?",
}
_LINE_VMIN = 6


class Port(Protocol):
    """An open port; `read` and `write` never wait and raise `PortError` once it is gone."""

    def fileno(self) -> int:
        """The descriptor to poll."""

    def read(self) -> bytes:
        """What has arrived, at most `READ_BYTES_MAX`; empty where nothing has."""

    def write(self, payload: bytes) -> int:
        """Bytes taken; fewer than given where the port is full."""

    def close(self) -> None:
        """Let go of it."""


def open_port(name: str, baud: int) -> Port:
    """
    Open `/dev/…` (a pattern with one match is allowed), `udp://ADDRESS:PORT` (to listen on) or `tcp://ADDRESS:PORT`.

    Raises `PortError` with what is wrong in words.
    """
    try:
        if name.startswith("udp://"):
            return _UdpPort(name)
        if name.startswith("tcp://"):
            return _TcpPort(name)
        return SerialPort(_only_match(name), baud)
    except OSError as error:  # pyserial's own exception is one, too
        raise PortError(f"{name}: {_in_words(error)}") from error


def open_serial_port(name: str, baud: int) -> "SerialPort":
    """Open `/dev/…` alone, exclusively, as `open_port` does; its speed can be changed. Raises `PortError`."""
    try:
        return SerialPort(_only_match(name), baud)
    except OSError as error:
        raise PortError(f"{name}: {_in_words(error)}") from error


def parse_address(name: str) -> tuple[str, int]:
    """ADDRESS and PORT of `udp://…` or `tcp://…`; raises ValueError where they are none."""
    host, separator, port = name.split("://", 1)[1].rpartition(":")
    if not separator or not 0 < int(port) < 65_536:
        raise ValueError(f"{name!r} has no port from 1 to 65535")
    socket.inet_pton(socket.AF_INET, host) if "." in host else socket.inet_pton(socket.AF_INET6, host.strip("[]"))
    return host.strip("[]"), int(port)


class SerialPort:
    """A tty. pyserial opens and sets it up; reads go to the descriptor, since its own would wait for more bytes."""

    def __init__(self, path: str, baud: int) -> None:
        self.name = path
        try:
            self._serial = serial.Serial(path, baud, timeout=0, exclusive=True)
        except termios.error as error:
            raise OSError(*error.args) from error
        with contextlib.suppress(OSError, ValueError, NotImplementedError):
            self._serial.set_low_latency_mode(True)  # USB adapters of one make hold bytes for 16 ms otherwise
        self._descriptor = self._serial.fileno()
        self._wait_for_bytes()

    def _wait_for_bytes(self) -> None:
        # With VMIN = 0, as pyserial leaves it, a read of a quiet line and of one that is gone look the same.
        settings = termios.tcgetattr(self._descriptor)
        settings[_LINE_VMIN][termios.VMIN] = 1
        termios.tcsetattr(self._descriptor, termios.TCSANOW, settings)

    @property
    def baud(self) -> int:
        """The speed it is open at."""
        return int(self._serial.baudrate)

    def set_baud(self, baud: int) -> None:
        """Go on at another speed without letting go of the lock; raises `PortError` where it has gone."""
        try:
            self._serial.baudrate = baud
            self._wait_for_bytes()
        except (OSError, termios.error) as error:
            # pyserial's own exception keeps no number here; the one that it was made from does.
            cause = error.__context__ if isinstance(error, serial.SerialException) and error.__context__ else error
            raise PortError(f"{self.name}: {_in_words(OSError(*cause.args))}") from error

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._descriptor

    def read(self) -> bytes:
        """What has arrived; see `Port`."""
        return _read(self.name, self._descriptor)

    def write(self, payload: bytes) -> int:
        """Bytes taken; see `Port`."""
        return _write(self.name, self._descriptor, payload)

    def close(self) -> None:
        """Let go of it."""
        with contextlib.suppress(OSError, termios.error):
            self._serial.close()


class _UdpPort:
    """Listens; answers go to whoever spoke last, so that an autopilot needs no configured address."""

    def __init__(self, name: str) -> None:
        self._name = name
        address = parse_address(name)
        self._socket = socket.socket(_family(address), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._peer: tuple[str, int] | None = None
        try:
            self._socket.bind(address)
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> bytes:
        """All datagrams that wait, in order."""
        parts: list[bytes] = []
        while sum(map(len, parts)) < READ_BYTES_MAX // 2:
            try:
                payload, self._peer = self._socket.recvfrom(READ_BYTES_MAX // 2)
            except BlockingIOError:
                break
            except OSError as error:  # an answer came back that nobody listens at the peer: the port itself is fine
                if error.errno != errno.ECONNREFUSED:
                    raise PortError(f"{self._name}: {_in_words(error)}") from error
                continue
            parts.append(payload)
        return b"".join(parts)

    def write(self, payload: bytes) -> int:
        if self._peer is None:
            return 0
        try:
            return self._socket.sendto(payload, self._peer)
        except OSError:
            return 0

    def close(self) -> None:
        self._socket.close()


class _TcpPort:
    """Connects without waiting; until it is through, nothing is read and nothing taken."""

    def __init__(self, name: str) -> None:
        self._name = name
        address = parse_address(name)
        self._socket = socket.socket(_family(address), socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        failed = self._socket.connect_ex(address)
        if failed not in (0, errno.EINPROGRESS):
            self._socket.close()
            raise OSError(failed, os.strerror(failed))

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> bytes:
        failed = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            raise PortError(f"{self._name}: {_in_words(OSError(failed, os.strerror(failed)))}")
        return _read(self._name, self._socket.fileno())

    def write(self, payload: bytes) -> int:
        return _write(self._name, self._socket.fileno(), payload)

    def close(self) -> None:
        self._socket.close()


def _read(name: str, descriptor: int) -> bytes:
    try:
        payload = os.read(descriptor, READ_BYTES_MAX)
    except BlockingIOError:
        return b""
    except OSError as error:
        raise PortError(f"{name}: {_in_words(error)}") from error
    if not payload:
        raise PortError(f"{name}: has gone; the other end hung up")
    return payload


def _write(name: str, descriptor: int, payload: bytes) -> int:
    try:
        return os.write(descriptor, payload)
    except BlockingIOError:
        return 0
    except OSError as error:
        if error.errno == errno.ENOTCONN:  # still connecting
            return 0
        raise PortError(f"{name}: {_in_words(error)}") from error


def _only_match(name: str) -> str:
    """A path as it is, or the one file that a pattern matches; raises OSError where that is none or several."""
    if not glob.has_magic(name):
        return name
    matches = sorted(glob.glob(name))
    if len(matches) > 1:
        raise PortError(f"{name}: matches {len(matches)} devices ({', '.join(matches)}); it must match one")
    if not matches:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return matches[0]


def _family(address: tuple[str, int]) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


def _in_words(error: OSError) -> str:
    # pyserial wraps the system's error and keeps its number, except where an exclusive lock is refused.
    return _WORDS.get(error.errno or 0, str(error.strerror or error))
