"""`firmground core`, `link` and `run`: the running system's processes."""

import logging
import signal
import sys
import time
from pathlib import Path

import click

from controller.cli.process import start, stop_all
from controller.config import read_config
from controller.core.inputs import Origin
from controller.daemon.main import run_core
from controller.link.main import run_link

RESTART_S = 1.0  # before a process that ended is started again

config_option = click.option(
    "--config", "config", type=click.Path(path_type=Path), required=True, help="The machine's TOML file."
)
origin_option = click.option(
    "--origin",
    type=click.Choice([Origin.LIVE.value, Origin.SIMULATED.value]),
    default=Origin.LIVE.value,
    show_default=True,
    help="What the launcher knows of where the bytes come from; latched for the session.",
)


@click.command()
@config_option
@origin_option
def core(config: Path, origin: str) -> None:
    """Run one session: devices in, alarms out, record on the disk. Ends in order on SIGTERM or Ctrl-C."""
    _log_to_stderr("core")
    directory = run_core(config, Origin(origin))
    click.echo(f"session kept in {directory}", err=True)


@click.command()
@config_option
def link(config: Path) -> None:
    """Publish the record over MQTT and serve the console. May be killed at any time; core does not notice."""
    _log_to_stderr("link")
    run_link(config)


@click.command()
@config_option
@origin_option
def run(config: Path, origin: str) -> None:
    """Start core and link, and start each again when it ends, until SIGTERM or Ctrl-C."""
    read_config(config)
    commands = {
        "core": ["core", "--config", str(config), "--origin", origin],
        "link": ["link", "--config", str(config)],
    }
    is_stopping = False

    def stop(*_: object) -> None:
        nonlocal is_stopping
        is_stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    processes = {name: start(arguments) for name, arguments in commands.items()}
    try:
        while not is_stopping:
            time.sleep(0.1)
            for name, process in processes.items():
                if process.poll() is not None and not is_stopping:
                    click.echo(f"firmground: {name} ended with code {process.returncode}; starting it again", err=True)
                    time.sleep(RESTART_S)
                    processes[name] = start(commands[name])
    finally:
        stop_all(*processes.values())


def _log_to_stderr(name: str) -> None:
    logging.basicConfig(level=logging.INFO, format=f"{name}: %(levelname)s %(message)s", stream=sys.stderr)
