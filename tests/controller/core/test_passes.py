"""Credit is what the seconds outside revoked intervals have earned: against a model that forgets nothing."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.coverage import credited_cells, merge_spans, seen_spans
from controller.core.mapping import PassRaster, PlacedRun, ReasonSets
from controller.core.passes import PassRecords, pass_record
from controller.core.tile_map import TileMap
from controller.core.tiles import CellMark, unpack_cells

SECOND = 1_000_000_000
RATE = 10
RADIUS_DMM = 1_500
COMMON_DMM = 900

# Straight north at 0.5 m/s, 10 samples a second: no sample is thinned away, and a window's erosion leaves ground. All
# of it lies about the corner of four tiles, at 128,000 dmm both ways.
passes = st.tuples(
    st.just("pass"),
    st.sampled_from([1, 1, 1, 2]),
    st.integers(5, 17).map(lambda tenths: tenths * SECOND // RATE),
    st.integers(1, 60),
    st.integers(-2, 2).map(lambda lane: lane * 900 + 127_000),
    st.integers(0, 49).map(lambda step: step * 100 + 113_000),
)
revocations = st.tuples(
    st.just("revoke"),
    st.sampled_from([1, 1, 1, 2]),
    st.integers(0, 15 * RATE).map(lambda tenths: tenths * SECOND // RATE),
    st.integers(1, 30).map(lambda tenths: tenths * SECOND // RATE),
)
redraws = st.tuples(st.just("redraw"), st.integers(0, 5))


def lane(first_ns, count, east_dmm, south_dmm):
    """Times and positions of one coil."""
    times = first_ns + np.arange(count, dtype=np.int64) * (SECOND // RATE)
    north = south_dmm + np.arange(count, dtype=np.int64) * 500
    position = np.stack([np.full(count, east_dmm), north], axis=1)[:, None, :]
    return times, position.astype(np.int64)


class Model:
    """Every sample of every pass, every revoked interval; nothing is packed, merged or remembered between calls."""

    def __init__(self, samples):
        self.samples = samples
        self.passes = []
        self.revoked = []

    def credited(self, block):
        """Cells of a block, from the samples alone."""
        cells = set()
        for of, times, position in self.passes:
            if of != block:
                continue
            seconds = self._seconds(block, times, position)
            for second in seconds:
                near = [seen for other, seen in seconds.items() if second - 3 < other <= second]
                cells |= {tuple(cell) for cell in credited_cells(np.concatenate(near), COMMON_DMM).tolist()}
        return cells

    def _seconds(self, block, times, position):
        """Second -> what was seen in it, of those of whose samples none was revoked."""
        seen = {}
        for second in sorted(set((times // SECOND).tolist())):
            rows = np.nonzero(times // SECOND == second)[0]
            rows = np.arange(max(0, rows[0] - self.samples + 1), rows[-1] + 1)
            is_revoked = any(
                of == block and ((times[rows] >= from_ns) & (times[rows] < to_ns)).any()
                for of, from_ns, to_ns in self.revoked
            )
            radius = np.full((len(rows), 1), RADIUS_DMM, dtype=np.int64)
            spans = seen_spans(position[rows], radius, self.samples)
            if len(spans) and not is_revoked:
                seen[second] = spans
        return seen


class Map:
    """The newest version of every tile, as readers of the record have it."""

    def __init__(self, tiles):
        self._tiles = tiles
        self._newest = {}

    def credited(self, block):
        for of, tx, ty, version, cells in self._tiles.take_changed():
            assert version > self._newest.get((of, tx, ty), (0,))[0], "versions count up"
            self._newest[of, tx, ty] = (version, cells)
        return {
            (tx * 256 + column, ty * 256 + row)
            for (of, tx, ty), (_, cells) in self._newest.items()
            if of == block
            for row, column in np.argwhere(unpack_cells(cells)[0] == CellMark.CREDITED).tolist()
        }


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(passes, revocations, revocations, redraws), min_size=4, max_size=12), st.sampled_from([1, 3]))
def test_what_counts_is_what_samples_outside_revoked_intervals_have_earned(acts, samples):
    """Passes and revocations of two blocks in any order; never more for a moment, exactly that in the end (P1)."""
    tiles = TileMap()
    records, model, shown = PassRecords(tiles), Model(samples), Map(tiles)
    rasters = {block: PassRaster(tiles, records, ReasonSets(), 2_000, samples) for block in (1, 2)}
    begun_ns = 0
    for kind, *args in acts:
        if kind == "pass":
            block, wait_ns, count, *start = args
            times, position = lane(begun_ns + wait_ns, count, *start)
            begun_ns = int(times[-1]) + SECOND // RATE
            model.passes.append((block, times, position))
            shape = position.shape[:2]
            run = PlacedRun(
                block=block,
                times_ns=times,
                position_dmm=position,
                radius_dmm=np.full(shape, RADIUS_DMM, dtype=np.int64),
                reasons=np.zeros(shape, dtype=np.int64),
                common_error_dmm=COMMON_DMM,
            )
            rasters[block].add(run)
            rasters[block].close()
        elif kind == "revoke":
            block, from_ns, length_ns = args
            before = shown.credited(block)
            model.revoked.append((block, from_ns, from_ns + length_ns))
            records.revoke(block, from_ns, from_ns + length_ns, "position_jump", 7)
            lost = sum(done.cells_lost for done in records.withdraw(None))
            assert lost == len(before - shown.credited(block))
        else:
            records.redraw(args[0])
        for block in (1, 2):
            assert shown.credited(block) <= model.credited(block)
    records.redraw(None)
    for block in (1, 2):
        assert shown.credited(block) == model.credited(block)


@pytest.mark.parametrize("gone", range(5))
def test_seams_at_the_edge_of_a_tile_are_those_of_the_seconds_that_stand(gone):
    """Bands of ground, one a second, that meet at the edge of a tile: a seam counts where both of its sides do."""
    edges = [900, 1_000, 1_100, 1_280, 1_400, 1_500]  # rows of subcells; a tile has 1,280
    bands = []
    for second, (south, north) in enumerate(itertools.pairwise(edges)):
        seen = np.array([[row, 0, 200] for row in range(south, north)], dtype=np.int64)
        bands.append(pass_record(1, second, second * SECOND, second * SECOND + 1, 300, seen))
    tiles, fewer = TileMap(), TileMap()
    records, without = PassRecords(tiles), PassRecords(fewer)
    for second, band in enumerate(bands):
        records.add(1, band)
        if second != gone:
            without.add(1, band)
    records.revoke(1, gone * SECOND, gone * SECOND + SECOND, "position_jump", 7)
    records.withdraw(None)
    shown, wanted = Map(tiles), Map(fewer).credited(1)
    assert wanted
    assert shown.credited(1) <= wanted
    records.redraw(None)
    assert shown.credited(1) == wanted


def test_tiles_are_withdrawn_a_few_at_a_time_and_nothing_is_drawn_again_before():
    """However much ground is revoked, a step has little to do; the revocation is done with its last tile."""
    tiles = TileMap()
    records, shown = PassRecords(tiles), Map(tiles)
    for second in range(4):
        seen = np.array([[row, 0, 200] for row in range(second * 1_280, second * 1_280 + 1_280)], dtype=np.int64)
        records.add(1, pass_record(second, second, second * SECOND, second * SECOND + 1, 0, seen))
    before = len(shown.credited(1))
    records.revoke(1, 0, 3 * SECOND, "base_changed", 7)
    left = []
    while records.is_withdrawing:
        done = records.withdraw(1)
        records.redraw(None)
        left.append(len(shown.credited(1)))
    assert left[:3] == [before * 3 // 4, before * 2 // 4, before // 4]
    (revocation,) = done
    assert (revocation.reason, revocation.cells_lost) == ("base_changed", before)
    assert left[-1] == before // 4, "the last second stands, and is drawn again when all is withdrawn"


def test_a_second_that_is_not_over_is_revoked_with_the_samples_that_it_has():
    """A jump comes in the middle of a second: what waits in the pass for its end must not be credited after it."""
    tiles = TileMap()
    records, shown = PassRecords(tiles), Map(tiles)
    raster = PassRaster(tiles, records, ReasonSets(), 2_000, 1)
    times, position = lane(0, 15, 0, 0)
    shape = position.shape[:2]
    run = PlacedRun(
        block=1,
        times_ns=times,
        position_dmm=position,
        radius_dmm=np.full(shape, RADIUS_DMM, dtype=np.int64),
        reasons=np.zeros(shape, dtype=np.int64),
        common_error_dmm=0,
    )
    raster.add(run)
    before = shown.credited(1)
    assert before
    records.revoke(1, SECOND, 2 * SECOND, "position_jump", 7)
    assert records.withdraw(None) == [], "the first second was over before, and stands"
    raster.close()
    assert shown.credited(1) == before


def test_a_revoked_cell_says_why_and_counts_again_when_passed_again():
    """Its reasons are those of the revocation; only a new pass makes it good (P6)."""
    tiles = TileMap()
    records, shown = PassRecords(tiles), Map(tiles)
    _times, position = lane(0, 30, 0, 0)
    seen = seen_spans(position, np.full((30, 1), RADIUS_DMM, dtype=np.int64))
    records.add(1, pass_record(1, 0, 0, 2 * SECOND, 0, seen))
    first = shown.credited(1)
    records.revoke(1, 0, SECOND, "position_jump", 9)
    records.withdraw(None)
    cells = {(tx, ty): unpack_cells(cells) for _, tx, ty, _, cells in tiles.take_changed()}
    assert {int(value) for marks, sets in cells.values() for value in sets[marks == CellMark.OUT_OF_SPEC]} == {9}
    records.add(1, pass_record(2, 20, 20 * SECOND, 22 * SECOND, 0, seen))
    assert shown.credited(1) == first


@given(st.lists(st.tuples(st.integers(-40, 40), st.integers(-300, 300), st.integers(1, 90)), min_size=1, max_size=40))
def test_merged_runs_are_the_same_subcells_once_each(runs):
    """Overlapping, touching and separate runs, on both sides of the origin."""
    spans = np.array([(row, start, start + length) for row, start, length in runs], dtype=np.int64)
    merged = merge_spans(spans)
    wanted = {(row, column) for row, start, stop in spans.tolist() for column in range(start, stop)}
    found = [(row, column) for row, start, stop in merged.tolist() for column in range(start, stop)]
    assert len(found) == len(set(found))
    assert set(found) == wanted
    assert found == sorted(found)
    assert all(before[0] < after[0] or before[2] < after[1] for before, after in itertools.pairwise(merged))
