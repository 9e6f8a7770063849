"""
The record told again, event by event: what was ever credited, and what stood before and after credit was taken back.

Of tiles it keeps one bit a cell, so that a ledger of any length fits in memory.
"""

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from controller.core.check_events import Verdict
from controller.core.effects import AnyEvent, TileWritten
from controller.core.fold import MapFold
from controller.core.tiles import ByteArray, CellMark, unpack_cells

Place = tuple[int, int]


class Taken(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    Credit that stood and was taken back at one time of the record.

    cells         : how many lost it     before, after : uint8 (256, 32) by tile, credited cells as bits
    """

    mono_ns: int
    cause: str
    cells: int
    before: dict[Place, ByteArray]
    after: dict[Place, ByteArray]


class Told(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """`credited`: by tile, uint8 (256, 32), which cells any block ever credited, withdrawn or not, as bits."""

    credited: dict[Place, ByteArray]
    taken: tuple[Taken, ...]


def retell(events: Iterable[AnyEvent]) -> Told:
    """Go through a ledger's events in their order."""
    fold, taken = MapFold(0.0), []
    credited: dict[Place, ByteArray] = {}
    newest: dict[tuple[int, int, int], tuple[int, ByteArray]] = {}
    for mono_ns, group in _by_time(events):
        causes: list[str] = []
        lessened: list[tuple[TileWritten, ByteArray]] = []
        touched: set[Place] = set()
        for event in group:
            match event:
                case Verdict(state="voided"):
                    causes.append(f"block {event.block} voided: {event.cause}")
                    touched |= fold.places(event.block)
                case TileWritten():
                    key, place = (event.block, event.tx, event.ty), (event.tx, event.ty)
                    bits = np.packbits(unpack_cells(event.cells)[0] == CellMark.CREDITED, axis=1)
                    version, known = newest.get(key, (0, None))
                    if event.version > version:
                        newest[key] = (event.version, bits)
                        if known is not None and (known & ~bits).any():
                            lessened.append((event, known))
                            touched.add(place)
                    credited[place] = credited[place] | bits if place in credited else bits
        before = {place: _credit(fold, place) for place in sorted(touched)}
        for event in group:
            fold.add(event)
        causes += [f"block {event.block} revoked: {_why(fold, event, known)}" for event, known in lessened]
        after = {place: _credit(fold, place) for place in before}
        cells = sum(int(np.unpackbits(before[place] & ~after[place]).sum()) for place in before)
        if cells:
            cause = "; ".join(dict.fromkeys(causes))
            taken.append(Taken(mono_ns=mono_ns, cause=cause, cells=cells, before=before, after=after))
    return Told(credited=credited, taken=tuple(taken))


def _credit(fold: MapFold, place: Place) -> ByteArray:
    return np.packbits(fold.tile(*place).credit, axis=1)


def _why(fold: MapFold, event: TileWritten, known: ByteArray) -> str:
    """The reasons that the first of the cells now has that lost its credit."""
    marks, sets = unpack_cells(event.cells)
    lost = np.unpackbits(known, axis=1).astype(np.bool_) & (marks != CellMark.CREDITED)
    names = fold.reason_set(int(sets[lost][0]))
    return "no reason" if names is None else ", ".join(names)


def _by_time(events: Iterable[AnyEvent]) -> Iterator[tuple[int, list[AnyEvent]]]:
    """Events of the same instant together: the changes of one second are one."""
    at_ns = 0
    group: list[AnyEvent] = []
    for event in events:
        if group and event.mono_ns != at_ns:
            yield at_ns, group
            group = []
        at_ns = int(event.mono_ns)
        group.append(event)
    if group:
        yield at_ns, group
