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

from controller.core import checks, coverage, placing, requests, rules, sampling, trust
from controller.core.detection import Detector
from controller.core.geometry import lever_arms
from controller.core.reasons import Reason
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
DAYS = {
    "plain": lane(),
    "weak": lane(world=WEAK),
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
    plant.setattr(placing, "independent_error_m", lambda lever_m, *_, **__: np.full(len(lever_m), -0.05))


def radius_of_the_strongest_item(plant):
    opened = requests._open_block

    def wider(state, head, calibration, *rest):
        channels = tuple(msgspec.structs.replace(c, detection_radius_m=0.25) for c in calibration.channels)
        opened(state, head, msgspec.structs.replace(calibration, channels=channels), *rest)

    plant.setattr(requests, "_open_block", wider)


def sample_times_late(plant):
    to_mono = DeviceClock.to_mono
    plant.setattr(DeviceClock, "to_mono", lambda clock, device_ns: to_mono(clock, device_ns) - 400 * MS)


def epochs_late(plant):
    to_mono = EpochClock.to_mono
    plant.setattr(EpochClock, "to_mono", lambda clock, epoch_ns: to_mono(clock, epoch_ns) + 400 * MS)


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
    ignored = ~(Reason.FIX_CLASS.bit | Reason.POSITION_ERROR.bit)

    def lenient(*fixes):
        bracket = judged(*fixes)
        return msgspec.structs.replace(bracket, reasons=bracket.reasons & ignored, common_error_m=0.02)

    plant.setattr(placing, "judge_bracket", lenient)


def failed_checks_void_nothing(plant):
    judged = requests._judge_blocks
    plant.setattr(requests, "_judge_blocks", lambda *arguments, passed: judged(*arguments, passed=True))


def every_check_passes(plant):
    result = checks._result
    plant.setattr(checks, "_result", lambda *fields: msgspec.structs.replace(result(*fields), passed=True))


def thresholds_of_the_check_piece(plant):
    update = Detector._update_threshold

    def deaf(detector):
        update(detector)
        detector.threshold = np.full_like(detector.threshold, 0.9 * FIRST_LANE.head.reference_uv)

    plant.setattr(Detector, "_update_threshold", deaf)


def alarms_need_a_second(plant):
    is_quiet = Detector._sample

    def slow(detector, values, signal, is_above, is_saturated, reasons):
        is_quiet(detector, values, signal, is_above & (detector.index % 2 == 0), is_saturated, reasons)
        reasons &= ~Reason.SIGNAL_PRESENT.bit

    plant.setattr(Detector, "_sample", slow)
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
]


@pytest.mark.parametrize(("bug", "name"), OVER, ids=[bug.__name__ for bug, _ in OVER])
def test_ground_that_was_not_searched_is_found(monkeypatch, bug, name):
    """Over-claimed with the bug, with its width and length; nothing without it."""
    assert sound(name).over_claimed_m2 == 0.0
    bug(monkeypatch)
    verdict = verdict_on(DAYS[name])
    assert verdict.over_claimed_m2 > 0.0
    assert min(verdict.over_claimed_strip_m) > 0.0


@pytest.mark.parametrize("bug", [thresholds_of_the_check_piece, alarms_need_a_second])
def test_a_target_that_raised_no_alarm_is_missed(monkeypatch, bug):
    """It lies under ground that counts."""
    assert (sound("weak").targets_found, sound("weak").targets_missed) == (1, 0)
    bug(monkeypatch)
    verdict = verdict_on(DAYS["weak"])
    assert (verdict.targets_found, verdict.targets_missed) == (0, 1)


@pytest.mark.parametrize("bug", [arms_mirrored, alarms_at_the_first_channel, sample_times_late, epochs_late])
def test_an_alarm_in_the_wrong_place_is_further_off(monkeypatch, bug):
    """By more than a decimetre: another coil's place, the other side's, or that of 0.4 s before or after."""
    _, usual_m = sound("weak").location_error_m
    bug(monkeypatch)
    verdict = verdict_on(DAYS["weak"])
    off_m = verdict.location_error_m[1] if verdict.location_error_m else math.inf
    assert off_m > usual_m + 0.1
