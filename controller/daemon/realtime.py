"""
What keeps the loop on time: a real-time priority, memory that is never paged out, a collector that never runs.

Each is asked for and may be refused; what was granted is said, and the loop runs either way.
"""

import ctypes
import gc
import os
import resource

PRIORITY = 40  # above ordinary work, below the kernel's interrupt threads (50)
LOCK_CURRENT, LOCK_FUTURE, LOCK_ON_FAULT = 1, 2, 4  # sys/mman.h
SPIN_US_MAX = 200_000  # a loop that never sleeps is stopped by the kernel before it starves the machine


def set_up_realtime() -> tuple[str, ...]:
    """Ask for all three; one sentence for each says what came of it. Call once, when everything is built."""
    return _raise_priority(), _lock_memory(), _freeze_collector()


def _raise_priority() -> str:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
        resource.setrlimit(resource.RLIMIT_RTTIME, (SPIN_US_MAX, SPIN_US_MAX))
    except (OSError, ValueError) as error:
        return f"ordinary priority: {error}"
    return f"real-time priority {PRIORITY}"


def _lock_memory() -> str:
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft != resource.RLIM_INFINITY and os.geteuid() != 0:
        # Under a finite limit a lock on all future memory would turn into failed allocations later.
        return f"memory not locked: the limit is {soft // 1024} KiB"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(LOCK_CURRENT | LOCK_FUTURE | LOCK_ON_FAULT) != 0:
        return f"memory not locked: {os.strerror(ctypes.get_errno())}"
    return "memory locked"


def _freeze_collector() -> str:
    """The loop's records make no cycles; a collection over 800,000 objects takes 89 ms."""
    gc.collect()
    gc.freeze()
    gc.disable()
    return "collector frozen"
