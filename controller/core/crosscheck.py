"""
Two receivers on one rigid body: a false fix is smooth and says "fixed", but it moves one antenna away from the other.

Both antennas are compared at the instant of each fix of the position link, with the other receiver's position between
its own two neighbouring fixes. Where the comparison cannot be made, nothing is known, and nothing counts.
"""

import math

import msgspec

from controller.core.rules import Measured
from controller.core.site import Site
from controller.core.timebase import EpochClock
from controller.core.track import Track, TrackFix, interpolate_up


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
    around = second.bracket(fix.mono_ns)
    if around is None or fix.up_m is None or around[1].mono_ns - around[0].mono_ns > gap_ns_max:
        return None
    place = interpolate_up(*around, fix.mono_ns)
    if place is None:
        return None
    return math.dist((fix.east_m, fix.north_m, fix.up_m), place)


def disagreement(fixes: tuple[TrackFix, TrackFix], second: Track, site: Site) -> Measured:
    """
    How far the separation at the worse of two fixes is from the baseline, with its limit; value None: not known.

    The limit is the configured one and what the carrier's acceleration hides between two fixes.
    """
    gap_ns_max = round(site.profile.fix_gap_s_max * 1e9)
    bend_m = site.vehicle.acceleration_m_s2_max * site.profile.fix_gap_s_max**2 / 8.0
    limit_m = site.position.baseline_error_m + bend_m
    apart = [separation_m(fix, second, gap_ns_max) for fix in fixes]
    known = [abs(distance - baseline_m(site)) for distance in apart if distance is not None]
    return Measured(value=max(known) if len(known) == len(apart) else None, limit=limit_m)
