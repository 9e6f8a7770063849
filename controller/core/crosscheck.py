"""
Two receivers on one rigid body: a false fix is smooth and says "fixed", but it moves one antenna away from the other.

Both antennas are compared at the instant of each fix of the position link, with the other receiver's position between
its own two neighbouring fixes. Where the comparison cannot be made, nothing is known, and nothing counts.
"""

import math

import msgspec
import numpy as np

from controller.core.geometry import lever_arms
from controller.core.rulebook import Measured
from controller.core.site import Metric, Site
from controller.core.timebase import EpochClock
from controller.core.track import Track, TrackFix, interpolate, interpolate_up
from firmware_bridge.records import FloatArray


class SecondReceiver(msgspec.Struct, kw_only=True, eq=False):
    """The other receiver: its own clock, its own fixes."""

    clock: EpochClock
    track: Track


def baseline_m(site: Site) -> float:
    """Distance between the two antennas, as configured; the second one must be."""
    assert site.vehicle.second_antenna_m is not None, "the configuration was checked"
    return math.dist(site.vehicle.antenna_m, site.vehicle.second_antenna_m)


def separation_m(fix: TrackFix, second: Track, gap_ns_max: int) -> float | None:
    """
    Distance in space between both antennas at a fix's instant.

    None where the second receiver has no two fixes around it within `gap_ns_max`, or either has no altitude.
    """
    around = _around(fix, second, gap_ns_max)
    place = None if around is None else interpolate_up(*around, fix.mono_ns)
    if fix.up_m is None or place is None:
        return None
    return math.dist((fix.east_m, fix.north_m, fix.up_m), place)


def departure_m(fix: TrackFix, second: Track, site: Site, gap_ns_max: int) -> float | None:
    """
    How far the second antenna is from where it must be at a fix's instant, by the first one.

    By the distance in space, and with a heading also as a vector in the plane: an error across the line between the
    antennas hardly changes their distance. None as `separation_m`.
    """
    distance_m, around = separation_m(fix, second, gap_ns_max), _around(fix, second, gap_ns_max)
    if distance_m is None or around is None:
        return None
    off_m = abs(distance_m - baseline_m(site))
    if fix.heading_rad is None:
        return off_m
    places, _ = interpolate(*around, np.array([fix.mono_ns]))
    level = np.zeros(1)
    arm = lever_arms(_offset_m(site)[None], np.array([fix.heading_rad]), level, level)[0, 0]
    east_m, north_m = float(places[0, 0] - arm[0]), float(places[0, 1] - arm[1])
    return max(off_m, math.hypot(east_m - fix.east_m, north_m - fix.north_m))


def disagreement(fixes: tuple[TrackFix, TrackFix], second: Track, site: Site) -> Measured:
    """
    How far the second antenna departs from its place at the worse of two fixes, with its limit; value None: not known.

    The limit is the configured one, what the carrier's acceleration hides between two fixes, what the heading's error
    turns, and what the steepest slope tilts.
    """
    gap_s_max = site.profile.limit(Metric.FIX_GAP)
    gap_ns_max = round(gap_s_max * 1e9)
    bend_m = site.vehicle.acceleration_m_s2_max * gap_s_max**2 / 8.0
    slope, offset_m = math.radians(site.vehicle.slope_deg_max), _offset_m(site)
    level_m, upright_m = math.hypot(float(offset_m[0]), float(offset_m[1])), abs(float(offset_m[2]))
    tilt_m = level_m * (1.0 - math.cos(slope)) + upright_m * math.sin(slope)
    turned_m = level_m * max(fix.heading_error_95_rad or 0.0 for fix in fixes)
    apart = [departure_m(fix, second, site, gap_ns_max) for fix in fixes]
    known = [value for value in apart if value is not None]
    limit_m = site.position.baseline_error_m + bend_m + tilt_m + turned_m
    return Measured(value=max(known) if len(known) == len(apart) else None, limit=limit_m)


def _around(fix: TrackFix, second: Track, gap_ns_max: int) -> tuple[TrackFix, TrackFix] | None:
    around = second.bracket(fix.mono_ns)
    return None if around is None or around[1].mono_ns - around[0].mono_ns > gap_ns_max else around


def _offset_m(site: Site) -> FloatArray:
    """From the first antenna to the second, forward, left and up: float64 (3,)."""
    assert site.vehicle.second_antenna_m is not None, "the configuration was checked"
    offset: FloatArray = np.array(site.vehicle.second_antenna_m) - np.array(site.vehicle.antenna_m)
    return offset
