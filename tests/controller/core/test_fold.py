"""The map as a fold: any order of arrival, the same map."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.alarm_events import AlarmLocated
from controller.core.cells import CellState
from controller.core.check_events import BlockOpened, Verdict
from controller.core.effects import ReasonSetNamed, TileWritten
from controller.core.fold import MapFold
from controller.core.tiles import CellMark, pack_cells


def tile(block, version, marks, sets=None):
    planes = np.zeros((2, 256, 256), dtype=np.uint8)
    planes[0, 0, : len(marks)] = marks
    planes[1, 0, : len(marks)] = sets if sets is not None else 0
    return TileWritten(
        mono_ns=0, utc_ns=None, spec="s", block=block, tx=0, ty=0, version=version, cells=pack_cells(*planes)
    )


def opened(block):
    return BlockOpened(mono_ns=0, utc_ns=None, head="h", block=block, spec="s", check=1)


def verdict(block, number, state):
    return Verdict(mono_ns=0, utc_ns=None, block=block, number=number, state=state, cause="")


def located(alarm, east_dmm):
    return AlarmLocated(
        mono_ns=0, utc_ns=None, alarm=alarm, east_dmm=east_dmm, north_dmm=250, latitude_deg=0.0, longitude_deg=0.0,
        error_m=0.0, error_95_m=None,
    )  # fmt: skip


BAD, GOOD = int(CellMark.OUT_OF_SPEC), int(CellMark.CREDITED)
EVENTS = [
    ReasonSetNamed(mono_ns=0, utc_ns=None, index=1, reasons=("no_fix", "not_checked")),
    ReasonSetNamed(mono_ns=0, utc_ns=None, index=2, reasons=("not_checked",)),
    tile(0, 1, [BAD] * 8, [2] * 8),
    opened(1),
    tile(1, 1, [GOOD] * 2, [0] * 2),
    tile(1, 2, [GOOD] * 4 + [BAD], [0] * 4 + [1]),
    opened(2),
    tile(2, 1, [0, 0, GOOD, GOOD, GOOD, GOOD]),
    opened(3),
    tile(3, 1, [0] * 6 + [GOOD]),
    verdict(1, 1, "passed"),
    verdict(1, 2, "voided"),
    verdict(2, 1, "passed"),
    located(1, 5_600),
]


def derived(events):
    fold = MapFold(masking_radius_m=0.02)
    for event in events:
        fold.add(event)
    (found,) = fold.tiles()
    return found, fold.totals(), fold.blocks


@settings(max_examples=80, deadline=None)
@given(order=st.permutations(EVENTS))
def test_the_map_is_the_same_in_any_order_of_arrival(order):
    """A void that arrives before, between or after its tiles gives the same map."""
    expected, found = derived(EVENTS), derived(order)
    assert (expected[0].states == found[0].states).all()
    assert (expected[0].reasons == found[0].reasons).all()
    assert expected[1:] == found[1:]


def test_states_are_derived_worst_first_with_the_best_standing_credit():
    """Voided, passed, open and never credited ground side by side."""
    found, totals, blocks = derived(EVENTS)
    assert [CellState(state).label for state in found.states[0, :9].tolist()] == [
        "research_due", "research_due", "searched", "searched", "searched", "searched", "provisional", "out_of_spec",
        "not_visited",
    ]  # fmt: skip
    assert totals.out_of_spec_m2 == {"not_checked": 0.0025}
    assert totals.searched_m2 == 0.01
    assert blocks == {1: "voided", 2: "passed", 3: "open"}


def test_an_open_alarm_hides_credit_but_not_from_the_balance():
    """The cell under the alarm is `signal_open`; its credit still stands underneath."""
    found, totals, _ = derived([*EVENTS, located(2, 1_250)])
    assert CellState(found.states[0, 2]) is CellState.SIGNAL_OPEN
    assert found.credit[0, 2]
    assert totals.signal_open_m2 == 0.0025


def test_unvisited_ground_under_an_alarm_stays_unvisited():
    """An alarm says nothing about ground nobody passed."""
    found, totals, _ = derived(EVENTS)
    assert CellState(found.states[0, 11]) is CellState.NOT_VISITED
    assert totals.signal_open_m2 == 0.0
