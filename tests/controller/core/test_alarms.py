"""The alarm's life: every state met with every input."""

from itertools import product

import pytest

from controller.core.alarms import NEXT, AlarmInput, AlarmState

ON_THE_MACHINE = (AlarmInput.ACKNOWLEDGE, AlarmInput.MARK)


@pytest.mark.parametrize(("state", "seen"), list(product(AlarmState, ON_THE_MACHINE)))
def test_hearing_and_marking_are_never_refused_and_never_set_back(state, seen):
    """They can come late, twice or in either order, from two screens."""
    order = list(AlarmState)
    after = NEXT[state, seen]
    assert after is state or after in (AlarmState.ACKNOWLEDGED, AlarmState.MARKED)
    if state is not AlarmState.DEFERRED:
        assert order.index(after) >= order.index(state)


def test_hearing_and_marking_end_alike_in_either_order():
    """So that a map does not depend on which record came first."""
    acknowledge, mark = ON_THE_MACHINE
    for state in AlarmState:
        assert NEXT[NEXT[state, acknowledge], mark] is NEXT[NEXT[state, mark], acknowledge]


def test_nothing_reaches_closed_but_closing_what_is_resolved():
    """Closing is people's work, after a finding (P2)."""
    assert [key for key, after in NEXT.items() if after is AlarmState.CLOSED and key[0] is not AlarmState.CLOSED] == [
        (AlarmState.RESOLVED, AlarmInput.CLOSE)
    ]


def test_every_state_is_reached_and_only_closed_is_left_by_nothing_but_reopening():
    """No alarm is ever stuck: there is a way from each state to closed."""
    reached = {AlarmState.RAISED}
    while True:
        more = reached | {after for (state, _), after in NEXT.items() if state in reached}
        if more == reached:
            break
        reached = more
    assert reached == set(AlarmState)
    for start in AlarmState:
        ways = {start}
        for _ in AlarmState:
            ways |= {after for (state, _), after in NEXT.items() if state in ways}
        assert AlarmState.CLOSED in ways
