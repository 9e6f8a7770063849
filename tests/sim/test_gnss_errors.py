"""How far off receivers are: bounds that hold, statements that are true, figures that are usual."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.records import FixClass
from sim.gnss_errors import PRESETS, VERTICAL, coverage, error_model
from sim.machine_config import receiver_bounds
from sim.scenario import RADIUS_95, load_scenario

LANES = load_scenario("lanes")
EVERY_10TH = 0.1


def gnss_of(**changes):
    return msgspec.structs.replace(LANES.gnss, **changes)


def taken(gnss, step_s, epochs, seed=1):
    return error_model(gnss, step_s, np.random.default_rng(seed)).take(step_s * np.arange(epochs))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_bounded_receivers_error_keeps_both_its_bounds(seed):
    """Never longer than stated; between two epochs never more apart than noise and drift allow."""
    gnss = LANES.gnss
    times = np.arange(600) / gnss.rate_hz
    errors = taken(gnss, 1.0 / gnss.rate_hz, 600, seed)[:, :2]
    assert (np.hypot(*errors.T) <= gnss.stated_error_95_m).all()
    apart = np.hypot(*(errors[:, None] - errors[None]).transpose(2, 0, 1))
    allowed = 2 * gnss.white_m + gnss.drift_m_s * np.abs(times[:, None] - times[None])
    assert (apart <= allowed + 1e-9).all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_an_honest_receiver_errs_as_often_as_it_says(seed):
    """95 % within the stated error over many hours, and some of the rest beyond it."""
    gnss = gnss_of(error_model="honest")
    # Steps as long as three time constants are nearly independent of each other.
    errors = taken(gnss, 3.0 * gnss.correlation_s, 20_000, seed)[:, :2]
    assert (np.hypot(*errors.T) <= gnss.stated_error_95_m).mean() == pytest.approx(0.95, abs=0.012)


def test_an_honest_receiver_keeps_the_configured_wander_nearly_always():
    """Two fixes of one pass differ by more than the configuration says in fewer than 1 of 100 pairs."""
    gnss = gnss_of(error_model="honest")
    errors = taken(gnss, 1.0 / gnss.rate_hz, 50_000)[:, :2]
    relative_m, drift_m_s = receiver_bounds(gnss)
    for lag in (1, 10, 35):
        apart = np.hypot(*(errors[lag:] - errors[:-lag]).T)
        assert (apart > relative_m + drift_m_s * lag / gnss.rate_hz).mean() < 0.01


@pytest.mark.parametrize("fix_class", list(PRESETS), ids=lambda fix_class: fix_class.value)
def test_each_class_of_fix_wanders_as_is_usual_for_it(fix_class):
    """Sigma within 2 %, time constant, by the correlation at a tenth of it, within 10 %; pooled over many receivers."""
    preset, gnss = PRESETS[fix_class], gnss_of(error_model="preset", fix_class=fix_class.value)
    step_s, lag = preset.correlation_s / 10.0, 10
    runs = [taken(gnss, step_s, 4_000, seed) for seed in range(40)]
    pooled = np.concatenate([run[:, :2] for run in runs])
    sigma = np.hypot(preset.slow_m, preset.white_m)
    assert pooled.std() == pytest.approx(sigma, rel=0.02)
    products = np.mean([(run[lag:, :2] * run[:-lag, :2]).mean() for run in runs])
    constant_s = -lag * step_s / np.log(products / preset.slow_m**2)
    assert constant_s == pytest.approx(preset.correlation_s, rel=0.1)
    assert np.concatenate([run[:, 2] for run in runs]).std() == pytest.approx(VERTICAL * sigma, rel=0.03)


@pytest.mark.parametrize("model", ["bounded", "honest", *(fix_class.value for fix_class in PRESETS)])
def test_the_stated_error_covers_the_truth_in_its_share_of_all_epochs(model):
    """Gate (b) of P1: per receiver model, pooled over seeds, at least 95 % less what 200 runs leave to chance."""
    gnss = (
        gnss_of(error_model=model)
        if model in ("bounded", "honest")
        else gnss_of(error_model="preset", fix_class=model, rate_hz=1.0)
    )
    if gnss.error_model == "preset":
        preset = PRESETS[FixClass[model.upper()]]
        gnss = msgspec.structs.replace(
            gnss, stated_error_95_m=RADIUS_95 * float(np.hypot(preset.slow_m, preset.white_m))
        )
    scenario = msgspec.structs.replace(LANES, gnss=gnss)
    counts = [coverage(scenario, 2_000, np.random.default_rng(seed)) for seed in range(200)]
    covered, epochs = (sum(part) for part in zip(*counts, strict=True))
    assert epochs == 400_000
    assert covered / epochs >= (1.0 if model == "bounded" else 0.94)


def test_an_optimistic_receiver_is_found_by_its_coverage():
    """What states a third of its error covers far less than it says."""
    gnss = gnss_of(error_model="preset", fix_class="float", stated_error_95_m=0.25)
    covered, epochs = coverage(msgspec.structs.replace(LANES, gnss=gnss), 50_000, np.random.default_rng(1))
    assert covered / epochs < 0.6


@settings(max_examples=20, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 299), max_size=4, unique=True).map(sorted),
    model=st.sampled_from(["bounded", "honest"]),
)
def test_where_the_day_is_cut_changes_no_error(cuts, model):
    """The process goes on where it was."""
    gnss, times = gnss_of(error_model=model), EVERY_10TH * np.arange(300)
    cut = error_model(gnss, EVERY_10TH, np.random.default_rng(3))
    parts = [cut.take(part) for part in np.split(times, cuts)]
    assert (np.concatenate(parts) == taken(gnss, EVERY_10TH, 300, 3)).all()
