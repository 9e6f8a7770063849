"""Passes, tiles and reason sets."""

import numpy as np

from controller.core.mapping import REASON_SETS_MAX, PassRaster, PlacedRun, ReasonSets, split_runs
from controller.core.passes import PassRecords
from controller.core.reasons import Reason, mask_of
from controller.core.tile_map import TileMap
from controller.core.tiles import CellMark, unpack_cells

SECOND = 1_000_000_000


def run_of(times_ns, position, radius=1_500, reasons=0, block=1, common=0):
    shape = position.shape[:2]
    return PlacedRun(
        block=block,
        times_ns=times_ns,
        position_dmm=position,
        radius_dmm=np.full(shape, radius if reasons == 0 else 0, dtype=np.int64),
        reasons=np.full(shape, reasons, dtype=np.int64),
        common_error_dmm=common,
    )


def lane(seconds=6.0, speed_m_s=0.8, rate=50):
    times = (np.arange(round(seconds * rate)) * (SECOND // rate)).astype(np.int64)
    north = times * speed_m_s / SECOND * 10_000
    across = np.array([0, 1_500])
    position = np.stack(np.broadcast_arrays(across[None, :], north[:, None]), axis=-1)
    return times, np.rint(position).astype(np.int64)


def credited(tiles):
    return {
        (tx * 256 + column, ty * 256 + row)
        for _, tx, ty, _, cells in tiles.take_changed()
        for row, column in np.argwhere(unpack_cells(cells)[0] == CellMark.CREDITED).tolist()
    }


def painted(chunks, common=300, samples=1):
    tiles = TileMap()
    raster = PassRaster(tiles, PassRecords(tiles), ReasonSets(), 2_000, samples)
    times, position = lane()
    for start, stop in zip([0, *chunks], [*chunks, len(times)], strict=True):
        raster.add(run_of(times[start:stop], position[start:stop], common=common))
    raster.close()
    return credited(tiles)


def test_credit_does_not_depend_on_how_samples_arrive():
    """One run, or many, for one-sample and three-sample alarms alike."""
    for samples in (1, 3):
        assert painted([], samples=samples) == painted([1, 2, 77, 78, 150, 151, 299], samples=samples)


def test_windows_leave_no_seam_between_seconds():
    """With 3 cm of common error a lane is one piece from end to end."""
    columns = {column for column, _ in painted([])}
    for column in columns:
        rows = sorted(row for found, row in painted([]) if found == column)
        assert rows == list(range(rows[0], rows[-1] + 1))


def test_a_lane_is_credited_as_wide_as_the_rule_allows():
    """The width of one stripe: reach less common error, in whole cells."""
    single = [column for column, row in painted([], common=300) if row == 40]
    # Coils at 0 and 0.15 m with 0.15 m of reach less 0.03 m: 0.39 m from -0.12 m on, which holds these whole cells.
    assert sorted(single) == [-2, -1, 0, 1, 2, 3, 4]


def test_a_later_bad_pass_does_not_remove_credit():
    """Reasons mark only ground that was never credited in the block."""
    tiles, reasons = TileMap(), ReasonSets()
    raster = PassRaster(tiles, PassRecords(tiles), reasons, 2_000, 1)
    times, position = lane()
    raster.add(run_of(times, position))
    raster.close()
    good = credited(tiles)
    raster.add(run_of(times + 10 * SECOND, position, reasons=Reason.TOO_FAST.bit))
    raster.close()
    assert credited(tiles) == good


def test_good_ground_replaces_the_reasons_it_had():
    """A pass without credit, then one with it: the cell counts and its reasons are gone."""
    tiles = TileMap()
    raster = PassRaster(tiles, PassRecords(tiles), ReasonSets(), 2_000, 1)
    times, position = lane()
    raster.add(run_of(times, position, reasons=Reason.TOO_FAST.bit))
    raster.add(run_of(times + 10 * SECOND, position))
    raster.close()
    for _, _, _, _, cells in tiles.take_changed():
        marks, sets = unpack_cells(cells)
        assert not sets[marks == CellMark.CREDITED].any()
        assert sets[marks == CellMark.OUT_OF_SPEC].all()


def test_reason_sets_are_announced_once_and_never_run_out():
    """Past the byte's range a set is stored as its primary reason; singles always have room."""
    sets = ReasonSets()
    assert sets.index(0) == 0
    first = sets.index(mask_of([Reason.NO_FIX, Reason.TOO_FAST]))
    assert sets.take_new() == [(first, ("no_fix", "too_fast"))]
    assert sets.take_new() == []
    for mask in range(1, 2_000):
        assert 0 < sets.index(mask) <= REASON_SETS_MAX
    names = dict(sets.take_new())
    late = sets.index(mask_of([Reason.HEAD_SILENT, Reason.NO_FIX]))
    names.update(sets.take_new())
    assert names[late] == ("head_silent",)


def test_runs_split_where_values_change():
    """Stretches of equal values, in order."""
    assert split_runs(np.array([4, 4, 5, 4])) == [(0, 2), (2, 3), (3, 4)]
