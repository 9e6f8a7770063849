"""What a head sends: every imperfection shows when asked for, none when not."""

import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.electronics import Electronics
from sim.scenario import load_scenario
from sim.sections import NoiseModel

LANES = load_scenario("lanes")
TIMES = np.arange(1, 6_001) / LANES.head.rate_hz


SHAPE = len(TIMES), LANES.head.channels


def sent(seed=1, values=0.0, dead=None, stuck=None, cuts=(), **noise):
    """What a head sends that is asked for its samples in so many stretches."""
    scenario = msgspec.structs.replace(LANES, noise=NoiseModel(**{"swing": 0.0, **noise}))
    electronics = Electronics(scenario, np.random.default_rng(seed))
    none, edges = np.zeros(SHAPE, dtype=bool), [0, *cuts, len(TIMES)]
    dead, stuck = none if dead is None else dead, none if stuck is None else stuck
    stretches = [slice(*edge) for edge in itertools.pairwise(edges)]
    return np.concatenate(
        [electronics.measure(np.full(SHAPE, values)[s], TIMES[s], dead[s], stuck[s]) for s in stretches]
    )


def failed(channel, rows):
    mask = np.zeros(SHAPE, dtype=bool)
    mask[rows, channel] = True
    return mask


def test_alone_there_is_white_noise():
    """Its sigma is the scenario's; the same seed sends the same."""
    values = sent()
    assert values.std(axis=0) == pytest.approx([LANES.head.noise_uv] * LANES.head.channels, rel=0.05)
    assert (sent() == values).all()
    assert (sent(seed=2) != values).any()


@pytest.mark.parametrize(
    ("noise", "least"), [({"swing": 20.0}, 19.0), ({"pink": 10.0}, 6.0), ({"mains": 30.0, "mains_hz": 60.0}, 13.0)]
)
def test_each_addition_shows_in_every_channel(noise, least):
    """Beyond what white noise reaches."""
    values = sent(**noise)
    clean = sent()
    assert (np.abs(values).max(axis=0) > least).all()
    assert np.abs(clean).max() < 10.0


def test_a_head_that_warms_up_drifts():
    """Degrees times microvolts a degree, settled after some time constants; nobody's noise is larger."""
    values = sent(drift_per_c=4.0, warm_up_c=10.0, warm_up_s=5.0)
    assert values[-1_000:].mean() == pytest.approx(40.0, abs=0.2)
    assert np.abs(values[:10].mean()) < 2.0


def test_gains_differ_by_channel_and_within_their_bound():
    """A steady 1,000 comes out within a tenth, another in each channel."""
    values = sent(values=1_000.0, gain_mismatch=0.1)
    means = values.mean(axis=0)
    assert np.abs(means - 1_000.0).max() <= 101.0
    assert np.ptp(means) > 20.0


def test_a_dead_channel_hears_its_own_noise_and_its_neighbours_go_on():
    """From its time to its time; then it measures again."""
    values = sent(values=500.0, dead=failed(2, slice(2_000, 4_000)))
    assert np.abs(values[2_000:4_000, 2]).max() < 10.0
    assert values[2_000:4_000, 2].std() == pytest.approx(LANES.head.noise_uv, rel=0.1)
    assert np.abs(np.delete(values, 2, axis=1) - 500.0).max() < 10.0
    assert np.abs(values[np.r_[0:2_000, 4_000:6_000], 2] - 500.0).max() < 10.0


def test_a_stuck_channel_repeats_what_it_measured_last():
    """However the day is cut, and though the cut lies within."""
    values = sent(values=500.0, stuck=failed(2, slice(2_000, 4_000)), cuts=(1_500, 3_000))
    assert (values[2_000:4_000, 2] == values[1_999, 2]).all()
    assert np.ptp(values[4_000:, 2]) > 0.0
    assert np.ptp(values[2_000:4_000, 1]) > 0.0


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, len(TIMES) - 1), max_size=4, unique=True).map(sorted))
def test_where_the_day_is_cut_changes_nothing(cuts):
    """Every kind of noise, a dead and a stuck channel."""
    wanted = {
        "pink": 3.0, "mains": 2.0, "gain_mismatch": 0.1, "drift_per_c": 1.0,
        "dead": failed(0, slice(1_000, 2_500)), "stuck": failed(1, slice(500, 3_500)),
    }  # fmt: skip
    assert (sent(cuts=cuts, **wanted) == sent(**wanted)).all()
