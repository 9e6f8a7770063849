"""
A periodic timer as a descriptor (timerfd): due times that do not drift, to the microsecond.

`epoll`'s own timeout rounds to milliseconds, and `os.timerfd_create` came with Python 3.13 only.
"""

import contextlib
import ctypes
import os

from firmware_bridge.records import MonoNs

CLOCK_MONOTONIC = 1
_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_ABSOLUTE = 1
SECOND = 1_000_000_000


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("first", _Timespec))


class Ticker:
    """Readable at `first_ns` and every `period_ns` after it."""

    def __init__(self, first_ns: MonoNs, period_ns: int) -> None:
        self._due_ns = int(first_ns)
        self._period_ns = period_ns
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.timerfd_create(CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC)
        setting = _Itimerspec(
            _Timespec(period_ns // SECOND, period_ns % SECOND), _Timespec(first_ns // SECOND, first_ns % SECOND)
        )
        failed = self._descriptor < 0 or libc.timerfd_settime(self._descriptor, _ABSOLUTE, ctypes.byref(setting), None)
        if failed:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def fileno(self) -> int:
        """The descriptor to poll."""
        return int(self._descriptor)

    def lateness_ns(self, now_ns: MonoNs) -> int:
        """How late the oldest tick that nobody took is by now, 0 where none is due; takes it and those after it."""
        late_ns = now_ns - self._due_ns
        if late_ns < 0:
            return 0
        with contextlib.suppress(BlockingIOError):  # due by the clock, and not yet said by the kernel
            os.read(self._descriptor, 8)
        self._due_ns += (late_ns // self._period_ns + 1) * self._period_ns
        return late_ns

    def close(self) -> None:
        """Stop it."""
        os.close(self._descriptor)
