"""
The judge: what the record claims against what was true. It reads the ledger and the simulator's truth, nothing else.

Ground is compared on a grid of points 12.5 mm apart, the edges of cells included; none of the core's own coverage
arithmetic is used.
"""

from pathlib import Path

import msgspec
import numpy as np

from controller.core.effects import BlockEnded, BlockOpened, SpecSet
from controller.core.fold import CellState
from controller.core.reasons import Reason
from controller.core.tiles import CELL_M2, TILE_CELLS
from controller.summary import SessionMap, detections, read_map
from firmware_bridge.records import BoolArray, FloatArray
from sim.day import Truth
from sim.scenario import Scenario

STEP_M = 0.0125  # four steps a cell
STEPS = 4
FOUND_M = 0.5  # an alarm this close to a target was raised by it
THIN = 3  # first every third sample; only if those leave anything open, all of them
TOUCH_M = 1e-9  # rounding must not make a point over-claimed that lies on the circle
MISSED_MARGIN_M = 0.06  # with the stated error, what the rules must give away: both errors, rounding, two subcells


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """
    over_claimed_m2 : credited ground farther than the calibrated radius from every true sample of a living channel
    missed_claim_m2 : ground well within that radius of in-block samples that was passed and has no credit
    targets_found   : an alarm outside checks lies there; missed: credited, and no alarm; not searched: neither
    """

    over_claimed_m2: float
    missed_claim_m2: float
    targets_found: int
    targets_missed: int
    targets_not_searched: int
    alarms_without_target: int


class _Grid:
    """Points over a rectangle of cells; index (row, column) counts steps from its south-west corner."""

    def __init__(self, corner_cells: tuple[int, int], size_cells: tuple[int, int]) -> None:
        self.west_m, self.south_m = corner_cells[0] * STEP_M * STEPS, corner_cells[1] * STEP_M * STEPS
        self.shape = (size_cells[1] * STEPS + 1, size_cells[0] * STEPS + 1)

    def within(self, points_m: FloatArray, radius_m: float) -> BoolArray:
        """Grid points within a radius of any of the points, float64 (n, 2): rows of discs as runs, then summed."""
        edges = np.zeros(self.shape[0] * (self.shape[1] + 1), dtype=np.int32)
        reach = int(radius_m / STEP_M) + 1
        for part in np.array_split(points_m, max(1, len(points_m) // 20_000)):
            column, row = (part[:, 0] - self.west_m) / STEP_M, (part[:, 1] - self.south_m) / STEP_M
            rows = np.rint(row)[:, None] + np.arange(-reach, reach + 1)
            half = (radius_m / STEP_M) ** 2 - (rows - row[:, None]) ** 2
            width = np.sqrt(np.maximum(half, 0.0))
            start = np.clip(np.ceil(column[:, None] - width), 0, self.shape[1]).astype(np.int64)
            stop = np.clip(np.floor(column[:, None] + width) + 1, 0, self.shape[1]).astype(np.int64)
            is_in = (half >= 0.0) & (rows >= 0) & (rows < self.shape[0]) & (stop > start)
            base = rows[is_in].astype(np.int64) * (self.shape[1] + 1)
            edges += np.bincount(base + start[is_in], minlength=len(edges)).astype(np.int32)
            edges -= np.bincount(base + stop[is_in], minlength=len(edges)).astype(np.int32)
        return np.cumsum(edges.reshape(self.shape[0], -1)[:, :-1], axis=1) > 0


def judge(directory: Path, scenario: Scenario, truth: Truth) -> Verdict:
    """Judge a session's ledger; raises `StoreError` where it cannot be read."""
    session = read_map(directory)
    credit, passed, corner = _ground(session)
    over = missed = 0.0
    if credit.size:
        grid = _Grid(corner, (credit.shape[1], credit.shape[0]))
        samples, radius_m = _proven_samples(session, truth)
        claimed = _points_of(credit)
        reached = grid.within(samples[::THIN], radius_m)
        if (claimed & ~reached).any():
            reached = grid.within(samples, radius_m + TOUCH_M)
        over = float((claimed & ~reached).sum()) * STEP_M**2
        sure_m = radius_m - 2.0 * scenario.gnss.stated_error_95_m - MISSED_MARGIN_M
        sure = _whole_cells(grid.within(samples, sure_m)) if sure_m > 0.0 else np.zeros_like(credit)
        missed = float((sure & passed & ~credit).sum()) * CELL_M2
    return _with_targets(session, scenario, credit, corner, round(over, 4), round(missed, 4))


def _ground(session: SessionMap) -> tuple[BoolArray, BoolArray, tuple[int, int]]:
    """Credited and passed cells as one raster each, and the cell at their south-west corner."""
    tiles = list(session.fold.tiles())
    if not tiles:
        return np.zeros((0, 0), dtype=np.bool_), np.zeros((0, 0), dtype=np.bool_), (0, 0)
    west, south = min(t.tx for t in tiles), min(t.ty for t in tiles)
    columns = (max(t.tx for t in tiles) - west + 1) * TILE_CELLS
    rows = (max(t.ty for t in tiles) - south + 1) * TILE_CELLS
    credit, passed = np.zeros((rows, columns), dtype=np.bool_), np.zeros((rows, columns), dtype=np.bool_)
    for tile in tiles:
        place = np.s_[
            (tile.ty - south) * TILE_CELLS : (tile.ty - south + 1) * TILE_CELLS,
            (tile.tx - west) * TILE_CELLS : (tile.tx - west + 1) * TILE_CELLS,
        ]
        credit[place] = tile.credit
        # A voided block's ground was withdrawn, and a channel in signal proves nothing: neither was missed.
        is_in_signal = (tile.states == CellState.SIGNAL_OPEN) | (tile.reasons == Reason.SIGNAL_PRESENT + 1)
        passed[place] = (tile.states != CellState.RESEARCH_DUE) & ~is_in_signal
    return credit, passed, (west * TILE_CELLS, south * TILE_CELLS)


def _proven_samples(session: SessionMap, truth: Truth) -> tuple[FloatArray, float]:
    """True places of living channels while a block was open, and the radius they were calibrated for."""
    radius_m, opened = 0.0, None
    intervals: list[tuple[int, float]] = []
    for event in session.events:
        match event:
            case SpecSet():
                radius_m = min(channel.detection_radius_m for channel in event.calibration.channels)
            case BlockOpened():
                opened = event.mono_ns
            case BlockEnded() if opened is not None:
                intervals.append((opened, event.mono_ns))
                opened = None
    if opened is not None:
        intervals.append((opened, np.inf))
    found = [np.zeros((0, 2))]
    for part in truth.parts():
        is_open = np.zeros(len(part.mono_ns), dtype=np.bool_)
        for first, last in intervals:
            is_open |= (part.mono_ns >= first) & (part.mono_ns <= last)
        found.append(part.coils_m[:, :, :2][is_open[:, None] & part.alive])
    return np.concatenate(found), radius_m


def _points_of(cells: BoolArray) -> BoolArray:
    """Grid points that belong to any of the cells, edges included."""
    points = np.zeros((cells.shape[0] * STEPS + 1, cells.shape[1] * STEPS + 1), dtype=np.bool_)
    for down in range(STEPS + 1):
        for right in range(STEPS + 1):
            points[down : down + cells.shape[0] * STEPS : STEPS, right : right + cells.shape[1] * STEPS : STEPS] |= (
                cells
            )
    return points


def _whole_cells(points: BoolArray) -> BoolArray:
    """Cells all of whose grid points are set."""
    rows, columns = (points.shape[0] - 1) // STEPS, (points.shape[1] - 1) // STEPS
    whole = np.ones((rows, columns), dtype=np.bool_)
    for down in range(STEPS + 1):
        for right in range(STEPS + 1):
            whole &= points[down : down + rows * STEPS : STEPS, right : right + columns * STEPS : STEPS]
    return whole


def _with_targets(
    session: SessionMap, scenario: Scenario, credit: BoolArray, corner: tuple[int, int], over: float, missed: float
) -> Verdict:
    """Every target is found, missed or not searched; every alarm outside checks has a target or has none."""
    in_field = [alarm for alarm in detections(session.events, session.info.origin) if alarm.check is None]
    places = []
    for alarm in in_field:
        if session.plane is not None and alarm.lat is not None and alarm.lon is not None:
            places.append([float(part) for part in session.plane.project(alarm.lat, alarm.lon)])
    alarms = np.array(places).reshape(-1, 2)
    targets = np.array([[target.east_m, target.north_m] for target in scenario.world.targets]).reshape(-1, 2)
    near = np.hypot(*(targets[:, None, :] - alarms[None, :, :]).transpose(2, 0, 1)) <= FOUND_M
    found = near.any(axis=1)
    cells = np.floor(targets / (STEP_M * STEPS)).astype(np.int64) - np.array(corner)
    is_credited = np.zeros(len(targets), dtype=np.bool_)
    for index, (column, row) in enumerate(cells.tolist()):
        if 0 <= row < credit.shape[0] and 0 <= column < credit.shape[1]:
            is_credited[index] = credit[row, column]
    return Verdict(
        over_claimed_m2=over,
        missed_claim_m2=missed,
        targets_found=int(found.sum()),
        targets_missed=int((~found & is_credited).sum()),
        targets_not_searched=int((~found & ~is_credited).sum()),
        alarms_without_target=len(in_field) - int(near.any(axis=0).sum()),
    )
