"""What a head sends: every imperfection shows when asked for, none when not."""

import msgspec
import numpy as np
import pytest

from sim.electronics import measured
from sim.scenario import load_scenario
from sim.sections import NoiseModel

LANES = load_scenario("lanes")
TIMES = np.arange(1, 6_001) / LANES.head.rate_hz


def sent(seed=1, values=0.0, **noise):
    scenario = msgspec.structs.replace(LANES, noise=NoiseModel(**{"swing": 0.0, **noise}))
    shape = len(TIMES), LANES.head.channels
    return measured(scenario, np.full(shape, values), TIMES, np.ones(shape, dtype=bool), np.random.default_rng(seed))


def test_alone_there_is_white_noise():
    """Its sigma is the scenario's; the same seed sends the same."""
    values, alive = sent()
    assert values.std(axis=0) == pytest.approx([LANES.head.noise_uv] * LANES.head.channels, rel=0.05)
    assert alive.all()
    assert (sent()[0] == values).all()
    assert (sent(seed=2)[0] != values).any()


@pytest.mark.parametrize(
    ("noise", "least"), [({"swing": 20.0}, 19.0), ({"pink": 10.0}, 6.0), ({"mains": 30.0, "mains_hz": 60.0}, 13.0)]
)
def test_each_addition_shows_in_every_channel(noise, least):
    """Beyond what white noise reaches."""
    values, _ = sent(**noise)
    clean, _ = sent()
    assert (np.abs(values).max(axis=0) > least).all()
    assert np.abs(clean).max() < 10.0


def test_a_head_that_warms_up_drifts():
    """Degrees times microvolts a degree, settled after some time constants; nobody's noise is larger."""
    values, _ = sent(drift_per_c=4.0, warm_up_c=10.0, warm_up_s=5.0)
    assert values[-1_000:].mean() == pytest.approx(40.0, abs=0.2)
    assert np.abs(values[:10].mean()) < 2.0


def test_gains_differ_by_channel_and_within_their_bound():
    """A steady 1,000 comes out within a tenth, another in each channel."""
    values, _ = sent(values=1_000.0, gain_mismatch=0.1)
    means = values.mean(axis=0)
    assert np.abs(means - 1_000.0).max() <= 101.0
    assert np.ptp(means) > 20.0


@pytest.mark.parametrize("failure", ["dead", "stuck"])
def test_a_channel_fails_at_its_time_and_the_truth_says_so(failure):
    """Signals no longer reach it; its neighbours go on."""
    values, alive = sent(values=500.0, failed_channel=3, failure=failure, failed_from_s=20.0)
    assert alive[:1_999].all()
    assert not alive[2_000:, 2].any()
    assert alive[:, [0, 1, 3]].all()
    assert values[:1_900, 2].mean() == pytest.approx(500.0, abs=1.0)
    if failure == "dead":
        assert np.abs(values[2_000:, 2]).max() < 10.0
    else:
        assert np.ptp(values[2_000:, 2]) == 0.0


def test_what_was_dead_before_hears_its_own_noise():
    """A channel that the day made dead sends no signal."""
    alive = np.ones((len(TIMES), LANES.head.channels), dtype=bool)
    alive[3_000:, 4] = False
    values, still = measured(LANES, np.full(alive.shape, 300.0), TIMES, alive, np.random.default_rng(1))
    assert np.abs(values[3_000:, 4]).max() < 10.0
    assert (still == alive).all()
