"""Signal upon signal: how much of the last ten seconds it was."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.density import WINDOW_S, SignalDensity


@settings(max_examples=60, deadline=None)
@given(flags=st.lists(st.booleans(), max_size=120), cuts=st.lists(st.integers(0, 120), max_size=6))
def test_the_share_is_that_of_the_last_window_however_samples_came(flags, cuts):
    """Against a plain mean over the window, for any grouping into blocks, longer than the window or not."""
    flags = np.array(flags, dtype=np.bool_)
    window = round(WINDOW_S * 3.0)
    density = SignalDensity(3.0)
    bounds = [0, *sorted(min(cut, len(flags)) for cut in cuts), len(flags)]
    found = [density.take(flags[start:stop]) for start, stop in itertools.pairwise(bounds) if stop > start]
    expected = [flags[max(0, index - window + 1) : index + 1].sum() / window for index in range(len(flags))]
    assert np.concatenate([*found, []]) == pytest.approx(np.array(expected))
