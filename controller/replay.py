"""
A session derived again from its logged inputs: the same engine, the same chain, compared record by record (P4).
"""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import msgspec

from controller.config import read_config
from controller.core.effects import Effects
from controller.core.inputs import Origin
from controller.engine import Engine
from controller.store.chain import LedgerRecord, RecordMaker, decode_fields
from controller.store.ledger import read_info, read_records
from controller.store.raw_log import RawLogReader
from controller.store.recorder import CONFIG_NAME
from firmware_bridge.errors import StoreError


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """`difference` names the first difference in words; None: the record is what its inputs make."""

    session: str
    inputs: int
    records: int
    difference: str | None


class Rederivation:
    """One pass over a session's logged inputs."""

    def __init__(self, directory: Path) -> None:
        self._info = read_info(directory)
        self._reader = RawLogReader(directory)
        config = read_config(directory / CONFIG_NAME)
        self._engine = Engine(config, Origin(self._info.origin), self._info.utc_at_mono_zero_ns)
        self._links = {link.name for link in config.link}
        self.inputs = 0

    @property
    def damage(self) -> str | None:
        """Why the logged inputs ended early, if they did."""
        return self._reader.damage

    def effects(self) -> Iterator[tuple[Effects, str]]:
        """Every turn's effects with the origin in force after it."""
        for _, _, effects in self._turns():
            yield effects, self._engine.origin.value

    def records(self) -> Iterator[LedgerRecord]:
        """The chain as these inputs make it."""
        maker = RecordMaker(self._info)
        yield maker.genesis
        for message, now_ns, effects in self._turns():
            yield from maker.take(message, now_ns, effects)

    def _turns(self) -> Iterator[tuple[bytes, int, Effects]]:
        for message, raw in self._reader.inputs():
            for chunk in raw.chunks:
                if chunk.link not in self._links:
                    raise StoreError(f"turn {self.inputs + 1} names a link that is not configured: {chunk.link!r}")
            effects = self._engine.turn(raw)
            self.inputs += 1
            yield message, raw.now_ns, effects


def rederive(directory: Path) -> Iterator[tuple[Effects, str]]:
    """Every turn's effects and origin; raises `StoreError` where the logged inputs are damaged."""
    again = Rederivation(directory)
    yield from again.effects()
    if again.damage is not None:
        raise StoreError(f"{directory}: {again.damage}")


def replay(directory: Path) -> ReplayReport:
    """Compare a session's ledger with what its logged inputs make; raises `StoreError` where there is none."""
    again = Rederivation(directory)
    count, difference = 0, None
    try:
        for stored, derived in zip_longest(read_records(directory), again.records()):
            difference = _difference(stored, derived)
            if difference is not None:
                break
            count += 1
    except StoreError as error:
        difference = str(error)
    if again.damage is not None:
        difference = again.damage
    return ReplayReport(session=read_info(directory).session, inputs=again.inputs, records=count, difference=difference)


def _difference(stored: LedgerRecord | None, derived: LedgerRecord | None) -> str | None:
    if stored is None:
        assert derived is not None
        return f"the inputs make a record {derived.seq} ({derived.kind}) that the ledger does not hold"
    if derived is None:
        return f"the ledger holds a record {stored.seq} ({stored.kind}) that the inputs do not make"
    if stored.hash == derived.hash and stored.stored == derived.stored:
        return None
    return f"record {stored.seq} ({stored.kind}): {_first_field(stored, derived)}"


def _first_field(stored: LedgerRecord, derived: LedgerRecord) -> str:
    try:
        old, new = decode_fields(stored.stored), decode_fields(derived.stored)
    except msgspec.DecodeError:
        return "the stored bytes are not a record"
    for name in old.__struct_fields__:
        was, now = getattr(old, name), getattr(new, name)
        if was != now:
            if isinstance(was, dict) and isinstance(now, dict):
                key = next(key for key in (*was, *now) if was.get(key) != now.get(key))
                return f"{key} is {was.get(key)!r}; the inputs make {now.get(key)!r}"
            return f"{name} is {was!r}; the inputs make {now!r}"
    return "the fields are the same, the bytes or the hash are not"
