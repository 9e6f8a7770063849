"""
How far each session's records have reached a broker: `link.sqlite`, written by link alone.

A cursor moves only after the broker has acknowledged; one that is lost or old costs repetitions, which consumers
recognise by session and number, and never a record.
"""

from pathlib import Path

from controller.store.database import DatabaseError, connect
from firmware_bridge.errors import StoreError

FILE_NAME = "link.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS cursors (broker TEXT, session TEXT, seq INTEGER NOT NULL, PRIMARY KEY (broker, session));
"""


class Cursors:
    """The cursors of one broker, kept in a directory."""

    def __init__(self, directory: Path, broker: str) -> None:
        self._path = directory / FILE_NAME
        self._broker = broker
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._connection = connect(self._path)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.executescript(_SCHEMA)
        except (DatabaseError, OSError) as error:
            raise StoreError(f"{self._path}: cannot be opened: {error}") from error

    def published(self, session: str) -> int:
        """Number of the last record that has reached the broker; -1 before any. Raises `StoreError`."""
        query = "SELECT seq FROM cursors WHERE broker = ? AND session = ?"
        try:
            row = self._connection.execute(query, (self._broker, session)).fetchone()
        except DatabaseError as error:
            raise StoreError(f"{self._path}: cannot be read: {error}") from error
        return -1 if row is None else int(row[0])

    def advance(self, session: str, seq: int) -> None:
        """All records up to `seq` have reached the broker. Raises `StoreError`."""
        try:
            self._connection.execute(
                "INSERT INTO cursors VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)",
                (self._broker, session, seq),
            )
        except DatabaseError as error:
            raise StoreError(f"{self._path}: cannot be written: {error}") from error

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()
