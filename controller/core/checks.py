"""
The function check: what is collected while it runs, and how it is judged.

A check only verifies; it never makes a head less sensitive. Every value is kept with the limits in force.
"""

import math

import msgspec
import numpy as np

from controller.core.check_events import CheckResult
from controller.core.inputs import Calibration, CheckPart
from controller.core.site import Profile
from controller.core.timebase import SECOND
from firmware_bridge.records import FloatArray, MonoNs

POINT_S_MIN = 5.0  # fifty fixes at 10 Hz: noise is seen, and that nobody is passing by


class PointRun(msgspec.Struct, kw_only=True):
    """Fixes on the known point in unbroken order: the largest distance from it, and when they were taken."""

    distance_m: float
    first_ns: MonoNs
    last_ns: MonoNs


class Retest(msgspec.Struct, frozen=True, kw_only=True):
    """A failed check that may be repeated once while nothing is touched, and the blocks that it voided."""

    check: int
    blocks: tuple[int, ...]
    failed_ns: MonoNs


class CheckRun(msgspec.Struct, kw_only=True, eq=False):
    """
    A running check of one head.

    background_alarms : alarms raised while the head was over quiet ground
    peak              : float64 (channels,), strongest signal of each channel in the reference part; NaN before any
    alarmed           : channels that were above their threshold in the reference part
    point             : what the fixes of the known point part say; None before any, and once they came into doubt
    is_path_answered  : the head has confirmed the lamp and buzzer commanded in the alarm path part
    retest            : the failed check that this one repeats, untouched
    is_disturbed      : something happened to the head while it ran: reported, or seen to have restarted
    """

    number: int
    person: str
    channels: tuple[str, ...]
    peak: FloatArray
    part: CheckPart | None = None
    parts_done: list[CheckPart] = []
    background_alarms: int = 0
    background_sigma: FloatArray | None = None
    alarmed: list[int] = []
    point: PointRun | None = None
    is_path_answered: bool = False
    retest: Retest | None = None
    is_disturbed: bool = False


def begin_part(run: CheckRun, part: CheckPart, sigma: FloatArray) -> None:
    """Enter the next part; the noise of the background part is what stands at its end."""
    leave_part(run, sigma)
    run.part = part
    run.parts_done.append(part)


def leave_part(run: CheckRun, sigma: FloatArray) -> None:
    """Close the part that is open, if any."""
    if run.part is CheckPart.BACKGROUND:
        run.background_sigma = sigma.copy()
    run.part = None


def watch(run: CheckRun, signal: FloatArray, threshold: FloatArray) -> None:
    """Samples arrived during a check. signal: float64 (n, channels); threshold: float64 (channels,)."""
    if run.part is not CheckPart.REFERENCE_ITEM or not len(signal):
        return
    run.peak = np.fmax(run.peak, np.fmax.reduce(signal, axis=0))
    for channel in np.nonzero((signal >= threshold).any(axis=0))[0].tolist():
        if channel not in run.alarmed:
            run.alarmed.append(channel)


def stand_on_point(run: CheckRun, distance_m: float, at_ns: MonoNs, gap_ns_max: int) -> None:
    """A fix that may carry credit was taken in the known point part; after a longer gap the count begins anew."""
    point = run.point
    if point is None or at_ns - point.last_ns > gap_ns_max:
        run.point = PointRun(distance_m=distance_m, first_ns=at_ns, last_ns=at_ns)
    else:
        point.distance_m, point.last_ns = max(point.distance_m, distance_m), at_ns


def judge_check(
    run: CheckRun,
    calibration: Calibration,
    profile: Profile,
    *,
    is_seen_and_heard: bool,
    has_known_point: bool,
) -> tuple[CheckResult, ...]:
    """All results of a finished check; it passed if every one did."""
    results = [_background_alarms(run), _result("undisturbed", None, float(not run.is_disturbed), 1.0, 1.0)]
    for index, name in enumerate(run.channels):
        measured = calibration.channels[index]
        sigma = None if run.background_sigma is None else _number(run.background_sigma[index])
        noise_max = (measured.reference_response_min - measured.site_threshold) / profile.k_noise
        results.append(_result("noise", name, sigma, None, noise_max))
        peak = _number(run.peak[index])
        low = measured.check_response * (1.0 - profile.response_tolerance)
        high = measured.check_response * (1.0 + profile.response_tolerance)
        results.append(_result("reference_item", name, peak, low, high))
        results.append(_result("alarm_raised", name, float(index in run.alarmed), 1.0, 1.0))
    results.append(_result("lamp_and_buzzer_answered", None, float(run.is_path_answered), 1.0, 1.0))
    results.append(_result("lamp_and_buzzer_seen_and_heard", None, float(is_seen_and_heard), 1.0, 1.0))
    if has_known_point:
        results += _known_point(run.point, profile)
    for part in CheckPart:
        if part is CheckPart.KNOWN_POINT and not has_known_point:
            continue
        done = float(run.parts_done.count(part))
        results.append(_result(f"part_{part.value}_done", None, done, 1.0, 1.0))
    return tuple(results)


def _known_point(point: PointRun | None, profile: Profile) -> list[CheckResult]:
    distance_m = None if point is None else point.distance_m
    lasting_s = None if point is None else (point.last_ns - point.first_ns) / SECOND
    return [
        _result("known_point_distance_m", None, distance_m, None, profile.known_point_m_max),
        _result("known_point_s", None, lasting_s, POINT_S_MIN, None),
    ]


def _background_alarms(run: CheckRun) -> CheckResult:
    return _result("background_alarms", None, float(run.background_alarms), None, 0.0)


def _result(part: str, channel: str | None, value: float | None, low: float | None, high: float | None) -> CheckResult:
    passed = value is not None and (low is None or value >= low) and (high is None or value <= high)
    return CheckResult(part=part, channel=channel, value=value, low=low, high=high, passed=passed)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
