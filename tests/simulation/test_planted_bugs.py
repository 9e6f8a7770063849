"""
Bugs planted in the core, each lived through a day that shows it: the oracle finds every one of them.

Beside each stands the same day without the bug, which the oracle passes.
"""

import functools
import math
import tempfile
from pathlib import Path

import msgspec
import numpy as np
import pytest

from controller.core import check_requests, checks, coverage, placing, rules, sampling, trust
from controller.core.detection import Detector
from controller.core.geometry import lever_arms
from controller.core.reasons import Reason
from controller.core.site import Metric
from controller.core.timebase import DeviceClock, EpochClock
from sim.day import plan
from sim.inproc import run
from sim.oracle import judge
from sim.scenario import load_scenario
from sim.sections import Fault, Target, TerrainModel

FIRST_LANE = load_scenario("first-lane")
MS = 1_000_000
SEED = 1


def lane(*faults, **changes):
    return msgspec.structs.replace(FIRST_LANE, fault=faults, **changes)


WEAK = msgspec.structs.replace(
    FIRST_LANE.world,
    targets=(Target(east_m=0.15, north_m=3.0, depth_m=0.13, strength=0.7),),
)
# Its signal is above the floor and below twice of it.
FAINT = msgspec.structs.replace(
    FIRST_LANE.world,
    targets=(Target(east_m=0.075, north_m=3.0, depth_m=0.13, strength=0.06),),
)
DAYS = {
    "plain": lane(),
    "weak": lane(world=WEAK),
    "faint": lane(world=FAINT),
    # Where the head falls silent in mid-lane, credit must end where its last sample truly was.
    "cut": lane(
        Fault(kind="unplug", link="head", from_s=9.0, until_s=12.0),
        lanes=msgspec.structs.replace(FIRST_LANE.lanes, speed_m_s=1.4),
        gnss=msgspec.structs.replace(FIRST_LANE.gnss, latency_ms=150.0),
    ),
    "steep": lane(terrain=TerrainModel(slope_east=0.055)),
    "dead-later": lane(Fault(kind="dead_channel", from_s=10.0, size=1)),
    "rough": lane(gnss=msgspec.structs.replace(FIRST_LANE.gnss, stated_error_95_m=0.09)),
    "dead-before": lane(Fault(kind="dead_channel", from_s=-60.0, size=1)),
    "float": lane(Fault(kind="corrections_lost", from_s=1.0, until_s=40.0), profile="ap-shallow"),
    "stuck": lane(Fault(kind="stuck_channel", from_s=10.0, until_s=16.0, size=1)),
    "moved": lane(Fault(kind="base_moved", from_s=11.0)),
    "leap": lane(Fault(kind="head_clock_step", from_s=7.0)),
}


def verdict_on(scenario):
    with tempfile.TemporaryDirectory() as scratch:
        day = plan(scenario, SEED)
        for _ in run(day, Path(scratch) / "session"):
            pass
        return judge(Path(scratch) / "session", day.scenario, day.truth)


@functools.cache
def sound(name):
    """The verdict on the same day without any bug; asked for before a bug is planted."""
    return verdict_on(DAYS[name])


def no_erosion(plant):
    plant.setattr(coverage, "erode", lambda raster, radius_dmm: raster)


def no_independent_error(plant):
    plant.setattr(placing, "independent_error_m", lambda lever_m, *_, **__: np.zeros(len(lever_m)))


def radius_of_the_strongest_item(plant):
    opened = check_requests._open_block

    def wider(state, head, calibration, *rest):
        channels = tuple(msgspec.structs.replace(c, detection_radius_m=0.25) for c in calibration.channels)
        opened(state, head, msgspec.structs.replace(calibration, channels=channels), *rest)

    plant.setattr(check_requests, "_open_block", wider)


def sample_times_late(plant):
    to_mono = DeviceClock.to_mono
    plant.setattr(DeviceClock, "to_mono", lambda clock, device_ns: to_mono(clock, device_ns) - 400 * MS)


def epochs_late(plant):
    to_mono = EpochClock.to_mono
    plant.setattr(EpochClock, "to_mono", lambda clock, epoch_ns: to_mono(clock, epoch_ns) + 400 * MS)


def samples_a_tenth_late(plant):
    to_mono = DeviceClock.to_mono
    plant.setattr(DeviceClock, "to_mono", lambda clock, device_ns: to_mono(clock, device_ns) + 100 * MS)


def receiver_latency_ignored(plant):
    plant.setattr(EpochClock, "_by_arrivals", lambda clock: clock._envelope.offset_ns)


def arms_without_attitude(plant):
    plant.setattr(
        placing, "lever_arms", lambda lever, heading, roll, pitch: lever_arms(lever, heading, 0 * roll, 0 * pitch)
    )


def arms_mirrored(plant):
    plant.setattr(placing, "lever_arms", lambda lever, *angles: lever_arms(lever * np.array([1.0, -1.0, 1.0]), *angles))


def arms_backwards(plant):
    plant.setattr(placing, "lever_arms", lambda lever, heading, *tilt: lever_arms(lever, heading + math.pi, *tilt))


def any_class_of_fix(plant):
    judged = rules.judge_bracket

    def lenient(*fixes):
        bracket = judged(*fixes)
        metrics = {**bracket.metrics, Metric.POSITION_ERROR: 0.02}
        reasons = bracket.reasons & ~Reason.FIX_CLASS.bit
        return msgspec.structs.replace(bracket, reasons=reasons, metrics=metrics, common_error_m=0.02)

    plant.setattr(placing, "judge_bracket", lenient)


def failed_checks_void_nothing(plant):
    judged = check_requests._judge_blocks
    plant.setattr(check_requests, "_judge_blocks", lambda *arguments, passed: judged(*arguments, passed=True))


def every_check_passes(plant):
    result = checks._result
    plant.setattr(checks, "_result", lambda *fields: msgspec.structs.replace(result(*fields), passed=True))


def failed_checks_open_blocks(plant):
    judged = check_requests._judge_blocks

    def lenient(state, head, run, now_ns, out, *, passed):
        judged(state, head, run, now_ns, out, passed=passed)
        if not passed:
            head.has_failed_check = False
            check_requests._open_block(state, head, head.calibration, run.number, now_ns, out)

    plant.setattr(check_requests, "_judge_blocks", lenient)


def thresholds_doubled(plant):
    update = Detector._update_threshold

    def deaf(detector):
        update(detector)
        detector.threshold = 2.0 * detector.threshold

    plant.setattr(Detector, "_update_threshold", deaf)


def baseline_follows_the_signal(plant):
    judged, update = Detector._run, Detector._update_baseline

    def follow(detector, values, *rest):
        judged(detector, values, *rest)
        detector._baseline = values[-1].copy()

    def keep(detector):
        known = detector._baseline
        update(detector)
        detector._baseline = np.where(np.isnan(known), detector._baseline, known)

    plant.setattr(Detector, "_run", follow)
    plant.setattr(Detector, "_update_baseline", keep)


def thresholds_of_the_check_piece(plant):
    update = Detector._update_threshold

    def deaf(detector):
        update(detector)
        detector.threshold = np.full_like(detector.threshold, 0.9 * FIRST_LANE.head.reference_uv)

    plant.setattr(Detector, "_update_threshold", deaf)


def no_alarm_and_no_signal(plant):
    sample = Detector._sample

    def unheard(detector, values, signal, is_above, is_saturated, reasons):
        sample(detector, values, signal, is_above, is_saturated, reasons)
        reasons &= ~Reason.SIGNAL_PRESENT.bit

    plant.setattr(Detector, "_sample", unheard)
    plant.setattr(Detector, "_edge", lambda *_: None)


def alarms_at_the_first_channel(plant):
    locate = placing._locate_alarm

    def wrong(head, *rest):
        for alarm in head.unsettled:
            alarm.peak_channel = 0
        locate(head, *rest)

    plant.setattr(placing, "_locate_alarm", wrong)


def stuck_channels_count(plant):
    plant.setattr(Detector, "_find_stuck", lambda *_: ())
    standing = Detector._standing_reasons
    plant.setattr(Detector, "_standing_reasons", lambda detector: standing(detector) & ~Reason.HEAD_FAULT.bit)


def jumps_are_forgotten(plant):
    plant.setattr(trust, "doubt", lambda state, reason: None)
    judged = rules.is_jump
    plant.setattr(rules, "is_jump", lambda *fixes: judged(*fixes) and False)


def samples_from_the_future(plant):
    timed = sampling._sample_times
    plant.setattr(sampling, "_sample_times", lambda head, block, arrival_ns: timed(head, block, arrival_ns + 10**10))


OVER = [
    (no_erosion, "rough"),
    (no_independent_error, "plain"),
    (radius_of_the_strongest_item, "plain"),
    (arms_without_attitude, "steep"),
    (arms_backwards, "plain"),
    (any_class_of_fix, "float"),
    (failed_checks_void_nothing, "dead-later"),
    (every_check_passes, "dead-before"),
    (stuck_channels_count, "stuck"),
    (jumps_are_forgotten, "moved"),
    (samples_from_the_future, "leap"),
    (receiver_latency_ignored, "cut"),
    (arms_mirrored, "stuck"),
    (failed_checks_open_blocks, "dead-before"),
]


@pytest.mark.parametrize(("bug", "name"), OVER, ids=[bug.__name__ for bug, _ in OVER])
def test_ground_that_was_not_searched_is_found(monkeypatch, bug, name):
    """Over-claimed with the bug, with its width and length; nothing without it."""
    assert sound(name).over_claimed_m2 == 0.0
    bug(monkeypatch)
    verdict = verdict_on(DAYS[name])
    assert verdict.over_claimed_m2 > 0.0
    assert min(verdict.over_claimed_strip_m) > 0.0


MISSED = [
    (thresholds_of_the_check_piece, "weak"),
    (no_alarm_and_no_signal, "weak"),
    (thresholds_doubled, "faint"),
    (baseline_follows_the_signal, "faint"),
]


@pytest.mark.parametrize(("bug", "name"), MISSED, ids=[bug.__name__ for bug, _ in MISSED])
def test_a_target_that_raised_no_alarm_is_missed(monkeypatch, bug, name):
    """It lies under ground that counts."""
    assert (sound(name).targets_found, sound(name).targets_missed) == (1, 0)
    bug(monkeypatch)
    verdict = verdict_on(DAYS[name])
    assert (verdict.targets_found, verdict.targets_missed) == (0, 1)


@pytest.mark.parametrize("bug", [arms_mirrored, alarms_at_the_first_channel, sample_times_late, epochs_late])
def test_an_alarm_in_the_wrong_place_is_further_off(monkeypatch, bug):
    """By more than a decimetre: another coil's place, the other side's, or that of 0.4 s before or after."""
    _, usual_m = sound("weak").location_error_m
    bug(monkeypatch)
    verdict = verdict_on(DAYS["weak"])
    off_m = verdict.location_error_m[1] if verdict.location_error_m else math.inf
    assert off_m > usual_m + 0.1


def test_ground_that_was_searched_and_not_claimed_is_missed_claim(monkeypatch):
    """Samples stamped 0.1 s late seem taken after they arrived: their clock is doubted, and nothing counts."""
    usual_m2 = sound("plain").missed_claim_m2
    samples_a_tenth_late(monkeypatch)
    verdict = verdict_on(DAYS["plain"])
    assert verdict.over_claimed_m2 == 0.0
    assert verdict.missed_claim_m2 > 5.0 * usual_m2 > 0.0
