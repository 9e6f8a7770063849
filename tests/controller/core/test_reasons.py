"""Sets of reasons as bit masks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.reasons import Reason, labels, mask_of, members, primary

SETS = st.sets(st.sampled_from(list(Reason)))


@given(chosen=SETS)
def test_a_set_keeps_its_members_strongest_first(chosen):
    """Round trip through the mask; the order is the enum's, from the strongest."""
    found = members(mask_of(chosen))
    assert set(found) == chosen
    assert list(found) == sorted(chosen, reverse=True)
    assert labels(mask_of(chosen)) == tuple(reason.label for reason in found)


@given(chosen=SETS.filter(bool))
def test_the_primary_reason_is_the_strongest(chosen):
    """Strongest of the set."""
    assert primary(mask_of(chosen)) is max(chosen)


def test_an_empty_set_has_no_primary_reason():
    """Asking for one is our own mistake, and dies loudly."""
    with pytest.raises(AssertionError):
        primary(0)


def test_values_are_stable_bits_without_gaps():
    """A mask fits an int64, and every bit below the strongest means something."""
    assert sorted(reason.value for reason in Reason) == list(range(len(Reason)))
    assert len(Reason) < 63
