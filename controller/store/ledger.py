"""
The session ledger: the chain of records in SQLite (WAL), one writer, many readers.

Table `records` holds the chain as it was made (`controller.store.chain`); table `tiles` the newest cells of each tile,
compressed. Events of one turn, the changed tiles of one second, go in one transaction.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from controller.core.effects import AnyEvent
from controller.core.tiles import TILE_CELLS
from controller.store.chain import FORMAT, TILE, LedgerRecord, SessionInfo, decode_event, decode_fields
from controller.store.compression import compress, decompress
from controller.store.database import Connection, DatabaseError, connect
from firmware_bridge.errors import StoreError

FILE_NAME = "ledger.sqlite"
SESSION_NAME = "session.json"
TILE_BYTES = 2 * TILE_CELLS * TILE_CELLS

_SCHEMA = """
CREATE TABLE records (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, record BLOB NOT NULL, hash BLOB NOT NULL);
CREATE TABLE tiles (
    block INTEGER, tx INTEGER, ty INTEGER, version INTEGER NOT NULL, cells BLOB NOT NULL, PRIMARY KEY (block, tx, ty)
);
"""


class LedgerWriter:
    """The one writer of a new ledger."""

    def __init__(self, directory: Path, *, is_durable: bool = True) -> None:
        path = directory / FILE_NAME
        if path.exists():
            raise StoreError(f"{path}: exists already; a ledger is never written anew")
        self._path = path
        try:
            # SQLite gives its files the mode of the database, and makes that 0644: a reader of the same group under
            # another user must be able to write `-shm`, and this writer must go on where such a reader made it.
            path.touch(mode=0o660, exist_ok=False)
            self._connection = connect(path)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'OFF'}")
            self._connection.executescript(_SCHEMA)
            self._connection.execute(f"PRAGMA user_version = {FORMAT}")
        except (DatabaseError, OSError) as error:
            raise StoreError(f"{path}: cannot be created: {error}") from error

    def append(self, records: list[LedgerRecord]) -> None:
        """Records, with their tiles, in one transaction: all of them are durable, or none."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for record in records:
                self._connection.execute(
                    "INSERT INTO records VALUES (?, ?, ?, ?)", (record.seq, record.kind, record.stored, record.hash)
                )
                if record.cells is not None:
                    self._put_tile(record, record.cells)
            self._connection.execute("COMMIT")
        except DatabaseError as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise StoreError(f"{self._path}: cannot be written: {error}") from error

    def close(self) -> None:
        """Fold the write-ahead log into the file and let go of it."""
        self._connection.close()

    def _put_tile(self, record: LedgerRecord, cells: bytes) -> None:
        body = decode_fields(record.stored).body
        self._connection.execute(
            "INSERT OR REPLACE INTO tiles VALUES (?, ?, ?, ?, ?)",
            (body["block"], body["tx"], body["ty"], body["version"], compress(cells)),
        )


class LedgerReader:
    """Follows a ledger that is being written; raises `StoreError` where it cannot be read."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._connection = _open(directory)

    def records_after(self, seq: int, count_max: int) -> list[LedgerRecord]:
        """The next records, in order, without tiles' cells."""
        query = "SELECT * FROM records WHERE seq > ? ORDER BY seq LIMIT ?"
        try:
            rows = self._connection.execute(query, (seq, count_max)).fetchall()
        except DatabaseError as error:
            raise StoreError(f"{self._directory / FILE_NAME}: cannot be read: {error}") from error
        return [LedgerRecord(seq=row[0], kind=row[1], stored=bytes(row[2]), hash=bytes(row[3])) for row in rows]

    def last_seq(self) -> int:
        """Number of the last record; -1 before any."""
        try:
            (last,) = self._connection.execute("SELECT max(seq) FROM records").fetchone()
        except DatabaseError as error:
            raise StoreError(f"{self._directory / FILE_NAME}: cannot be read: {error}") from error
        return -1 if last is None else int(last)

    def tile(self, block: int, tx: int, ty: int) -> "StoredTile | None":
        """The newest cells of a tile; None where there is none."""
        query = "SELECT version, cells FROM tiles WHERE block = ? AND tx = ? AND ty = ?"
        try:
            row = self._connection.execute(query, (block, tx, ty)).fetchone()
        except DatabaseError as error:
            raise StoreError(f"{self._directory / FILE_NAME}: cannot be read: {error}") from error
        if row is None:
            return None
        return StoredTile(block=block, tx=tx, ty=ty, version=row[0], cells=decompress(bytes(row[1]), TILE_BYTES))

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()


class StoredTile(msgspec.Struct, frozen=True, kw_only=True):
    """A tile as the table holds it."""

    block: int
    tx: int
    ty: int
    version: int
    cells: bytes


def read_info(directory: Path) -> SessionInfo:
    """What a session directory says it is; raises `StoreError`."""
    path = directory / SESSION_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=SessionInfo)
    except FileNotFoundError as error:
        raise StoreError(f"{directory}: is no session directory: it holds no {SESSION_NAME}") from error
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error


def read_records(directory: Path) -> Iterator[LedgerRecord]:
    """All records in order of seq, without tiles' cells; raises `StoreError`."""
    with closing(_open(directory)) as connection:
        try:
            for seq, kind, stored, digest in connection.execute("SELECT * FROM records ORDER BY seq"):
                yield LedgerRecord(seq=seq, kind=kind, stored=bytes(stored), hash=bytes(digest))
        except (DatabaseError, TypeError) as error:
            raise StoreError(f"{directory / FILE_NAME}: cannot be read: {error}") from error


def read_tiles(directory: Path) -> Iterator[StoredTile]:
    """The newest tiles, in order of block, row and column; raises `StoreError`."""
    with closing(_open(directory)) as connection:
        try:
            for block, tx, ty, version, cells in connection.execute("SELECT * FROM tiles ORDER BY block, ty, tx"):
                content = decompress(bytes(cells), TILE_BYTES)
                yield StoredTile(block=block, tx=tx, ty=ty, version=version, cells=content)
        except (DatabaseError, TypeError) as error:
            raise StoreError(f"{directory / FILE_NAME}: cannot be read: {error}") from error


def read_events(directory: Path) -> Iterator[AnyEvent]:
    """The core's events in order; of each tile only the newest version, whose cells are kept. Raises `StoreError`."""
    tiles = {(tile.block, tile.tx, tile.ty, tile.version): tile.cells for tile in read_tiles(directory)}
    for record in read_records(directory):
        try:
            fields = decode_fields(record.stored)
            cells = None
            if fields.kind == TILE:
                body = fields.body
                cells = tiles.get((body["block"], body["tx"], body["ty"], body["version"]))
            event = decode_event(fields, cells)
        except (msgspec.DecodeError, msgspec.ValidationError, KeyError) as error:
            raise StoreError(f"{directory}: record {record.seq} cannot be decoded: {error}") from error
        if event is not None:
            yield event


def read_ledger_hash(directory: Path) -> str:
    """Hash of the last record, in hex; raises `StoreError` for a ledger without records."""
    last = None
    with closing(_open(directory)) as connection:
        try:
            last = connection.execute("SELECT hash FROM records ORDER BY seq DESC LIMIT 1").fetchone()
        except DatabaseError as error:
            raise StoreError(f"{directory / FILE_NAME}: cannot be read: {error}") from error
    if last is None:
        raise StoreError(f"{directory / FILE_NAME}: holds no records")
    return bytes(last[0]).hex()


def read_origins(directory: Path) -> tuple[str, ...]:
    """Every origin that any record of a session carries, sorted; raises `StoreError`."""
    try:
        return tuple(sorted({decode_fields(record.stored).origin for record in read_records(directory)}))
    except msgspec.DecodeError as error:
        raise StoreError(f"{directory}: a record cannot be decoded: {error}") from error


def _open(directory: Path) -> Connection:
    path = directory / FILE_NAME
    if not path.is_file():
        raise StoreError(f"{directory}: is no session directory: it holds no {FILE_NAME}")
    try:
        connection = connect(path)
        connection.execute("PRAGMA query_only = 1")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except DatabaseError as error:
        raise StoreError(f"{path}: is no ledger: {error}") from error
    if version != FORMAT:
        connection.close()
        raise StoreError(f"{path}: has ledger format {version}; this program reads {FORMAT}")
    return connection
