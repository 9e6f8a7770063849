"""
The map as a fold over ledger events and people's decisions: the same in any order of arrival.

Tiles count by their highest version, blocks by their highest verdict, areas and boundaries by their highest version,
alarms by what is known of each; nothing here depends on which came first. It may hold the sessions of many days and
machines, told apart by name, as long as they share one plane. A cell's state is derived at the end, worst first, for
one aim: what was searched for one item to one depth under one profile is never added to another.

Credit stands and falls with time in two places: ground around a closed alarm, or of a voided area, counts again only by
a block that was opened afterwards. A block without a date is never later than anything.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from controller.core.alarm_events import AlarmAcknowledged, AlarmLocated, AlarmMarked, AlarmRaised
from controller.core.alarms import AlarmState
from controller.core.cells import CellState, DueCause, FoldedTile, MapTotals, count, no_cells, totals_of
from controller.core.check_events import BlockOpened, GroundSuspended, SpecSet, Verdict
from controller.core.decided import AlarmKey, Decided, Suspension, derive
from controller.core.decisions import Aim, AlarmLife, AnyDecision, AreaKind
from controller.core.effects import AnyEvent, PlaneSet, ReasonSetNamed, TileWritten
from controller.core.geometry import DMM_PER_M, Plane, to_dmm
from controller.core.reasons import Reason
from controller.core.site import Metric, Profile, Task
from controller.core.specs import Specs
from controller.core.tiles import TILE_CELLS, ByteArray, CellMark, disc, unpack_cells
from firmware_bridge.records import BoolArray, UtcNs

UNKNOWN_ERROR_M = 10.0  # of a place whose receiver stated none: twice that of a lone receiver
UNKNOWN_TIME_M = 1.5  # of a place at an unknown instant: what the fastest profile drives in the longest latency
_NO_CREDIT = 255

BlockKey = tuple[str, int]  # session, block


class _Reset(NamedTuple):
    """Credit of `mask` by blocks opened until `until_ns` is withdrawn for `cause`."""

    mask: BoolArray
    until_ns: UtcNs
    cause: DueCause


class MapFold:
    """
    Accumulates events and decisions in any order.

    masking_radius_m : the profile's
    check_limit_s    : how long after its opening a block may wait for its closing check; None: for ever
    plane            : the task's; None: that of the first session, by name. Ground of any other plane is left out
    boundary         : the task's polygon as the machine was configured with it; any that people set outranks it
    """

    def __init__(
        self,
        masking_radius_m: float,
        check_limit_s: float | None = None,
        plane: Plane | None = None,
        boundary: tuple[tuple[float, float], ...] | None = None,
    ) -> None:
        self._masking_radius_m = masking_radius_m
        self._check_limit_s = check_limit_s
        self._task_plane = plane
        self._first_ring = boundary
        self._tiles: dict[tuple[int, int], dict[BlockKey, TileWritten]] = {}
        self._verdicts: dict[BlockKey, Verdict] = {}
        self._reason_sets: dict[tuple[str, int], tuple[str, ...]] = {}
        self._blocks: dict[BlockKey, BlockOpened] = {}
        self._planes: dict[str, PlaneSet] = {}
        self._specs = Specs()
        self._suspensions: set[Suspension] = set()
        self._raised: dict[AlarmKey, bool] = {}  # whether it was raised in a function check
        self._acknowledged: set[AlarmKey] = set()
        self._marked: set[AlarmKey] = set()
        self._located: dict[AlarmKey, AlarmLocated] = {}
        self._decisions: dict[int, AnyDecision] = {}
        self._known: Decided | None = None

    def add(self, event: AnyEvent, session: str = "") -> None:
        """Take one ledger event of a session; kinds that do not bear on the map are ignored."""
        match event:
            case TileWritten():
                pieces = self._tiles.setdefault((event.tx, event.ty), {})
                known = pieces.get((session, event.block))
                if known is None or event.version > known.version:
                    pieces[session, event.block] = event
                return
            case Verdict():
                known_verdict = self._verdicts.get((session, event.block))
                if known_verdict is None or event.number > known_verdict.number:
                    self._verdicts[session, event.block] = event
            case ReasonSetNamed():
                self._reason_sets[session, event.index] = event.reasons
            case BlockOpened():
                self._blocks[session, event.block] = event
            case PlaneSet():
                self._planes[session] = event
            case SpecSet():
                self._specs.add(event)
            case GroundSuspended():
                self._suspensions.add(Suspension(session, event.head, event.spec, event.utc_ns))
            case _:
                self._add_alarm(event, session)
        self._known = None

    def _add_alarm(self, event: AnyEvent, session: str) -> None:
        match event:
            case AlarmRaised():
                self._raised[session, event.alarm] = event.check is not None
            case AlarmLocated():
                self._raised.setdefault((session, event.alarm), False)
                self._located[session, event.alarm] = event
            case AlarmAcknowledged():
                self._acknowledged.add((session, event.alarm))
            case AlarmMarked():
                self._marked.add((session, event.alarm))
            case _:
                pass

    def decide(self, decision: AnyDecision) -> None:
        """Take one decision of the task's ledger."""
        self._decisions[decision.seq] = decision
        self._known = None

    @property
    def plane(self) -> Plane | None:
        """The plane of the map; None before any is known."""
        if self._task_plane is not None or not self._planes:
            return self._task_plane
        first = self._planes[min(self._planes)]
        return Plane(first.latitude_deg, first.longitude_deg, first.altitude_m)

    @property
    def aims(self) -> tuple[Aim, ...]:
        """Everything that was searched for, the latest last; of one instant, in order of name."""
        return self._specs.aims

    @property
    def aim(self) -> Aim | None:
        """What was searched for last."""
        return self._specs.latest

    @property
    def blocks(self) -> dict[int, str]:
        """Every opened block's state: `open`, `passed` or `voided`; of one session."""
        return {number: self.block_state(number, session) for session, number in sorted(self._blocks)}

    @property
    def lives(self) -> dict[AlarmKey, AlarmLife]:
        """Where each alarm stands."""
        return self._decided().lives

    @property
    def refused(self) -> dict[int, str]:
        """Decisions that count for nothing, by `seq`, and why."""
        return self._decided().refused

    @property
    def misplaced(self) -> tuple[str, ...]:
        """Sessions whose ground lies in another plane than the map's, and is left out."""
        here = self.plane
        return tuple(name for name, plane in sorted(self._planes.items()) if here is None or not _is_same(plane, here))

    def places(self, block: int | None) -> set[tuple[int, int]]:
        """(tx, ty) of every tile that a block, or anything, has touched; declared areas among them for None."""
        if block is not None:
            return {place for place, pieces in self._tiles.items() if any(key[1] == block for key in pieces)}
        declared = (area for areas in self._decided().areas.values() for _, area in areas)
        return set(self._tiles).union(*(area.places() for area in declared))

    def reason_set(self, index: int, session: str = "") -> tuple[str, ...] | None:
        """The reasons that a session's tiles name by this index; None where that was not said yet."""
        return self._reason_sets.get((session, index))

    def dates(self) -> dict[tuple[int, int], UtcNs | None]:
        """When anything was last recorded of each tile (tx, ty); None where no date was known."""
        return {
            place: max((piece.utc_ns for piece in pieces.values() if piece.utc_ns is not None), default=None)
            for place, pieces in self._tiles.items()
        }

    def spec(self, block: int, session: str = "") -> str | None:
        """The specification a block was opened under; None for ground outside any block."""
        return self._blocks[session, block].spec if (session, block) in self._blocks else None

    def block_state(self, block: int, session: str = "") -> str:
        """`open`, `passed` or `voided`, by the highest verdict."""
        return self._verdicts[session, block].state if (session, block) in self._verdicts else "open"

    def tiles(self, aim: Aim | None = None, now_utc_ns: UtcNs | None = None) -> Iterator[FoldedTile]:
        """The derived map, tile by tile, in order of (ty, tx); arguments as of `tile`."""
        for ty, tx in sorted((ty, tx) for tx, ty in self.places(None)):
            yield self.tile(tx, ty, aim, now_utc_ns)

    def totals(self, aim: Aim | None = None, now_utc_ns: UtcNs | None = None) -> MapTotals:
        """Areas of the derived map; arguments as of `tile`."""
        counts = no_cells()
        for tile in self.tiles(aim, now_utc_ns):
            counts += count(tile)
        return totals_of(counts, self.boundary_cells())

    def untouched(self) -> Iterator[FoldedTile]:
        """Tiles within the boundary that nothing has touched yet, in order of (ty, tx)."""
        boundary = self._decided().boundary
        known = self.places(None)
        for tx, ty in [] if boundary is None else boundary.places():
            if (tx, ty) not in known:
                yield self.tile(tx, ty)

    def boundary_cells(self) -> int | None:
        """How many cells the task's polygon has, by their centres."""
        boundary = self._decided().boundary
        return None if boundary is None else boundary.cells()

    def tile(self, tx: int, ty: int, aim: Aim | None = None, now_utc_ns: UtcNs | None = None) -> FoldedTile:
        """
        One tile of the derived map.

        Among blocks the best standing credit wins, since a later bad pass takes nothing away; withdrawn ground comes
        before ground that was never in specification, since it is known to have been claimed once.

        aim        : what must have been searched for; None is the latest
        now_utc_ns : when it is; None: no block is too old for its closing check
        """
        shape = (TILE_CELLS, TILE_CELLS)
        states = np.full(shape, CellState.NOT_VISITED, dtype=np.uint8)
        reasons, due = np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.uint8)
        best = np.full(shape, _NO_CREDIT, dtype=np.uint8)
        credit = np.zeros(shape, dtype=np.bool_)
        wanted = self.aim if aim is None else aim
        resets = self._resets(tx, ty)
        for key, piece in self._pieces(tx, ty, wanted):
            marks, sets = unpack_cells(piece.cells)
            is_bad = (marks == CellMark.OUT_OF_SPEC) & (states == CellState.NOT_VISITED)
            states[is_bad] = CellState.OUT_OF_SPEC
            reasons[is_bad] = self._primaries(key[0])[sets[is_bad]]
            is_credited = marks == CellMark.CREDITED
            if not is_credited.any():
                continue
            opened = self._blocks.get(key)
            _reset(is_credited, due, resets, None if opened is None else opened.utc_ns)
            cause = self._due(key, now_utc_ns)
            if cause is not None:
                due[is_credited] = np.maximum(due[is_credited], cause)
                continue
            standing = CellState.SEARCHED if self.block_state(key[1], key[0]) == "passed" else CellState.PROVISIONAL
            best[is_credited] = np.minimum(best[is_credited], standing)
            credit |= is_credited
        for declared, area in self._decided().areas.get(AreaKind.HAND_SEARCHED, []):
            if declared.aim == wanted:
                is_searched = area.within(tx, ty).copy()
                _reset(is_searched, due, resets, declared.utc_ns)
                best[is_searched] = np.minimum(best[is_searched], CellState.HAND_SEARCHED)
        states[due > 0] = CellState.RESEARCH_DUE
        reasons = np.where(due > 0, due, reasons)
        states = np.where(best < _NO_CREDIT, best, states)
        self._declare(tx, ty, states)
        reasons[(states != CellState.OUT_OF_SPEC) & (states != CellState.RESEARCH_DUE)] = 0
        return FoldedTile(tx=tx, ty=ty, states=states, reasons=reasons, credit=credit, inside=self.inside(tx, ty))

    def inside(self, tx: int, ty: int) -> BoolArray | None:
        """Cells of a tile within the boundary, bool (256, 256); None without one."""
        boundary = self._decided().boundary
        return None if boundary is None else boundary.centres(tx, ty)

    def _pieces(self, tx: int, ty: int, aim: Aim | None) -> Iterator[tuple[BlockKey, TileWritten]]:
        """What blocks of this aim, and passes outside any block, know of a tile, in order."""
        misplaced = self.misplaced
        for key, piece in sorted(self._tiles.get((tx, ty), {}).items(), key=lambda item: item[0]):
            if key[0] not in misplaced and (piece.spec is None or self._specs.aim(piece.spec) == aim):
                yield key, piece

    def _primaries(self, session: str) -> ByteArray:
        """Reason set index of a session -> `Reason` value + 1 of its strongest member."""
        table = np.zeros(256, dtype=np.uint8)
        for (name, index), names in self._reason_sets.items():
            if name == session:
                table[index] = max(Reason[reason.upper()] for reason in names) + 1
        return table

    def _due(self, key: BlockKey, now_utc_ns: UtcNs | None) -> DueCause | None:
        """Why a block's credit does not stand; None where it does."""
        opened, verdict = self._blocks.get(key), self._verdicts.get(key)
        if opened is not None and self._decided().is_suspended(key[0], opened.head, opened.spec, opened.utc_ns):
            return DueCause.ITEM_MISSED
        if verdict is not None:
            return None if verdict.state == "passed" else DueCause[(verdict.due or DueCause.CHECK_FAILED.label).upper()]
        if self._check_limit_s is None or now_utc_ns is None or opened is None or opened.utc_ns is None:
            return None
        return DueCause.CHECK_MISSING if now_utc_ns - opened.utc_ns > self._check_limit_s * 1e9 else None

    def overdue(self, now_utc_ns: UtcNs | None, session: str = "") -> tuple[int, ...]:
        """Blocks of a session that have waited too long for their closing check, in order."""
        mine = (key for key in sorted(self._blocks) if key[0] == session)
        return tuple(key[1] for key in mine if self._due(key, now_utc_ns) is DueCause.CHECK_MISSING)

    def _resets(self, tx: int, ty: int) -> list[_Reset]:
        """What takes earlier credit from cells of this tile: closed alarms and voided areas."""
        decided, found = self._decided(), []
        for key, life in decided.lives.items():
            closed_ns = decided.closed_ns(key)
            mask = None if closed_ns is None else self._around(key, life, tx, ty)
            if closed_ns is not None and mask is not None:
                found.append(_Reset(mask, closed_ns, DueCause.AFTER_INVESTIGATION))
        for declared, area in decided.areas.get(AreaKind.VOIDED, []):
            found.append(_Reset(area.touched(tx, ty), declared.utc_ns, DueCause.VOIDED))
        return found

    def _declare(self, tx: int, ty: int, states: ByteArray) -> None:
        """What outranks everything that passed there: inaccessible ground, open alarms, keep-outs, in this order."""
        decided = self._decided()
        is_passed = states != CellState.NOT_VISITED
        for _, area in decided.areas.get(AreaKind.INACCESSIBLE, []):
            states[area.touched(tx, ty) & (states < CellState.INACCESSIBLE)] = CellState.INACCESSIBLE
        for key, life in decided.lives.items():
            mask = self._around(key, life, tx, ty) if decided.closed_ns(key) is None else None
            if mask is not None:
                states[mask & is_passed] = CellState.SIGNAL_OPEN
        for _, area in decided.areas.get(AreaKind.KEEP_OUT, []):
            states[area.touched(tx, ty)] = CellState.KEEP_OUT

    def _around(self, key: AlarmKey, life: AlarmLife, tx: int, ty: int) -> BoolArray | None:
        """Cells of a tile within an alarm's error and masking radius, wherever it was placed; None for none."""
        places = []
        located = self._located.get(key)
        if located is not None and key[0] not in self.misplaced:
            places.append((located.east_dmm, located.north_dmm, self._error_m(located, self._raised[key])))
        plane = self.plane
        if life.place is not None and plane is not None:
            east, north = plane.project(*life.place)
            places.append((int(to_dmm(east)), int(to_dmm(north)), life.place_error_m))
        found = None
        for east_dmm, north_dmm, error_m in places:
            mask = disc(tx, ty, east_dmm, north_dmm, self._masked_dmm(error_m))
            if mask is not None:
                found = mask if found is None else found | mask
        return found

    def reach_dmm(self, located: AlarmLocated) -> int:
        """How far around an alarm's place ground may not count."""
        return self._masked_dmm(self._error_m(located, False))

    def _masked_dmm(self, error_m: float | None) -> int:
        return int((self._masking_radius_m + (UNKNOWN_ERROR_M if error_m is None else error_m)) * DMM_PER_M)

    @staticmethod
    def _error_m(located: AlarmLocated, is_in_check: bool) -> float | None:
        """Of an alarm's place. A function check's own item is where the machine stands, as far as anybody knows."""
        if located.error_m is None and is_in_check:
            return 0.0
        if located.error_m is None and located.error_95_m is not None:
            return located.error_95_m + UNKNOWN_TIME_M
        return located.error_m

    def _decided(self) -> Decided:
        if self._known is None:
            states: dict[AlarmKey, AlarmState] = {}
            for key in sorted(self._raised):
                heard = AlarmState.ACKNOWLEDGED if key in self._acknowledged else AlarmState.RAISED
                states[key] = AlarmState.MARKED if key in self._marked else heard
            opened = {key: (block.head, block.spec, block.utc_ns) for key, block in self._blocks.items()}
            decisions = [self._decisions[seq] for seq in sorted(self._decisions)]
            self._known = derive(decisions, states, opened, self._suspensions, self.plane, self._first_ring)
        return self._known


def _is_same(plane: PlaneSet, other: Plane) -> bool:
    """Planes are the same where their origins are, to the last bit: a task's never changes."""
    numbers = (plane.latitude_deg, plane.longitude_deg, plane.altitude_m)
    return numbers == (other.latitude_deg, other.longitude_deg, other.altitude_m)


def _reset(is_credited: BoolArray, due: ByteArray, resets: list[_Reset], since_ns: UtcNs | None) -> None:
    """Take cells from credit that was earned before they were reset, and note why."""
    for reset in resets:
        if since_ns is None or since_ns <= reset.until_ns:
            is_lost = is_credited & reset.mask
            due[is_lost] = np.maximum(due[is_lost], reset.cause)
            is_credited &= ~reset.mask


def map_fold(profile: Profile, task: Task | None) -> MapFold:
    """An empty map for the work of one machine under one profile; a closing check may take as long as a block may."""
    plane = None if task is None else Plane(task.origin_latitude_deg, task.origin_longitude_deg, task.origin_altitude_m)
    return MapFold(
        profile.masking_radius_m,
        check_limit_s=2.0 * profile.limit(Metric.CHECK_AGE) * 3600.0,
        plane=plane,
        boundary=None if task is None else task.boundary,
    )
