"""`python -m sim`: what `firmground simulate` and `sim` start. Exit 0 good, 1 found a problem, 2 wrong use."""

import os
import signal
import socket
import sys
import threading
from pathlib import Path

import click
import msgspec
from rich.console import Console

from controller.cli.output import json_option, print_json, print_summary, progress
from controller.summary import SessionSummary, summarize
from firmware_bridge.clock import now_ns
from firmware_bridge.errors import FirmgroundError
from sim.console_client import ConsoleClient
from sim.day import plan
from sim.faults import table
from sim.inproc import run
from sim.live import live
from sim.machine_config import Rig, config_text
from sim.oracle import Verdict, judge
from sim.scenario import load_scenario, with_faults
from sim.seeds import VARIANTS, Totals, cases, run_all, total


@click.group()
def main() -> None:
    """Firmground's simulator."""


@main.command()
@click.option("--scenario", "name", default="lanes", show_default=True, help="A shipped scenario or a TOML file.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True)
@click.option("--faults", "faults", default="", help="Kinds of the catalogue, with commas: KIND or KIND:LINK.")
@click.option("--out", type=click.Path(path_type=Path), help="Session directory; default sessions/SESSION.")
@json_option
def simulate(name: str, seed: int, faults: str, out: Path | None, as_json: bool) -> None:
    """Run a scenario in virtual time and let the oracle judge it; exit 1 for over-claimed ground or missed targets."""
    try:
        scenario = with_faults(load_scenario(name), faults)
        begun_ns = now_ns()
        day = plan(scenario, seed)
        directory = out or Path("sessions") / day.session_id
        with progress() as bar:
            task = bar.add_task(scenario.name, total=1.0)
            for done in run(day, directory):
                bar.update(task, completed=done)
        verdict = judge(directory, day.scenario, day.truth)
        elapsed_s = (now_ns() - begun_ns) / 1e9
        summary = summarize(directory)
    except FirmgroundError as error:
        click.echo(f"firmground: {error}", err=True)
        sys.exit(2)
    click.echo(f"{day.until_s:.0f} s simulated and judged at {day.until_s / elapsed_s:.0f} x real time", err=True)
    _report(summary, verdict, as_json)


@main.command("sim")
@click.option("--scenario", "name", default="demo", show_default=True, help="A shipped scenario or a TOML file.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("sim-run"),
    show_default=True,
    help="Where ports, socket and the machine's configuration are put.",
)
@click.option("--data", type=click.Path(path_type=Path), help="The machine's data directory; default DIRECTORY/data.")
@click.option("--seconds", type=click.FloatRange(min=1.0), help="End the session after so long, done or not.")
@click.option("--broker", type=click.IntRange(1, 65_535), default=1883, show_default=True, help="Port on 127.0.0.1.")
@click.option("--console", "console_port", type=click.IntRange(1, 65_535), default=8080, show_default=True)
@click.option("--quiet", is_flag=True, help="Do not say what to start next.")
@json_option
def sim(
    name: str,
    seed: int,
    directory: Path,
    data: Path | None,
    seconds: float | None,
    broker: int,
    console_port: int,
    quiet: bool,
    as_json: bool,
) -> None:
    """Be a machine's devices and crew in real time, on pseudo-terminals and UDP; judge the session at its end."""
    begun_ns = now_ns()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        day = plan(load_scenario(name), seed)
        rig = _rig(directory, data, broker, console_port)
        config = directory / "controller.toml"
        config.with_suffix(".new").write_text(config_text(day.scenario, rig), encoding="utf-8")
        config.with_suffix(".new").replace(config)
        if not quiet:
            click.echo(f"sim: waiting for a controller: firmground run --origin simulated --config {config}", err=True)
        client = ConsoleClient(console_port)
        with progress() as bar:
            task = bar.add_task(day.scenario.name, total=1.0)
            until_ns = None if seconds is None else begun_ns + round(seconds * 1e9)
            session: Path | None = None
            for done in live(day, rig, client, until_ns=until_ns, is_stopped=stopping.is_set):
                bar.update(task, completed=done)
                if session is None and done > 0.0:
                    session = Path(client.state()["directory"])
        assert session is not None, "a day that was lived through had a session"
        verdict = judge(session, day.scenario, day.truth)
        summary = summarize(session)
    except FirmgroundError as error:
        click.echo(f"firmground: {error}", err=True)
        sys.exit(2)
    _report(summary, verdict, as_json)


@main.command("faults")
def list_faults() -> None:
    """Print the catalogue of faults, as the table of the safety page."""
    click.echo(table(), nl=False)


@main.command()
@click.option("--scenario", "name", default="first-lane", show_default=True, help="A shipped scenario or a TOML file.")
@click.option("--variant", "variants", multiple=True, type=click.Choice(list(VARIANTS)), help="[default: all in turn]")
@click.option("--first", type=click.IntRange(0, 2**31), default=1, show_default=True, help="The first seed.")
@click.option("--count", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="How many runs.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes at a time.  [default: one for each processor]")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the sessions in this directory.")
@json_option
def seeds(
    name: str, variants: tuple[str, ...], first: int, count: int, jobs: int | None, keep: Path | None, as_json: bool
) -> None:
    """Run many seeds and have each judged; exit 1 where one fails, with the command that repeats it."""
    try:
        load_scenario(name)
    except FirmgroundError as error:
        click.echo(f"firmground: {error}", err=True)
        sys.exit(2)
    work, outcomes = cases(name, variants or tuple(VARIANTS), first, count), []
    with progress() as bar:
        task = bar.add_task(name, total=float(count))
        for outcome in run_all(work, jobs or os.cpu_count() or 1, keep):
            outcomes.append(outcome)
            bar.advance(task)
    totals = total(outcomes, name)
    for failure, command in totals.failures:
        click.echo(f"{failure}; repeat it: {command}", err=True)
    if as_json:
        print_json({**msgspec.to_builtins(totals), "is_good": totals.is_good})
    else:
        click.echo(_totals_line(totals))
    sys.exit(0 if totals.is_good else 1)


def _totals_line(totals: Totals) -> str:
    share = (
        "none" if totals.honest_share is None else f"{totals.honest_share:.4%} of at most {totals.honest_share_max:.2%}"
    )
    strip = "none" if totals.honest_strip_m is None else "{} x {} m".format(*totals.honest_strip_m)
    covered = (
        "none"
        if totals.covered_share is None
        else f"{totals.covered_share:.2%} (95 % less {totals.covered_chance:.2%} of chance)"
    )
    return (
        f"{totals.runs} runs, {len(totals.failures)} failed; credited {totals.credited_m2} m², "
        f"targets found {totals.targets_found}, missed claim {totals.missed_claim_m2} m²; "
        f"over-claimed until withdrawn at most {totals.taken_over_m2} m²; "
        f"over-claimed under honest noise: {share}, largest strip {strip}; errors within what is stated: {covered}"
    )


def _rig(directory: Path, data: Path | None, broker: int, console_port: int) -> Rig:
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        autopilot_port = probe.getsockname()[1]
    return Rig(
        gnss=str(directory / "gnss"),
        head=str(directory / "head"),
        autopilot=f"udp://127.0.0.1:{autopilot_port}",
        data=str((data or directory / "data").resolve()),
        socket=str(directory / "core.sock"),
        broker=("127.0.0.1", broker),
        console_port=console_port,
    )


def _report(summary: SessionSummary, verdict: Verdict, as_json: bool) -> None:
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
        if name == "withdrawals":
            continue
        unit = {"m2": " m²", "m": " m"}.get(name.rsplit("_", 1)[-1], "")
        words = name.removesuffix("_m2").removesuffix("_m").replace("_", " ")
        match value:
            case None:
                console.print(f"  {words}: none")
            case [first, second] if name == "over_claimed_strip_m":
                console.print(f"  {words}: {first} x {second} m")
            case [first, second]:
                console.print(f"  {words}: median {first}, largest {second} m")
            case _:
                console.print(f"  {words}: {value}{unit}")
    for taken in verdict.withdrawals:
        console.print(
            f"  withdrawn at {taken.mono_ns / 1e9:.1f} s: {taken.credited_m2} m², over-claimed "
            f"{taken.over_claimed_before_m2} m² before and {taken.over_claimed_after_m2} m² after; {taken.cause}"
        )


if __name__ == "__main__":  # a spawned worker imports this file, too
    main(prog_name="firmground")
