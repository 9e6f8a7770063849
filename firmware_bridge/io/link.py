"""
A configured link whose port may come and go: opened when it is there, closed when it is not, counted all along.

Unplugged and silent are told apart: `is_open` is about the port, `last_byte_ns` about what arrives through it.
"""

import msgspec

from firmware_bridge.errors import PortError
from firmware_bridge.io.ports import Port, open_port
from firmware_bridge.io.signing import Signing, SigningStatus
from firmware_bridge.records import MonoNs

MS = 1_000_000
RETRY_NS_MIN, RETRY_NS_MAX = 100 * MS, 2_000 * MS  # first and longest pause between attempts to open


class PortStatus(msgspec.Struct, frozen=True, kw_only=True):
    """
    One port since the process started, as one snapshot.

    trouble       : why it is not open, in words; None while it is
    opened        : how often it was opened
    bytes_refused : written bytes that a full or closed port did not take, or that could not be signed
    bytes_waiting : found waiting at the last read; the next one takes what is left, so this is what the loop lags by
    bytes_waiting_max : the most that were found waiting, the port's own buffer being 4,096 on a serial line
    last_byte_ns  : when bytes last arrived, verified or not; None before any
    signing       : what became of signatures; None where none are asked for
    """

    link: str
    port: str
    is_open: bool
    trouble: str | None
    opened: int
    bytes_in: int
    bytes_out: int
    bytes_refused: int
    bytes_waiting: int
    bytes_waiting_max: int
    last_byte_ns: MonoNs | None
    signing: SigningStatus | None = None


class Link:
    """
    One link's port. Never raises for what a port does; `tend` opens it anew when its time has come.

    signing : verifies what is read and signs what is written; None lets everything through
    """

    def __init__(self, name: str, port: str, baud: int, signing: Signing | None = None) -> None:
        self.name = name
        self._signing = signing
        self._port_name = port
        self._baud = baud
        self._port: Port | None = None
        self._trouble: str | None = "not opened yet"
        self._retry_ns = RETRY_NS_MIN
        self._due_ns = 0
        self._opened = self._bytes_in = self._bytes_out = self._bytes_refused = 0
        self._bytes_waiting = self._bytes_waiting_max = 0
        self._last_byte_ns: MonoNs | None = None

    def tend(self, now_ns: MonoNs) -> bool:
        """Try to open a closed port if it is time; True where it has just been opened."""
        if self._port is not None or now_ns < self._due_ns:
            return False
        try:
            self._port = open_port(self._port_name, self._baud)
        except PortError as error:
            self._fail(str(error), now_ns)
            return False
        self._trouble = None
        self._opened += 1
        return True

    def fileno(self) -> int | None:
        """The descriptor to poll while the port is open."""
        return None if self._port is None else self._port.fileno()

    def read(self, now_ns: MonoNs) -> bytes:
        """What has arrived and is to be believed; empty where nothing has, or where the port has just gone."""
        if self._port is None:
            return b""
        try:
            payload = self._port.read()
        except PortError as error:
            self._fail(str(error), now_ns)
            return b""
        if payload:
            self._bytes_in += len(payload)
            self._bytes_waiting = len(payload)
            self._bytes_waiting_max = max(self._bytes_waiting_max, len(payload))
            self._last_byte_ns = now_ns
            self._retry_ns = RETRY_NS_MIN  # it truly works: the next loss may be retried at once
        return payload if self._signing is None else self._signing.verify(payload, now_ns)

    def write(self, payload: bytes, now_ns: MonoNs) -> None:
        """Send; what the port does not take is counted, not kept: the core repeats what matters."""
        signed = payload if self._signing is None else self._signing.sign(payload, now_ns)
        if signed is None:
            self._bytes_refused += len(payload)
            return
        taken = 0
        if self._port is not None:
            try:
                taken = self._port.write(signed)
            except PortError as error:
                self._fail(str(error), now_ns)
        self._bytes_out += taken
        self._bytes_refused += len(signed) - taken

    def finish(self) -> None:
        """Let go of the port for good, with what must outlive the process kept."""
        self.close()
        if self._signing is not None:
            self._signing.close()

    def close(self) -> None:
        """Let go of the port."""
        if self._port is not None:
            self._port.close()
            self._port = None

    @property
    def status(self) -> PortStatus:
        """The counters as one snapshot."""
        return PortStatus(
            link=self.name,
            port=self._port_name,
            is_open=self._port is not None,
            trouble=self._trouble,
            opened=self._opened,
            bytes_in=self._bytes_in,
            bytes_out=self._bytes_out,
            bytes_refused=self._bytes_refused,
            bytes_waiting=self._bytes_waiting,
            bytes_waiting_max=self._bytes_waiting_max,
            last_byte_ns=self._last_byte_ns,
            signing=None if self._signing is None else self._signing.status,
        )

    def _fail(self, trouble: str, now_ns: MonoNs) -> None:
        self.close()
        self._trouble = trouble
        self._due_ns = now_ns + self._retry_ns
        self._retry_ns = min(2 * self._retry_ns, RETRY_NS_MAX)
