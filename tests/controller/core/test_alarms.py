"""The alarm's life: every state met with every input."""

from itertools import product

import pytest

from controller.core.alarms import NEXT, AlarmInput, AlarmState


@pytest.mark.parametrize(("state", "seen"), list(product(AlarmState, AlarmInput)))
def test_every_state_knows_every_input_that_can_happen_in_it(state, seen):
    """Only the end of a signal that has already ended has no place in the table."""
    has_ended = state in (AlarmState.RAISED, AlarmState.ACKNOWLEDGED)
    assert ((state, seen) in NEXT) is not (has_ended and seen is AlarmInput.SIGNAL_ENDED)


def test_no_input_of_the_software_closes_an_alarm():
    """There is no closed state to reach: closing is people's work (P2)."""
    assert not [state for state in AlarmState if "closed" in state.value]
    assert set(NEXT.values()) <= set(AlarmState)
