"""What the commands share: one JSON object, or a few lines for people."""

from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from controller.summary import SessionSummary

json_option = click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object on stdout.")
session_argument = click.argument("session", type=click.Path(path_type=Path))


def print_json(value: Any) -> None:
    """One JSON object on one line."""
    click.echo(msgspec.json.encode(value).decode())


def progress() -> Progress:
    """A progress bar on stderr; silent where stderr is not a terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def print_summary(summary: SessionSummary, console: Console) -> None:
    """A session's totals as a table."""
    if summary.origin != "live":
        console.print(f"[reverse] {summary.origin.upper()} [/reverse] nothing here is evidence about real ground")
    table = Table(title=f"Session {summary.session}", show_header=False, title_justify="left")
    placed = "unknown" if summary.samples_placed is None else f"{summary.samples_placed:,}"
    samples = "unknown" if summary.samples is None else f"{summary.samples:,}"
    table.add_row("duration", f"{summary.duration_s:.0f} s")
    table.add_row("samples", f"{samples}, placed {placed}")
    aim = summary.searched_for
    wanted = "nothing yet" if aim is None else f"{aim.item} to {aim.depth_m:.2f} m ({aim.profile})"
    table.add_row("searched for", wanted)
    table.add_row("searched (is not cleared)", _part(summary.searched_m2, summary.task_m2))
    table.add_row("provisional", f"{summary.provisional_m2:.2f} m²")
    if summary.not_visited_m2 is not None:
        table.add_row("not visited", _part(summary.not_visited_m2, summary.task_m2))
    for cause, area in summary.research_due_by_cause_m2.items():
        table.add_row(f"research due: {cause}", f"{area:.2f} m²")
    table.add_row("signal open", f"{summary.signal_open_m2:.2f} m²")
    for reason, area in summary.out_of_spec_m2.items():
        table.add_row(f"out of spec: {reason}", f"{area:.2f} m²")
    in_field = sum(1 for detection in summary.detections if detection.check is None)
    table.add_row("anomalies", f"{in_field} in the field, {summary.alarms - in_field} in function checks")
    table.add_row("ledger hash", summary.ledger_hash[:16] + "…")
    console.print(table)


def _part(area_m2: float, whole_m2: float | None) -> str:
    """A share is never told without what it is of."""
    if not whole_m2:
        return f"{area_m2:.2f} m²"
    return f"{area_m2:.2f} m², {area_m2 / whole_m2:.1%} of the task's {whole_m2:.2f} m²"
