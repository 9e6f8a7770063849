"""A session as it is made: one engine, one recorder, turn by turn."""

import importlib.metadata
from pathlib import Path
from types import TracebackType

import msgspec

from controller.config import parse_config
from controller.core.effects import Effects
from controller.core.inputs import Origin, RawInputs
from controller.engine import Engine
from controller.intake import Outgoing
from controller.store.chain import SessionInfo
from controller.store.recorder import Recorder, config_digest
from firmware_bridge.records import LinkStats

SOFTWARE = f"firmground {importlib.metadata.version('firmground')}"


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What one turn decided: bytes to send first, the rest after."""

    outgoing: tuple[Outgoing, ...]
    effects: Effects


def open_session(
    *,
    config_text: str,
    source: str,
    directory: Path,
    origin: Origin,
    session_id: str,
    is_durable: bool,
    utc_at_mono_zero_ns: int | None = None,
    previous_head: str | None = None,
) -> tuple[Engine, Recorder]:
    """
    Engine and recorder of a new session in a new directory.

    Raises `ConfigError` or `StoreError` before anything is written.
    """
    config = parse_config(config_text, source)
    engine = Engine(config, origin, utc_at_mono_zero_ns)
    info = SessionInfo(
        session=session_id,
        origin=origin.value,
        machine=config.machine.id,
        site=config.machine.site,
        software=SOFTWARE,
        config_sha256=config_digest(config_text),
        utc_at_mono_zero_ns=utc_at_mono_zero_ns,
        previous_head=previous_head,
    )
    return engine, Recorder(directory, info, config_text, is_durable=is_durable)


class Session:
    """Decides and records; a context manager that closes the record in order."""

    def __init__(self, engine: Engine, recorder: Recorder) -> None:
        self._engine = engine
        self._recorder = recorder

    @classmethod
    def create(
        cls,
        *,
        config_text: str,
        source: str,
        directory: Path,
        origin: Origin,
        session_id: str,
        utc_at_mono_zero_ns: int | None = None,
    ) -> "Session":
        """
        A new session in a new directory; raises `ConfigError` or `StoreError` before anything is written.

        Only live sessions are synced to the disk as they go: others can be made again.
        """
        engine, recorder = open_session(
            config_text=config_text,
            source=source,
            directory=directory,
            origin=origin,
            session_id=session_id,
            is_durable=origin is Origin.LIVE,
            utc_at_mono_zero_ns=utc_at_mono_zero_ns,
        )
        return cls(engine, recorder)

    def turn(self, raw: RawInputs) -> Turn:
        """One turn: decide, record, and hand back what must go out."""
        effects = self._engine.turn(raw)
        self._recorder.record(raw, effects)
        return Turn(outgoing=tuple(self._engine.outgo.encode_commands(effects.commands)), effects=effects)

    def link_stats(self) -> dict[str, LinkStats]:
        """Every link's counters so far."""
        return self._engine.intake.stats()

    def close(self) -> None:
        """Close the record's files."""
        self._recorder.close()

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
