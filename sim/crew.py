"""
The people: they calibrate, check, drive, check again and end the session. Requests by time, some by what they see.
"""

from collections.abc import Callable

import msgspec

from controller.core.inputs import (
    AnyRequest,
    BeginCheck,
    BeginCheckPart,
    Calibration,
    ChannelCalibration,
    CheckPart,
    EndCheck,
    EndSession,
)
from firmware_bridge.errors import ConfigError
from sim.head import DICTIONARY_ID, SimulatedHead
from sim.machine_config import alarm_floor
from sim.physics import check_reading, worst_reading
from sim.scenario import Scenario

OPERATOR, LEADER = "op-1", "tl-1"
HEAD = "array"
LOWER_BOUND = 0.95  # of the computed smallest response: what noise takes off the lowest of several runs
THRESHOLD_SHARE = 0.6
POINT_S = 7.0  # on the known point: five unbroken seconds are asked for, and fixes take their time to arrive

Action = Callable[[SimulatedHead], AnyRequest]


class CheckTimes(msgspec.Struct, frozen=True, kw_only=True):
    """When the check piece lies under each coil, and when the check is over; seconds."""

    piece_from_s: tuple[float, ...]
    end_s: float


def calibration_of(scenario: Scenario) -> Calibration:
    """
    The calibration's result by the world's physics: the reference item's weakest response within the radius, whatever
    its direction, attitude and depth. Raises `ConfigError` where no alarm could be told from the floor there.
    """
    head, world, floor = scenario.head, scenario.world, alarm_floor(scenario)
    smallest = LOWER_BOUND * worst_reading(scenario)
    if THRESHOLD_SHARE * smallest < floor:
        raise ConfigError(
            f"[head] detection_radius_m: within {head.detection_radius_m} m the reference item may give as little as "
            f"{smallest:.3g}; at least {floor / THRESHOLD_SHARE:.3g} is needed: a smaller radius or a stronger item"
        )
    channel = ChannelCalibration(
        site_threshold=round(THRESHOLD_SHARE * smallest, 3),
        reference_response_min=round(smallest, 3),
        check_response=round(check_reading(scenario), 3),
        detection_radius_m=head.detection_radius_m,
    )
    return Calibration(
        person=OPERATOR,
        witness=LEADER,
        head=HEAD,
        dictionary_id=DICTIONARY_ID,
        item="simulated reference item",
        depth_m=world.reference_depth_m,
        runs=5,
        channels=(channel,) * head.channels,
    )


def function_check(
    scenario: Scenario, begin_s: float, settle_s: float
) -> tuple[CheckTimes, list[tuple[float, Action]]]:
    """A whole check from `begin_s` on: its times and requests."""
    parts = [(begin_s, CheckPart.BACKGROUND), (begin_s + settle_s, CheckPart.REFERENCE_ITEM)]
    first, step_s = begin_s + settle_s + 0.5, scenario.checks.piece_on_s + scenario.checks.piece_off_s
    pieces = tuple(first + index * step_s for index in range(scenario.head.channels))
    path_s = pieces[-1] + step_s
    parts.append((path_s, CheckPart.ALARM_PATH))
    end_s = path_s + 1.0
    if scenario.checks.has_known_point:
        parts.append((end_s, CheckPart.KNOWN_POINT))
        end_s += POINT_S
    script: list[tuple[float, Action]] = [(begin_s, lambda head: BeginCheck(person=OPERATOR, head=HEAD))]
    for time_s, part in parts:
        script.append((time_s, lambda head, part=part: BeginCheckPart(person=OPERATOR, head=HEAD, part=part)))  # type: ignore[misc]
    script.append((end_s, _end_check))
    return CheckTimes(piece_from_s=pieces, end_s=end_s), script


def _end_check(head: SimulatedHead) -> AnyRequest:
    """The operator says what the lamp and the buzzer really did."""
    return EndCheck(person=OPERATOR, head=HEAD, is_alarm_seen_and_heard=head.lamp_on and head.buzzer_on)


def calibrate(scenario: Scenario) -> Action:
    """Hand in the calibration; made beforehand, so that an impossible one is refused before the day begins."""
    calibration = calibration_of(scenario)
    return lambda head: calibration


def end_session() -> Action:
    """Close the day."""
    return lambda head: EndSession(person=OPERATOR)
