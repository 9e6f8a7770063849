"""
What a line does to bytes between a device and the controller: lost, damaged, twice, late, all at once, or nothing.

A wire is told of every payload in order of time and gives back what arrives; it never looks into the bytes.
"""

from collections.abc import Sequence

import numpy as np

from sim.sections import Fault, FaultKind

SECOND = 1_000_000_000
NOISE_BYTES = 64  # of line noise ahead of a payload that a burst hits
# kind -> the usual share of payloads that it hits
SHARES: dict[FaultKind, float] = {"flip": 0.05, "drop": 0.2, "duplicate": 0.2, "reorder": 0.2, "burst": 0.2}
CUTS: tuple[FaultKind, ...] = ("unplug", "wrong_baud")
WIRE_FAULTS: tuple[FaultKind, ...] = (*SHARES, "stall", *CUTS)

Arrival = tuple[int, bytes]  # nanoseconds since the day's beginning, payload


class Wire:
    """One line from a device. `random` decides which payloads are hit, and where."""

    def __init__(self, faults: Sequence[Fault], depart_s: float, random: np.random.Generator) -> None:
        self._faults = [(fault, *_interval_ns(fault, depart_s)) for fault in faults if fault.kind in WIRE_FAULTS]
        self._random = random
        self._late: bytes | None = None
        self._stalled: list[bytes] = []
        self._was_cut = False

    def is_unplugged(self, at_ns: int) -> bool:
        """Whether the plug is out: nothing passes either way."""
        return any(fault.kind == "unplug" for fault in self._on(at_ns))

    def carry(self, at_ns: int, payload: bytes) -> list[Arrival]:
        """What arrives now that a device has sent a payload."""
        if self.is_unplugged(at_ns):
            # The plug is pulled in the middle of what is just being sent.
            half, self._was_cut = payload[: 0 if self._was_cut else len(payload) // 2], True
            return [(at_ns, half)] if half else []
        self._was_cut = False
        arrived = self.released(at_ns)
        late, self._late = self._late, None
        payloads = [payload]
        for fault in self._on(at_ns):
            payloads = [changed for one in payloads for changed in self._changed(fault, one)]
        if late is not None:
            payloads.append(late)
        if any(fault.kind == "stall" for fault in self._on(at_ns)):
            self._stalled += payloads
            payloads = []
        return arrived + [(at_ns, one) for one in payloads if one]

    def released(self, now_ns: int) -> list[Arrival]:
        """What was held back and comes through by now; empty as a rule."""
        if not self._stalled or any(fault.kind == "stall" for fault in self._on(now_ns)):
            return []
        held, self._stalled = self._stalled, []
        return [(now_ns, payload) for payload in held if payload]

    def _on(self, at_ns: int) -> list[Fault]:
        return [fault for fault, from_ns, until_ns in self._faults if from_ns <= at_ns < until_ns]

    def _changed(self, fault: Fault, payload: bytes) -> list[bytes]:
        """A payload as a fault leaves it, in as many pieces as arrive."""
        if fault.kind == "wrong_baud":
            return [self._random.bytes(len(payload))]
        if fault.kind not in SHARES or not payload:
            return [payload]
        if self._random.random() >= (SHARES[fault.kind] if fault.size is None else fault.size):
            return [payload]
        match fault.kind:
            case "flip":
                damaged = bytearray(payload)
                damaged[int(self._random.integers(len(payload)))] ^= 1 << int(self._random.integers(8))
                return [bytes(damaged)]
            case "drop":
                first, last = sorted(self._random.integers(0, len(payload) + 1, 2).tolist())
                return [payload[:first] + payload[last:]]
            case "duplicate":
                return [payload, payload]
            case "reorder":
                self._late = payload
                return []
            case _:
                return [self._random.bytes(NOISE_BYTES) + payload]


def _interval_ns(fault: Fault, depart_s: float) -> tuple[int, float]:
    until = float("inf") if fault.until_s is None else (depart_s + fault.until_s) * SECOND
    return round((depart_s + fault.from_s) * SECOND), until
