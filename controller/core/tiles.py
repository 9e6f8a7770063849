"""
The map's raster: cells of 0.05 m in sparse tiles of 256 x 256, in the task's east-north plane.

Positions are int64 tenths of a millimetre (dmm) east and north of the plane's origin. Cell (column, row) covers
[column * 500, (column + 1) * 500) dmm east and likewise north; tile (tx, ty) holds columns 256 * tx to 256 * tx + 255.
"""

import enum

import numpy as np
import numpy.typing as npt

from firmware_bridge.records import BoolArray

CELL_DMM = 500
TILE_CELLS = 256
CELL_M2 = (CELL_DMM / 10_000) ** 2

ByteArray = npt.NDArray[np.uint8]


class CellMark(enum.IntEnum):
    """What one block knows of a cell; the map's states are derived from these (`controller.core.fold`)."""

    UNTOUCHED = 0
    OUT_OF_SPEC = 1  # passed, but never with credit: the reason set says why
    CREDITED = 2


def pack_cells(marks: ByteArray, reason_sets: ByteArray) -> bytes:
    """Two uint8 planes of shape (256, 256), indexed (row, column), as the bytes that tiles are stored and hashed as."""
    return marks.tobytes() + reason_sets.tobytes()


def unpack_cells(cells: bytes) -> tuple[ByteArray, ByteArray]:
    """Inverse of `pack_cells`; raises ValueError where the length is not that of a tile."""
    planes = np.frombuffer(cells, dtype=np.uint8).reshape(2, TILE_CELLS, TILE_CELLS)
    return planes[0], planes[1]


def disc(tx: int, ty: int, east_dmm: int, north_dmm: int, radius_dmm: int) -> BoolArray | None:
    """Cells of a tile whose centre is within a radius of a point, bool (256, 256); None where no cell's is."""
    centres = (np.arange(TILE_CELLS, dtype=np.int64) * 2 + 1) * (CELL_DMM // 2)
    east = centres + tx * TILE_CELLS * CELL_DMM - east_dmm
    north = centres + ty * TILE_CELLS * CELL_DMM - north_dmm
    if np.abs(east).min() > radius_dmm or np.abs(north).min() > radius_dmm:
        return None
    mask: BoolArray = east[None, :] ** 2 + north[:, None] ** 2 <= radius_dmm**2
    return mask
