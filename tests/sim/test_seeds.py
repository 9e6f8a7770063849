"""Many seeds: every run judged, failures named with what repeats them, honest noise judged in the pool."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.faults import check_faults
from sim.scenario import load_scenario
from sim.seeds import ANY, VARIANTS, Case, Outcome, cases, random_fault, run_all, total


def outcome(variant="bounded", seed=1, **fields):
    case = Case(scenario="first-lane", variant=variant, seed=seed)
    return Outcome(case=case, **{"credited_m2": 10.0, "targets_found": 1, **fields})


def seeds_command(*arguments):
    command = [sys.executable, "-m", "sim", "seeds", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=170)


def test_runs_take_the_variants_in_turn():
    """Every seed goes through each of them before the next."""
    work = cases("first-lane", ["bounded", "honest"], 7, 5)
    assert [(case.variant, case.seed) for case in work] == [
        ("bounded", 7),
        ("honest", 7),
        ("bounded", 8),
        ("honest", 8),
        ("bounded", 9),
    ]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"over_claimed_m2": 0.0001}, "over-claimed 0.0001 m2"),
        ({"targets_missed": 1}, "1 targets under ground called searched"),
        ({"error": "ValueError: no"}, "ValueError: no"),
    ],
)
def test_one_bad_run_fails_them_all_and_is_repeated_by_one_command(fields, words):
    """The command names scenario, variant and seed."""
    totals = total([outcome(seed=2, **fields), outcome(seed=1)], "first-lane")
    assert not totals.is_good
    ((failure, command),) = totals.failures
    assert failure == words
    assert "--scenario first-lane --variant bounded --first 2 --count 1" in command


@pytest.mark.parametrize(("over_m2", "is_good"), [(0.9, True), (1.1, False)])
def test_honest_noise_is_judged_in_the_pool(over_m2, is_good):
    """20 m2 credited at the 95 % of its profile leave 1 m2; bounded runs do not thin the share."""
    runs = [outcome("honest", over_claimed_m2=over_m2), outcome("honest", seed=2), outcome(seed=3)]
    totals = total(runs, "first-lane")
    assert totals.failures == ()
    assert totals.honest_share == pytest.approx(over_m2 / 20.0)
    assert totals.is_good == is_good


@pytest.mark.parametrize(("covered", "is_good"), [(5_600, True), (4_000, False)])
def test_errors_are_judged_by_what_receivers_state(covered, is_good):
    """Gate (b): the share of epochs within the stated error, less what so few wanderings leave to chance."""
    totals = total([outcome("honest", epochs=6_000, epochs_covered=covered)] * 5, "first-lane")
    assert totals.covered_share == pytest.approx(covered / 6_000)
    assert totals.is_good == is_good


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(ANY))
def test_every_fault_that_is_drawn_can_be_in_a_scenario(seed, kind):
    """Of any kind, on a line that can have it, within its range."""
    scenario = load_scenario("first-lane")
    fault = random_fault(kind, scenario, np.random.default_rng(seed))
    assert fault.kind == kind
    check_faults((fault,), scenario.head.channels, "drawn")


def test_the_largest_strip_and_what_stood_until_it_was_withdrawn_are_reported():
    """Gates (c) and (d): of honest runs the widest strip, of all the most that was false for a while."""
    totals = total(
        [
            outcome("honest", strip_m=(0.02, 0.4), over_claimed_m2=0.01),
            outcome("honest", seed=2, strip_m=(0.03, 0.2), over_claimed_m2=0.01),
            outcome("lying", seed=3, taken_over_m2=0.7),
        ],
        "first-lane",
    )
    assert totals.honest_strip_m == (0.03, 0.2)
    assert totals.taken_over_m2 == 0.7
    assert totals.is_good


def test_a_run_that_breaks_stops_no_other(tmp_path):
    """Its outcome says why; the other one is judged."""
    path = tmp_path / "broken.toml"
    path.write_text("name = 1")
    work = [Case(scenario=name, variant="bounded", seed=1) for name in (str(path), "first-lane")]
    done = {outcome.case.scenario: outcome for outcome in run_all(work, 2)}
    assert done[str(path)].error is not None
    assert "ConfigError" in done[str(path)].error
    assert done["first-lane"].failure is None
    assert done["first-lane"].targets_found == 2


def test_a_few_seeds_of_every_variant_are_good(tmp_path):
    """What `make seeds` does, small; the sessions are kept where asked."""
    done = seeds_command(
        "--count", 2 * len(VARIANTS), "--first", 11, "--jobs", 2, "--keep", tmp_path / "kept", "--json"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    totals = json.loads(done.stdout)
    assert (totals["runs"], totals["failures"]) == (2 * len(VARIANTS), [])
    assert totals["credited_m2"] > 0.0
    assert totals["honest_share"] <= totals["honest_share_max"] == pytest.approx(0.05)
    assert len(list((tmp_path / "kept").iterdir())) == 2 * len(VARIANTS)


def test_an_unknown_scenario_is_wrong_use():
    """Exit 2, with the names there are."""
    done = seeds_command("--scenario", "nowhere", "--count", 1)
    assert done.returncode == 2
    assert "first-lane" in done.stderr
