"""
What the driver's screen is told beside the snapshot: guidance, and the nearest gap, both read off the map as followed.
"""

import math
from collections import deque

import msgspec
import numpy as np

from controller.core.cells import CellState, FoldedTile
from controller.core.gaps import Gap, bearing_to, gaps
from controller.core.guidance import LAG_S, Bar, Guidance, Pose, guide
from controller.core.shown import HeadSnapshot, Snapshot
from controller.core.tiles import CELL_DMM, TILE_CELLS, ByteArray
from controller.link.live_map import LiveMap
from firmware_bridge.records import FloatArray, MonoNs

FIX_AGE_NS_MAX = 1_000_000_000  # older, and nobody knows where the machine is
POSES_MAX = 400  # at twenty snapshots a second: 20 s
TILES_AROUND = 2  # to each side of the machine's: gaps up to 25 m away


class NearGap(msgspec.Struct, frozen=True, kw_only=True):
    """The nearest gap around the machine: a direction in a straight line over whatever lies between."""

    cause: str
    area_m2: float
    distance_m: float
    bearing_deg: float | None
    warning: str


class Driver:
    """Remembers where the machine was, and asks the map what that means."""

    def __init__(self) -> None:
        self._poses: deque[tuple[MonoNs, Pose]] = deque(maxlen=POSES_MAX)
        self._snapshot: Snapshot | None = None

    def hear(self, snapshot: Snapshot) -> None:
        """Take a snapshot."""
        self._snapshot = snapshot
        pose = pose_of(snapshot)
        if pose is not None:
            self._poses.append((snapshot.now_ns, pose))

    def guidance(self, live_map: LiveMap) -> tuple[Guidance, ...]:
        """One for each head, in the snapshot's order."""
        snapshot = self._snapshot
        if snapshot is None:
            return ()
        now, past = pose_of(snapshot), self._past(snapshot)
        return tuple(
            guide(now, past, bar, snapshot.contacts_m, lambda places: states_at(live_map, places))
            for bar in (_bar(head) for head in snapshot.heads)
            if bar is not None
        )

    def around(self, live_map: LiveMap) -> tuple[Pose, list[FoldedTile]] | None:
        """Where the machine is, and the tiles around it as they are now; None where nobody knows where it is."""
        pose = None if self._snapshot is None else pose_of(self._snapshot)
        if pose is None:
            return None
        side_m = TILE_CELLS * CELL_DMM / 10_000
        column, row = math.floor(pose.east_m / side_m), math.floor(pose.north_m / side_m)
        reach = range(-TILES_AROUND, TILES_AROUND + 1)
        return pose, [_tile(live_map, column + dx, row + dy) for dy in reach for dx in reach]

    def _past(self, snapshot: Snapshot) -> Pose | None:
        """The pose `LAG_S` before; None where there is none within half a second of that."""
        wanted = snapshot.now_ns - round(LAG_S * 1e9)
        near = [(abs(at - wanted), pose) for at, pose in self._poses if abs(at - wanted) <= 500_000_000]
        return min(near, key=lambda entry: entry[0])[1] if near else None


def pose_of(snapshot: Snapshot) -> Pose | None:
    """Where the vehicle is, and how it stands; None where position or heading are not known now."""
    place, heading_deg, age_ns = snapshot.position_dmm, snapshot.heading_deg, snapshot.fix_age_ns
    if place is None or heading_deg is None or age_ns is None or age_ns > FIX_AGE_NS_MAX:
        return None
    heading, (forward, left) = math.radians(heading_deg), snapshot.antenna_m
    return Pose(
        east_m=place[0] / 10_000 - forward * math.sin(heading) + left * math.cos(heading),
        north_m=place[1] / 10_000 - forward * math.cos(heading) - left * math.sin(heading),
        heading_deg=heading_deg,
    )


def nearest_gap(pose: Pose, tiles: list[FoldedTile]) -> NearGap | None:
    """The gap whose nearest point is the nearest; takes a while where the ground is ragged."""
    found: list[tuple[float, Gap]] = []
    for gap in gaps(tiles, {}):
        found.append((bearing_to(gap, pose.east_m, pose.north_m).distance_m, gap))
    if not found:
        return None
    gap = min(found, key=lambda entry: entry[0])[1]
    bearing = bearing_to(gap, pose.east_m, pose.north_m)
    return NearGap(
        cause=gap.cause,
        area_m2=gap.area_m2,
        distance_m=bearing.distance_m,
        bearing_deg=bearing.bearing_deg,
        warning=bearing.warning,
    )


def states_at(live_map: LiveMap, places: FloatArray) -> ByteArray:
    """What the map shows at places, float64 (n, 2), east and north in metres: `CellState`, uint8 (n,)."""
    cells = np.floor(places * (10_000 / CELL_DMM)).astype(np.int64)
    tiles, within = cells // TILE_CELLS, cells % TILE_CELLS
    states = np.full(len(places), int(CellState.NOT_VISITED), dtype=np.uint8)
    for tx, ty in {(int(x), int(y)) for x, y in tiles.tolist()}:
        tile = live_map.tile(tx, ty)
        if tile is not None:
            here = (tiles[:, 0] == tx) & (tiles[:, 1] == ty)
            picture = np.frombuffer(tile.states, dtype=np.uint8).reshape(TILE_CELLS, TILE_CELLS)
            states[here] = picture[within[here, 1], within[here, 0]]
    return states


def _tile(live_map: LiveMap, tx: int, ty: int) -> FoldedTile:
    shown = live_map.tile(tx, ty)
    nothing = np.zeros((TILE_CELLS, TILE_CELLS), dtype=np.uint8)
    states = nothing + np.uint8(CellState.NOT_VISITED)
    if shown is not None:
        states = np.frombuffer(shown.states, dtype=np.uint8).reshape(TILE_CELLS, TILE_CELLS)
    inside = live_map.fold.inside(tx, ty)
    return FoldedTile(tx=tx, ty=ty, states=states, reasons=nothing, credit=nothing > 0, inside=inside)


def _bar(head: HeadSnapshot) -> Bar | None:
    if not head.coils_m:
        return None
    return Bar(
        x_m=sum(x for x, _ in head.coils_m) / len(head.coils_m),
        left_m=max(y for _, y in head.coils_m),
        right_m=min(y for _, y in head.coils_m),
        radius_m=min(head.radius_m),
        reach_m=head.reach_m,
    )
