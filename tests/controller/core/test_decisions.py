"""What people may decide, and what an alarm's life makes of it."""

import msgspec
import pytest

from controller.core.alarms import AlarmState
from controller.core.decisions import (
    Aim,
    AlarmAssigned,
    AlarmClosed,
    AlarmDeferred,
    AlarmLife,
    AlarmLinked,
    AlarmReopened,
    AlarmResolved,
    AlarmTagged,
    AnyDecision,
    AreaDeclared,
    AreaKind,
    BlockAccepted,
    BoundarySet,
    Finding,
    InvestigationBegun,
    ItemMissed,
    Role,
    advance,
    why_not,
)

RING = ((47.0, 8.0), (47.0, 8.001), (47.001, 8.0))
OF_ALARM = {"session": "s1", "alarm": 1, "utc_ns": 1_000}
AREA = {"seq": 1, "person": "tl-1", "role": Role.TEAM_LEADER, "utc_ns": 0, "area": "a", "version": 1, "why": "w"}


def steps():
    """From a raised alarm to a closed one, as it should go."""
    return [
        AlarmTagged(seq=1, person="op-1", role=Role.OPERATOR, marker="A1", **OF_ALARM),
        AlarmAssigned(seq=2, person="tl-1", role=Role.TEAM_LEADER, investigator="in-1", **OF_ALARM),
        InvestigationBegun(seq=3, person="in-1", role=Role.INVESTIGATOR, **OF_ALARM),
        AlarmResolved(
            seq=4,
            person="in-1",
            role=Role.INVESTIGATOR,
            finding=Finding.METAL_DEBRIS,
            is_recheck_quiet=True,
            **OF_ALARM,
        ),
        AlarmClosed(seq=5, person="tl-1", role=Role.TEAM_LEADER, is_marker_removed=True, **OF_ALARM),
    ]


def life_after(decisions):
    life = AlarmLife()
    for decision in decisions:
        assert why_not(decision, life) is None
        life = advance(life, decision)
    return life


def test_an_alarm_is_closed_by_an_investigator_and_another_person():
    """Marked, assigned, investigated, resolved, closed: each by whom it belongs to."""
    life = life_after(steps())
    assert (life.state, life.finding, life.resolved_by, life.closed_ns) == (
        AlarmState.CLOSED, Finding.METAL_DEBRIS, "in-1", 1_000,
    )  # fmt: skip


def test_no_step_to_closed_can_be_left_out():
    """Each later step is refused where the one before it is missing."""
    whole = steps()
    for left_out in range(len(whole) - 1):
        life = life_after(whole[:left_out])
        assert why_not(whole[left_out + 1], life) is not None


@pytest.mark.parametrize(
    ("step", "changes", "words"),
    [
        (1, {"role": Role.OPERATOR}, "is for team_leader"),
        (2, {"person": "in-2"}, "assigned to in-1"),
        (3, {"person": "in-2"}, "assigned to in-1"),
        (4, {"person": "in-1"}, "does not close"),
        (4, {"role": Role.INVESTIGATOR}, "is for team_leader"),
        (4, {"is_marker_removed": False}, "marker must be gone"),
    ],
)
def test_the_wrong_person_or_time_is_refused_in_words(step, changes, words):
    """Whoever resolved does not close, and nobody does another's work."""
    whole = steps()
    assert words in why_not(msgspec.structs.replace(whole[step], **changes), life_after(whole[:step]))


def test_a_place_that_still_gives_a_signal_is_not_closed():
    """The recheck decides, not the finding."""
    whole = steps()
    life = life_after([*whole[:3], msgspec.structs.replace(whole[3], is_recheck_quiet=False)])
    assert "still gave a signal" in why_not(whole[4], life)


def test_reopening_a_closed_alarm_opens_its_ground_and_keeps_what_was_found():
    """Nothing is forgotten by it."""
    reopened = AlarmReopened(seq=6, person="qa-1", role=Role.QUALITY, why="sample", **OF_ALARM)
    life = life_after([*steps(), reopened])
    assert (life.state, life.closed_ns, life.finding) == (AlarmState.MARKED, None, Finding.METAL_DEBRIS)


def test_a_deferred_alarm_waits_and_is_taken_up_again():
    """It is never closed from there."""
    deferred = AlarmDeferred(seq=2, person="tl-1", role=Role.TEAM_LEADER, why="flooded", **OF_ALARM)
    life = life_after([steps()[0], deferred])
    assert why_not(steps()[4], life) is not None
    assert advance(life, steps()[1]).state is AlarmState.ASSIGNED


def test_an_alarm_is_not_linked_to_itself_nor_decided_on_where_there_is_none():
    """Both are told in words."""
    life = life_after(steps()[:1])
    linked = AlarmLinked(seq=2, person="tl-1", role=Role.TEAM_LEADER, to_session="s1", to_alarm=1, **OF_ALARM)
    assert "itself" in why_not(linked, life)
    assert "no alarm 1 in session s1" in why_not(steps()[0], None)


def test_what_gives_ground_back_needs_a_second_person():
    """A hand search, and the end of a keep-out or a void; declaring one of these needs nobody else."""
    aim = Aim(item="i", depth_m=0.1, profile="p")
    for kind in (AreaKind.KEEP_OUT, AreaKind.VOIDED):
        assert why_not(AreaDeclared(kind=kind, ring=RING, **AREA), None) is None
        assert "second person" in why_not(AreaDeclared(kind=kind, ring=None, **AREA), None)
        assert "second person" in why_not(AreaDeclared(kind=kind, ring=None, witness="tl-1", **AREA), None)
        assert why_not(AreaDeclared(kind=kind, ring=None, witness="qa-1", **AREA), None) is None
    by_hand = AreaDeclared(kind=AreaKind.HAND_SEARCHED, ring=RING, aim=aim, witness="qa-1", **AREA)
    assert why_not(by_hand, None) is None
    assert "looked for" in why_not(msgspec.structs.replace(by_hand, aim=None), None)
    assert "second person" in why_not(msgspec.structs.replace(by_hand, witness=None), None)


def test_everybody_may_say_that_an_item_was_missed_and_only_quality_accepts_a_block():
    """Withdrawing is open to all; proving is not."""
    for role in Role:
        missed = ItemMissed(seq=1, person="x", role=role, utc_ns=0, head="h", spec="s", note="")
        assert why_not(missed, None) is None
        accepted = BlockAccepted(seq=1, person="x", role=role, utc_ns=0, session="s1", block=1)
        assert (why_not(accepted, None) is None) is (role is Role.QUALITY)


def test_decisions_survive_their_wire_form():
    """They are kept as tagged records, apart by kind."""
    boundary = BoundarySet(seq=1, person="tl-1", role=Role.TEAM_LEADER, utc_ns=0, version=1, ring=RING, why="w")
    for decision in (boundary, *steps()):
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(decision), type=AnyDecision) == decision
