"""How tests wait: for what is awaited, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

from firmware_bridge.clock import now_ns

PATIENCE_S = 20.0  # on two noisy cores; what is awaited usually comes within a tenth of it
ASK_S = 0.01

_T = TypeVar("_T")


def eventually(
    condition: Callable[[], _T], patience_s: float = PATIENCE_S, why: str | Callable[[], str] = "it did not happen"
) -> _T:
    """
    What `condition` returns as soon as that is true, asked a hundred times a second; fails after `patience_s`.

    why : what the failure says; where it is a function, that is asked only then
    """
    deadline_ns = now_ns() + round(patience_s * 1e9)
    while True:
        result = condition()
        if result:
            return result
        assert now_ns() < deadline_ns, f"{why if isinstance(why, str) else why()} (waited {patience_s:g} s)"
        time.sleep(ASK_S)
