"""
A scenario laid out in time: every byte that its devices say, every request of its people, and the truth.

Nothing is kept of a day but what it is made from: bytes and truth are made anew, part by part, each time they are asked
for, the same each time. A day of ten hours takes no more memory than one of ten minutes.
"""

import hashlib
from collections.abc import Iterator
from typing import Protocol

import msgspec
import numpy as np

from firmware_bridge.errors import ConfigError
from sim.array import Array, ArrayFeed, TruthPart
from sim.autopilot import AutopilotFeed
from sim.crew import Action, calibrate, end_session, function_check
from sim.gnss import SECOND, Receiver
from sim.motion import Motion
from sim.physics import Surroundings, surroundings_of
from sim.scenario import Scenario
from sim.sections import Target
from sim.wire import WIRE_FAULTS, Wire

START_NS = 1_000 * SECOND  # the controller's monotonic clock when the world begins
UTC_FROM_NS = 1_767_225_600 * SECOND  # 2026-01-01; the seed chooses a second within the next year
PLACING_ATTEMPTS = 1_000  # for one strewn target
PART_S = 30.0
PEG_M = 0.02  # how far from the peg the antenna may stand
STREAMS = 6  # of random numbers: one for each device, wires, and the world


class Feed(Protocol):
    """What a device says, made in consecutive parts."""

    def arrivals(self, from_s: float, until_s: float) -> list[tuple[int, bytes]]:
        """(arrival in ns, bytes) of what it measured in (from, until]; an arrival may come later than that."""


class Truth:
    """
    What really happened, for the oracle alone.

    begun_ns : the controller's monotonic clock when the day began
    """

    def __init__(self, array: Array, until_s: float) -> None:
        self._array = array
        self._until_s = until_s
        self.begun_ns = START_NS

    def parts(self) -> Iterator[TruthPart]:
        """Every sample of the day in order, half a minute at a time."""
        rate_hz = self._array.scenario.head.rate_hz
        size = int(PART_S * rate_hz)
        samples = int(self._until_s * rate_hz)
        for first in range(1, samples + 1, size):
            times_s = np.arange(first, min(first + size, samples + 1)) / rate_hz
            yield TruthPart(
                mono_ns=self.begun_ns + np.rint(times_s * SECOND).astype(np.int64),
                coils_m=self._array.places(times_s)[0],
                alive=self._array.alive(times_s),
            )


class Day(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One day of a scenario, its strewn targets listed. `streams`: where each device's random numbers begin."""

    scenario: Scenario
    session_id: str
    utc_ns: int
    array: Array
    around: Surroundings
    script: list[tuple[float, Action]]
    until_s: float
    truth: Truth
    streams: tuple[np.random.SeedSequence, ...]

    def arrivals(self) -> Iterator[tuple[int, str, bytes]]:
        """(nanoseconds since the day's beginning, link, bytes) of all that devices send, in order of arrival."""
        scenario, motion = self.scenario, self.array.motion
        feeds: list[tuple[str, Feed]] = [
            ("head", ArrayFeed(self.array, self.around, self._random(1))),
            ("gnss", Receiver(scenario, motion, self.utc_ns, self._random(2))),
            ("autopilot", AutopilotFeed(scenario, motion, self._random(3))),
        ]
        if scenario.gnss2 is not None:
            feeds.append(("gnss2", Receiver(scenario, motion, self.utc_ns, self._random(5), "gnss2")))
        waiting: list[tuple[int, str, bytes]] = []
        from_s = 0.0
        while from_s < self.until_s:
            until_s = min(from_s + PART_S, self.until_s)
            waiting += [(at, link, said) for link, feed in feeds for at, said in feed.arrivals(from_s, until_s)]
            waiting.sort(key=lambda arrival: arrival[:2])
            is_last = until_s == self.until_s
            # What is still to be made arrives after the instant it is made of.
            ready = sum(is_last or at <= until_s * SECOND for at, _, _ in waiting)
            yield from waiting[:ready]
            del waiting[:ready]
            from_s = until_s

    def wires(self) -> dict[str, Wire]:
        """The lines with something wrong with them, by link."""
        faults = [fault for fault in self.scenario.fault if fault.kind in WIRE_FAULTS]
        links = sorted({fault.link for fault in faults if fault.link is not None})
        return {
            link: Wire([fault for fault in faults if fault.link == link], self.array.motion.depart_s, random)
            for link, random in zip(links, self._random(4).spawn(len(links)), strict=True)
        }

    def _random(self, stream: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(self.streams[stream]))


def plan(scenario: Scenario, seed: int) -> Day:
    """Lay out a scenario's day; raises `ConfigError` where the scenario leaves no room for it."""
    # The whole scenario is hashed: a session's id must not name two different days.
    digest = hashlib.sha256(msgspec.msgpack.encode([scenario, seed])).digest()
    # A fault changes what it is about and nothing else: the same seed without it is the same day.
    sound = hashlib.sha256(msgspec.msgpack.encode([msgspec.structs.replace(scenario, fault=()), seed])).digest()
    streams = tuple(np.random.SeedSequence(int.from_bytes(sound[:8], "little")).spawn(STREAMS))
    random = np.random.Generator(np.random.PCG64(streams[0]))
    scenario = _with_strewn_targets(scenario, random)
    times = scenario.checks
    opening, script = function_check(scenario, times.begin_s, times.settle_opening_s)
    script.insert(0, (times.begin_s / 2, calibrate(scenario)))
    motion = Motion(scenario, opening.end_s + times.pause_s, seed=int.from_bytes(sound[12:20], "little"))
    checks, end_s = [opening], motion.arrive_s + times.pause_s
    if scenario.closing_check != "none":
        closing, more = function_check(scenario, end_s, times.settle_closing_s)
        checks.append(closing)
        script += more
        end_s = closing.end_s + times.pause_s
    script.append((end_s, end_session()))
    _check_known_point(scenario, motion)
    array = Array(scenario, motion, tuple(checks))
    return Day(
        scenario=scenario,
        session_id=f"sim-{scenario.name}-{seed}-{digest.hex()[:8]}",
        utc_ns=UTC_FROM_NS + int.from_bytes(sound[8:12], "little") % (365 * 86_400) * SECOND,
        array=array,
        around=surroundings_of(scenario, random),
        script=script,
        until_s=end_s + 1.0,
        truth=Truth(array, end_s + 1.0),
        streams=streams,
    )


def _check_known_point(scenario: Scenario, motion: Motion) -> None:
    """Both checks stand on the one peg there is; raises `ConfigError` where the last lane ends elsewhere."""
    if not scenario.checks.has_known_point or scenario.closing_check == "none":
        return
    poses = motion.poses(np.array([motion.depart_s, motion.arrive_s]))
    if np.hypot(np.diff(poses.east_m), np.diff(poses.north_m))[0] > PEG_M:
        raise ConfigError(
            '[checks] has_known_point: the vehicle does not come back to the peg; choose [lanes] pattern "northward"'
        )


def _with_strewn_targets(scenario: Scenario, random: np.random.Generator) -> Scenario:
    """The same scenario with its scatter drawn and listed among the targets."""
    scatter, targets = scenario.world.scatter, list(scenario.world.targets)
    if scatter is None:
        return scenario
    for _ in range(scatter.count):
        for _attempt in range(PLACING_ATTEMPTS):
            east, north = random.uniform(*scatter.east_m), random.uniform(*scatter.north_m)
            if all(np.hypot(east - other.east_m, north - other.north_m) >= scatter.apart_m for other in targets):
                break
        else:
            raise ConfigError(f"[world.scatter] apart_m: {scatter.count} items do not fit {scatter.apart_m} m apart")
        depth, strength = random.uniform(*scatter.depth_m), random.uniform(*scatter.strength)
        targets.append(Target(east_m=east, north_m=north, depth_m=depth, strength=strength))
    world = msgspec.structs.replace(scenario.world, targets=tuple(targets), scatter=None)
    return msgspec.structs.replace(scenario, world=world)
