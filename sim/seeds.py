"""
Many seeds through the same scenario, each judged by the oracle: what one good run cannot show.

`bounded`   : errors within what is stated; nothing may be over-claimed and nothing missed, whatever the seed
`bad-check` : the same, and a channel is found dead by the closing check; `no-check`: it is never done
`honest`    : Gaussian errors; over-claimed ground, pooled over all seeds, may be as large a share of what was credited
              as the profile's confidence leaves
`fault`     : bounded, and one fault of the catalogue, of any kind on any line at any time; `faults`: three of them
`lying`     : bounded, and a receiver or base station that is displaced: nothing over-claimed may stand at the end
"""

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from controller.profile_files import load_profile
from controller.summary import summarize
from sim.day import plan
from sim.faults import CATALOGUE
from sim.gnss import DISPLACED_M
from sim.gnss_errors import coverage
from sim.inproc import run
from sim.oracle import judge
from sim.scenario import Scenario, load_scenario
from sim.sections import Fault, FaultKind, GnssModel


def _honest(scenario: Scenario, seed: int) -> Scenario:
    gnss = msgspec.structs.replace(scenario.gnss, error_model="honest")
    return msgspec.structs.replace(scenario, gnss=gnss)


def _closing(check: Literal["bad", "none"]) -> Callable[[Scenario, int], Scenario]:
    return lambda scenario, seed: msgspec.structs.replace(scenario, closing_check=check)


def _faulty(kinds: tuple[FaultKind, ...], count: int) -> Callable[[Scenario, int], Scenario]:
    """So many faults of these kinds, each somewhere on the way, drawn by the seed."""

    def change(scenario: Scenario, seed: int) -> Scenario:
        random = np.random.default_rng([seed, count, len(kinds)])
        drawn = [random_fault(kinds[int(random.integers(len(kinds)))], scenario, random) for _ in range(count)]
        return msgspec.structs.replace(scenario, fault=(*scenario.fault, *drawn))

    return change


def random_fault(kind: FaultKind, scenario: Scenario, random: np.random.Generator) -> Fault:
    """A fault of a kind within the way's first half minute, short or long, on any line that can have it."""
    row = next(row for row in CATALOGUE if row.kind == kind)
    links = [link for link in row.links if link != "gnss2" or scenario.gnss2 is not None]
    link = links[int(random.integers(len(links)))]
    # Where everybody stood before the first check passed, nothing but a known point can show: see the safety page.
    from_s = round(float(random.uniform(0.0 if kind in LYING else -5.0, 30.0)), 3)
    lasts_s = round(float(random.uniform(0.2, 20.0)), 3)
    # A dead channel that lives again before the check is not seen by anybody: see the safety page.
    until_s = None if row.lasts_s is None else from_s + lasts_s
    size = None
    if kind in DISPLACED_M:
        size = round(float(random.uniform(0.1, 2.0)), 3)
    elif kind in ("dead_channel", "stuck_channel"):
        size = float(random.integers(1, scenario.head.channels + 1))
    elif kind in ("head_clock_step", "receiver_clock_step"):
        size = round(float(random.uniform(0.02, 5.0)) * float(random.choice([-1.0, 1.0])), 3)
    return Fault(kind=kind, link=link, from_s=from_s, until_s=until_s, size=size)


ANY: tuple[FaultKind, ...] = tuple(row.kind for row in CATALOGUE)
LYING: tuple[FaultKind, ...] = ("false_fix", "base_moved", "base_switched", "receiver_freeze")
VARIANTS: dict[str, Callable[[Scenario, int], Scenario]] = {
    "bounded": lambda scenario, seed: scenario,
    "bad-check": _closing("bad"),
    "no-check": _closing("none"),
    "honest": _honest,
    "fault": _faulty(ANY, 1),
    "faults": _faulty(ANY, 3),
    "lying": _faulty(LYING, 1),
}
EPOCHS = 6_000  # of a receiver by itself, in each honest run: ten minutes at 10 Hz


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One run: a scenario by name or path, a variant of it, a seed."""

    scenario: str
    variant: str
    seed: int

    @property
    def command(self) -> str:
        """What repeats exactly this run and keeps its session."""
        return (
            f"python -m sim seeds --scenario {self.scenario} --variant {self.variant} --first {self.seed} --count 1 "
            "--keep seeds-kept"
        )


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """
    A judged run. `credited_m2`: searched and provisional together; `error`: what ended the run instead, in words.

    strip_m         : width and length of the largest over-claimed strip
    taken_over_m2   : over-claimed ground that stood until the record withdrew it
    epochs, epochs_covered : of the receiver's model by itself, and in how many its stated error covers the true one
    """

    case: Case
    credited_m2: float = 0.0
    over_claimed_m2: float = 0.0
    missed_claim_m2: float = 0.0
    targets_found: int = 0
    targets_missed: int = 0
    strip_m: tuple[float, float] | None = None
    taken_over_m2: float = 0.0
    epochs: int = 0
    epochs_covered: int = 0
    error: str | None = None

    @property
    def failure(self) -> str | None:
        """What this run alone shows to be wrong; over-claimed ground of honest noise is judged in the pool."""
        if self.error is not None:
            return self.error
        if self.case.variant != "honest" and self.over_claimed_m2 > 0.0:
            return f"over-claimed {self.over_claimed_m2} m2"
        if self.targets_missed:
            return f"{self.targets_missed} targets under ground called searched"
        return None


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """
    All runs together.

    honest_share   : over-claimed of credited ground; None without honest runs
    honest_strip_m : width and length of their largest over-claimed strip; None without any
    taken_over_m2  : the most that was over-claimed in any run until the record withdrew it
    covered_share  : of honest epochs, those in which the stated 95 % error covers the true one; likewise
    covered_chance : what so many epochs, slow as errors wander, leave to chance: three sigmas
    """

    runs: int
    failures: tuple[tuple[str, str], ...]
    credited_m2: float
    targets_found: int
    missed_claim_m2: float
    honest_share: float | None
    honest_share_max: float
    honest_strip_m: tuple[float, float] | None
    taken_over_m2: float
    covered_share: float | None
    covered_chance: float

    @property
    def is_good(self) -> bool:
        """No run failed, honest noise over-claims no more than it may, and errors are what receivers state."""
        is_honest = self.honest_share is None or self.honest_share <= self.honest_share_max
        is_covered = self.covered_share is None or self.covered_share >= 0.95 - self.covered_chance
        return not self.failures and is_honest and is_covered


def cases(scenario: str, variants: Iterable[str], first: int, count: int) -> list[Case]:
    """`count` runs from seed `first` on, the variants in turn."""
    names = list(variants)
    return [Case(scenario=scenario, variant=names[n % len(names)], seed=first + n // len(names)) for n in range(count)]


def run_case(case: Case, keep: Path | None = None) -> Outcome:
    """Live through one run and judge it, in a directory that is kept only where asked."""
    scenario = VARIANTS[case.variant](load_scenario(case.scenario), case.seed)
    with tempfile.TemporaryDirectory() as scratch:
        directory = (keep or Path(scratch)) / f"{scenario.name}-{case.variant}-{case.seed}"
        day = plan(scenario, case.seed)
        for _ in run(day, directory):
            pass
        verdict, summary = judge(directory, day.scenario, day.truth), summarize(directory)
    covered, epochs = 0, 0
    if case.variant == "honest":
        covered, epochs = coverage(scenario, EPOCHS, np.random.default_rng(case.seed))
    return Outcome(
        case=case,
        epochs=epochs,
        epochs_covered=covered,
        credited_m2=summary.searched_m2 + summary.provisional_m2,
        over_claimed_m2=verdict.over_claimed_m2,
        missed_claim_m2=verdict.missed_claim_m2,
        targets_found=verdict.targets_found,
        targets_missed=verdict.targets_missed,
        strip_m=verdict.over_claimed_strip_m,
        taken_over_m2=max((taken.over_claimed_before_m2 for taken in verdict.withdrawals), default=0.0),
    )


def run_all(work: list[Case], jobs: int, keep: Path | None = None) -> Iterator[Outcome]:
    """Outcomes as they come, from `jobs` processes; a run that breaks is an outcome, too, and stops no other."""
    with ProcessPoolExecutor(max_workers=jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(run_case, case, keep): case for case in work}
        for future in as_completed(waiting):
            error = future.exception()
            if error is None:
                yield future.result()
            else:
                yield Outcome(case=waiting[future], error=f"{type(error).__name__}: {error}")


def total(outcomes: Iterable[Outcome], scenario: str) -> Totals:
    """The pool, failures in the order of their seeds."""
    done = sorted(outcomes, key=lambda outcome: (outcome.case.seed, outcome.case.variant))
    honest = [outcome for outcome in done if outcome.case.variant == "honest"]
    credited_m2 = sum(outcome.credited_m2 for outcome in honest)
    epochs, covered = sum(outcome.epochs for outcome in honest), sum(outcome.epochs_covered for outcome in honest)
    confidence = float(load_profile(load_scenario(scenario).profile).confidence.rstrip("%")) / 100.0
    return Totals(
        runs=len(done),
        failures=tuple((outcome.failure, outcome.case.command) for outcome in done if outcome.failure is not None),
        credited_m2=round(sum(outcome.credited_m2 for outcome in done), 2),
        targets_found=sum(outcome.targets_found for outcome in done),
        missed_claim_m2=round(sum(outcome.missed_claim_m2 for outcome in done), 2),
        honest_share=sum(outcome.over_claimed_m2 for outcome in honest) / credited_m2 if credited_m2 else None,
        honest_share_max=round(1.0 - confidence, 6),
        honest_strip_m=max((run.strip_m for run in honest if run.strip_m is not None), default=None),
        taken_over_m2=max((outcome.taken_over_m2 for outcome in done), default=0.0),
        covered_share=covered / epochs if epochs else None,
        covered_chance=_covered_chance(epochs, load_scenario(scenario).gnss),
    )


def _covered_chance(epochs: int, gnss: GnssModel) -> float:
    """Epochs within two time constants of each other tell nearly the same: three sigmas of what is left."""
    independent = max(1.0, epochs / gnss.rate_hz / (2.0 * gnss.correlation_s))
    return round(3.0 * math.sqrt(0.95 * 0.05 / independent), 4)
