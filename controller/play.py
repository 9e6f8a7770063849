"""
A recording through the same engine as a live machine, in virtual time.

Streams with `timebase = utc` are put on a monotonic clock whose zero is a whole second before the first stamp; then
every chunk is handed over at its own stamp, in turns of 20 ms, and the session is ended a second after the last.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from controller.core.inputs import Chunk, EndSession, Origin, RawInputs
from controller.core.timebase import MS, SECOND
from controller.session import Session
from controller.store.capture import Capture
from firmware_bridge.records import LinkStats, MonoNs

TURN_NS = 20 * MS
PLAYER = "player"  # who ends a played session, in place of a person's id code


def play(capture: Capture, directory: Path, links: dict[str, LinkStats]) -> Iterator[float]:
    """
    Run a capture into a new session directory; yields the share done, for progress.

    links : filled in at the end with every link's counters: what was read, and what was refused of it

    The session id is derived from the recording's content, so that playing it twice gives the same record.
    """
    chunks = list(capture.chunks())
    origin = Origin.SIMULATED if capture.origin == "simulated" else Origin.REPLAYED
    is_utc = any(stream.timebase == "utc" for stream in capture.streams)
    zero_ns = (chunks[0][0] // SECOND - 1) * SECOND
    session = Session.create(
        config_text=capture.config_text,
        source=str(capture.config_path),
        directory=directory,
        origin=origin,
        session_id=_session_id(capture, chunks),
        utc_at_mono_zero_ns=zero_ns if is_utc else None,
    )
    with session:
        for done, raw in _turns(chunks, zero_ns):
            session.turn(raw)
            yield done
        links.update(session.link_stats())


def _turns(chunks: list[tuple[int, str, bytes]], zero_ns: int) -> Iterator[tuple[float, RawInputs]]:
    """The chunks in turns, with an empty turn in every second without any, and the end of the session."""
    waiting: list[Chunk] = []
    until_ns = zero_ns
    for count, (stamp_ns, stream, payload) in enumerate(chunks):
        if stamp_ns >= until_ns:
            if waiting:
                yield count / len(chunks), RawInputs(now_ns=MonoNs(until_ns - zero_ns), chunks=tuple(waiting))
                waiting = []
            while stamp_ns - until_ns > SECOND:
                until_ns += SECOND
                yield count / len(chunks), RawInputs(now_ns=MonoNs(until_ns - zero_ns))
            until_ns += ((stamp_ns - until_ns) // TURN_NS + 1) * TURN_NS
        waiting.append(Chunk(link=stream, arrival_ns=MonoNs(stamp_ns - zero_ns), payload=payload))
    yield 1.0, RawInputs(now_ns=MonoNs(until_ns - zero_ns), chunks=tuple(waiting))
    end_ns = MonoNs(until_ns + SECOND - zero_ns)
    yield 1.0, RawInputs(now_ns=end_ns, requests=(EndSession(person=PLAYER),))


def _session_id(capture: Capture, chunks: list[tuple[int, str, bytes]]) -> str:
    digest = hashlib.sha256(capture.config_text.encode())
    for stamp_ns, stream, payload in chunks:
        digest.update(f"{stamp_ns} {stream} {len(payload)} ".encode())
        digest.update(payload)
    return f"played-{digest.hexdigest()[:12]}"
