"""
A u-blox ZED-F9P as its cable sees it: configuration in layers, acknowledgements, and the messages that are set.

It reads and writes the wire by itself, so that the controller's codec meets an independent hand. A message is obeyed
only at the speed that the receiver is set to; at another speed both ends see noise, as on a real line.
"""

import struct
from collections.abc import Iterable

import msgspec

from firmware_bridge.codec.fix_part import NS_PER_S
from firmware_bridge.codec.ubx import encode_ubx
from firmware_bridge.records import FixClass, GnssFix, UtcNs

RAM, BBR, FLASH, DEFAULT = 0, 1, 2, 7
UART1_BAUD, RATE_MEASUREMENT, UBX_OUT_UART1 = 0x40520001, 0x30210001, 0x10740001
# What the receiver has from the factory, as a ZED-F9P with firmware HPG 1.32 says.
FACTORY = {
    UART1_BAUD: 38_400, RATE_MEASUREMENT: 1000, 0x30210002: 1, 0x20110021: 0, 0x20140011: 3, 0x20250038: 0,
    0x3025003B: 0, 0x20030001: 0, 0x2005000C: 0, 0x10730001: 1, 0x10730004: 1, UBX_OUT_UART1: 1, 0x10740002: 1,
    0x10770001: 1, 0x10770004: 1, 0x10780001: 1, 0x10780002: 1, 0x10750004: 1, 0x20910007: 0, 0x20910034: 0,
    0x2091008E: 0, 0x2091017E: 0, 0x20910009: 0, 0x20910036: 0, 0x20910090: 0, 0x20910180: 0,
}  # fmt: skip
F9P_VERSION = (
    "EXT CORE 1.00 (0fa0ae)",
    "00190000",
    "ROM BASE 0x118B2060",
    "FWVER=HPG 1.32",
    "PROTVER=27.31",
    "MOD=ZED-F9P",
)
# Class and id of what it sends -> the key that switches it on at UART1.
_OUTPUTS = {b"\x01\x07": 0x20910007, b"\x01\x14": 0x20910034, b"\x01\x3c": 0x2091008E}
_SIZES = (0, 1, 1, 2, 4, 8)
START_UTC_NS = 1_772_000_000 * NS_PER_S


class ReceiverFaults(msgspec.Struct, frozen=True, kw_only=True):
    """
    What goes wrong.

    unanswered     : so many questions are not heard at first; -1 is all
    noise          : bytes between all that it sends
    refused        : keys that it knows and will not set
    unknown        : keys that its firmware does not know
    is_baud_stuck  : a new speed is acknowledged and not taken
    period_ns_min  : it cannot do an epoch in less
    unplugged_after : its cable is pulled in place of the answer after so many answers
    """

    unanswered: int = 0
    noise: bytes = b""
    refused: frozenset[int] = frozenset()
    unknown: frozenset[int] = frozenset()
    is_baud_stuck: bool = False
    period_ns_min: int = 0
    unplugged_after: int | None = None


class SimulatedReceiver:
    """Bytes in, bytes out; `baud` is what it speaks at, `asked` is each question's kind and payload."""

    def __init__(
        self, faults: ReceiverFaults | None = None, version: tuple[str, ...] = F9P_VERSION, baud: int = 38_400
    ) -> None:
        self.faults = faults or ReceiverFaults()
        known = {key: value for key, value in FACTORY.items() if key not in self.faults.unknown}
        self.layers: dict[int, dict[int, int]] = {RAM: known | {UART1_BAUD: baud}, BBR: {}, FLASH: {}, DEFAULT: known}
        self.baud = baud
        self.asked: list[tuple[bytes, bytes]] = []
        self.is_unplugged = False
        self._version = version
        self._buffer = b""
        self._unheard = self.faults.unanswered
        self._epochs = 0

    @property
    def period_ns(self) -> int:
        """From one epoch to the next."""
        return max(self.layers[RAM][RATE_MEASUREMENT] * 1_000_000, self.faults.period_ns_min)

    def hear(self, payload: bytes, line_baud: int) -> bytes:
        """What it answers to bytes sent at a speed; noise is all it takes from a wrong one."""
        if line_baud != self.baud:
            return b""
        self._buffer += payload
        answers = b""
        while (start := self._buffer.find(b"\xb5\x62")) >= 0:
            self._buffer = self._buffer[start:]
            length = int.from_bytes(self._buffer[4:6], "little") + 8
            if len(self._buffer) < max(8, length):
                break
            frame, self._buffer = self._buffer[:length], self._buffer[length:]
            if _checksum(frame[2:-2]) == frame[-2:]:
                answers += self._answer(frame[2:4], frame[6:-2])
        return answers

    def epoch(self) -> bytes:
        """The messages of the next epoch, as far as UART1 is set to send them."""
        utc_ns = UtcNs(START_UTC_NS + self._epochs * self.period_ns)
        self._epochs += 1
        ram = self.layers[RAM]
        fix = GnssFix(
            utc_ns=utc_ns, time_of_day_ns=utc_ns % (86_400 * NS_PER_S), latitude_deg=8.5, longitude_deg=39.25,
            altitude_m=1600.0, fix_class=FixClass.FIXED, horizontal_error_95_m=0.02, speed_m_s=0.0, course_deg=0.0,
            heading_deg=90.0, heading_error_95_deg=0.5, correction_age_s=1.0, reference_station=None,
        )  # fmt: skip
        chosen = [frame for frame in _frames(encode_ubx(fix)) if ram[UBX_OUT_UART1] and ram.get(_OUTPUTS[frame[2:4]])]
        return b"".join(self.faults.noise + frame for frame in chosen)

    def _answer(self, kind: bytes, payload: bytes) -> bytes:
        if self._unheard:
            self._unheard -= 1
            return b""
        if self.faults.unplugged_after is not None and len(self.asked) >= self.faults.unplugged_after:
            self.is_unplugged = True
            return b""
        self.asked.append((kind, payload))
        answers: list[bytes] = []
        if kind == b"\x0a\x04" and not payload:
            answers.append(_frame(kind, self._version_payload()))
        elif kind == b"\x06\x8b":
            found = self._get(payload)
            answers += [] if found is None else [_frame(kind, found)]
            answers.append(_frame(b"\x05\x00" if found is None else b"\x05\x01", kind))
        elif kind == b"\x06\x8a":
            answers.append(_frame(b"\x05\x01" if self._set(payload) else b"\x05\x00", kind))
            if not self.faults.is_baud_stuck:
                self.baud = self.layers[RAM][UART1_BAUD]
        return b"".join(self.faults.noise + answer for answer in answers)

    def _version_payload(self) -> bytes:
        software, hardware, *extensions = (text.encode() for text in self._version)
        return software.ljust(30, b"\0") + hardware.ljust(10, b"\0") + b"".join(e.ljust(30, b"\0") for e in extensions)

    def _get(self, payload: bytes) -> bytes | None:
        """A reply, or None for a refusal: any key that the layer does not hold, or more than 64 of them."""
        keys = [key for (key,) in struct.iter_unpack("<I", payload[4:])]
        layer = self.layers.get(payload[1])
        if layer is None or len(keys) > 64 or not set(keys) <= set(layer):
            return None
        items = b"".join(struct.pack("<I", key) + layer[key].to_bytes(_SIZES[key >> 28], "little") for key in keys)
        return b"\x01" + payload[1:4] + items

    def _set(self, payload: bytes) -> bool:
        mask, items, position = payload[1], {}, 4
        while position < len(payload):
            (key,) = struct.unpack_from("<I", payload, position)
            size = _SIZES[key >> 28 & 7]
            items[key] = int.from_bytes(payload[position + 4 : position + 4 + size], "little")
            position += 4 + size
        is_known = set(items) <= set(self.layers[DEFAULT]) and not self.faults.refused & set(items)
        if payload[0] != 0 or not is_known or not mask & 7 or len(items) > 64:
            return False
        for layer in (RAM, BBR, FLASH):
            if mask >> layer & 1:
                self.layers[layer] |= items
        return True


def _checksum(body: bytes) -> bytes:
    first = second = 0
    for byte in body:
        first = (first + byte) & 0xFF
        second = (second + first) & 0xFF
    return bytes((first, second))


def _frame(kind: bytes, payload: bytes) -> bytes:
    body = kind + struct.pack("<H", len(payload)) + payload
    return b"\xb5\x62" + body + _checksum(body)


def _frames(stream: bytes) -> Iterable[bytes]:
    while stream:
        length = int.from_bytes(stream[4:6], "little") + 8
        yield stream[:length]
        stream = stream[length:]
