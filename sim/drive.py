"""
How fast along the way: speed limits by place, stops, and one acceleration that is never exceeded.

Between two instants at which the acceleration changes everything is a parabola, so that any time can be asked alone.
"""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from firmware_bridge.records import FloatArray

ACCELERATION_M_S2 = 0.4


class Drive:
    """
    Way and speed over time, from standing at the beginning to standing at the end.

    limits  : (from there on, speed in m/s), the first from 0 on; as fast as they and the acceleration allow
    stops   : metres along the way, and how many seconds the vehicle stands there
    """

    def __init__(self, length_m: float, limits: Sequence[tuple[float, float]], stops: Mapping[float, float]) -> None:
        nodes = sorted({0.0, length_m, *(at for at, _ in limits), *stops})
        starts = np.array([at for at, _ in limits])
        caps = [limits[int(index)][1] for index in np.searchsorted(starts, nodes[:-1], side="right") - 1]
        speeds = _node_speeds(nodes, caps, stops)
        now, rows = 0.0, []
        for index, cap in enumerate(caps):
            at, stand_s = nodes[index], stops.get(nodes[index], 0.0)
            if stand_s > 0.0:
                rows.append((now, at, 0.0, 0.0))
                now += stand_s
            for lasts, speed, acceleration in _stretch(nodes[index + 1] - at, speeds[index], speeds[index + 1], cap):
                rows.append((now, at, speed, acceleration))
                at += speed * lasts + 0.5 * acceleration * lasts**2
                now += lasts
        rows.append((now, length_m, 0.0, 0.0))
        self._begin_s, self._along_m, self._speed_m_s, self._acceleration = np.array(rows).T
        self.duration_s = now

    def at(self, driven_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Way and speed at seconds since setting off, in any order; before it and after the end the vehicle stands."""
        driven_s = np.clip(driven_s, 0.0, self.duration_s)
        row = np.searchsorted(self._begin_s, driven_s, side="right") - 1
        since, speed, acceleration = driven_s - self._begin_s[row], self._speed_m_s[row], self._acceleration[row]
        along = self._along_m[row] + (speed + 0.5 * acceleration * since) * since
        return along, np.maximum(speed + acceleration * since, 0.0)


def _node_speeds(nodes: list[float], caps: list[float], stops: Mapping[float, float]) -> list[float]:
    """The greatest speeds at the nodes from which each can be reached and left with the acceleration."""
    speeds = [0.0, *(min(pair) for pair in itertools.pairwise(caps)), 0.0]
    speeds = [0.0 if at in stops else speed for at, speed in zip(nodes, speeds, strict=True)]
    for order in (range(1, len(nodes)), range(len(nodes) - 2, -1, -1)):
        for index in order:
            other = index - order.step
            reach_m = abs(nodes[index] - nodes[other])
            speeds[index] = min(speeds[index], math.sqrt(speeds[other] ** 2 + 2.0 * ACCELERATION_M_S2 * reach_m))
    return speeds


def _stretch(length_m: float, begin: float, end: float, cap: float) -> list[tuple[float, float, float]]:
    """(seconds, speed at their beginning, acceleration) of speeding up, driving on and slowing down."""
    peak = min(cap, math.sqrt((2.0 * ACCELERATION_M_S2 * length_m + begin**2 + end**2) / 2.0))
    up_m, down_m = ((peak**2 - speed**2) / (2.0 * ACCELERATION_M_S2) for speed in (begin, end))
    parts = [
        ((peak - begin) / ACCELERATION_M_S2, begin, ACCELERATION_M_S2),
        ((length_m - up_m - down_m) / peak if peak > 0.0 else 0.0, peak, 0.0),
        ((peak - end) / ACCELERATION_M_S2, peak, -ACCELERATION_M_S2),
    ]
    return [part for part in parts if part[0] > 0.0]
