"""`firmground simulate` and `demo`: the simulator is started as a process of its own; nothing here imports it."""

import subprocess
import sys

import click

_PASSED_ON = {"ignore_unknown_options": True, "help_option_names": []}


@click.command(context_settings=_PASSED_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def simulate(arguments: tuple[str, ...]) -> None:
    """Run a scenario in virtual time and let the oracle judge it; `firmground simulate --help` lists the options."""
    sys.exit(_simulator("simulate", *arguments))


@click.command(context_settings=_PASSED_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def demo(arguments: tuple[str, ...]) -> None:
    """Run the reference scenario and show the map; `firmground demo --help` lists the options."""
    sys.exit(_simulator("demo", *arguments))


def _simulator(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "sim", *arguments], check=False).returncode
