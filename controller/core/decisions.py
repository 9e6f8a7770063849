"""
What people decide about a task: its boundary, ground, alarms and proofs, as append-only records.

They come from the task's ledger, which gives each its `seq`; the map is derived from all of them, in whatever order
they arrive (`controller.core.fold`). `why_not` says what speaks against a decision before it is written: it is the one
place that knows who may decide what, and what needs a second person.
"""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from controller.core.alarms import NEXT, AlarmInput, AlarmState
from controller.core.site import Degrees, Ring
from firmware_bridge.records import UtcNs


class Role(enum.Enum):
    """As whom a person decides."""

    OPERATOR = "operator"
    TEAM_LEADER = "team_leader"
    INVESTIGATOR = "investigator"
    QUALITY = "quality"


class Aim(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """What ground was searched for: every total says so, and none adds two of them up."""

    item: str
    depth_m: float
    profile: str


class Decision(msgspec.Struct, frozen=True, kw_only=True, tag_field="decision"):
    """
    One decision of one person, who appears by id code.

    seq : place in the task's ledger, from 1; no two are the same      utc_ns : when it was made
    """

    seq: int
    person: str
    role: Role
    utc_ns: UtcNs


class BoundarySet(Decision, frozen=True, kw_only=True, tag="boundary_set"):
    """A version of the task's polygon; the highest stands. `ring`: corners in order, the last joined to the first."""

    version: int
    ring: Ring
    why: str


class AreaKind(enum.Enum):
    """What people may declare of an area."""

    KEEP_OUT = "keep_out"  # nobody and nothing goes there
    INACCESSIBLE = "inaccessible"  # could not be searched: a wall, a well, a wreck
    HAND_SEARCHED = "hand_searched"  # by people with hand-held detectors, under the same aim
    VOIDED = "voided"  # what was searched there so far does not count


class AreaDeclared(Decision, frozen=True, kw_only=True, tag="area_declared"):
    """
    A version of an area that people declare something of; of one `area` the highest stands.

    ring    : as in `BoundarySet`; None withdraws the area
    aim     : what a hand search looked for, None for other kinds
    witness : second person, by id code: for a hand search, and to withdraw a keep-out or a void
    """

    area: str
    version: int
    kind: AreaKind
    ring: Ring | None
    why: str
    aim: Aim | None = None
    witness: str | None = None


class BlockAccepted(Decision, frozen=True, kw_only=True, tag="block_accepted"):
    """Quality control has sampled a block's ground and found nothing: an independent proof of its head up to then."""

    session: str
    block: int


class ItemMissed(Decision, frozen=True, kw_only=True, tag="item_missed"):
    """An item was found on searched ground: what this head searched since its last independent proof is suspended."""

    head: str
    spec: str
    note: str


class AlarmDecision(Decision, frozen=True, kw_only=True):
    """What all decisions about an alarm name."""

    session: str
    alarm: int


class AlarmTagged(AlarmDecision, frozen=True, kw_only=True, tag="alarm_tagged"):
    """
    A marker stands on the ground, set after the machine's session or for an alarm without a position.

    place, error_m : where it stands, if that was measured
    """

    marker: str
    place: Degrees | None = None
    error_m: Annotated[float, Meta(ge=0.0, le=100.0)] | None = None


class AlarmAssigned(AlarmDecision, frozen=True, kw_only=True, tag="alarm_assigned"):
    """A team leader gives the alarm to an investigator."""

    investigator: str


class InvestigationBegun(AlarmDecision, frozen=True, kw_only=True, tag="investigation_begun"):
    """The investigator is at work on it."""


class Finding(enum.Enum):
    """What the investigation found. There is no finding that the alarm was for nothing."""

    EO_ITEM = "eo_item"
    EO_COMPONENT = "eo_component"
    METAL_DEBRIS = "metal_debris"
    KNOWN_OBJECT = "known_object"
    MAGNETIC_GROUND = "magnetic_ground"
    TEST_ITEM = "test_item"
    NO_SOURCE_FOUND = "no_source_found"


class AlarmResolved(AlarmDecision, frozen=True, kw_only=True, tag="alarm_resolved"):
    """
    The investigator's finding.

    is_recheck_quiet : whether the place gave no signal when it was checked again      place : where the source was
    """

    finding: Finding
    is_recheck_quiet: bool
    place: Degrees | None = None


class AlarmClosed(AlarmDecision, frozen=True, kw_only=True, tag="alarm_closed"):
    """Another person accepts the finding; the marker is gone."""

    is_marker_removed: bool


class AlarmDeferred(AlarmDecision, frozen=True, kw_only=True, tag="alarm_deferred"):
    """Left for later, with the reason."""

    why: str


class AlarmLinked(AlarmDecision, frozen=True, kw_only=True, tag="alarm_linked"):
    """The same source as another alarm: it stays open as long as that one."""

    to_session: str
    to_alarm: int


class AlarmReopened(AlarmDecision, frozen=True, kw_only=True, tag="alarm_reopened"):
    """What was resolved, closed or linked is open again."""

    why: str


AnyAlarmDecision = (
    AlarmTagged
    | AlarmAssigned
    | InvestigationBegun
    | AlarmResolved
    | AlarmClosed
    | AlarmDeferred
    | AlarmLinked
    | AlarmReopened
)
AnyDecision = BoundarySet | AreaDeclared | BlockAccepted | ItemMissed | AnyAlarmDecision

INPUTS: dict[type[AlarmDecision], AlarmInput] = {
    AlarmTagged: AlarmInput.MARK,
    AlarmAssigned: AlarmInput.ASSIGN,
    InvestigationBegun: AlarmInput.BEGIN_INVESTIGATION,
    AlarmResolved: AlarmInput.RESOLVE,
    AlarmClosed: AlarmInput.CLOSE,
    AlarmDeferred: AlarmInput.DEFER,
    AlarmLinked: AlarmInput.LINK,
    AlarmReopened: AlarmInput.REOPEN,
}

_MAY = {
    BoundarySet: (Role.TEAM_LEADER, Role.QUALITY),
    AreaDeclared: (Role.TEAM_LEADER, Role.QUALITY),
    BlockAccepted: (Role.QUALITY,),
    ItemMissed: tuple(Role),  # whoever sees it says it
    AlarmTagged: (Role.OPERATOR, Role.INVESTIGATOR, Role.TEAM_LEADER),
    AlarmAssigned: (Role.TEAM_LEADER,),
    InvestigationBegun: (Role.INVESTIGATOR,),
    AlarmResolved: (Role.INVESTIGATOR,),
    AlarmClosed: (Role.TEAM_LEADER,),
    AlarmDeferred: (Role.TEAM_LEADER,),
    AlarmLinked: (Role.INVESTIGATOR, Role.TEAM_LEADER),
    AlarmReopened: tuple(Role),
}


class AlarmLife(msgspec.Struct, frozen=True, kw_only=True):
    """
    Where one alarm stands after everything that was decided about it.

    closed_ns     : when it was closed, if it is      linked_to : (session, alarm) that it stands and falls with
    place         : where people measured the marker or the source, with its error
    """

    state: AlarmState = AlarmState.RAISED
    investigator: str | None = None
    resolved_by: str | None = None
    finding: Finding | None = None
    is_recheck_quiet: bool = False
    closed_ns: UtcNs | None = None
    linked_to: tuple[str, int] | None = None
    place: Degrees | None = None
    place_error_m: float | None = None


def advance(life: AlarmLife, decision: AnyAlarmDecision) -> AlarmLife:
    """The life after a decision that `why_not_alarm` has nothing against."""
    state = NEXT[life.state, INPUTS[type(decision)]]
    after = msgspec.structs.replace(life, state=state)
    replace = msgspec.structs.replace
    match decision:
        case AlarmTagged() if decision.place is not None:
            return replace(after, place=decision.place, place_error_m=decision.error_m)
        case AlarmAssigned():
            return replace(after, investigator=decision.investigator)
        case AlarmResolved():
            place = life.place if decision.place is None else decision.place
            return replace(
                after,
                resolved_by=decision.person,
                finding=decision.finding,
                is_recheck_quiet=decision.is_recheck_quiet,
                place=place,
            )
        case AlarmClosed():
            return replace(after, closed_ns=decision.utc_ns)
        case AlarmLinked():
            return replace(after, linked_to=(decision.to_session, decision.to_alarm))
        case AlarmReopened():
            return replace(after, closed_ns=None, linked_to=None)
        case _:
            return after


def why_not(decision: AnyDecision, life: AlarmLife | None) -> str | None:
    """
    What speaks against writing a decision, in plain words; None where nothing does.

    life : of the alarm that it is about; None where there is no such alarm, or the decision is about none
    """
    may = _MAY[type(decision)]
    if decision.role not in may:
        return f"{type(decision).__name__} is for {' or '.join(role.value for role in may)}, not {decision.role.value}"
    match decision:
        case AreaDeclared():
            return _why_not_area(decision)
        case BoundarySet() | BlockAccepted() | ItemMissed():
            return None
        case _:
            if life is None:
                return f"there is no alarm {decision.alarm} in session {decision.session}"
            return _why_not_alarm(decision, life)


def _why_not_area(decision: AreaDeclared) -> str | None:
    is_hand_search = decision.kind is AreaKind.HAND_SEARCHED and decision.ring is not None
    if is_hand_search and decision.aim is None:
        return "a hand search says what it looked for: item, depth and profile"
    restores = decision.ring is None and decision.kind in (AreaKind.KEEP_OUT, AreaKind.VOIDED)
    if (is_hand_search or restores) and decision.witness in (None, decision.person):
        return "this gives ground back, and needs a second person as witness"
    return None


def _why_not_alarm(decision: AnyAlarmDecision, life: AlarmLife) -> str | None:
    if (life.state, INPUTS[type(decision)]) not in NEXT:
        return f"the alarm is {life.state.value}: that comes before or after, not now"
    match decision:
        case InvestigationBegun() | AlarmResolved() if decision.person != life.investigator:
            return f"the alarm is assigned to {life.investigator}"
        case AlarmClosed() if decision.person == life.resolved_by:
            return "whoever resolved an alarm does not close it"
        case AlarmClosed() if not decision.is_marker_removed:
            return "the marker must be gone before the alarm is closed"
        case AlarmClosed() if not life.is_recheck_quiet:
            return "the place still gave a signal when it was checked again"
        case AlarmLinked() if (decision.to_session, decision.to_alarm) == (decision.session, decision.alarm):
            return "an alarm cannot be linked to itself"
        case _:
            return None
