"""
The judge: what the record claims against what was true. It reads the session and the simulator's truth, nothing else.

Ground is compared on points 12.5 mm apart, the edges of cells included, tile by tile; none of the core's own coverage
arithmetic is used.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

from controller.core.alarm_events import AlarmLocated
from controller.core.cells import CellState
from controller.core.check_events import BlockEnded, BlockOpened, Revoked, SpecSet
from controller.core.effects import AnyEvent
from controller.core.reasons import Reason
from controller.core.tiles import CELL_M2, ByteArray
from controller.replay import rederive
from controller.summary import SessionMap, detections, read_map
from firmware_bridge.records import BoolArray
from sim.day import Truth
from sim.ground_truth import (
    STEP_M,
    STEPS,
    TILE_M,
    Place,
    PointSet,
    Reached,
    largest_strip_m,
    points_of,
    proven,
    whole_cells,
)
from sim.retelling import Taken, retell
from sim.scenario import Scenario
from sim.stated import stated_error_m

FOUND_M = 0.5  # an alarm this close to a target was raised by it, or as close as it states its own error to be
THIN = 5  # first every fifth sample; only if those leave claimed ground open, all of them
TOUCH_M = 1e-9  # rounding must not make a point over-claimed that lies on the circle
ROUNDING_M = 0.03  # what a raster of 10 mm gives away across two of its squares


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True):
    """
    Credit that stood and was taken back at one time of the record.

    credited_m2 : area whose credit no longer stands      over_claimed_*_m2 : in the tiles concerned, by the day's truth
    """

    mono_ns: int
    cause: str
    credited_m2: float
    over_claimed_before_m2: float
    over_claimed_after_m2: float


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """
    over_claimed_m2 : credited ground farther than the calibrated radius from every true sample of a living channel
                      while a block was open; a point of 12.5 mm stands for a square of that side
    over_claimed_strip_m : [width, length] of its largest connected part (`sim.ground_truth.largest_strip_m`)
    missed_claim_m2 : whole cells within that radius, less what the machine states that its samples may be off
                      (`sim.stated`), less 0.03 m, of every fifth true sample of a living channel while a block was
                      open, that were passed and have no credit; ground in signal and withdrawn ground are not counted
    targets_found   : an alarm outside checks lies there; missed: credited, and no alarm; not searched: neither
    location_error_m : [median, largest] over located alarms outside checks of the distance to the nearest target within
                      0.5 m or the error the alarm states, the larger; None where there are none
    withdrawals     : every time at which credit that stood was taken back
    """

    over_claimed_m2: float
    over_claimed_strip_m: tuple[float, float] | None
    missed_claim_m2: float
    targets_found: int
    targets_missed: int
    targets_not_searched: int
    alarms_without_target: int
    location_error_m: tuple[float, float] | None
    withdrawals: tuple[Withdrawal, ...]


def judge(directory: Path, scenario: Scenario, truth: Truth) -> Verdict:
    """Judge a session's ledger; raises `StoreError` where it cannot be read."""
    session = read_map(directory)
    radius_m, spans = _blocks(session)
    places = session.fold.places(None)
    reached = Reached(places, radius_m)
    sure = Reached(places, radius_m - stated_error_m(scenario) - ROUNDING_M)
    for sample, points_m in proven(truth, spans):
        thinned = points_m[sample % THIN == 0]
        reached.add(thinned)
        sure.add(thinned)
    told = retell(_all_events(directory, session))
    unsettled = [place for place, cells in told.credited.items() if _over(_cells(cells), reached, place).any()]
    if unsettled:
        reached.replace(unsettled, radius_m + TOUCH_M)
        for _, points_m in proven(truth, spans):
            reached.add(points_m)
    over, missed, credited = PointSet(), 0, set()
    target_cells = [_cell(target.east_m, target.north_m) for target in scenario.world.targets]
    for tile in session.fold.tiles():
        place = (tile.tx, tile.ty)
        over.add(place, _over(tile.credit, reached, place))
        # A voided block's ground was withdrawn, and a channel in signal proves nothing: neither was missed.
        is_bad = tile.states == CellState.OUT_OF_SPEC
        is_in_signal = (tile.states == CellState.SIGNAL_OPEN) | is_bad & (tile.reasons == Reason.SIGNAL_PRESENT + 1)
        passed = (tile.states != CellState.RESEARCH_DUE) & ~is_in_signal
        missed += int((whole_cells(sure.points(place)) & passed & ~tile.credit).sum())
        credited |= {cell for cell in target_cells if cell[0] == place and tile.credit[cell[1]]}
    return _with_targets(
        session,
        scenario,
        np.array([cell in credited for cell in target_cells], dtype=np.bool_),
        over,
        round(missed * CELL_M2, 4),
        tuple(_measured(taken, reached) for taken in told.taken),
    )


def _all_events(directory: Path, session: SessionMap) -> Iterable[AnyEvent]:
    """The ledger keeps the newest of each tile; where credit was revoked the earlier ones are made from its inputs."""
    if not any(isinstance(event, Revoked) for event in session.events):
        return session.events
    return (event for effects, _ in rederive(directory) for event in effects.events)


def _blocks(session: SessionMap) -> tuple[float, list[tuple[int, int]]]:
    """The radius channels were calibrated for, and from when to when blocks were open."""
    radius_m, opened, spans = 0.0, None, []
    for event in session.events:
        match event:
            case SpecSet():
                radius_m = min(channel.detection_radius_m for channel in event.calibration.channels)
            case BlockOpened():
                opened = int(event.mono_ns)
            case BlockEnded() if opened is not None:
                spans.append((opened, int(event.mono_ns)))
                opened = None
    if opened is not None:
        spans.append((opened, np.iinfo(np.int64).max))
    return radius_m, spans


def _over(credit: BoolArray, reached: Reached, place: Place) -> BoolArray:
    return points_of(credit) & ~reached.points(place)


def _cell(east_m: float, north_m: float) -> tuple[Place, tuple[int, int]]:
    """The tile of a point and its (row, column) there."""
    tx, ty = int(east_m // TILE_M), int(north_m // TILE_M)
    cell_m = STEP_M * STEPS
    return (tx, ty), (int((north_m - ty * TILE_M) // cell_m), int((east_m - tx * TILE_M) // cell_m))


def _measured(taken: Taken, reached: Reached) -> Withdrawal:
    return Withdrawal(
        mono_ns=taken.mono_ns,
        cause=taken.cause,
        credited_m2=round(taken.cells * CELL_M2, 4),
        over_claimed_before_m2=_over_m2(taken.before, reached),
        over_claimed_after_m2=_over_m2(taken.after, reached),
    )


def _over_m2(credit: dict[Place, ByteArray], reached: Reached) -> float:
    over = PointSet()
    for place, packed in credit.items():
        over.add(place, _over(_cells(packed), reached, place))
    return round(over.area_m2, 4)


def _cells(packed: ByteArray) -> BoolArray:
    return np.unpackbits(packed, axis=1).astype(np.bool_)


def _with_targets(
    session: SessionMap,
    scenario: Scenario,
    is_credited: BoolArray,
    over: PointSet,
    missed_m2: float,
    withdrawals: tuple[Withdrawal, ...],
) -> Verdict:
    """Every target is found, missed or not searched; every alarm outside checks has a target or has none."""
    in_field = [alarm for alarm in detections(session.events, session.info.origin) if alarm.check is None]
    stated_m = {event.alarm: event.error_m or 0.0 for event in session.events if isinstance(event, AlarmLocated)}
    places, within = [], []
    for alarm in in_field:
        if session.plane is not None and alarm.lat is not None and alarm.lon is not None:
            places.append([float(part) for part in session.plane.project(alarm.lat, alarm.lon)])
            within.append(max(FOUND_M, stated_m[alarm.id]))
    alarms, within_m = np.array(places).reshape(-1, 2), np.array(within)
    targets = np.array([[target.east_m, target.north_m] for target in scenario.world.targets]).reshape(-1, 2)
    apart_m = np.hypot(*(targets[:, None, :] - alarms[None, :, :]).transpose(2, 0, 1))
    near = apart_m <= within_m
    found = near.any(axis=1)
    errors_m = apart_m.min(axis=0, initial=np.inf)
    errors_m = errors_m[errors_m <= within_m]
    return Verdict(
        over_claimed_m2=round(over.area_m2, 4),
        over_claimed_strip_m=largest_strip_m(over),
        missed_claim_m2=missed_m2,
        targets_found=int(found.sum()),
        targets_missed=int((~found & is_credited).sum()),
        targets_not_searched=int((~found & ~is_credited).sum()),
        alarms_without_target=len(in_field) - int(near.any(axis=0).sum()),
        location_error_m=(round(float(np.median(errors_m)), 4), round(float(errors_m.max()), 4))
        if len(errors_m)
        else None,
        withdrawals=withdrawals,
    )
