"""
Many seeds through the same scenario, each judged by the oracle: what one good run cannot show.

`bounded`   : errors within what is stated; nothing may be over-claimed and nothing missed, whatever the seed
`bad-check` : the same, and a channel is found dead by the closing check; `no-check`: it is never done
`honest`    : Gaussian errors; over-claimed ground, pooled over all seeds, may be as large a share of what was credited
              as the profile's confidence leaves
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import msgspec

from controller.config import load_profile
from controller.summary import summarize
from sim.day import plan
from sim.inproc import run
from sim.oracle import judge
from sim.scenario import Scenario, load_scenario


def _honest(scenario: Scenario) -> Scenario:
    gnss = msgspec.structs.replace(scenario.gnss, error_model="honest")
    return msgspec.structs.replace(scenario, gnss=gnss)


VARIANTS: dict[str, Callable[[Scenario], Scenario]] = {
    "bounded": lambda scenario: scenario,
    "bad-check": lambda scenario: msgspec.structs.replace(scenario, closing_check="bad"),
    "no-check": lambda scenario: msgspec.structs.replace(scenario, closing_check="none"),
    "honest": _honest,
}


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
    """

    case: Case
    credited_m2: float = 0.0
    over_claimed_m2: float = 0.0
    missed_claim_m2: float = 0.0
    targets_found: int = 0
    targets_missed: int = 0
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
    """All runs together. `honest_share`: over-claimed of credited ground; None without honest runs."""

    runs: int
    failures: tuple[tuple[str, str], ...]
    credited_m2: float
    targets_found: int
    missed_claim_m2: float
    honest_share: float | None
    honest_share_max: float

    @property
    def is_good(self) -> bool:
        """No run failed, and honest noise over-claims no more than it may."""
        return not self.failures and (self.honest_share is None or self.honest_share <= self.honest_share_max)


def cases(scenario: str, variants: Iterable[str], first: int, count: int) -> list[Case]:
    """`count` runs from seed `first` on, the variants in turn."""
    names = list(variants)
    return [Case(scenario=scenario, variant=names[n % len(names)], seed=first + n // len(names)) for n in range(count)]


def run_case(case: Case, keep: Path | None = None) -> Outcome:
    """Live through one run and judge it, in a directory that is kept only where asked."""
    scenario = VARIANTS[case.variant](load_scenario(case.scenario))
    with tempfile.TemporaryDirectory() as scratch:
        directory = (keep or Path(scratch)) / f"{scenario.name}-{case.variant}-{case.seed}"
        day = plan(scenario, case.seed)
        for _ in run(day, directory):
            pass
        verdict, summary = judge(directory, day.scenario, day.truth), summarize(directory)
    return Outcome(
        case=case,
        credited_m2=summary.searched_m2 + summary.provisional_m2,
        over_claimed_m2=verdict.over_claimed_m2,
        missed_claim_m2=verdict.missed_claim_m2,
        targets_found=verdict.targets_found,
        targets_missed=verdict.targets_missed,
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
    confidence = float(load_profile(load_scenario(scenario).profile).confidence.rstrip("%")) / 100.0
    return Totals(
        runs=len(done),
        failures=tuple((outcome.failure, outcome.case.command) for outcome in done if outcome.failure is not None),
        credited_m2=round(sum(outcome.credited_m2 for outcome in done), 2),
        targets_found=sum(outcome.targets_found for outcome in done),
        missed_claim_m2=round(sum(outcome.missed_claim_m2 for outcome in done), 2),
        honest_share=sum(outcome.over_claimed_m2 for outcome in honest) / credited_m2 if credited_m2 else None,
        honest_share_max=round(1.0 - confidence, 6),
    )
