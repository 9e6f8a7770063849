"""
A u-blox receiver's configuration on the wire: UBX-CFG-VALSET, UBX-CFG-VALGET, UBX-ACK and UBX-MON-VER.

Layouts after the interface description UBX-18010854 (ZED-F9P), sections "UBX-CFG-VALSET", "UBX-CFG-VALGET",
"UBX-ACK" and "UBX-MON-VER". A value's size stands in its key (bits 28 to 30, "Configuration items"), so a reply is
read whole even where a key in it is unknown here.

Traps kept in mind:
- The two messages number the layers differently: a mask to set, an index to read.
- A receiver refuses to read a key from a layer in which nobody has stored it, with the same NAK as an unknown key.
- An acknowledgement names a kind of message, not which one of that kind: only reading back shows what is set.
"""

import enum
import struct
from collections.abc import Iterable, Mapping

import msgspec

from firmware_bridge.codec.gnss_frames import UBX_OVERHEAD, ubx_frame

ITEMS_MAX = 64  # of one message, either way
VALGET = b"\x06\x8b"
VALSET = b"\x06\x8a"
MON_VER = b"\x0a\x04"
ACK_NAK, ACK_ACK = b"\x05\x00", b"\x05\x01"

_HEADER = struct.Struct("<BBH")
_KEY = struct.Struct("<I")
# Size code in a key -> bytes of its value; a bit is stored as a byte.
_BYTES_OF_SIZE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8}
_VERSION_BYTES, _HARDWARE_BYTES, _EXTENSION_BYTES = 30, 10, 30


class Layer(enum.IntEnum):
    """Where a setting is kept, as VALGET numbers it; at a start each layer stands above the next."""

    RAM = 0
    BBR = 1
    FLASH = 2

    @property
    def mask(self) -> int:
        """The bit that VALSET has for it."""
        return 1 << self.value


class ConfigValues(msgspec.Struct, frozen=True, kw_only=True):
    """A VALGET reply: key -> value, unsigned as stored; `layer` is a number of `Layer`, or another that exists."""

    layer: int
    values: dict[int, int]


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """The receiver's yes or no to a message of class and id `message`."""

    message: bytes
    is_accepted: bool


class ReceiverVersion(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver says it is. `extensions` as printed: `FWVER=HPG 1.32`, older ones with a space for `=`."""

    software: str
    hardware: str
    extensions: tuple[str, ...]

    def extension(self, name: str) -> str | None:
        """What stands behind a name as `FWVER`, `PROTVER` or `MOD`; None where it is not said."""
        for text in self.extensions:
            if text.startswith(name) and text[len(name) : len(name) + 1] in ("=", " "):
                return text[len(name) + 1 :]
        return None


Answer = ConfigValues | Acknowledgement | ReceiverVersion


def value_bytes(key: int) -> int | None:
    """How many bytes a key's value has; None for a number that is no key."""
    return _BYTES_OF_SIZE.get(key >> 28 & 0x7) if 0 <= key < 2**31 else None


def encode_version_request() -> bytes:
    """Ask what the receiver is."""
    return ubx_frame(MON_VER, b"")


def encode_get(layer: Layer, keys: Iterable[int]) -> bytes:
    """Ask for at most `ITEMS_MAX` values of one layer; from RAM it is what the receiver works with."""
    payload = b"".join(map(_KEY.pack, keys))
    assert len(payload) <= ITEMS_MAX * _KEY.size, "a request has 64 keys at most"
    return ubx_frame(VALGET, _HEADER.pack(0, layer, 0) + payload)


def encode_set(layers: Iterable[Layer], values: Mapping[int, int]) -> bytes:
    """Set at most `ITEMS_MAX` values, all of them or, where the receiver refuses one, none."""
    assert 0 < len(values) <= ITEMS_MAX, "a message has 1 to 64 values"
    mask = sum({layer.mask for layer in layers})
    payload = _HEADER.pack(0, mask, 0)
    for key, value in values.items():
        size = value_bytes(key)
        assert size is not None, f"{key:#010x} is no key"
        payload += _KEY.pack(key) + value.to_bytes(size, "little")
    return ubx_frame(VALSET, payload)


def decode_answer(frame: bytes) -> Answer | None:
    """What one whole UBX frame with a good checksum says about the configuration; None where it is something else."""
    class_and_id, payload = frame[2:4], frame[6 : len(frame) - UBX_OVERHEAD + 6]
    if class_and_id in (ACK_ACK, ACK_NAK):
        is_accepted = class_and_id == ACK_ACK
        return Acknowledgement(message=payload, is_accepted=is_accepted) if len(payload) == 2 else None
    if class_and_id == VALGET:
        return _decode_values(payload)
    if class_and_id == MON_VER:
        return _decode_version(payload)
    return None


def _decode_values(payload: bytes) -> ConfigValues | None:
    if len(payload) < _HEADER.size or payload[0] != 1:  # version 1 is a reply, 0 a request
        return None
    values: dict[int, int] = {}
    position = _HEADER.size
    while position < len(payload):
        start = position + _KEY.size
        size = value_bytes(int.from_bytes(payload[position:start], "little"))
        if size is None or start + size > len(payload):
            return None
        values[_KEY.unpack_from(payload, position)[0]] = int.from_bytes(payload[start : start + size], "little")
        position = start + size
    return ConfigValues(layer=payload[1], values=values)


def _decode_version(payload: bytes) -> ReceiverVersion | None:
    fixed = _VERSION_BYTES + _HARDWARE_BYTES
    if len(payload) < fixed or (len(payload) - fixed) % _EXTENSION_BYTES:
        return None
    starts = range(fixed, len(payload), _EXTENSION_BYTES)
    return ReceiverVersion(
        software=_text(payload[:_VERSION_BYTES]),
        hardware=_text(payload[_VERSION_BYTES:fixed]),
        extensions=tuple(filter(None, (_text(payload[start : start + _EXTENSION_BYTES]) for start in starts))),
    )


def _text(field: bytes) -> str:
    """Text up to its first zero; what is not printable ASCII becomes a question mark."""
    characters = field.split(b"\0", 1)[0]
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in characters).strip()
