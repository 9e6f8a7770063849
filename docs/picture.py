"""Draws the README's picture: `python docs/picture.py docs/map.svg` runs the reference scenario and draws its map."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from controller.cli.map_view import cut_out
from controller.core.fold import CellState
from controller.summary import read_map, summarize

PIXELS_PER_CELL = 2
LEGEND_HEIGHT = 104
COLOURS = {
    CellState.SEARCHED: "#3567b8",
    CellState.PROVISIONAL: "#7cc4d8",
    CellState.NOT_VISITED: "url(#hatch)",
    CellState.OUT_OF_SPEC: "#8a8a8a",
    CellState.RESEARCH_DUE: "#e08a1e",
    CellState.SIGNAL_OPEN: "#c8242b",
}
HATCH = (
    '<defs><pattern id="hatch" width="12" height="12" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="12" height="12" fill="#2a2a22"/><rect width="4" height="12" fill="#d8b900"/></pattern></defs>'
)


def draw(states: np.ndarray, caption: str) -> str:
    """An array of states, north first, as SVG: hatched ground with runs of cells upon it, and the fixed legend."""
    height, width = (size * PIXELS_PER_CELL for size in states.shape)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height + LEGEND_HEIGHT}" '
        f'font-family="sans-serif" font-size="13">{HATCH}'
        f'<rect width="{width}" height="{height + LEGEND_HEIGHT}" fill="#f4f4f0"/>'
        f'<rect width="{width}" height="{height}" fill="url(#hatch)"/>'
    ]
    for state in CellState:
        if state is not CellState.NOT_VISITED:
            parts.append(f'<path fill="{COLOURS[state]}" d="{_runs(states == state)}"/>')
    for index, state in enumerate(CellState):
        left, top = 8 + index % 3 * 150, height + 10 + index // 3 * 24
        parts.append(f'<rect x="{left}" y="{top}" width="16" height="16" fill="{COLOURS[state]}"/>')
        parts.append(f'<text x="{left + 22}" y="{top + 13}">{state.label.replace("_", " ")}</text>')
    parts.append(f'<text x="8" y="{height + 74}" font-weight="bold">SIMULATED. Searched is not cleared.</text>')
    parts.append(f'<text x="8" y="{height + 93}">{caption}</text></svg>\n')
    return "\n".join(parts)


def _runs(is_in: np.ndarray) -> str:
    """Runs of cells in each row as one path."""
    padded = np.pad(is_in.astype(np.int8), ((0, 0), (1, 1)))
    change = np.diff(padded, axis=1)
    row, start = np.nonzero(change == 1)
    stop = np.nonzero(change == -1)[1]
    size = PIXELS_PER_CELL
    return "".join(
        f"M{a * size} {r * size}h{(b - a) * size}v{size}h-{(b - a) * size}z"
        for r, a, b in zip(row.tolist(), start.tolist(), stop.tolist(), strict=True)
    )


def main(out: Path) -> None:
    """Simulate, draw, save."""
    with tempfile.TemporaryDirectory() as folder:
        session = Path(folder) / "session"
        subprocess.run([sys.executable, "-m", "sim", "simulate", "--scenario", "lanes", "--out", session], check=True)
        states = cut_out(read_map(session))
        summary = summarize(session)
    assert states is not None, "the reference scenario passes ground"
    metres = states.shape[1] * 0.05
    caption = f"{summary.searched_m2:.0f} m² searched, {summary.signal_open_m2:.0f} m² signal open; {metres:.0f} m wide"
    out.write_text(draw(states, caption), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
