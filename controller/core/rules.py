"""
What a sample needs to earn credit: the profile's limits against what was measured, and the two kinds of error.

Errors: *common* is one vector for a whole window of a pass (the receiver's slow error), *independent* may differ
from sample to sample and from channel to channel. Each bound holds at the profile's confidence.
"""

import math
from typing import TypeVar

import msgspec
import numpy as np

from controller.core.geometry import wrap_angle
from controller.core.passes import WINDOW_S
from controller.core.reasons import Reason, mask_of
from controller.core.site import Metric, Site
from controller.core.track import TrackFix, distance_m, is_jump
from firmware_bridge.records import FloatArray

_N = TypeVar("_N", int, float)

# Receivers state 95 %. Two dimensions, Rayleigh: sqrt(ln 0.003 / ln 0.05); one dimension, Gaussian: 2.9677 / 1.9600.
RADIUS_SCALE = {"95%": 1.0, "99.7%": 1.3926}
ANGLE_SCALE = {"95%": 1.0, "99.7%": 1.5142}

# A fix may lag its window's reference by the window and the longest alarm run; half a second covers twenty samples.
DRIFT_S = WINDOW_S + 0.5

BRACKET_METRICS = (Metric.FIX_GAP, Metric.POSITION_ERROR, Metric.SPEED, Metric.HEADING_ERROR)  # of two fixes


class BracketJudgement(msgspec.Struct, frozen=True, kw_only=True):
    """
    What holds for every sample between two fixes.

    reasons          : what withholds credit whatever the profile's limits are
    metrics          : what the profile's rules are about; None is unknown
    common_error_m   : at the profile's confidence; None where either fix states no error
    error_95_m       : the larger stated 95 % error; None likewise
    time_error_ns    : of the fixes' epochs; None is unknown
    heading_error_rad: at the profile's confidence, interpolation included; None without heading
    """

    reasons: int
    metrics: dict[Metric, float | None]
    common_error_m: float | None
    error_95_m: float | None
    time_error_ns: int | None
    heading_error_rad: float | None
    speed_m_s: float
    yaw_rate_rad_s: float
    interpolation_error_m: float


def judge_bracket(first: TrackFix, second: TrackFix, site: Site) -> BracketJudgement:
    """What depends on the two fixes alone: values for the rules, and what no limit of a profile decides."""
    profile = site.profile
    gap_s = (second.mono_ns - first.mono_ns) / 1e9
    speed = distance_m(first, second) / gap_s
    error_95 = _larger(first.error_95_m, second.error_95_m)
    common = None if error_95 is None else error_95 * RADIUS_SCALE[profile.confidence]
    heading_error = _heading_error(first, second, gap_s, site)
    scale = ANGLE_SCALE[profile.confidence]
    broken = []
    if first.fix_class not in profile.fix_classes or second.fix_class not in profile.fix_classes:
        broken.append(Reason.FIX_CLASS)
    if is_jump(first, second, site.vehicle.acceleration_m_s2_max, profile.limit(Metric.SPEED)):
        broken.append(Reason.POSITION_JUMP)
    return BracketJudgement(
        reasons=mask_of(broken),
        metrics={
            Metric.FIX_GAP: gap_s,
            Metric.POSITION_ERROR: error_95,
            Metric.SPEED: speed,
            Metric.HEADING_ERROR: None if heading_error is None else math.degrees(heading_error) / scale,
        },
        common_error_m=common,
        error_95_m=error_95,
        time_error_ns=_larger(first.time_error_ns, second.time_error_ns),
        heading_error_rad=heading_error,
        speed_m_s=speed,
        yaw_rate_rad_s=_yaw_rate(first, second, gap_s),
        # A chord departs from a path of bounded acceleration by at most a t^2 / 8.
        interpolation_error_m=site.vehicle.acceleration_m_s2_max * gap_s**2 / 8.0,
    )


def independent_error_m(
    lever_m: FloatArray,
    bracket: BracketJudgement,
    site: Site,
    sample_time_error_ns: int,
    *,
    has_attitude: bool,
) -> FloatArray:
    """
    Bound on what differs between samples of one pass, per channel: float64 (channels,).

    lever_m              : float64 (channels, 3), from the antenna to each coil
    sample_time_error_ns : of the samples' own times
    Needs `bracket.time_error_ns`; a missing heading error counts as 0, since such samples earn no credit.
    """
    across = np.sqrt(lever_m[:, 0] ** 2 + lever_m[:, 1] ** 2)
    height = np.abs(lever_m[:, 2])
    slope = math.radians(site.vehicle.slope_deg_max)
    if has_attitude:
        tilt = (height + across * math.sin(slope)) * math.radians(site.vehicle.attitude_error_deg)
    else:
        tilt = height * math.sin(slope) + across * (1.0 - math.cos(slope))
    assert bracket.time_error_ns is not None
    seconds = (bracket.time_error_ns + sample_time_error_ns) / 1e9
    same_for_all = (
        site.position.relative_error_m
        + site.position.drift_m_s * DRIFT_S
        + bracket.interpolation_error_m
        + bracket.speed_m_s * seconds
    )
    turning = (bracket.heading_error_rad or 0.0) + bracket.yaw_rate_rad_s * seconds
    error: FloatArray = same_for_all + tilt + across * turning
    return error


def _heading_error(first: TrackFix, second: TrackFix, gap_s: float, site: Site) -> float | None:
    if first.heading_rad is None or second.heading_rad is None:
        return None
    stated = _larger(first.heading_error_95_rad, second.heading_error_95_rad)
    if stated is None:
        return None
    bend = math.radians(site.vehicle.yaw_acceleration_deg_s2_max) * gap_s**2 / 8.0
    return stated * ANGLE_SCALE[site.profile.confidence] + bend


def _yaw_rate(first: TrackFix, second: TrackFix, gap_s: float) -> float:
    if first.heading_rad is None or second.heading_rad is None:
        return 0.0
    return abs(wrap_angle(second.heading_rad - first.heading_rad)) / gap_s


def _larger(first: _N | None, second: _N | None) -> _N | None:
    if first is None or second is None:
        return None
    return max(first, second)
