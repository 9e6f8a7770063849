"""The map of a task: many sessions, what people decide, and what both withdraw."""

import msgspec
import numpy as np
import pytest
from core_machine import calibration
from hypothesis import given, settings
from hypothesis import strategies as st
from test_decisions import steps

from controller.core.alarm_events import AlarmLocated, AlarmMarked, AlarmRaised
from controller.core.cells import CellState, DueCause
from controller.core.check_events import BlockOpened, GroundSuspended, SpecSet, Verdict
from controller.core.decisions import (
    Aim,
    AlarmLinked,
    AlarmReopened,
    AreaDeclared,
    AreaKind,
    BlockAccepted,
    BoundarySet,
    Decision,
    ItemMissed,
    Role,
)
from controller.core.effects import PlaneSet, TileWritten
from controller.core.fold import MapFold
from controller.core.geometry import Plane
from controller.core.tiles import CellMark, pack_cells

PLANE = Plane(47.0, 8.0, 400.0)
HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
AIM = Aim(item=calibration().item, depth_m=calibration().depth_m, profile="ap-shallow")
GROUND = (slice(0, 20), slice(0, 40))  # what every block of these sessions has credited: rows, columns


def session(name, at_ns, spec="spec", head="head", blocks=(1,), plane=PLANE, item=None):
    """Events of one session on the same ground, a block an hour, all passed; as (session, event)."""
    marks = np.zeros((256, 256), dtype=np.uint8)
    marks[GROUND] = CellMark.CREDITED
    cells = pack_cells(marks, np.zeros_like(marks))
    made = calibration() if item is None else calibration(item=item)
    events = [
        PlaneSet(
            mono_ns=1, utc_ns=at_ns, task="t", latitude_deg=plane.latitude_deg, longitude_deg=plane.longitude_deg,
            altitude_m=plane.altitude_m,
        ),
        SpecSet(mono_ns=2, utc_ns=at_ns, spec=spec, profile="ap-shallow", calibration=made),
    ]  # fmt: skip
    for block in blocks:
        when = at_ns + (block - 1) * HOUR_NS
        events += [
            BlockOpened(mono_ns=3, utc_ns=when, head=head, block=block, spec=spec, check=block),
            TileWritten(mono_ns=4, utc_ns=when, spec=spec, block=block, tx=0, ty=0, version=1, cells=cells),
            Verdict(mono_ns=5, utc_ns=when, block=block, number=1, state="passed", cause="check passed"),
        ]
    return [(name, event) for event in events]


def alarm_at(name, column, at_ns=0, number=1):
    """An alarm in the middle of a cell of the first row, with a marker; as (session, event)."""
    raised = AlarmRaised(
        mono_ns=6, utc_ns=at_ns, alarm=number, head="head", channels=("c0",), sequence=1, sample_ns=1, value=9.0,
        threshold=1.0, check=None,
    )  # fmt: skip
    located = AlarmLocated(
        mono_ns=7, utc_ns=at_ns, alarm=number, east_dmm=column * 500 + 250, north_dmm=250, latitude_deg=0.0,
        longitude_deg=0.0, error_m=0.01, error_95_m=0.01,
    )  # fmt: skip
    marked = AlarmMarked(mono_ns=8, utc_ns=at_ns, alarm=number, person="op-1", tag="A1", is_by_hand=False)
    return [(name, event) for event in (raised, located, marked)]


def box(west, south, east, north):
    """Corners of a box in cells, as (latitude, longitude)."""
    sides = np.array([[west, south], [east, south], [east, north], [west, north]]) * 0.05
    latitude, longitude = PLANE.unproject(sides[:, 0], sides[:, 1])
    return tuple(zip(latitude.tolist(), longitude.tolist(), strict=True))


def area(seq, kind, ring, at_ns=0, version=1, name="a", **fields):
    return AreaDeclared(
        seq=seq, person="tl-1", role=Role.TEAM_LEADER, utc_ns=at_ns, area=name, version=version, kind=kind, ring=ring,
        why="w", **fields,
    )  # fmt: skip


def folded(things, **fields):
    fold = MapFold(0.1, plane=PLANE, **fields)
    for thing in things:
        if isinstance(thing, Decision):
            fold.decide(thing)
        else:
            name, event = thing
            fold.add(event, name)
    return fold


def states(fold, now_utc_ns=None):
    return fold.tile(0, 0, now_utc_ns=now_utc_ns).states


def cells_of(fold, state, now_utc_ns=None):
    return int((states(fold, now_utc_ns) == state).sum())


def due_causes(fold, now_utc_ns=None):
    tile = fold.tile(0, 0, now_utc_ns=now_utc_ns)
    return {DueCause(cause) for cause in np.unique(tile.reasons[tile.states == CellState.RESEARCH_DUE]).tolist()}


def closed(at_ns, name="s1"):
    """The decisions that bring a marked alarm to closed at one time."""
    return [msgspec.structs.replace(step, session=name, utc_ns=at_ns) for step in steps()[1:]]


EVERYTHING = [
    *session("s1", 0, blocks=(1, 2)),
    *session("s2", DAY_NS),
    *alarm_at("s1", 5),
    *closed(2 * HOUR_NS),
    *alarm_at("s2", 30, DAY_NS),
    BoundarySet(seq=10, person="tl-1", role=Role.TEAM_LEADER, utc_ns=0, version=1, ring=box(-5, -5, 90, 90), why="w"),
    BoundarySet(seq=11, person="tl-1", role=Role.TEAM_LEADER, utc_ns=0, version=2, ring=box(2, 2, 80, 80), why="w"),
    area(12, AreaKind.KEEP_OUT, box(0, 10, 4, 14), name="k"),
    area(13, AreaKind.INACCESSIBLE, box(10, 10, 14, 14), name="i"),
    area(14, AreaKind.HAND_SEARCHED, box(50, 0, 60, 10), aim=AIM, witness="qa-1", name="h"),
    area(15, AreaKind.VOIDED, box(20, 0, 24, 20), at_ns=2 * DAY_NS, name="v"),
    area(16, AreaKind.VOIDED, None, at_ns=2 * DAY_NS, version=2, name="w", witness="qa-1"),
    BlockAccepted(seq=17, person="qa-1", role=Role.QUALITY, utc_ns=HOUR_NS, session="s1", block=1),
    ItemMissed(seq=18, person="op-1", role=Role.OPERATOR, utc_ns=DAY_NS, head="head", spec="spec", note="n"),
]


@settings(max_examples=60, deadline=None)
@given(order=st.permutations(EVERYTHING))
def test_sessions_and_decisions_give_the_same_map_in_any_order_of_arrival(order):
    """Days, alarms, boundaries, areas, proofs and a missed item, shuffled."""
    expected, found = folded(EVERYTHING), folded(order)
    for tile, other in zip(expected.tiles(), found.tiles(), strict=True):
        assert (tile.states == other.states).all()
        assert (tile.reasons == other.reasons).all()
        assert (tile.inside == other.inside).all()
    assert expected.totals() == found.totals()
    assert expected.refused == found.refused


def test_the_states_within_a_boundary_add_up_to_it():
    """With everything at once, the untouched tiles and rows included: the balance closes to 0."""
    totals = folded(EVERYTHING).totals()
    assert totals.task_m2 == round(78 * 78 * 0.0025, 4)
    parts = (
        totals.searched_m2, totals.hand_searched_m2, totals.provisional_m2, totals.research_due_m2,
        totals.signal_open_m2, totals.inaccessible_m2, totals.keep_out_m2, totals.not_visited_m2,
        *totals.out_of_spec_m2.values(),
    )  # fmt: skip
    assert round(sum(parts) - totals.task_m2, 4) == 0.0
    assert totals.outside_m2 > 0.0
    assert sum(totals.research_due_by_cause_m2.values()) == pytest.approx(totals.research_due_m2)


def test_ground_searched_for_another_item_is_not_searched_for_this_one():
    """A second calibration for something else starts from nothing, and the first total stays what it was."""
    fold = folded([*session("s1", 0), *session("s2", DAY_NS, spec="other", item="bounding mine")])
    first, second = fold.aims
    assert (second.item, fold.aim) == ("bounding mine", second)
    alone = folded(session("s1", 0)).totals()
    assert fold.totals(first) == alone
    shifted = [(n, e) for n, e in session("s2", DAY_NS, spec="other", item="x") if not isinstance(e, TileWritten)]
    assert folded([*session("s1", 0), *shifted]).totals().searched_m2 == 0.0


def test_ground_of_another_plane_is_left_out_by_name():
    """A session whose origin is elsewhere would be drawn in the wrong place."""
    stray = session("s2", DAY_NS, plane=Plane(47.0, 8.0001, 400.0))
    fold = folded([*session("s1", 0), *stray])
    assert fold.misplaced == ("s2",)
    assert fold.totals() == folded(session("s1", 0)).totals()
    assert folded(stray).totals().searched_m2 == 0.0


def test_an_open_alarm_takes_the_credit_of_every_session_around_it():
    """Earlier and later ones alike; closing it asks for a pass that came after."""
    things = [*session("s1", 0), *alarm_at("s1", 5)]
    fold = folded([*things, *session("s2", DAY_NS)])
    around = cells_of(fold, CellState.SIGNAL_OPEN)
    assert around > 5
    before = folded([*things, *closed(HOUR_NS)])
    assert cells_of(before, CellState.RESEARCH_DUE) == around
    assert due_causes(before) == {DueCause.AFTER_INVESTIGATION}
    after = folded([*things, *closed(HOUR_NS), *session("s2", DAY_NS)])
    assert cells_of(after, CellState.RESEARCH_DUE) == 0
    undated = [(n, msgspec.structs.replace(e, utc_ns=None)) for n, e in session("s2", DAY_NS)]
    assert cells_of(folded([*things, *closed(HOUR_NS), *undated]), CellState.RESEARCH_DUE) == around


def test_a_declared_hand_search_after_the_investigation_gives_the_ground_back():
    """For the same aim only, and only where the whole cell was searched."""
    things = [*session("s1", 0), *alarm_at("s1", 5), *closed(HOUR_NS)]
    ring, later = box(-0.5, -0.5, 10.5, 10.5), 2 * HOUR_NS
    by_hand = area(50, AreaKind.HAND_SEARCHED, ring, at_ns=later, aim=AIM, witness="qa-1")
    assert cells_of(folded([*things, by_hand]), CellState.RESEARCH_DUE) == 0
    other = msgspec.structs.replace(by_hand, aim=msgspec.structs.replace(AIM, depth_m=0.5))
    early = msgspec.structs.replace(by_hand, utc_ns=0)
    alone = msgspec.structs.replace(by_hand, witness=None)
    for useless in (other, early, alone):
        assert cells_of(folded([*things, useless]), CellState.RESEARCH_DUE) > 0


def test_a_linked_alarm_stands_and_falls_with_the_other_and_a_ring_of_links_stays_open():
    """Linking never deletes."""
    things = [*session("s1", 0), *alarm_at("s1", 5), *alarm_at("s1", 12, number=2)]
    link = AlarmLinked(
        seq=30, person="tl-1", role=Role.TEAM_LEADER, utc_ns=0, session="s1", alarm=2, to_session="s1", to_alarm=1
    )
    both = cells_of(folded([*things, link]), CellState.SIGNAL_OPEN)
    assert both == cells_of(folded(things), CellState.SIGNAL_OPEN)
    assert cells_of(folded([*things, link, *closed(HOUR_NS)]), CellState.SIGNAL_OPEN) == 0
    back = msgspec.structs.replace(link, seq=31, alarm=1, to_alarm=2)
    assert cells_of(folded([*things, link, back]), CellState.SIGNAL_OPEN) == both


def test_a_reopened_alarm_takes_the_ground_again():
    """Even after a clean pass."""
    things = [*session("s1", 0), *alarm_at("s1", 5), *closed(HOUR_NS), *session("s2", DAY_NS)]
    again = AlarmReopened(seq=40, person="qa-1", role=Role.QUALITY, utc_ns=2 * DAY_NS, session="s1", alarm=1, why="w")
    assert cells_of(folded([*things, again]), CellState.SIGNAL_OPEN) > 0


def test_an_alarm_of_a_receiver_that_stated_no_error_hides_ten_metres():
    """Unknown is never good. An unknown instant alone is a metre and a half; a check's item lies where it is held."""
    raised, (name, located), marked = alarm_at("s1", 5)
    hidden = {}
    for what, changes in {
        "place": {"error_m": None, "error_95_m": None},
        "instant": {"error_m": None, "error_95_m": 0.0},
        "known": {},
    }.items():
        things = [raised, (name, msgspec.structs.replace(located, **changes)), marked]
        hidden[what] = cells_of(folded([*session("s1", 0), *things]), CellState.SIGNAL_OPEN)
    assert hidden["place"] == 800 > hidden["instant"] > hidden["known"] > 0
    unknown = msgspec.structs.replace(located, error_m=None, error_95_m=None)
    in_check = [(name, msgspec.structs.replace(raised[1], check=1)), (name, unknown)]
    assert cells_of(folded([*session("s1", 0), *in_check]), CellState.SIGNAL_OPEN) <= hidden["known"]


def test_a_missed_item_suspends_the_head_back_to_its_last_proof_in_every_session():
    """Other heads and specifications stand, and so does what quality control accepted before and all before that."""
    elsewhere = session("s3", 0, spec="other", head="head")
    missed = ItemMissed(seq=5, person="op", role=Role.OPERATOR, utc_ns=2 * DAY_NS, head="head", spec="spec", note="n")
    fold = folded([*session("s1", 0), *session("s2", DAY_NS), missed])
    assert due_causes(fold) == {DueCause.ITEM_MISSED}
    assert fold.totals().searched_m2 == 0.0
    assert folded([*session("s1", 0), *session("s2", DAY_NS), *elsewhere, missed]).totals().searched_m2 > 0.0
    proof = BlockAccepted(seq=4, person="qa", role=Role.QUALITY, utc_ns=DAY_NS + HOUR_NS, session="s2", block=1)
    assert folded([*session("s1", 0), *session("s2", DAY_NS), proof, missed]).totals().research_due_m2 == 0.0
    late = msgspec.structs.replace(proof, utc_ns=2 * DAY_NS)
    assert folded([*session("s2", DAY_NS), late, missed]).totals().searched_m2 == 0.0
    early = msgspec.structs.replace(proof, session="s1")
    assert folded([*session("s2", DAY_NS), *session("s1", 0), early, missed]).block_state(1, "s1") == "passed"
    only_first = folded([*session("s2", DAY_NS), early, missed])
    assert only_first.totals().searched_m2 == 0.0


def test_what_a_machine_says_of_a_missed_item_reaches_its_earlier_sessions():
    """After a restart there is another session; the ground of the one before is suspended all the same."""
    said = GroundSuspended(mono_ns=9, utc_ns=DAY_NS, head="head", spec="spec", blocks=(), person="op-1", note="n")
    fold = folded([*session("s1", 0), *session("s2", DAY_NS + HOUR_NS), ("s2", said)])
    assert due_causes(folded([*session("s1", 0), ("s2", said)])) == {DueCause.ITEM_MISSED}
    assert fold.totals().searched_m2 > 0.0  # what came after, under a check that followed
    undated = msgspec.structs.replace(said, utc_ns=None)
    assert folded([*session("s1", 0), ("s2", undated)]).totals().searched_m2 == 0.0


def test_a_block_that_waits_too_long_for_its_closing_check_is_due():
    """Provisional until then; a check that passes after all gives it back."""
    things = [(n, e) for n, e in session("s1", 0) if not isinstance(e, Verdict)]
    fold = folded(things, check_limit_s=8 * 3600.0)
    assert cells_of(fold, CellState.PROVISIONAL, 8 * HOUR_NS) == 800
    assert fold.overdue(8 * HOUR_NS, "s1") == ()
    assert due_causes(fold, 8 * HOUR_NS + 1) == {DueCause.CHECK_MISSING}
    assert fold.overdue(8 * HOUR_NS + 1, "s1") == (1,)
    assert cells_of(folded(session("s1", 0), check_limit_s=8 * 3600.0), CellState.SEARCHED, DAY_NS) == 800


def test_a_void_takes_what_was_searched_before_it_and_two_people_lift_it():
    """A later pass counts again; the higher version wins whatever came first."""
    void = area(20, AreaKind.VOIDED, box(0, 0, 10, 20), at_ns=HOUR_NS)
    assert due_causes(folded([*session("s1", 0), void])) == {DueCause.VOIDED}
    assert folded([*session("s1", 0), void, *session("s2", DAY_NS)]).totals().research_due_m2 == 0.0
    lifted = area(21, AreaKind.VOIDED, None, at_ns=DAY_NS, version=2, witness="qa-1")
    assert folded([*session("s1", 0), lifted, void]).totals().research_due_m2 == 0.0
    alone = msgspec.structs.replace(lifted, witness="tl-1")
    refused = folded([*session("s1", 0), alone, void])
    assert refused.totals().research_due_m2 > 0.0
    assert "second person" in refused.refused[21]


def test_a_boundary_that_is_no_polygon_counts_for_nothing():
    """The one before stands, and the refusal says where it crosses over."""
    good = BoundarySet(seq=1, person="tl", role=Role.TEAM_LEADER, utc_ns=0, version=1, ring=box(0, 0, 40, 40), why="w")
    west, south = box(0, 0, 40, 40)[0]
    east, north = box(0, 0, 40, 40)[2]
    bow = ((west, south), (east, north), (east, south), (west, north))
    fold = folded([good, msgspec.structs.replace(good, seq=2, version=2, ring=bow)])
    assert fold.totals().task_m2 == 4.0
    assert "no polygon" in fold.refused[2]


def test_a_marker_that_people_measured_hides_the_ground_of_an_alarm_without_a_position():
    """The alarm itself has no place on the map; where its marker stands, nothing counts until it is closed."""
    ((_, raised), *_) = alarm_at("s1", 5)
    things = [*session("s1", 0), ("s1", raised)]
    assert cells_of(folded(things), CellState.SIGNAL_OPEN) == 0
    tagged = msgspec.structs.replace(steps()[0], session="s1", place=box(20, 10, 21, 11)[0], error_m=0.05)
    assert cells_of(folded([*things, tagged]), CellState.SIGNAL_OPEN) > 20
    unmeasured = msgspec.structs.replace(tagged, error_m=None)
    assert cells_of(folded([*things, unmeasured]), CellState.SIGNAL_OPEN) == 800
    gone = [*things, tagged, *closed(HOUR_NS)]
    assert cells_of(folded(gone), CellState.SIGNAL_OPEN) == 0
    assert due_causes(folded(gone)) == {DueCause.AFTER_INVESTIGATION}
