"""
The simulated devices: what arrives from them by an instant, and where to the controller's answers go.

Bytes in, bytes out; whose clock the instants are of, and what carries the bytes, is the caller's.
"""

import heapq
from collections.abc import Iterator

from sim.autopilot import SimulatedAutopilot, reboots_of
from sim.day import Day
from sim.gnss import SECOND
from sim.head import SimulatedHead

STATUS_NS = SECOND

Said = tuple[int, str, bytes]  # nanoseconds since the day's beginning, link, payload


class Machinery:
    """
    The machine's devices and their wires. `arrivals`: those of the day, where they are made elsewhere.
    """

    def __init__(self, day: Day, arrivals: Iterator[Said] | None = None) -> None:
        self.head = SimulatedHead(day.scenario, day.array.motion.depart_s)
        self.autopilot = SimulatedAutopilot()
        self._wires = day.wires()
        self._arrivals = day.arrivals() if arrivals is None else arrivals
        self._next: Said | None = next(self._arrivals, None)
        self._replies: list[tuple[int, bytes]] = []
        self._next_status_ns = STATUS_NS
        self._reboots_ns = [on_ns for _, on_ns in reboots_of(day.scenario, day.array.motion.depart_s)]

    def arrive(self, now_ns: int) -> list[Said]:
        """What has arrived by now and not before, in order of arrival."""
        said: list[Said] = []
        while self._reboots_ns and self._reboots_ns[0] <= now_ns:
            self._reboots_ns.pop(0)
            self.autopilot.restart()
        while self._next is not None and self._next[0] <= now_ns:
            at, link, payload = self._next
            said.append((at, link, self.autopilot.say(payload) if link == "autopilot" else payload))
            self._next = next(self._arrivals, None)
        while self._replies and self._replies[0][0] <= now_ns:
            at, payload = heapq.heappop(self._replies)
            said.append((at, "head", payload))
        if now_ns >= self._next_status_ns:
            self._next_status_ns += STATUS_NS
            said.append((now_ns, "head", self.head.status(now_ns)))
        said.sort(key=lambda one: one[0])
        if not self._wires:
            return [one for one in said if one[2]]
        arrived: list[Said] = []
        for at, link, payload in said:
            wire = self._wires.get(link)
            if payload:
                carried = [(at, payload)] if wire is None else wire.carry(at, payload)
                arrived += [(then, link, piece) for then, piece in carried]
        for link, wire in self._wires.items():
            arrived += [(then, link, piece) for then, piece in wire.released(now_ns)]
        return arrived

    @property
    def next_ns(self) -> int:
        """When there will be something to say next, as far as is known."""
        waiting = [self._next_status_ns, *(at for at, _ in self._replies[:1])]
        return min(waiting) if self._next is None else min(*waiting, self._next[0])

    def is_unplugged(self, link: str, now_ns: int) -> bool:
        """Whether a link's plug is out by the scenario's faults."""
        return link in self._wires and self._wires[link].is_unplugged(now_ns)

    def hear(self, link: str, payload: bytes, now_ns: int) -> None:
        """What the controller sends to a device."""
        if self.is_unplugged(link, now_ns):
            return
        if link == "autopilot":
            self.autopilot.hear(payload)
            return
        for reply in self.head.hear(payload, now_ns):
            heapq.heappush(self._replies, reply)
