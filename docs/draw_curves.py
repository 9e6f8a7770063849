"""Draws docs/curves.png: `python docs/draw_curves.py docs/curves.png`; prints each line's figure, and totals last."""

import sys
from pathlib import Path

import click
import matplotlib as mpl
import numpy as np
from matplotlib import pyplot

from sim.curves import AT, LINES, TARGETS, Point, curve, field_of, found_at, panels

SEEDS = (1, 2, 3)
STYLES = {
    "clairvoyant": ("0.6", "--", ""),
    "firmground": ("#1f5fb4", "-", "o"),
    "median": ("#c2571a", "-", "s"),
    "hratc": ("#7a4fa3", "-", "^"),
    "fixed": ("#4c8c4a", "-", "x"),
}


def main(path: Path) -> None:
    """Drive over each field, run every line on its bytes, draw."""
    mpl.use("agg")
    drawn = panels()
    rows = len(TARGETS)
    figure, axes = pyplot.subplots(rows, len(drawn) // rows, figsize=(12, 7.5), sharex=True, sharey=True)
    totals: dict[tuple[float, str], list[float]] = {(at, line): [] for at in AT for line in LINES}
    click.echo("targets found at no more than so many alarms without a target per 100 m2")
    click.echo(f"{'soil':<13}{'target':<21}{'alarms':>7}" + "".join(f"{line:>13}" for line in LINES))
    for panel, axis in zip(drawn, axes.ravel(), strict=True):
        fields = [field_of(panel, seed) for seed in SEEDS]
        curves = {line: curve(line, fields) for line in LINES}
        _draw(axis, curves)
        items, area_m2 = sum(len(field.targets) for field in fields), sum(field.area_m2 for field in fields)
        axis.set_title(f"{panel.soil}; {panel.target}: {items} items, {area_m2:.0f} m²", fontsize=10)
        for at in AT:
            for line in LINES:
                totals[at, line].append(found_at(curves[line], at))
            figures = "".join(f"{totals[at, line][-1]:>13.2f}" for line in LINES)
            click.echo(f"{panel.soil:<13}{panel.target:<21}{at:>7g}{figures}")
    for axis in axes[-1]:
        axis.set_xlabel("alarms without a target per 100 m² (0.1: none)")
    for axis in axes[:, 0]:
        axis.set_ylabel("targets found")
    axes[0, 0].legend(loc="lower left", fontsize=8)
    figure.suptitle("Simulated fields: what the instant alarm finds, beside rivals on the same bytes")
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    for at in AT:
        click.echo(f"mean at {at:g}: " + ", ".join(f"{line} {np.mean(totals[at, line]):.2f}" for line in LINES))


def _draw(axis: pyplot.Axes, curves: dict[str, list[Point]]) -> None:
    for line, points in curves.items():
        colour, dash, mark = STYLES[line]
        false, found = np.array([[max(point.false_per_100_m2, 0.1), point.found] for point in points]).T
        axis.plot(false, found, dash, color=colour, marker=mark, markersize=4, label=line)
    for at in AT:
        axis.axvline(at, color="0.85", zorder=0)
    axis.set_xscale("log")
    axis.set_ylim(-0.03, 1.03)
    axis.grid(alpha=0.3)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
