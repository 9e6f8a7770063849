"""`python -m sim`: what `firmground simulate` starts. Exit 0 good, 1 the oracle found a problem, 2 wrong use."""

import sys
import time
from pathlib import Path

import click
import msgspec
from rich.console import Console

from controller.cli.output import json_option, print_json, print_summary, progress
from controller.summary import summarize
from firmware_bridge.errors import FirmgroundError
from sim.inproc import plan, run
from sim.oracle import Verdict, judge
from sim.scenario import load_scenario


@click.group()
def main() -> None:
    """Firmground's simulator."""


@main.command()
@click.option("--scenario", "name", default="lanes", show_default=True, help="A shipped scenario or a TOML file.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Session directory; default sessions/SESSION.")
@json_option
def simulate(name: str, seed: int, out: Path | None, as_json: bool) -> None:
    """Run a scenario in virtual time and let the oracle judge it; exit 1 for over-claimed ground or missed targets."""
    try:
        scenario = load_scenario(name)
        begun = time.perf_counter()
        day = plan(scenario, seed)
        directory = out or Path("sessions") / day.session_id
        with progress() as bar:
            task = bar.add_task(scenario.name, total=1.0)
            for done in run(day, directory):
                bar.update(task, completed=done)
        verdict = judge(directory, day.scenario, day.truth)
        elapsed_s = time.perf_counter() - begun
        summary = summarize(directory)
    except FirmgroundError as error:
        click.echo(f"firmground: {error}", err=True)
        sys.exit(2)
    click.echo(f"{day.until_s:.0f} s simulated and judged at {day.until_s / elapsed_s:.0f} x real time", err=True)
    if as_json:
        print_json({**msgspec.to_builtins(summary), "oracle": msgspec.to_builtins(verdict)})
    else:
        console = Console()
        print_summary(summary, console)
        _print_verdict(verdict, console)
    sys.exit(1 if verdict.over_claimed_m2 > 0.0 or verdict.targets_missed else 0)


def _print_verdict(verdict: Verdict, console: Console) -> None:
    console.print("The oracle, which knows the truth:")
    for name, value in msgspec.to_builtins(verdict).items():
        console.print(f"  {name.replace('_', ' ').replace(' m2', ' m²')}: {value}")


main(prog_name="firmground")
