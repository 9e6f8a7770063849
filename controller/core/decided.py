"""
What all decisions of a task come to: where its boundary and areas lie, where each alarm stands, what is proven.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from controller.core.alarms import AlarmState
from controller.core.decisions import (
    AlarmDecision,
    AlarmLife,
    AnyDecision,
    AreaDeclared,
    AreaKind,
    BlockAccepted,
    BoundarySet,
    ItemMissed,
    advance,
    why_not,
)
from controller.core.geometry import Plane
from controller.core.polygons import Area, RingError, area_of
from firmware_bridge.records import UtcNs

AlarmKey = tuple[str, int]  # session, alarm


class Suspension(NamedTuple):
    """
    An item was missed by a head under a specification.

    session : in which it was said on the machine, whose own verdicts then say which of its blocks; None: by people
    """

    session: str | None
    head: str
    spec: str
    utc_ns: UtcNs | None


class Decided(NamedTuple):
    """
    boundary : the task's polygon; None without one, or without a plane to draw it in
    areas    : declared areas in force, by kind, in order of name
    lives    : of every alarm
    proofs   : (head, spec) -> when each of its blocks was accepted, and when that block had been opened
    suspensions : all of them, in no order
    refused  : seq -> why a decision counts for nothing
    """

    boundary: Area | None
    areas: dict[AreaKind, list[tuple[AreaDeclared, Area]]]
    lives: dict[AlarmKey, AlarmLife]
    proofs: dict[tuple[str, str], list[tuple[UtcNs, UtcNs]]]
    suspensions: tuple[Suspension, ...]
    refused: dict[int, str]

    def is_suspended(self, session: str, head: str, spec: str, opened_ns: UtcNs | None) -> bool:
        """Whether its head missed an item after the block was opened, with no independent proof between."""
        proofs = self.proofs.get((head, spec), [])
        for missed in self.suspensions:
            if (missed.head, missed.spec) != (head, spec) or missed.session == session:
                continue
            if missed.utc_ns is None or opened_ns is None:
                return True
            is_proven = any(by < missed.utc_ns and opened_ns <= upto for by, upto in proofs)
            if opened_ns <= missed.utc_ns and not is_proven:
                return True
        return False

    def closed_ns(self, key: AlarmKey) -> UtcNs | None:
        """When an alarm, or the one at the end of its links, was closed; None while it is open."""
        for _ in self.lives:  # no chain is longer, and a ring of links ends nowhere: those stay open
            life = self.lives.get(key)
            if life is None or life.linked_to is None:
                return None if life is None else life.closed_ns
            key = life.linked_to
        return None


def derive(
    decisions: Sequence[AnyDecision],
    states: Mapping[AlarmKey, AlarmState],
    opened: Mapping[tuple[str, int], tuple[str, str, UtcNs | None]],
    suspensions: Collection[Suspension],
    plane: Plane | None,
    first_ring: tuple[tuple[float, float], ...] | None,
) -> Decided:
    """
    Everything that decisions say, taken in the order of their ledger; what may not be decided is left out.

    states      : of every alarm as its machine left it      opened : (session, block) -> head, spec, when
    suspensions : those that were said on machines
    first_ring  : the boundary until people set one
    """
    lives = {key: AlarmLife(state=state) for key, state in states.items()}
    refused: dict[int, str] = {}
    good: list[AnyDecision] = []
    for decision in decisions:
        key = (decision.session, decision.alarm) if isinstance(decision, AlarmDecision) else None
        life = None if key is None else lives.get(key)
        why = why_not(decision, life) or _why_no_area(decision, plane)
        if why is not None:
            refused[decision.seq] = why
            continue
        good.append(decision)
        if isinstance(decision, AlarmDecision) and key is not None and life is not None:
            lives[key] = advance(life, decision)
    proofs: dict[tuple[str, str], list[tuple[UtcNs, UtcNs]]] = {}
    missed = list(suspensions)
    for decision in good:
        if isinstance(decision, ItemMissed):
            missed.append(Suspension(None, decision.head, decision.spec, decision.utc_ns))
        if isinstance(decision, BlockAccepted):
            head, spec, opened_ns = opened.get((decision.session, decision.block), ("", "", None))
            if opened_ns is not None:
                proofs.setdefault((head, spec), []).append((decision.utc_ns, opened_ns))
    return Decided(
        boundary=_boundary(good, plane, first_ring),
        areas=_areas(good, plane),
        lives=lives,
        proofs=proofs,
        suspensions=tuple(missed),
        refused=refused,
    )


def _boundary(
    decisions: Sequence[AnyDecision], plane: Plane | None, first_ring: tuple[tuple[float, float], ...] | None
) -> Area | None:
    versions = [decision for decision in decisions if isinstance(decision, BoundarySet)]
    # Of one version twice the one that was written first stands: nothing that is accepted is changed afterwards.
    ring = max(versions, key=lambda decision: (decision.version, -decision.seq)).ring if versions else first_ring
    return None if ring is None or plane is None else area_of(plane, ring)


def _areas(decisions: Sequence[AnyDecision], plane: Plane | None) -> dict[AreaKind, list[tuple[AreaDeclared, Area]]]:
    newest: dict[str, AreaDeclared] = {}
    for decision in decisions:
        if isinstance(decision, AreaDeclared):
            known = newest.get(decision.area)
            if known is None or decision.version > known.version:
                newest[decision.area] = decision
    areas: dict[AreaKind, list[tuple[AreaDeclared, Area]]] = {}
    for _, declared in sorted(newest.items()):
        if declared.ring is not None and plane is not None:
            areas.setdefault(declared.kind, []).append((declared, area_of(plane, declared.ring)))
    return areas


def _why_no_area(decision: AnyDecision, plane: Plane | None) -> str | None:
    """What is wrong with a decision's corners; without a plane nobody can say."""
    ring = decision.ring if isinstance(decision, BoundarySet | AreaDeclared) else None
    if ring is None or plane is None:
        return None
    try:
        area_of(plane, ring)
    except RingError as error:
        return str(error)
    return None
