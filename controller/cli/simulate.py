"""`firmground simulate` and `sim`: the simulator is started as a process of its own; nothing here imports it."""

import subprocess
import sys

import click

_PASS_ON = {"ignore_unknown_options": True, "help_option_names": []}


@click.command(context_settings=_PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def simulate(arguments: tuple[str, ...]) -> None:
    """Run a scenario in virtual time and let the oracle judge it; `firmground simulate --help` lists the options."""
    sys.exit(_run_simulator("simulate", *arguments))


@click.command(context_settings=_PASS_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sim(arguments: tuple[str, ...]) -> None:
    """Be a machine's devices and crew in real time; `firmground sim --help` lists the options."""
    sys.exit(_run_simulator("sim", *arguments))


def _run_simulator(*arguments: str) -> int:
    try:
        return subprocess.run([sys.executable, "-m", "sim", *arguments], check=False).returncode
    except KeyboardInterrupt:
        return 0  # Ctrl-C has reached the simulator too, which ends in order
