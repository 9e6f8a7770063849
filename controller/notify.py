"""
Messages to the service manager (sd_notify(3)): ready, still alive, stopping. Without one they go nowhere.
"""

import contextlib
import os
import socket


class Notifier:
    """Sends to the socket that `NOTIFY_SOCKET` names, if there is one."""

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)

    @classmethod
    def from_environment(cls) -> "Notifier":
        """For this process's service manager."""
        return cls(os.environ.get("NOTIFY_SOCKET"))

    def say(self, *assignments: str) -> None:
        """Send `READY=1`, `WATCHDOG=1`, `STATUS=…`; a manager that is not there is no trouble of ours."""
        if self._address is None:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError):
            self._socket.sendto("\n".join(assignments).encode(), address)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()
