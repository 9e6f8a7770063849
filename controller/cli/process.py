"""Processes of this program: started apart from the terminal's Ctrl-C, and ended in order."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from typing import Any

STOP_S_MAX = 10.0


def start(arguments: list[str], module: str = "controller.cli", **options: Any) -> subprocess.Popen[bytes]:
    """A command of this program in a process group of its own: Ctrl-C reaches only whoever started it."""
    return subprocess.Popen([sys.executable, "-m", module, *arguments], process_group=0, **options)


def stop_all(*processes: subprocess.Popen[bytes]) -> None:
    """SIGTERM to each in order, with time to end in order itself; then SIGKILL."""
    for process in processes:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
