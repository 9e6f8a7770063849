"""`firmground play`: a recording through the same core."""

import tempfile
from pathlib import Path

import click
import msgspec
from rich.console import Console

from controller.cli.output import json_option, print_json, print_summary, progress
from controller.play import play as play_capture
from controller.store.capture import Capture
from controller.store.importers import find_importer
from controller.summary import summarize
from firmware_bridge.records import LinkStats


@click.command()
@click.argument("capture", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Session directory to create.")
@json_option
def play(capture: Path, out: Path, as_json: bool) -> None:
    """Run a recording through the core in virtual time and keep the session in OUT.

    CAPTURE is a directory in Firmground's capture format, a Geophex GEM-2 export (`*_gem.csv` and `*_gps.csv`), or a
    file of a Geonics EM38-MK2's logger (`*.N38`).
    """
    importer = find_importer(capture)
    links: dict[str, LinkStats] = {}
    with tempfile.TemporaryDirectory() as scratch:
        recording = Capture.open(capture) if importer is None else importer(capture, Path(scratch) / "capture")
        for sentence in recording.damage:
            click.echo(f"firmground: {sentence}", err=True)
        with progress() as bar:
            task = bar.add_task(recording.name, total=1.0)
            for done in play_capture(recording, out, links):
                bar.update(task, completed=done)
    summary = summarize(out)
    if as_json:
        plain = {name: msgspec.structs.asdict(stats) for name, stats in links.items()}
        print_json({**msgspec.to_builtins(summary), "links": plain, "damage": recording.damage})
    else:
        print_summary(summary, Console())
        for name, stats in links.items():
            click.echo(
                f"link {name}: {stats.records:,} records; refused {stats.bad_checksum} by checksum, "
                f"{stats.malformed} malformed, {stats.unknown} unknown; {stats.bytes_skipped:,} bytes of noise"
            )
