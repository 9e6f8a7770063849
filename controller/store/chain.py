"""
A session's record as a chain: what goes into the ledger, byte for byte, wherever it is made.

A record is the msgpack array [seq, mono_ns, utc_ns, utc_trust, origin, kind, body]; its hash is SHA-256 over the
previous record's hash followed by the stored bytes. `seq` begins at 0 with the genesis record and has no gaps. A
tile's cells are not in its record: the body holds their SHA-256. Making the chain is pure, so that replay makes the
same one without a disk.
"""

import hashlib
from typing import Any

import msgspec

from controller.core.effects import AnyEvent, Effects, OriginLatched, TileWritten
from controller.core.inputs import Origin
from controller.store.raw_log import InputDigest

FORMAT = 1
NO_HASH = bytes(32)
GENESIS = "genesis"
RAW_LOG = "raw_log"


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a session is, as `session.json` and the genesis record hold it.

    origin              : as the launcher latched it; records may say simulated from some point on
    utc_at_mono_zero_ns : of a played recording of UTC stamps; None otherwise
    previous_head       : hash of the last record of the machine's previous session, in hex
    """

    format: int = FORMAT
    session: str
    origin: str
    machine: str
    site: str
    software: str
    config_sha256: str
    utc_at_mono_zero_ns: int | None
    previous_head: str | None


class LedgerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One record of the chain. `stored` is what is hashed; `cells` belongs to a tile's record alone."""

    seq: int
    kind: str
    stored: bytes
    hash: bytes
    cells: bytes | None = None


class RecordFields(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The stored array. `body`: a map, by kind."""

    seq: int
    mono_ns: int
    utc_ns: int | None
    utc_trust: str
    origin: str
    kind: str
    body: dict[str, Any]


class RecordMaker:
    """Turns a session's turns into its chain of records."""

    def __init__(self, info: SessionInfo) -> None:
        self._digest = InputDigest()
        self._origin = Origin(info.origin).value
        self._seq = 0
        self._head = NO_HASH
        self._genesis = self._make(0, None, GENESIS, msgspec.to_builtins(info))

    @property
    def seq(self) -> int:
        """Number of the next record."""
        return self._seq

    @property
    def genesis(self) -> LedgerRecord:
        """The first record."""
        return self._genesis

    def take(self, message: bytes, mono_ns: int, effects: Effects) -> list[LedgerRecord]:
        """The records of one turn: its events, and at a second's end the anchor of the logged inputs."""
        self._digest.add(message)
        records = []
        for event in effects.events:
            if isinstance(event, OriginLatched):
                self._origin = event.origin
            records.append(self._take_event(event))
        if effects.is_commit:
            records.append(self._make(mono_ns, None, RAW_LOG, msgspec.to_builtins(self._digest.anchor)))
        return records

    def _take_event(self, event: AnyEvent) -> LedgerRecord:
        kind = str(event.__struct_config__.tag)
        cells = event.cells if isinstance(event, TileWritten) else None
        body = {
            name: msgspec.to_builtins(getattr(event, name), builtin_types=(bytes,))
            for name in event.__struct_fields__
            if name not in ("mono_ns", "utc_ns", "cells")
        }
        if cells is not None:
            body["cells_sha256"] = hashlib.sha256(cells).digest()
        return self._make(event.mono_ns, event.utc_ns, kind, body, cells)

    def _make(
        self, mono_ns: int, utc_ns: int | None, kind: str, body: dict[str, Any], cells: bytes | None = None
    ) -> LedgerRecord:
        stored = msgspec.msgpack.encode(
            RecordFields(
                seq=self._seq,
                mono_ns=mono_ns,
                utc_ns=utc_ns,
                utc_trust="none" if utc_ns is None else "gnss",
                origin=self._origin,
                kind=kind,
                body=body,
            )
        )
        self._head = chain_hash(self._head, stored)
        self._seq += 1
        return LedgerRecord(seq=self._seq - 1, kind=kind, stored=stored, hash=self._head, cells=cells)


def chain_hash(previous: bytes, stored: bytes) -> bytes:
    """SHA-256 over the previous record's hash and the stored bytes."""
    return hashlib.sha256(previous + stored).digest()


def decode_fields(stored: bytes) -> RecordFields:
    """A stored record's fields; raises msgspec.DecodeError where it is none."""
    try:
        return msgspec.msgpack.decode(stored, type=RecordFields)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(str(error)) from error


def decode_event(fields: RecordFields, cells: bytes | None = None) -> AnyEvent | None:
    """
    The core's event of a record; None for the store's own kinds, and for a tile whose cells are not at hand.

    Raises msgspec.ValidationError where the body does not fit its kind.
    """
    if fields.kind in (GENESIS, RAW_LOG) or (fields.kind == TILE and cells is None):
        return None
    body = {name: value for name, value in fields.body.items() if name != "cells_sha256"}
    body |= {"kind": fields.kind, "mono_ns": fields.mono_ns, "utc_ns": fields.utc_ns}
    if cells is not None:
        body["cells"] = cells
    event: AnyEvent = msgspec.convert(body, type=AnyEvent, builtin_types=(bytes,))
    return event


TILE = str(TileWritten.__struct_config__.tag)
