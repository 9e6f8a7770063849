"""
Virtual time: the whole machine and its world in one process, turn by turn, as fast as it goes.

Nothing here depends on a clock, on hashing or on order of sets: the scenario and the seed make the record.
"""

import hashlib
import heapq
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from controller.core.inputs import Chunk, Origin, RawInputs
from controller.session import Session
from firmware_bridge.errors import ConfigError
from firmware_bridge.records import FloatArray, IntArray, MonoNs
from sim.autopilot import SimulatedAutopilot, autopilot_bytes
from sim.crew import Action, CheckTimes, calibrate, end_session, function_check
from sim.electronics import measured
from sim.gnss import SECOND, receiver_bytes
from sim.head import SimulatedHead, sample_frames
from sim.machine_config import config_text
from sim.motion import Motion, coil_positions, vehicle_axes
from sim.physics import Piece, readings, surroundings_of
from sim.scenario import Scenario
from sim.sections import Target

TURN_NS = 20_000_000
START_NS = 1_000 * SECOND  # the controller's monotonic clock when the world begins
DAY_NS = 86_400 * SECOND
UTC_FROM_NS = 1_767_225_600 * SECOND  # 2026-01-01; the seed chooses a second within the next year
PLACING_ATTEMPTS = 1_000  # for one strewn target


class Truth(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    What really happened, for the oracle alone.

    mono_ns : int64 (n,) of every sample     coils_m : float64 (n, channels, 3) true east, north, height
    alive   : bool (n, channels), False where a channel was dead
    """

    mono_ns: IntArray
    coils_m: FloatArray
    alive: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


class Day(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A scenario laid out in time, its strewn targets listed: every byte, every request, and the truth."""

    scenario: Scenario
    session_id: str
    arrivals: list[tuple[int, str, bytes]]
    script: list[tuple[float, Action]]
    until_s: float
    truth: Truth


def plan(scenario: Scenario, seed: int) -> Day:
    """Lay out a scenario's day; raises `ConfigError` where the scenario leaves no room for it."""
    # The whole scenario is hashed: a session's id must not name two different days.
    digest = hashlib.sha256(msgspec.msgpack.encode([scenario, seed])).digest()
    random = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "little")))
    utc_ns = UTC_FROM_NS + int.from_bytes(digest[8:12], "little") % (365 * 86_400) * SECOND
    scenario = _with_strewn_targets(scenario, random)
    times = scenario.checks
    opening, script = function_check(scenario, times.begin_s, times.settle_opening_s)
    script.insert(0, (times.begin_s / 2, calibrate(scenario)))
    motion = Motion(scenario, opening.end_s + times.pause_s)
    checks, end_s = [opening], motion.arrive_s + times.pause_s
    if scenario.closing_check != "none":
        closing, more = function_check(scenario, end_s, times.settle_closing_s)
        checks.append(closing)
        script += more
        end_s = closing.end_s + times.pause_s
    script.append((end_s, end_session()))
    until_s = end_s + 1.0
    truth, values = _samples(scenario, motion, checks, until_s, random)
    arrivals = [(at, "head", payload) for at, payload in sample_frames(scenario, values)]
    arrivals += [(at, "gnss", payload) for at, payload in receiver_bytes(scenario, motion, until_s, utc_ns, random)]
    arrivals += [(at, "autopilot", payload) for at, payload in autopilot_bytes(scenario, motion, until_s, random)]
    return Day(
        scenario=scenario,
        session_id=f"sim-{scenario.name}-{seed}-{digest.hex()[:8]}",
        arrivals=sorted(arrivals, key=lambda arrival: arrival[:2]),
        script=script,
        until_s=until_s,
        truth=truth,
    )


def run(day: Day, directory: Path) -> Iterator[float]:
    """Live through a day into a new session directory; yields the share done, for progress."""
    head, autopilot = SimulatedHead(day.scenario), SimulatedAutopilot()
    replies: list[tuple[int, bytes]] = []
    position = script_at = 0
    session = Session.create(
        config_text=config_text(day.scenario),
        source=f"scenario {day.scenario.name}",
        directory=directory,
        origin=Origin.SIMULATED,
        session_id=day.session_id,
    )
    with session:
        for now_ns in range(TURN_NS, round(day.until_s * SECOND) + TURN_NS, TURN_NS):
            chunks = []
            while position < len(day.arrivals) and day.arrivals[position][0] <= now_ns:
                at, link, payload = day.arrivals[position]
                position += 1
                chunks.append((at, link, autopilot.say(payload) if link == "autopilot" else payload))
            while replies and replies[0][0] <= now_ns:
                at, payload = heapq.heappop(replies)
                chunks.append((at, "head", payload))
            if now_ns % SECOND == 0:
                chunks.append((now_ns, "head", head.status(now_ns)))
            requests = []
            while script_at < len(day.script) and day.script[script_at][0] * SECOND <= now_ns:
                requests.append(day.script[script_at][1](head))
                script_at += 1
            turn = session.turn(
                RawInputs(
                    now_ns=MonoNs(START_NS + now_ns),
                    chunks=tuple(
                        Chunk(link=link, arrival_ns=MonoNs(START_NS + at), payload=payload)
                        for at, link, payload in sorted(chunks, key=lambda chunk: chunk[0])
                        if payload
                    ),
                    requests=tuple(requests),
                )
            )
            for outgoing in turn.outgoing:
                if outgoing.link == "autopilot":
                    autopilot.hear(outgoing.payload)
                    continue
                for reply in head.hear(outgoing.payload, now_ns):
                    heapq.heappush(replies, reply)
            if turn.effects.is_commit:
                yield now_ns / (day.until_s * SECOND)


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


def _samples(
    scenario: Scenario, motion: Motion, checks: list[CheckTimes], until_s: float, random: np.random.Generator
) -> tuple[Truth, FloatArray]:
    """The truth of every sample, and what the head measures: float64 (n, channels)."""
    rate = scenario.head.rate_hz
    times_s = np.arange(1, int(until_s * rate) + 1) / rate
    poses = motion.poses(times_s)
    coils_m, axes = coil_positions(poses, scenario), vehicle_axes(poses)
    alive, pieces = np.ones(coils_m.shape[:2], dtype=np.bool_), []
    for number, check in enumerate(checks):
        for channel, from_s in enumerate(check.piece_from_s):
            is_on = (times_s >= from_s) & (times_s < from_s + scenario.checks.piece_on_s)
            pieces.append(Piece(is_on=is_on, channel=channel))
        if number == 1 and scenario.closing_check == "bad":
            alive[times_s >= motion.arrive_s, scenario.head.channels // 2] = False
    values = readings(scenario, surroundings_of(scenario, random), times_s, coils_m, axes, pieces)
    values, alive = measured(scenario, values, times_s, alive, random)
    mono_ns = START_NS + np.rint(times_s * SECOND).astype(np.int64)
    return Truth(mono_ns=mono_ns, coils_m=coils_m, alive=alive), values
