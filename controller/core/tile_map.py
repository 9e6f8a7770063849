"""
The cells that a session's blocks have passed or credited, in sparse tiles; a changed tile is written once a second.
"""

import msgspec
import numpy as np

from controller.core.coverage import unique_cells
from controller.core.tiles import TILE_CELLS, ByteArray, CellMark, pack_cells
from firmware_bridge.records import IntArray


class _Tile(msgspec.Struct, kw_only=True, eq=False):
    marks: ByteArray
    sets: ByteArray
    version: int
    is_changed: bool


class TileMap:
    """Sparse tiles of every block of a session."""

    def __init__(self) -> None:
        self._tiles: dict[tuple[int, int, int], _Tile] = {}

    def credit(self, block: int, cells: IntArray) -> None:
        """Mark cells int64 (k, 2) as credited; it outweighs any reason they had."""
        for tile, column, row in self._by_tile(block, cells):
            if (tile.marks[row, column] != CellMark.CREDITED).any():
                tile.marks[row, column] = CellMark.CREDITED
                tile.sets[row, column] = 0
                tile.is_changed = True

    def withhold(self, block: int, cells: IntArray, reason_set: int) -> None:
        """Mark cells as passed without credit, for the latest reasons; credited cells stay as they are."""
        for tile, column, row in self._by_tile(block, cells):
            is_open = tile.marks[row, column] != CellMark.CREDITED
            is_new = is_open & (tile.sets[row, column] != reason_set)
            if is_new.any():
                tile.marks[row[is_open], column[is_open]] = CellMark.OUT_OF_SPEC
                tile.sets[row[is_open], column[is_open]] = reason_set
                tile.is_changed = True

    def withdraw(self, block: int, place: tuple[int, int], reason_set: int) -> int:
        """Take a block's credit from a whole tile (tx, ty): its credited cells have these reasons. How many it were."""
        tile = self._tiles.get((block, *place))
        if tile is None:
            return 0
        is_credited = tile.marks == CellMark.CREDITED
        count = int(np.count_nonzero(is_credited))
        tile.marks[is_credited] = CellMark.OUT_OF_SPEC
        tile.sets[is_credited] = reason_set
        tile.is_changed = tile.is_changed or count > 0
        return count

    def take_changed(self) -> list[tuple[int, int, int, int, bytes]]:
        """(block, tx, ty, version, cells) of tiles changed since the last call, in order of block, row and column."""
        changed = []
        for key in sorted(self._tiles, key=lambda k: (k[0], k[2], k[1])):
            tile = self._tiles[key]
            if tile.is_changed:
                tile.is_changed = False
                tile.version += 1
                changed.append((*key, tile.version, pack_cells(tile.marks, tile.sets)))
        return changed

    def _by_tile(self, block: int, cells: IntArray) -> list[tuple[_Tile, IntArray, IntArray]]:
        found = []
        places = cells // TILE_CELLS
        for tx, ty in unique_cells(places).tolist():
            here = cells[(places[:, 0] == tx) & (places[:, 1] == ty)]
            key = (block, tx, ty)
            if key not in self._tiles:
                empty = np.zeros((TILE_CELLS, TILE_CELLS), dtype=np.uint8)
                self._tiles[key] = _Tile(marks=empty, sets=empty.copy(), version=0, is_changed=False)
            found.append((self._tiles[key], here[:, 0] - tx * TILE_CELLS, here[:, 1] - ty * TILE_CELLS))
        return found
