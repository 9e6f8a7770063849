"""
What the driver is told: where the next lane lies, what is being left out, and what the wheels stand on.

All of it is read off the map, so that it never says more than the map does. Credit is on the map a few seconds after
the coils were there; what is said of this pass and of the wheels is therefore about where they were `LAG_S` ago. What
is not known is None, and never a good sign.

Vehicle frame: x forward, y left, metres. Plane: east, north, metres.
"""

import enum
import math
from collections.abc import Callable

import msgspec
import numpy as np

from controller.core.cells import CellState
from controller.core.tiles import CELL_DMM, ByteArray
from firmware_bridge.records import BoolArray, FloatArray

LAG_S = 4.0
AHEAD_M = 0.3  # neighbours are looked for ahead of the coils, where this pass has no credit of its own
LOOK_M = 3.0  # to either side: further off there is no lane to join
STRIP_M = 1.5  # wider than this it is another lane's ground, not a strip
SPARE_M = 0.05  # of overlap beyond what errors take: a cell, which the raster may cost
_CELL_M = CELL_DMM / 10_000

StateAt = Callable[[FloatArray], ByteArray]  # places float64 (n, 2), east and north -> `CellState`, uint8 (n,)

_GOOD = (CellState.SEARCHED, CellState.HAND_SEARCHED, CellState.PROVISIONAL)
_NOBODYS = (CellState.KEEP_OUT, CellState.INACCESSIBLE, CellState.SIGNAL_OPEN)


class Side(enum.Enum):
    """Of the machine, seen from the driver's seat."""

    LEFT = "left"
    RIGHT = "right"


class Pose(msgspec.Struct, frozen=True, kw_only=True):
    """Where the vehicle frame's origin is, and where x points: degrees clockwise from north."""

    east_m: float
    north_m: float
    heading_deg: float


class Guidance(msgspec.Struct, frozen=True, kw_only=True):
    """
    What to do now.

    offset_m  : steer this far to the left (negative: right) for the strip next to it to be joined; None without one
    overlap_m : how far this pass will lap over that strip; below 0 so much ground is left out between them
    overlap_needed_m : how far the coils themselves must reach over its edge, for what the present errors take
    missing, missing_m : on which side a strip was left out between this pass and its neighbour, and how wide
    is_on_unsearched : whether a wheel, track or foot was on ground that does not count; None is unknown
    """

    offset_m: float | None = None
    overlap_m: float | None = None
    overlap_needed_m: float | None = None
    missing: Side | None = None
    missing_m: float | None = None
    is_on_unsearched: bool | None = None


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """
    The coils as one bar: its place ahead, its ends, and what of a coil's radius counts.

    reach_m : after the present errors; None where they, or the radius, are unknown      radius_m : before them
    """

    x_m: float
    left_m: float
    right_m: float
    radius_m: float
    reach_m: float | None


def guide(
    now: Pose | None, past: Pose | None, bar: Bar, contacts_m: tuple[tuple[float, float], ...], state_at: StateAt
) -> Guidance:
    """What the map says to a driver who is at `now` and was at `past`, `LAG_S` ago; None where that is unknown."""
    offset = overlap = needed = None
    if bar.reach_m is not None:
        needed = round(bar.radius_m - bar.reach_m + SPARE_M, 3)
        if now is not None:
            offset, overlap = _lane(now, bar, bar.reach_m, state_at)
    missing, missing_m = (None, None) if past is None else _strip(past, bar, state_at)
    is_on_unsearched = None
    if past is not None and contacts_m:
        is_on_unsearched = not bool(_is_good(state_at(_places(past, np.array(contacts_m)))).all())
    return Guidance(
        offset_m=offset,
        overlap_m=overlap,
        overlap_needed_m=needed,
        missing=missing,
        missing_m=missing_m,
        is_on_unsearched=is_on_unsearched,
    )


def _lane(pose: Pose, bar: Bar, reach_m: float, state_at: StateAt) -> tuple[float | None, float | None]:
    """The offset to the nearest strip that counts, and the overlap with it as the machine goes now."""
    middle, half = (bar.left_m + bar.right_m) / 2.0, (bar.left_m - bar.right_m) / 2.0
    outwards = np.arange(0.0, half + LOOK_M, _CELL_M)
    found = None
    for side, sign in ((Side.LEFT, 1.0), (Side.RIGHT, -1.0)):
        line = np.stack([np.full(len(outwards), bar.x_m + AHEAD_M), middle + sign * outwards], axis=1)
        states = state_at(_places(pose, line))
        # An open alarm on the next strip's edge hides that the strip is there; what it hides is nothing to steer for.
        good = np.flatnonzero(_is_good(states) | (states == CellState.SIGNAL_OPEN))
        if len(good):
            overlap = half + reach_m - float(outwards[good[0]])
            if found is None or overlap > found[1]:
                found = (side, overlap)
    if found is None:
        return None, None
    side, overlap = found
    towards = SPARE_M - overlap
    return round(towards if side is Side.LEFT else -towards, 2), round(overlap, 2)


def _strip(pose: Pose, bar: Bar, state_at: StateAt) -> tuple[Side | None, float | None]:
    """The wider of the strips that this pass has left out next to it; none where this pass itself does not count."""
    middle, half = (bar.left_m + bar.right_m) / 2.0, (bar.left_m - bar.right_m) / 2.0
    outwards = np.arange(0.0, half + bar.radius_m + STRIP_M + 2 * _CELL_M, _CELL_M)
    widest: tuple[Side | None, float | None] = (None, None)
    for side, sign in ((Side.LEFT, 1.0), (Side.RIGHT, -1.0)):
        line = np.stack([np.full(len(outwards), bar.x_m), middle + sign * outwards], axis=1)
        states = state_at(_places(pose, line))
        is_good = _is_good(states)
        if not is_good[0] or is_good.all():
            continue
        first = int(np.argmin(is_good))
        after = np.flatnonzero(is_good[first:])
        if not len(after) or np.isin(states[first : first + after[0]], _NOBODYS).any():
            continue
        width = round(float(after[0]) * _CELL_M, 2)
        if width <= STRIP_M and (widest[1] is None or width > widest[1]):
            widest = (side, width)
    return widest


def _is_good(states: ByteArray) -> BoolArray:
    good: BoolArray = np.isin(states, _GOOD)
    return good


def _places(pose: Pose, points_m: FloatArray) -> FloatArray:
    """Points of the vehicle frame, float64 (n, 2), in the plane, on level ground."""
    heading = math.radians(pose.heading_deg)
    sin, cos = math.sin(heading), math.cos(heading)
    forward, left = points_m[:, 0], points_m[:, 1]
    return np.stack([pose.east_m + forward * sin - left * cos, pose.north_m + forward * cos + left * sin], axis=1)
