"""What the operating system grants the loop, and what it refuses, in words."""

import os
import resource
import subprocess
import sys

import pytest

from controller.daemon import realtime

ASK = "from controller.daemon.realtime import set_up_realtime; import gc; print(set_up_realtime(), gc.isenabled())"


def test_each_of_the_three_is_answered_in_a_sentence():
    """In a process of its own: granted or refused, the collector never runs again."""
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    assert "priority" in done.stdout
    assert "memory" in done.stdout
    assert "collector frozen" in done.stdout
    assert done.stdout.strip().endswith("False")


def test_a_refused_priority_is_said_and_not_fatal(monkeypatch):
    """An ordinary user without a limit for it gets an ordinary priority."""

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert realtime._raise_priority() == "ordinary priority: [Errno 1] Operation not permitted"


def test_memory_is_not_locked_under_a_limit_that_would_turn_into_failed_allocations(monkeypatch):
    """A finite limit refuses beforehand, with its size."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (8_388_608, 8_388_608))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert realtime._lock_memory() == "memory not locked: the limit is 8192 KiB"


@pytest.mark.parametrize(("answer", "words"), [(0, "memory locked"), (-1, "memory not locked: ")])
def test_what_the_kernel_says_of_the_lock_is_what_is_said(monkeypatch, answer, words):
    """The C library's answer decides."""

    class Library:
        @staticmethod
        def mlockall(flags):
            assert flags == 7
            return answer

    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    monkeypatch.setattr(realtime.ctypes, "CDLL", lambda *_, **__: Library)
    assert realtime._lock_memory().startswith(words)
