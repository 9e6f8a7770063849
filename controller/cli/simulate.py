"""`firmground simulate` and `demo`: the simulator is started as a process of its own; nothing here imports it."""

import subprocess
import sys
from pathlib import Path

import click
from rich.console import Console

from controller.cli.map_view import draw_map
from controller.summary import read_map
from firmware_bridge.errors import SimulatorError


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def simulate(arguments: tuple[str, ...]) -> None:
    """Run a scenario in virtual time and let the oracle judge it; `firmground simulate --help` lists the options."""
    sys.exit(_run_simulator("simulate", *arguments))


@click.command()
@click.option("--scenario", default="lanes", show_default=True, help="Which world and work to simulate.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same record.")
@click.option("--seconds", type=click.FloatRange(min=1.0), help="Stop, with exit code 1, if it is not done by then.")
@click.option("--headless", is_flag=True, help="Draw no map.")
@click.option("--out", type=click.Path(path_type=Path), help="Session directory; default sessions/SESSION.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object and no map.")
def demo(scenario: str, seed: int, seconds: float | None, headless: bool, out: Path | None, as_json: bool) -> None:
    """Run the reference scenario in virtual time, judge it, and draw the map it leaves."""
    directory = out or _free_directory(Path("sessions"), f"demo-{scenario}-{seed}")
    arguments = ["simulate", "--scenario", scenario, "--seed", str(seed), "--out", str(directory)]
    code = _run_simulator(*arguments, *(["--json"] if as_json else []), seconds=seconds)
    if code != 2 and not headless and not as_json:
        console = Console()
        console.print(draw_map(read_map(directory), console.width))
    if code != 2 and not as_json:
        click.echo(f"\nThe session is kept in {directory}. Try:")
        click.echo(f"  firmground replay {directory}")
        click.echo(f"  firmground export {directory} --what coverage --format geojson --out coverage.geojson")
    sys.exit(code)


def _free_directory(parent: Path, name: str) -> Path:
    """The first of NAME, NAME-2, NAME-3 … that does not exist: a demo never overwrites a session."""
    count = 1
    directory = parent / name
    while directory.exists():
        count += 1
        directory = parent / f"{name}-{count}"
    return directory


def _run_simulator(*arguments: str, seconds: float | None = None) -> int:
    """The simulator's exit code; raises `SimulatorError` where it took longer than `seconds`."""
    try:
        return subprocess.run([sys.executable, "-m", "sim", *arguments], check=False, timeout=seconds).returncode
    except subprocess.TimeoutExpired as error:
        raise SimulatorError(f"the simulation was not done after {error.timeout:.0f} s; its session is cut") from error
