"""
The derived map in a terminal: two rows of cells a line of text, zoomed out so that the worst cell wins.

Colour is never alone: each state has a letter of its own in the legend and in the picture. `searched` is neither
green nor white; ground that was not visited is hatched.
"""

import numpy as np
from rich.text import Text

from controller.core.cells import CellState
from controller.core.tiles import CELL_DMM, TILE_CELLS
from controller.summary import SessionMap
from firmware_bridge.records import IntArray

STYLES = {
    CellState.SEARCHED: ("s", "white on blue"),
    CellState.HAND_SEARCHED: ("h", "white on purple"),
    CellState.PROVISIONAL: ("p", "black on cyan"),
    CellState.NOT_VISITED: ("╱", "yellow on grey11"),
    CellState.OUT_OF_SPEC: ("o", "white on grey37"),
    CellState.INACCESSIBLE: ("x", "black on grey62"),
    CellState.RESEARCH_DUE: ("R", "black on dark_orange"),
    CellState.SIGNAL_OPEN: ("!", "bold white on red"),
    CellState.KEEP_OUT: ("X", "bold red on black"),
}
MARGIN_CELLS = 6


def draw_map(session: SessionMap, columns: int) -> Text:
    """The ground that was passed, north up, at most `columns` characters wide, with scale and legend."""
    states = cut_out(session)
    if states is None:
        return Text("no ground was passed")
    # A character is about twice as high as wide, so that it stands for twice as many cells north as east.
    step = max(1, -(-states.shape[1] // columns))
    picture = Text()
    for top in range(0, states.shape[0], 2 * step):
        for left in range(0, states.shape[1], step):
            worst = CellState(int(states[top : top + 2 * step, left : left + step].max()))
            letter, style = STYLES[worst]
            picture.append(letter, style)
        picture.append("\n")
    metres = step * CELL_DMM / 10_000
    picture.append(f"\neach character {metres:.2f} m east by {2 * metres:.2f} m north; the worst cell is shown\n")
    for state, (letter, style) in STYLES.items():
        picture.append(f" {letter} ", style)
        picture.append(f" {state.label}  ")
    picture.append("\nsearched is not cleared", "bold")
    return picture


def cut_out(session: SessionMap) -> IntArray | None:
    """All tiles as one array of states, north first, cut to what was passed and a margin."""
    tiles = list(session.fold.tiles())
    if not tiles:
        return None
    west, south = min(tile.tx for tile in tiles), min(tile.ty for tile in tiles)
    width = (max(tile.tx for tile in tiles) - west + 1) * TILE_CELLS
    height = (max(tile.ty for tile in tiles) - south + 1) * TILE_CELLS
    whole = np.full((height, width), int(CellState.NOT_VISITED), dtype=np.int64)
    for tile in tiles:
        row, column = (tile.ty - south) * TILE_CELLS, (tile.tx - west) * TILE_CELLS
        whole[row : row + TILE_CELLS, column : column + TILE_CELLS] = tile.states
    rows, columns = np.nonzero(whole != CellState.NOT_VISITED)
    if not len(rows):
        return None
    cut = whole[
        max(rows.min() - MARGIN_CELLS, 0) : rows.max() + MARGIN_CELLS + 1,
        max(columns.min() - MARGIN_CELLS, 0) : columns.max() + MARGIN_CELLS + 1,
    ]
    return cut[::-1]
