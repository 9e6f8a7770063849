"""Tiles: what is written, and when."""

import numpy as np

from controller.core.tile_map import TileMap
from controller.core.tiles import CellMark, unpack_cells


def marked(tiles, mark):
    """Cells (column, row) with a mark, of the tiles that have changed."""
    return {
        (tx * 256 + column, ty * 256 + row)
        for _, tx, ty, _, cells in tiles.take_changed()
        for row, column in np.argwhere(unpack_cells(cells)[0] == mark).tolist()
    }


def test_unchanged_tiles_are_not_written_again():
    """Crediting the same cells twice changes nothing; versions count changes."""
    tiles = TileMap()
    cells = np.array([[3, 4], [300, 4]])
    tiles.credit(1, cells)
    assert [(block, tx, ty, version) for block, tx, ty, version, _ in tiles.take_changed()] == [
        (1, 0, 0, 1),
        (1, 1, 0, 1),
    ]
    tiles.credit(1, cells)
    assert tiles.take_changed() == []
    tiles.withhold(1, np.array([[5, 5]]), 1)
    assert [entry[3] for entry in tiles.take_changed()] == [2]


def test_cells_west_and_south_of_the_origin_have_tiles_of_their_own():
    """Negative columns and rows fall into negative tiles."""
    tiles = TileMap()
    tiles.credit(1, np.array([[-1, -1], [0, 0]]))
    assert marked(tiles, CellMark.CREDITED) == {(-1, -1), (0, 0)}


def test_credit_is_withdrawn_from_a_whole_tile_of_one_block():
    """Counted, with the reason; other tiles, blocks and marks stay, and what does not change is not written."""
    tiles = TileMap()
    tiles.credit(1, np.array([[3, 4], [4, 4], [300, 4]]))
    tiles.credit(2, np.array([[3, 4]]))
    tiles.withhold(1, np.array([[5, 5]]), 1)
    tiles.take_changed()
    assert tiles.withdraw(1, (0, 0), 9) == 2
    assert tiles.withdraw(1, (7, 7), 9) == 0
    ((block, tx, ty, version, cells),) = tiles.take_changed()
    assert (block, tx, ty, version) == (1, 0, 0, 2)
    marks, sets = unpack_cells(cells)
    assert (marks[4, 3], marks[4, 4], marks[5, 5]) == (CellMark.OUT_OF_SPEC,) * 3
    assert (sets[4, 3], sets[4, 4], sets[5, 5]) == (9, 9, 1)
    assert tiles.withdraw(1, (0, 0), 9) == 0
    assert tiles.take_changed() == []
