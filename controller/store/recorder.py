"""
What makes a session durable: logged inputs first, then the records that name them.
"""

import hashlib
from pathlib import Path

import msgspec

from controller.core.alarm_events import AlarmRaised
from controller.core.effects import Effects
from controller.core.inputs import RawInputs
from controller.store.chain import LedgerRecord, RecordMaker, SessionInfo
from controller.store.ledger import SESSION_NAME, LedgerWriter
from controller.store.raw_log import RawLogWriter, encode_inputs
from firmware_bridge.errors import StoreError

CONFIG_NAME = "config.toml"


class Recorder:
    """
    Writes one new session directory: `session.json`, `config.toml`, the raw log, the ledger.

    A durable session is synced each second and at each alarm; simulated and played sessions, which can be made again,
    need not be.
    """

    def __init__(self, directory: Path, info: SessionInfo, config_text: str, *, is_durable: bool) -> None:
        _create(directory)
        (directory / SESSION_NAME).write_bytes(msgspec.json.format(msgspec.json.encode(info)) + b"\n")
        (directory / CONFIG_NAME).write_text(config_text, encoding="utf-8")
        self._raw_log = RawLogWriter(directory, is_durable=is_durable)
        self._ledger = LedgerWriter(directory, is_durable=is_durable)
        self._maker = RecordMaker(info)
        self._waiting: list[LedgerRecord] = [self._maker.genesis]

    def record(self, raw: RawInputs, effects: Effects) -> None:
        """One turn, written where it is due; raises `StoreError`, after which `commit` may be tried again."""
        if self.take(raw, effects):
            self.commit()

    def take(self, raw: RawInputs, effects: Effects) -> bool:
        """One turn, into memory; True where `commit` is due: each second, and at once for alarms and requests."""
        message = encode_inputs(raw)
        self._raw_log.append(raw.now_ns, message)
        self._waiting += self._maker.take(message, raw.now_ns, effects)
        is_alarm = any(isinstance(event, AlarmRaised) for event in effects.events)
        return effects.is_commit or is_alarm or bool(raw.requests)

    def commit(self) -> None:
        """
        Write what was taken: logged inputs first, then the records that name them.

        Raises `StoreError` where the disk refuses; nothing is lost by that, and `commit` may be called again.
        """
        self._raw_log.sync()
        if self._waiting:
            self._ledger.append(self._waiting)
            self._waiting = []

    @property
    def last_seq(self) -> int:
        """Number of the last record made."""
        return self._maker.seq - 1

    def close(self) -> None:
        """Everything is in its place; the files are closed."""
        self.commit()
        self._raw_log.close()
        self._ledger.close()


def config_digest(config_text: str) -> str:
    """SHA-256 of a configuration's text, in hex."""
    return hashlib.sha256(config_text.encode()).hexdigest()


def _create(directory: Path) -> None:
    """An empty directory, made if need be: a session is never written into anything else."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise StoreError(f"{directory}: is not empty; name a directory that does not exist yet")
    except OSError as error:
        raise StoreError(f"{directory}: cannot be created: {error.strerror}") from error
