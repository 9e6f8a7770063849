"""
Virtual time: the whole machine and its world in one process, turn by turn, as fast as it goes.

Nothing here depends on a clock, on hashing or on order of sets: the scenario and the seed make the record.
"""

from collections.abc import Iterator
from pathlib import Path

from controller.core.inputs import AnyRequest, Chunk, Origin, RawInputs
from controller.session import Session
from firmware_bridge.records import MonoNs
from sim.day import START_NS, Day
from sim.gnss import SECOND
from sim.machine_config import config_text
from sim.machinery import Machinery

TURN_NS = 20_000_000


def run(day: Day, directory: Path) -> Iterator[float]:
    """Live through a day into a new session directory; yields the share done, for progress."""
    machinery, script_at = Machinery(day), 0
    session = Session.create(
        config_text=config_text(day.scenario),
        source=f"scenario {day.scenario.name}",
        directory=directory,
        origin=Origin.SIMULATED,
        session_id=day.session_id,
    )
    with session:
        for now_ns in range(TURN_NS, round(day.until_s * SECOND) + TURN_NS, TURN_NS):
            requests: list[AnyRequest] = []
            while script_at < len(day.script) and day.script[script_at][0] * SECOND <= now_ns:
                requests.append(day.script[script_at][1](machinery.head))
                script_at += 1
            turn = session.turn(
                RawInputs(
                    now_ns=MonoNs(START_NS + now_ns),
                    chunks=tuple(
                        Chunk(link=link, arrival_ns=MonoNs(START_NS + at), payload=payload)
                        for at, link, payload in machinery.arrive(now_ns)
                    ),
                    requests=tuple(requests),
                )
            )
            for outgoing in turn.outgoing:
                machinery.hear(outgoing.link, outgoing.payload, now_ns)
            if turn.effects.is_commit:
                yield now_ns / (day.until_s * SECOND)
