"""A simulated serial device: a pseudo-terminal under a stable name, that can be unplugged and come back."""

import contextlib
import os
import termios
import tty
from pathlib import Path

_OUTPUT_SPEED = 5  # of what termios.tcgetattr returns
_SPEEDS = (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
_BAUDS = {getattr(termios, f"B{speed}"): speed for speed in _SPEEDS}


class SerialDevice:
    """What is plugged in at `path`; the tty behind that name is another one after every `plug`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._master: int | None = None
        self._slave: int | None = None
        self.plug()

    def plug(self) -> None:
        """Connect it: a new tty, and the stable name points to it."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)  # before anybody opens it, or its echo would come back as commands
        os.set_blocking(self._master, False)
        temporary = self._path.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(os.ttyname(self._slave))
        temporary.replace(self._path)

    def unplug(self) -> None:
        """Pull the plug: whoever has it open is hung up on, and the name is gone."""
        self._path.unlink(missing_ok=True)
        for descriptor in (self._master, self._slave):
            if descriptor is not None:
                os.close(descriptor)
        self._master = self._slave = None

    def fileno(self) -> int | None:
        """The descriptor to wait on for what the controller sends; None while unplugged."""
        return self._master

    def send(self, payload: bytes) -> None:
        """Bytes to the controller; what nobody reads is lost, as on a wire."""
        if self._master is not None:
            with contextlib.suppress(BlockingIOError, OSError):
                os.write(self._master, payload)

    def receive(self) -> bytes:
        """What the controller has sent."""
        if self._master is None:
            return b""
        try:
            return os.read(self._master, 65_536)
        except (BlockingIOError, OSError):
            return b""

    def baud(self) -> int:
        """The speed that the controller has set the line to; a pseudo-terminal itself has none. 0 while unplugged."""
        if self._slave is None:
            return 0
        return _BAUDS.get(termios.tcgetattr(self._slave)[_OUTPUT_SPEED], 0)
