"""
Is a record whole? Chain, numbering, tiles, configuration and logged inputs, in words an inspector understands.

A chain without signatures shows what was changed inside it; a cut after its last record shows only against a copy.
"""

import hashlib
from pathlib import Path

import msgspec

from controller.store.chain import (
    GENESIS,
    NO_HASH,
    RAW_LOG,
    TILE,
    RecordFields,
    chain_hash,
    decode_event,
    decode_fields,
)
from controller.store.ledger import read_info, read_records, read_tiles
from controller.store.raw_log import InputDigest, RawAnchor, RawLogReader
from controller.store.recorder import CONFIG_NAME, config_digest
from firmware_bridge.errors import StoreError


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as it was written. `seq` is None where no one record is concerned."""

    seq: int | None
    what: str


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """`anchored_seq`: the last record whose logged inputs are proven to be those it was made from."""

    records: int
    problems: tuple[Problem, ...]
    anchored_seq: int | None
    head_hash: str | None


def verify(directory: Path) -> VerifyReport:
    """Check a session directory; raises `StoreError` only where there is none to check."""
    info = read_info(directory)
    problems: list[Problem] = []
    fields, head = _check_chain(directory, problems)
    if not fields or fields[0].kind != GENESIS:
        problems.append(Problem(seq=0, what="the chain does not begin with a genesis record"))
    elif fields[0].body != msgspec.to_builtins(info):
        problems.append(Problem(seq=0, what="session.json is not what the genesis record says"))
    _check_config(directory, info.config_sha256, problems)
    _check_tiles(directory, fields, problems)
    anchored = _check_inputs(directory, fields, problems)
    return VerifyReport(
        records=len(fields),
        problems=tuple(problems),
        anchored_seq=anchored,
        head_hash=head.hex() if fields else None,
    )


def _check_chain(directory: Path, problems: list[Problem]) -> tuple[list[RecordFields], bytes]:
    """Decoded records up to where the table can be read, and the hash of the last."""
    fields: list[RecordFields] = []
    head, expected_seq = NO_HASH, 0
    try:
        for record in read_records(directory):
            if record.seq != expected_seq:
                missing = f"records {expected_seq} to {record.seq - 1} are missing"
                problems.append(Problem(seq=record.seq, what=missing))
            if chain_hash(head, record.stored) != record.hash:
                what = "its hash does not follow from the record before it and its own bytes"
                problems.append(Problem(seq=record.seq, what=what))
            head, expected_seq = record.hash, record.seq + 1
            decoded = _decode(record.stored)
            if decoded is None or (decoded.seq, decoded.kind) != (record.seq, record.kind):
                problems.append(Problem(seq=record.seq, what="its content is not the record that its row names"))
            else:
                fields.append(decoded)
    except StoreError as error:
        problems.append(Problem(seq=expected_seq, what=str(error)))
    return fields, head


def _decode(stored: bytes) -> RecordFields | None:
    """A record's fields, if its body holds what its kind needs."""
    try:
        fields = decode_fields(stored)
        if fields.kind == RAW_LOG:
            msgspec.convert(fields.body, RawAnchor)
        elif fields.kind == TILE:
            decode_event(fields, cells=b"")
            msgspec.convert(fields.body.get("cells_sha256"), bytes, builtin_types=(bytes,))
        else:
            decode_event(fields)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
    return fields


def _check_config(directory: Path, expected: str, problems: list[Problem]) -> None:
    try:
        text = (directory / CONFIG_NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem(seq=None, what=f"{CONFIG_NAME} cannot be read: {error}"))
        return
    if config_digest(text) != expected:
        problems.append(Problem(seq=None, what=f"{CONFIG_NAME} was changed after the session began"))


def _check_tiles(directory: Path, fields: list[RecordFields], problems: list[Problem]) -> None:
    """Every tile's newest record has its cells, with the right content, and no tile is there without a record."""
    newest: dict[tuple[int, int, int], RecordFields] = {}
    for record in fields:
        if record.kind == TILE:
            newest[record.body["block"], record.body["tx"], record.body["ty"]] = record
    try:
        for tile in read_tiles(directory):
            place = f"tile ({tile.tx}, {tile.ty}) of block {tile.block}"
            named = newest.pop((tile.block, tile.tx, tile.ty), None)
            if named is None:
                problems.append(Problem(seq=None, what=f"{place} has no record"))
            elif named.body["version"] != tile.version:
                what = f"{place} is stored as version {tile.version}; the record says {named.body['version']}"
                problems.append(Problem(seq=named.seq, what=what))
            elif hashlib.sha256(tile.cells).digest() != named.body["cells_sha256"]:
                problems.append(Problem(seq=named.seq, what=f"the cells of {place} were changed"))
    except StoreError as error:
        problems.append(Problem(seq=None, what=f"tiles: {error}"))
        return
    for (block, tx, ty), record in newest.items():
        problems.append(Problem(seq=record.seq, what=f"the cells of tile ({tx}, {ty}) of block {block} are missing"))


def _check_inputs(directory: Path, fields: list[RecordFields], problems: list[Problem]) -> int | None:
    """The logged inputs against every anchor in the chain; the last anchor that holds."""
    anchors = [(r.seq, msgspec.convert(r.body, RawAnchor)) for r in fields if r.kind == RAW_LOG]
    digest, reader = InputDigest(), RawLogReader(directory)
    proven, position = None, 0
    try:
        for message in reader.messages():
            digest.add(message)
            while position < len(anchors) and anchors[position][1].inputs == digest.anchor.inputs:
                seq, anchor = anchors[position]
                if anchor.sha256 != digest.anchor.sha256:
                    what = f"the inputs logged up to turn {anchor.inputs} are not those this record was made from"
                    problems.append(Problem(seq=seq, what=what))
                    return proven
                proven, position = seq, position + 1
    except StoreError as error:
        problems.append(Problem(seq=None, what=str(error)))
    if reader.damage is not None:
        problems.append(Problem(seq=None, what=reader.damage))
    if position < len(anchors):
        seq, anchor = anchors[position]
        what = f"{digest.anchor.inputs} turns are logged; this record was made from {anchor.inputs}"
        problems.append(Problem(seq=seq, what=what))
    return proven
