"""
What `make fuzz` feeds: every decoder with its seeds and a repair of checksums, and the invariants that it checks.

Nothing here needs the fuzzer: an input that was found is repeated by `check` alone.
"""

import hashlib
import itertools
import random
import struct
import sys
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from cobs import cobs
from pymavlink.dialects.v20 import ardupilotmega as dialect

from firmware_bridge.codec.framing import encode_frame
from firmware_bridge.codec.gnss import GnssDecoder
from firmware_bridge.codec.gnss_frames import crc24q, exclusive_or, fletcher
from firmware_bridge.codec.head import HeadDecoder, HostCommandDecoder
from firmware_bridge.codec.instruments import INSTRUMENTS, named_format
from firmware_bridge.codec.line import LineDecoder
from firmware_bridge.codec.line_format import LineChannel, LineFormat, LineRule
from firmware_bridge.codec.mavlink import MavlinkDecoder, mavlink_crc
from firmware_bridge.codec.mavlink_signing import SigningGate
from firmware_bridge.codec.n38 import N38Decoder
from firmware_bridge.codec.ntrip import Corrections, NtripConnection, NtripRequest
from firmware_bridge.codec.rtcm import RtcmFramer, decode_station
from tests.firmware_bridge.mavlink_peer import KEY, STAMP

FLOOD_BYTES = 1_000_000
# The longest UBX frame is 8 KiB and the longest RTCM frame 1 KiB; what a stage holds beside its frame is an epoch.
HELD_BYTES_MAX = 65_536
# A caster's source table is the one long answer: 5,000 mountpoints of five texts.
NTRIP_HELD_BYTES_MAX = 8_000_000
BYTEWISE_MAX = 4_096  # longer inputs come in small equal pieces instead: single bytes of them would take all the time


class Fed(Protocol):
    """What every decoder here has."""

    def feed(self, data: bytes) -> list[Any]:
        """Bytes in, records out."""

    def finish(self) -> list[Any]:
        """The records held back."""


class Finding(AssertionError):  # noqa: N818 - it says what was found, and is the fuzzer's word for it
    """An invariant that did not hold; the message says which."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One decoder: how to make it, which recordings seed it, and how its checksums are made good after mutation."""

    make: Callable[[], Fed]
    recordings: tuple[str, ...] = ()
    repair: Callable[[bytes], bytes] | None = None
    held_bytes_max: int = HELD_BYTES_MAX
    longest: int = 4_096


class _Rtcm:
    """The framer with the reading of stations behind it."""

    def __init__(self) -> None:
        self._framer = RtcmFramer()

    @property
    def stats(self) -> object:
        return self._framer.counts

    def feed(self, data: bytes) -> list[Any]:
        return [entry for frame in self._framer.feed(data) for entry in (frame, decode_station(frame))]

    def finish(self) -> list[Any]:
        return [entry for frame in self._framer.finish() for entry in (frame, decode_station(frame))]


class _Gate:
    """The gate of a signed link at a fixed time."""

    def __init__(self) -> None:
        self._gate = SigningGate(KEY)

    @property
    def stats(self) -> object:
        return self._gate.stats, self._gate.newest

    def feed(self, data: bytes) -> list[bytes]:
        return self._gate.feed(data, STAMP)

    def finish(self) -> list[bytes]:
        return []


def _ntrip(version: int, mountpoint: str) -> NtripConnection:
    return NtripConnection(
        NtripRequest(host="c", port=2101, mountpoint=mountpoint, username=None, password=None, version=version)
    )


def _columns() -> LineDecoder:
    """A format of one's own that uses every option of a format in columns."""
    channels = (LineChannel(name="a", unit="nT", column=2), LineChannel(name="b", unit="nT", column=3, scale=0.5))
    rule = LineRule(column=4, at_least=1.0, not_equals=("9",), channels=("a",))
    return LineDecoder(
        LineFormat(
            separator=",", sequence_column=0, sequence_step=2, sequence_wrap=1000, device_time_column=1,
            device_time_unit="hms", device_time_wrap=86_400, channels=channels, valid=(rule,), comments=("#",),
        )
    )  # fmt: skip


def _counter() -> LineDecoder:
    """A counter that never wraps and grows by two."""
    channels = (LineChannel(name="a", unit="nT", column=1),)
    return LineDecoder(LineFormat(sequence_column=0, sequence_step=2, channels=channels))


def _repair_head(data: bytes) -> bytes:
    """Payloads may have grown or shrunk at will: each becomes one good frame."""
    payloads = []
    for piece in data.split(b"\0"):
        try:
            payloads.append(bytes(cobs.decode(piece))[:-4][:4_096])
        except cobs.DecodeError:
            payloads.append(piece[:4_096])
    return b"".join(encode_frame(payload) for payload in payloads if payload)


def _repair_gnss(data: bytes) -> bytes:
    fixed = bytearray(data)
    for at in range(len(fixed)):
        if fixed[at] == 0x24:
            end = fixed.find(b"*", at)
            if 0 <= end < len(fixed) - 2 and fixed.find(b"$", at + 1, end) < 0:
                fixed[end + 1 : end + 3] = b"%02X" % exclusive_or(bytes(fixed[at + 1 : end]))
        elif fixed[at : at + 2] == b"\xb5\x62":
            end = at + 6 + int.from_bytes(fixed[at + 4 : at + 6], "little")
            if end + 2 <= len(fixed):
                fixed[end : end + 2] = fletcher(bytes(fixed[at + 2 : end]))
    return _repair_rtcm(bytes(fixed))


def _repair_rtcm(data: bytes) -> bytes:
    fixed = bytearray(data)
    at = 0
    while (at := fixed.find(b"\xd3", at)) >= 0:
        end = at + 3 + int.from_bytes(fixed[at + 1 : at + 3], "big")
        if end + 3 <= len(fixed) and not fixed[at + 1] & 0xFC:
            fixed[end : end + 3] = crc24q(bytes(fixed[at:end])).to_bytes(3, "big")
            at = end + 2
        at += 1
    return bytes(fixed)


def _repair_mavlink(data: bytes) -> bytes:
    fixed = bytearray(data)
    at = 0
    while at + 12 < len(fixed):
        header = {0xFE: 6, 0xFD: 10}.get(fixed[at], 0)
        number = fixed[at + 5] if header == 6 else int.from_bytes(fixed[at + 7 : at + 10], "little")
        end = at + header + fixed[at + 1]
        if header and number in dialect.mavlink_map and end + 2 <= len(fixed):
            crc = mavlink_crc(bytes(fixed[at + 1 : end]) + bytes((dialect.mavlink_map[number].crc_extra,)))
            fixed[end : end + 2] = struct.pack("<H", crc)
            at = end + 1
        at += 1
    return bytes(fixed)


def _repair_signing(data: bytes) -> bytes:
    """Checksums, then the signatures of whole frames that say they are signed."""
    fixed = bytearray(_repair_mavlink(data))
    at = 0
    while (at := fixed.find(b"\xfd", at)) >= 0:
        end = at + 10 + fixed[at + 1] + 2 + 13 if at + 10 < len(fixed) else len(fixed) + 1
        if end <= len(fixed) and fixed[at + 2] == 1:
            fixed[end - 6 : end] = hashlib.sha256(KEY + fixed[at : end - 6]).digest()[:6]
            at = end - 1
        at += 1
    return bytes(fixed)


_GNSS_FILES = ("gnss/gpsd/*.log", "gnss/f9p_rigid_pole/*.ubx", "gnss/semuconsulting/*/*")


def _all_targets() -> dict[str, Target]:
    targets = {
        "head": Target(make=HeadDecoder, repair=_repair_head),
        "command": Target(make=HostCommandDecoder, repair=_repair_head),
        "gnss": Target(make=GnssDecoder, recordings=_GNSS_FILES, repair=_repair_gnss, longest=9_000),
        "mavlink": Target(make=lambda: MavlinkDecoder(None), recordings=("mavlink/*/*.?log*",), repair=_repair_mavlink),
        "signing": Target(make=_Gate, recordings=("mavlink/*/*.?log*",), repair=_repair_signing),
        "n38": Target(make=N38Decoder, recordings=("detector/em38/*.N38",)),
        "rtcm": Target(make=_Rtcm, recordings=("gnss/semuconsulting/rtcm/*",), repair=_repair_rtcm),
        "line-columns": Target(make=_columns),
        "line-counter": Target(make=_counter),
    }
    for name in INSTRUMENTS:
        targets[f"line-{name}"] = Target(make=lambda name=name: LineDecoder(named_format(name)))  # type: ignore[misc]
    for name, version, mountpoint in (("1", 1, "M"), ("2", 2, "M"), ("table", 2, "")):
        targets[f"ntrip-{name}"] = Target(
            make=lambda version=version, mountpoint=mountpoint: _ntrip(version, mountpoint),  # type: ignore[misc]
            held_bytes_max=NTRIP_HELD_BYTES_MAX,
            longest=20_000,
        )
    return targets


class PlantedBug(LineDecoder):
    """A decoder with a fault behind two comparisons: what a fuzzer that works must find."""

    def __init__(self) -> None:
        super().__init__(named_format("g823"))

    def feed(self, data: bytes) -> list[Any]:
        """Fails on one word only."""
        if data[:2] == b"BU" and data[2:4] == b"G!":
            raise IndexError("planted")
        return super().feed(data)


TARGETS = _all_targets()
PLANTED = {"planted": Target(make=PlantedBug, longest=64)}


def _bytes_of(entry: Any) -> Any:
    """Arrays for the encoder: their bytes, so that NaN equals NaN."""
    return (entry.dtype.str, entry.shape, entry.tobytes()) if isinstance(entry, np.ndarray) else repr(entry)


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_bytes_of)


def outcome(decoder: Fed, chunks: Iterable[bytes]) -> bytes:
    """Records and final stats as bytes that can be compared; corrections of a caster, cut anywhere, are joined."""
    entries: list[Any] = []
    for record in [record for chunk in chunks for record in decoder.feed(chunk)] + decoder.finish():
        joined = record
        if isinstance(record, Corrections) and entries and isinstance(entries[-1][1], Corrections):
            joined = Corrections(data=entries.pop()[1].data + record.data)
        entries.append((type(joined).__name__, joined))
    return _ENCODER.encode((entries, getattr(decoder, "stats", None)))


def held_bytes(root: object) -> int:
    """Roughly the bytes that an object's own containers and buffers take."""
    seen: set[int] = set()
    pending, total = [root], 0
    while pending:
        entry = pending.pop()
        if id(entry) in seen or isinstance(entry, type) or callable(entry):
            continue
        seen.add(id(entry))
        total += sys.getsizeof(entry)
        if isinstance(entry, dict):
            pending += [*entry.keys(), *entry.values()]
        elif isinstance(entry, list | tuple | set | deque):
            pending += entry
        elif isinstance(entry, msgspec.Struct):
            pending += [getattr(entry, name) for name in entry.__struct_fields__]
        else:
            pending += vars(entry).values() if hasattr(entry, "__dict__") else ()
    return total


def check(target: Target, data: bytes, *, is_flooded: bool) -> None:
    """
    Raises `Finding` where an input breaks an invariant.

    is_flooded : also repeat the input to `FLOOD_BYTES` and look at what is held; slow
    """
    try:
        whole = outcome(target.make(), [data])
        cut_at = random.Random(zlib.crc32(data))
        cuts = sorted(cut_at.randrange(len(data) + 1) for _ in range(cut_at.randrange(1, 8)))
        pieces = [data[start:stop] for start, stop in itertools.pairwise([0, *cuts, len(data)])]
        size = 1 if len(data) <= BYTEWISE_MAX else cut_at.randrange(2, 64)
        equal = [data[at : at + size] for at in range(0, len(data), size)]
        chunkings = {f"cut at {cuts}": pieces, f"in pieces of {size}": equal}
        for name, chunks in chunkings.items():
            if outcome(target.make(), chunks) != whole:
                raise Finding(f"other records or stats when {name}")
        if is_flooded and data:
            decoder = target.make()
            for _ in range(FLOOD_BYTES // len(data) + 1):
                decoder.feed(data)
            if (held := held_bytes(decoder)) > target.held_bytes_max:
                raise Finding(f"{held} bytes held after {FLOOD_BYTES}, {target.held_bytes_max} allowed")
    except Finding:
        raise
    except Exception as error:
        raise Finding(f"raised {error!r}") from error


def seeds(name: str, target: Target, encoded: dict[str, list[bytes]], recordings: Path) -> list[bytes]:
    """Beginnings and middles of recordings where there are any, and what the encoders write."""
    found = [seed for prefix, written in encoded.items() if name.startswith(prefix) for seed in written]
    for pattern in target.recordings:
        for path in sorted(recordings.glob(pattern)):
            content = path.read_bytes() if path.is_file() else b""
            half = len(content) // 2
            found += [content[:1_000], content[half : half + 600]] if content else []
    return found
