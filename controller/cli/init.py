"""`firmground init`: find what is plugged in, and write a first configuration."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from controller.cli.output import json_option, print_json
from controller.config import parse_config
from controller.first_config import compose, recognise
from firmware_bridge.errors import ConfigError
from firmware_bridge.io.listen import find_ports, listen


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("controller.toml"), show_default=True)
@click.option("--port", "ports", multiple=True, help="Listen here; may be repeated.  [default: every serial port]")
@click.option(
    "--seconds", type=click.FloatRange(0.2, 60.0), default=1.5, show_default=True, help="At each speed, at most."
)
@json_option
def init(out: Path, ports: tuple[str, ...], seconds: float, as_json: bool) -> None:
    """Listen to every serial port, guess speed and protocol, and write a commented configuration.

    Exits 1 where a position source or a detector was not found; what was found is written all the same.
    """
    if out.exists():
        raise ConfigError(f"{out}: is there already; choose another name with --out, or move it away")
    names = list(ports) or find_ports()
    if not names:
        click.echo("firmground: no serial port is there; plug the devices in, or name one with --port", err=True)
    with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
        devices = recognise(list(pool.map(lambda name: listen(name, seconds), names)))
    first = compose(devices)
    if not first.missing:
        parse_config(first.text, str(out))
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(first.text)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error.strerror}") from error
    found = {device.heard.port: device.label for device in devices}
    if as_json:
        print_json({"config": str(out), "ports": found, "missing": first.missing})
    else:
        for port, label in found.items():
            click.echo(f"{port}: {label}")
        for what in first.missing:
            click.echo(f"missing: {what}; plug it in and call init again, or write its section by hand")
        click.echo(f"{out} is written; fill in what is marked, then: firmground doctor --config {out}")
    sys.exit(1 if first.missing else 0)
