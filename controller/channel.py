"""
What core and link say to each other over their Unix socket: a closed list, one message a packet.

Link speaks first with `Hello`; core answers `Welcome`, or `Refused` and hangs up. After that link may ask, and core
answers each question by its number: `accepted` once it is among the inputs, `refused` with the reason, `durable` once
it is on the disk. Snapshots flow towards link, and only the newest matters. Nothing here can name a motion output.
"""

from typing import Any

import msgspec

from controller.core.inputs import AnyRequest
from controller.core.shown import Snapshot
from firmware_bridge.io.link import PortStatus
from firmware_bridge.records import LinkStats

VERSION = 1
MESSAGE_BYTES_MAX = 65_536  # the largest snapshot, 8 heads of 64 channels, is 30 kB


class ToCore(msgspec.Struct, frozen=True, kw_only=True, tag_field="message"):
    """From link to core."""


class Hello(ToCore, frozen=True, kw_only=True, tag="hello"):
    """The first message. `client`: what it is, for the log."""

    version: int
    client: str


class Ask(ToCore, frozen=True, kw_only=True, tag="ask"):
    """A person's action. `number`: chosen by the asker, repeated in every answer."""

    number: int
    request: AnyRequest


class Published(ToCore, frozen=True, kw_only=True, tag="published"):
    """All records up to `seq` have reached the broker."""

    session: str
    seq: int


class CorrectionFrame(ToCore, frozen=True, kw_only=True, tag="correction_frame"):
    """One RTCM frame for the position receiver; core checks its CRC again."""

    payload: bytes


class ToLink(msgspec.Struct, frozen=True, kw_only=True, tag_field="message"):
    """From core to link."""


class Welcome(ToLink, frozen=True, kw_only=True, tag="welcome"):
    """Which session runs, and where its record is. `realtime`: what the operating system granted the loop."""

    version: int
    session: str
    directory: str
    origin: str
    software: str
    realtime: tuple[str, ...]


class Refused(ToLink, frozen=True, kw_only=True, tag="refused"):
    """Why this connection is ended."""

    why: str


class Answer(ToLink, frozen=True, kw_only=True, tag="answer"):
    """`state`: `accepted`, `refused` or `durable`; `why` only where refused."""

    number: int
    state: str
    why: str | None = None


class Recorded(ToLink, frozen=True, kw_only=True, tag="recorded"):
    """The ledger now holds all records up to `seq`."""

    seq: int


class Live(ToLink, frozen=True, kw_only=True, tag="live"):
    """The newest state. `dropped`: snapshots this client was too slow for."""

    snapshot: Snapshot
    dropped: int


class LinkHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A configured link: its port, and what its decoder made of the bytes."""

    port: PortStatus
    stats: LinkStats


class Health(ToLink, frozen=True, kw_only=True, tag="health"):
    """
    Once a second: ports and record.

    record_trouble : why records are not being written, in words; None while they are
    published_seq  : the last record that link said had reached the broker
    """

    links: tuple[LinkHealth, ...]
    record_trouble: str | None
    backlog_ns: int
    published_seq: int | None


AnyToCore = Hello | Ask | Published | CorrectionFrame
AnyToLink = Welcome | Refused | Answer | Recorded | Live | Health


def encode(message: AnyToCore | AnyToLink) -> bytes:
    """One message as one packet."""
    return msgspec.msgpack.encode(message)


def decode_to_core(packet: bytes) -> AnyToCore:
    """A packet from link; raises ValueError where it is not on the list."""
    message: AnyToCore = _decode(packet, AnyToCore)
    return message


def decode_to_link(packet: bytes) -> AnyToLink:
    """A packet from core; raises ValueError where it is not on the list."""
    message: AnyToLink = _decode(packet, AnyToLink)
    return message


def _decode(packet: bytes, kind: Any) -> Any:
    if len(packet) > MESSAGE_BYTES_MAX:
        raise ValueError(f"a packet of {len(packet)} bytes is longer than {MESSAGE_BYTES_MAX}")
    try:
        return msgspec.msgpack.decode(packet, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
