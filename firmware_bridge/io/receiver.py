"""
A talk with a u-blox receiver about its settings: one question at a time, asked again while nothing answers.

It holds the port alone, with the lock that core takes too, so the two can never talk to one receiver. Everything else
that the receiver sends meanwhile is passed over.
"""

import itertools
import select
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from firmware_bridge.clock import now_ns
from firmware_bridge.codec.f9p_settings import FACTORY_BAUD
from firmware_bridge.codec.fix_part import NS_PER_MS, NS_PER_S, WEEK_MS, FixPart
from firmware_bridge.codec.gnss_frames import FrameKind, GnssFrame, GnssFramer
from firmware_bridge.codec.ubx import decode_ubx
from firmware_bridge.codec.ubx_config import (
    ITEMS_MAX,
    VALGET,
    VALSET,
    Acknowledgement,
    Answer,
    ConfigValues,
    Layer,
    ReceiverVersion,
    decode_answer,
    encode_get,
    encode_set,
    encode_version_request,
)
from firmware_bridge.errors import ReceiverError
from firmware_bridge.io.ports import SerialPort

# A write to flash takes some 100 ms; at 9600 baud the answer waits behind a second of other messages at most.
ANSWER_NS = 1_200 * NS_PER_MS
ATTEMPTS = 3
STEADY_EPOCHS = 6
FLOW_NS_MIN = 2 * NS_PER_S

_Found = TypeVar("_Found")


class Receiver:
    """One receiver at a serial port. Raises `ReceiverError` where it does not answer, `PortError` where it has gone."""

    def __init__(self, port: SerialPort, answer_ns: int = ANSWER_NS) -> None:
        self._port = port
        self._answer_ns = answer_ns
        self._framer = GnssFramer()

    def version(self) -> ReceiverVersion:
        """What it says it is."""
        return self._ask(encode_version_request(), lambda found: found if isinstance(found, ReceiverVersion) else None)

    def read(self, layer: Layer, keys: Iterable[int]) -> dict[int, int]:
        """The values of a layer; a key that this layer does not hold, or that nobody knows, is left out."""
        wanted = list(keys)
        values: dict[int, int] = {}
        for start in range(0, len(wanted), ITEMS_MAX):
            values |= self._read(layer, wanted[start : start + ITEMS_MAX])
        return values

    def _read(self, layer: Layer, keys: list[int]) -> dict[int, int]:
        """A request for one key that is not there is refused as a whole: halve it until only those are refused."""
        if not keys:
            return {}

        def reply(found: Answer) -> dict[int, int] | None:
            if isinstance(found, ConfigValues) and found.layer == layer and set(found.values) <= set(keys):
                return found.values
            return {} if _refuses(found, VALGET) else None

        values = self._ask(encode_get(layer, keys), reply)
        if values or len(keys) == 1:
            return values
        middle = len(keys) // 2
        return self._read(layer, keys[:middle]) | self._read(layer, keys[middle:])

    def write(self, layers: Iterable[Layer], values: Mapping[int, int]) -> bool:
        """Set values; False where the receiver refuses one of them, and then none is set."""
        return self._ask(encode_set(layers, values), _acknowledged)

    def write_baud(self, layers: Iterable[Layer], key: int, baud: int) -> bool:
        """
        Set the speed of the line that we talk through, and follow it there.

        False where the receiver refuses. The answer comes at the old speed, at the new one, or torn between: what
        counts is that the receiver then answers at the new one. Where it only answers at the old one, that is False.
        """
        old = self._port.baud
        answer = self._attempt(encode_set(layers, {key: baud}), _acknowledged)
        if answer is False:
            return False
        self._follow(baud)
        try:
            self.version()
        except ReceiverError:
            self._follow(old)
            self.version()
            return False
        return True

    def flow(self, rate_hz: int, sources: frozenset[str]) -> tuple[frozenset[str], int | None]:
        """
        Which of the message types arrive, and every how many milliseconds an epoch does; None while none follows.

        Ends as soon as all types were there and the last epochs came at the rate, or after two seconds and some epochs.
        """
        self._take(now_ns())
        period_ms = 1000 // rate_hz
        until = now_ns() + FLOW_NS_MIN + 2 * STEADY_EPOCHS * period_ms * NS_PER_MS
        seen: set[str] = set()
        epochs: list[int] = []
        while now_ns() < until:
            for frame in self._take(until):
                part = decode_ubx(frame.data)
                if isinstance(part, FixPart):
                    seen.add(part.source)
                    if part.source == "NAV-PVT" and part.itow_ms is not None:
                        epochs.append(part.itow_ms)
            steps = _steps(epochs[-STEADY_EPOCHS:])
            is_steady = len(steps) == STEADY_EPOCHS - 1 and max(steps) <= 1.1 * period_ms
            if is_steady and sources <= seen:
                break
        steps = _steps(epochs[-STEADY_EPOCHS:])
        return frozenset(seen), max(steps) if steps else None

    def _follow(self, baud: int) -> None:
        self._port.set_baud(baud)
        self._framer = GnssFramer()

    def _ask(self, question: bytes, choose: Callable[[Answer], _Found | None]) -> _Found:
        heard, frames = self._framer.counts.bytes, self._framer.counts.frames
        for _ in range(ATTEMPTS):
            found = self._attempt(question, choose)
            if found is not None:
                return found
        counts = self._framer.counts
        raise ReceiverError(f"{self._port.name}: {self._silence(counts.bytes - heard, counts.frames - frames)}")

    def _silence(self, heard: int, frames: int) -> str:
        baud = self._port.baud
        if frames:
            return "it sends, but does not answer: is our sending line connected, and is it a u-blox F9?"
        if heard:
            return (
                f"what arrives makes no sense at {baud} baud: try another --baud; from the factory it is {FACTORY_BAUD}"
            )
        return f"nothing arrives at {baud} baud: is the receiver switched on, and is this its port?"

    def _attempt(self, question: bytes, choose: Callable[[Answer], _Found | None]) -> _Found | None:
        """Ask once; None where nothing fits within the time. What still waits from before cannot be the answer."""
        self._take(now_ns())
        until = now_ns() + self._answer_ns
        while question and now_ns() < until:
            question = question[self._port.write(question) :]
            if question:
                select.select([], [self._port.fileno()], [], max(0.0, (until - now_ns()) / NS_PER_S))
        while now_ns() < until:
            found = _first(self._take(until), choose)
            if found is not None:
                return found
        # Noise that looks like the head of a long frame may hold the answer back for as long as nothing follows.
        return _first(_only_ubx(self._framer.finish()), choose)

    def _take(self, until_ns: int) -> list[GnssFrame]:
        """The UBX frames that arrive next, or none by then; at once all that waits, where the time is over."""
        frames: list[GnssFrame] = []
        while select.select([self._port.fileno()], [], [], max(0.0, (until_ns - now_ns()) / NS_PER_S))[0]:
            frames += _only_ubx(self._framer.feed(self._port.read()))
            if frames or now_ns() >= until_ns:
                break
        return frames


def _only_ubx(frames: list[GnssFrame]) -> list[GnssFrame]:
    return [frame for frame in frames if frame.kind is FrameKind.UBX]


def _first(frames: list[GnssFrame], choose: Callable[[Answer], _Found | None]) -> _Found | None:
    for frame in frames:
        answer = decode_answer(frame.data)
        found = None if answer is None else choose(answer)
        if found is not None:
            return found
    return None


def _refuses(answer: Answer, message: bytes) -> bool:
    return isinstance(answer, Acknowledgement) and answer.message == message and not answer.is_accepted


def _acknowledged(answer: Answer) -> bool | None:
    if isinstance(answer, Acknowledgement) and answer.message == VALSET:
        return answer.is_accepted
    return None


def _steps(epochs: list[int]) -> list[int]:
    """Milliseconds from each epoch to the next, over the week's end."""
    return [(after - before) % WEEK_MS for before, after in itertools.pairwise(epochs)]
