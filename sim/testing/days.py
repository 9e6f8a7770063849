"""Days that are planned, lived through in virtual time and judged."""

from pathlib import Path

import msgspec

from controller.core.effects import AnyEvent
from controller.store.ledger import read_events
from controller.summary import SessionSummary, summarize
from sim.day import Day, Truth, plan
from sim.inproc import run
from sim.oracle import Verdict, judge
from sim.scenario import Scenario


class LivedDay(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    A day that was lived through in virtual time.

    directory : the session's, as a machine leaves it: ledger, logged inputs, configuration
    events    : of its ledger, in order (`controller.core.effects`)
    summary   : totals and detections, as `firmground simulate --json` prints them
    verdict   : the oracle's
    scenario, truth : what was simulated, and what really happened; with them the oracle judges any copy of the session
    """

    directory: Path
    events: tuple[AnyEvent, ...]
    summary: SessionSummary
    verdict: Verdict
    scenario: Scenario
    truth: Truth

    def __repr__(self) -> str:
        """Short: it stands in the messages of failed tests."""
        return f"LivedDay({self.scenario.name}, {self.directory}, {self.verdict})"

    def events_of(self, kind: type[msgspec.Struct]) -> tuple[AnyEvent, ...]:
        """Events of one kind, in order."""
        return tuple(event for event in self.events if isinstance(event, kind))


def planned_day(scenario: Scenario, seed: int) -> Day:
    """A scenario laid out in time; raises `ConfigError` where it leaves no room for its work."""
    return plan(scenario, seed)


def live_day(scenario: Scenario, seed: int, directory: Path) -> LivedDay:
    """Live through a scenario into a new session directory, as fast as it goes, and have it judged."""
    day = plan(scenario, seed)
    for _ in run(day, directory):
        pass
    return LivedDay(
        directory=directory,
        events=tuple(read_events(directory)),
        summary=summarize(directory),
        verdict=judge(directory, day.scenario, day.truth),
        scenario=day.scenario,
        truth=day.truth,
    )


def judge_day(directory: Path, day: LivedDay | Day) -> Verdict:
    """What a session's ledger claims against what was true on that day; raises `StoreError`."""
    return judge(directory, day.scenario, day.truth)
