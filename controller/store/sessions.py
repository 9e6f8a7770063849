"""
The sessions of a machine: one numbered folder each, under `sessions/` of its data directory.

Numbers only rise and do not depend on any clock; a session's name never changes.
"""

import re
from pathlib import Path

import msgspec

from controller.store.ledger import read_ledger_hash
from firmware_bridge.errors import StoreError

FOLDER = "sessions"


class NextSession(msgspec.Struct, frozen=True, kw_only=True):
    """
    The session to be begun.

    previous_head : hash of the last record of the session before it, in hex; None for the first
    trouble       : why that hash could not be read; the new session begins all the same
    """

    session: str
    directory: Path
    previous_head: str | None
    trouble: str | None


def next_session(data_directory: Path, machine: str) -> NextSession:
    """Name of the next session and the head it follows; raises `StoreError` where the folder cannot be read."""
    folder = data_directory / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = [entry.name for entry in folder.iterdir()]
    except OSError as error:
        raise StoreError(f"{folder}: cannot be used: {error.strerror}") from error
    numbers = [int(match[1]) for name in names if (match := re.fullmatch(rf"{re.escape(machine)}-(\d+)", name))]
    number = max(numbers, default=0) + 1
    previous_head = trouble = None
    if numbers:
        try:
            previous_head = read_ledger_hash(folder / _name(machine, number - 1))
        except StoreError as error:
            trouble = str(error)
    session = _name(machine, number)
    return NextSession(session=session, directory=folder / session, previous_head=previous_head, trouble=trouble)


def _name(machine: str, number: int) -> str:
    return f"{machine}-{number:06d}"
