"""`firmground replay`, `verify` and `export`: what can be done with a session's record."""

import sys
from pathlib import Path

import click

from controller.cli.output import json_option, print_json, progress, session_argument
from controller.export.session import FORMATS, SUBJECTS, export_session
from controller.replay import replay as replay_session
from controller.store.verify import verify as verify_session


@click.command()
@session_argument
@json_option
def replay(session: Path, as_json: bool) -> None:
    """Derive the record again from the logged inputs; exit 1 at the first difference, naming it."""
    with progress() as bar:
        task = bar.add_task("replaying", total=None)
        report = replay_session(session)
        bar.update(task, completed=1)
    if as_json:
        print_json(report)
    elif report.difference is None:
        click.echo(f"identical: {report.records:,} records from {report.inputs:,} logged inputs")
    else:
        click.echo(f"different: {report.difference}")
    sys.exit(0 if report.difference is None else 1)


@click.command()
@session_argument
@json_option
def verify(session: Path, as_json: bool) -> None:
    """Check that a record is whole: chain, numbering, tiles, configuration, logged inputs."""
    report = verify_session(session)
    if as_json:
        print_json(report)
    else:
        for problem in report.problems:
            place = "session" if problem.seq is None else f"record {problem.seq}"
            click.echo(f"{place}: {problem.what}")
        anchored = "none" if report.anchored_seq is None else f"record {report.anchored_seq}"
        click.echo(f"{report.records:,} records, {len(report.problems)} problems; last anchored: {anchored}")
        click.echo(f"head {report.head_hash}")
    sys.exit(1 if report.problems else 0)


@click.command()
@session_argument
@click.option("--what", type=click.Choice(SUBJECTS), default="coverage", show_default=True)
@click.option("--format", "file_format", type=click.Choice(FORMATS), required=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write.")
@click.option("--operational", is_flag=True, help="Refuse unless every record is of live origin.")
@json_option
def export(session: Path, what: str, file_format: str, out: Path, operational: bool, as_json: bool) -> None:
    """Write a session's samples, coverage or alarms for other tools (WGS 84, square metres)."""
    report = export_session(session, what, file_format, out, is_operational=operational)
    if as_json:
        print_json(report)
    elif report.refusal is not None:
        click.echo(f"firmground: {report.refusal}", err=True)
    else:
        click.echo(f"{report.rows:,} rows of {what} written to {out}")
    sys.exit(0 if report.refusal is None else 1)
