"""
Where the vehicle goes: lanes joined by turns, in reverse where it backs, with a trailer behind it where there is one.

The way is a polyline every 2 cm, and all else is known by the length along it. A trailer's axle does not slip
sideways: on each straight piece its angle to the hitch follows tan(angle / 2) ~ exp(-way / length) exactly.
East and north of the origin in metres, headings clockwise from north in radians.
"""

import math

import msgspec
import numpy as np

from firmware_bridge.errors import ConfigError
from firmware_bridge.records import FloatArray, IntArray
from sim.drive import ACCELERATION_M_S2
from sim.ground import random_field
from sim.scenario import Scenario

ANTENNA_M = (0.0, 0.0, 2.0)
MOUNT_X_M = 1.5  # of the array ahead of the vehicle's reference point
YAW_ACCELERATION_DEG_S2 = {"northward": 60.0, "serpentine": 240.0, "back_and_forth": 60.0}  # a half turn is a tight one
HORIZONTAL_M_S2 = 2.0  # the acceleration that a machine's configuration states where it states none
KEPT = 0.9  # share of both that turns are driven with
CHECK_EAST_M = -4.0  # the check place lies beside the field, on ground nobody claims
TURN_M = 2.0
SHIFT_STANDS_S = 1.0  # between forward and reverse
TRAILER_LENGTHS = 4.0  # after so many the trailer follows straight, to a degree
HITCH_MAX_RAD = math.radians(80.0)
STEP_M = 0.02
HEADING_STEPS = 25  # a vehicle does not turn on the spot: its heading is smoothed over half a metre
BASE_STEPS = 5  # what turns ask of the vehicle is looked at over a tenth of a metre
CALM_M = 2.0  # at both ends of a way in one direction nobody wanders


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """Corners driven through in one direction; `lanes`: which lane each of these straight parts is, from 0."""

    corners_m: list[tuple[float, float]]
    lanes: dict[int, int]


class Place(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    Of the reference point at lengths along the way: float64 (n,) each.

    rate : metres that it moves forward for each metre along the way; negative in reverse
    """

    east_m: FloatArray
    north_m: FloatArray
    heading_rad: FloatArray
    rate: FloatArray


class Route:
    """
    The way through a scenario's lanes; `seed` draws how the operator wanders. Raises `ConfigError` where the trailer
    would fold up.

    limits : (from there on, speed in m/s)     stops : metres along the way, and seconds to stand there
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        lines, planned = [], [np.zeros(1)]
        begins: dict[int, float] = {}
        for way in _ways(scenario):
            along, line, straights = _rounded(way.corners_m, _turn_m(scenario))
            for part, lane in way.lanes.items():
                into_m = _into_lane(scenario, way.corners_m[part : part + 2], straights[part][1])
                begins.setdefault(lane, float(planned[-1][-1]) + straights[part][0] - into_m)
            planned.append(planned[-1][-1] + along[1:])
            lines.append(_wandering(scenario, line, np.append(planned[-2][-1:], planned[-1]), seed))
        self._shifts = np.cumsum([len(line) - 1 for line in lines])[:-1]
        self._east, self._north = np.concatenate([lines[0][:1], *(line[1:] for line in lines)]).T
        steps = np.hypot(np.diff(self._east), np.diff(self._north))
        self._along = np.concatenate([[0.0], np.cumsum(steps)])
        self._heading = _headings(lines)
        self._trailer_m = None if scenario.trailer is None else scenario.trailer.length_m
        if self._trailer_m is not None:
            self._course = np.unwrap(np.arctan2(np.diff(self._east), np.diff(self._north)))
            self._tow(self._trailer_m, steps)
        self.length_m = float(self._along[-1])
        plan = np.concatenate(planned)
        self._set_stops(scenario, begins, plan)
        self._set_limits(scenario, begins, plan)

    def at(self, along_m: FloatArray) -> Place:
        """The place at lengths along the way, in any order."""
        row = np.searchsorted(self._along[1:-1], along_m, side="right")
        since = along_m - self._along[row]
        if self._trailer_m is not None:
            return self._behind(self._trailer_m, row, since)
        share = since / (self._along[row + 1] - self._along[row])
        east, north, heading = (
            values[row] + share * (values[row + 1] - values[row]) for values in (self._east, self._north, self._heading)
        )
        rate = np.where(np.searchsorted(self._shifts, row, side="right") % 2, -1.0, 1.0)
        return Place(east_m=east, north_m=north, heading_rad=heading, rate=rate)

    def _tow(self, length_m: float, steps: FloatArray) -> None:
        """The tangent of half the hitch's angle where each straight piece begins."""
        half, found = 0.0, []
        for bend, fall in zip(
            np.diff(self._course, append=self._course[-1]).tolist(), np.exp(-steps / length_m).tolist(), strict=True
        ):
            found.append(half)
            angle = 2.0 * math.atan(half * fall) + bend
            if abs(angle) > HITCH_MAX_RAD:
                raise ConfigError("[trailer] length_m: it folds up in the turns; a shorter one, or a wider spacing_m")
            half = math.tan(angle / 2.0)
        self._half = np.array(found)

    def _behind(self, length_m: float, row: IntArray, since_m: FloatArray) -> Place:
        angle = 2.0 * np.arctan(self._half[row] * np.exp(-since_m / length_m))
        course = self._course[row]
        heading = course - angle
        return Place(
            east_m=self._east[row] + since_m * np.sin(course) - length_m * np.sin(heading),
            north_m=self._north[row] + since_m * np.cos(course) - length_m * np.cos(heading),
            heading_rad=heading,
            rate=np.cos(angle),
        )

    def _set_stops(self, scenario: Scenario, begins: dict[int, float], plan: FloatArray) -> None:
        self.stops = {float(self._along[row]): SHIFT_STANDS_S for row in self._shifts}
        for stop in scenario.lanes.stop:
            at = float(np.interp(begins[stop.lane - 1] + stop.at_m, plan, self._along))
            self.stops[at] = self.stops.get(at, 0.0) + stop.for_s  # two at the same metre stand one after the other

    def _set_limits(self, scenario: Scenario, begins: dict[int, float], plan: FloatArray) -> None:
        """The asked speed, or what a turn allows where that is less, one speed for the whole turn."""
        asked = np.full(len(plan), scenario.lanes.speed_m_s)
        for stretch in scenario.lanes.stretch:
            begin = begins[stretch.lane - 1]
            asked[(plan >= begin + stretch.from_m) & (plan < begin + stretch.to_m)] = stretch.speed_m_s
        allowed = self._allowed(scenario)
        is_tight = np.convolve(allowed < asked, np.ones(2 * BASE_STEPS + 1), mode="same") > 0.5
        ends = np.flatnonzero((np.diff(asked) != 0.0) | np.diff(is_tight)) + 1
        starts = np.concatenate([[0], ends])
        speeds = np.minimum.reduceat(np.minimum(asked, allowed), starts)
        self.limits = [(float(self._along[row]), float(speed)) for row, speed in zip(starts, speeds, strict=True)]

    def _allowed(self, scenario: Scenario) -> FloatArray:
        """The greatest speed at each point that keeps what the machine's configuration states: float64 (n,)."""
        place = self.at(self._along)
        _, bend = _derivatives(place.east_m)
        _, bow = _derivatives(place.north_m)
        yaw, swing = _derivatives(place.heading_rad)
        curve = np.hypot(bend, bow)
        for row in self._shifts:  # it stands where it changes direction, and the way is straight there
            curve[row - BASE_STEPS : row + BASE_STEPS + 1] = 0.0
        across = math.sqrt((KEPT * HORIZONTAL_M_S2 - _sway_m_s2(scenario)) ** 2 - ACCELERATION_M_S2**2)
        spared = KEPT * math.radians(YAW_ACCELERATION_DEG_S2[scenario.lanes.pattern]) - ACCELERATION_M_S2 * np.abs(yaw)
        with np.errstate(divide="ignore"):
            fastest = np.minimum(np.sqrt(across / curve), np.sqrt(np.maximum(spared, 0.01) / np.abs(swing)))
        allowed: FloatArray = fastest
        return allowed


def mount_x_m(scenario: Scenario) -> float:
    """x of the array: ahead of the vehicle, or over the trailer's axle."""
    return MOUNT_X_M if scenario.trailer is None else 0.0


def _turn_m(scenario: Scenario) -> float:
    """How far before a corner a turn begins, where there is room: farther with a long trailer."""
    return TURN_M if scenario.trailer is None else max(TURN_M, 1.5 * scenario.trailer.length_m)


def _sway_m_s2(scenario: Scenario) -> float:
    """Greatest acceleration of the antenna's mast; raises `ConfigError` where it leaves none for driving."""
    vehicle, lanes = scenario.vehicle, scenario.lanes
    fastest = max([lanes.speed_m_s, *(stretch.speed_m_s for stretch in lanes.stretch)])
    tilt = math.radians(math.hypot(vehicle.sway_roll_deg, vehicle.sway_pitch_deg))
    sway = ANTENNA_M[2] * tilt * (2.0 * math.pi / vehicle.sway_length_m * fastest) ** 2
    if sway > KEPT * HORIZONTAL_M_S2 - 2.0 * ACCELERATION_M_S2:
        raise ConfigError(
            f"[vehicle] sway_length_m: at {fastest} m/s the antenna sways with {sway:.1f} m/s2; the machine's "
            f"configuration states {HORIZONTAL_M_S2} m/s2 in all"
        )
    return sway


def _ways(scenario: Scenario) -> list[Way]:
    """Forward, in reverse, forward and so on."""
    lanes, operator = scenario.lanes, scenario.operator
    east = [
        lane * lanes.spacing_m + (operator.missed_overlap_m if lane + 1 == operator.missed_overlap_lane else 0.0)
        for lane in range(lanes.count)
    ]
    # The array leads, so that the vehicle is straight before it enters; a trailer follows and takes longer.
    ahead, lead = MOUNT_X_M, MOUNT_X_M
    if scenario.trailer is not None:
        ahead, lead = -scenario.trailer.length_m, TRAILER_LENGTHS * scenario.trailer.length_m
    south, north = -lanes.run_in_m - lead, lanes.length_m + lanes.run_in_m
    if lanes.pattern == "serpentine":
        return [_serpentine(east, south, north + lead, ahead + lead)]
    if lanes.pattern == "back_and_forth":
        return _back_and_forth(east, south, north - ahead)
    return [_northward(east, south, north - ahead, _turn_m(scenario))]


def _northward(lanes_m: list[float], south: float, north: float, turn: float) -> Way:
    """From the check place through all lanes, each northward and back outside, and home again."""
    points, lanes, west = [(CHECK_EAST_M, south)], {}, CHECK_EAST_M - 1.25 * turn
    for lane, east in enumerate(lanes_m):
        lanes[len(points)] = lane
        points += [(east, south), (east, north)]
        points += [(east, north + 1.5 * turn), (west, north + 1.5 * turn), (west, south - 2.0 * turn)]
        points += [(CHECK_EAST_M if lane + 1 == len(lanes_m) else lanes_m[lane + 1], south - 2.0 * turn)]
    return Way(corners_m=[*points, (CHECK_EAST_M, south)], lanes=lanes)


def _serpentine(lanes_m: list[float], south: float, north: float, home: float) -> Way:
    """Up one lane and down the next, the last one `home` shorter; the check is where the first lane is run into."""
    points, lanes = [(lanes_m[0], south)], {}
    for lane, east in enumerate(lanes_m):
        points += [(east, points[-1][1])] if lane else []
        lanes[len(points) - 1] = lane
        points += [(east, south if lane % 2 else north)]
    east, end = points.pop()
    return Way(corners_m=[*points, (east, end - home if end == north else end + home)], lanes=lanes)


def _back_and_forth(lanes_m: list[float], south: float, north: float) -> list[Way]:
    """Up each lane; down in reverse, and while still in reverse over to the next one."""
    ways, begin = [], south
    for lane, east in enumerate(lanes_m):
        ways.append(Way(corners_m=[(east, begin), (east, north)], lanes={0: lane}))
        back, begin = [(east, north), (east, south)], south
        for following in lanes_m[lane + 1 : lane + 2]:
            reach = TURN_M + 2.0 * abs(following - east)
            begin = south - reach - 2.0 * TURN_M
            back[-1] = (east, south - TURN_M)
            back += [(following, south - TURN_M - reach), (following, begin)]
        ways.append(Way(corners_m=back, lanes={}))
    return ways


def _into_lane(scenario: Scenario, ends_m: list[tuple[float, float]], place_m: FloatArray) -> float:
    """How far into the lane the array is while the guided point is at a place on it; negative before it."""
    ahead_m = MOUNT_X_M if scenario.trailer is None else -scenario.trailer.length_m
    is_northward = ends_m[1][1] > ends_m[0][1]
    return ahead_m + (float(place_m[1]) if is_northward else scenario.lanes.length_m - float(place_m[1]))


def _rounded(
    corners_m: list[tuple[float, float]], turn_m: float
) -> tuple[FloatArray, FloatArray, list[tuple[float, FloatArray]]]:
    """
    A polyline with its corners cut to curves: lengths along it about every 2 cm, the points there, float64 (n, 2), and
    where each of the straight parts between the corners begins: length and point.
    """
    corners = np.array(corners_m)
    pieces = [corners[:1]]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        pieces.append(_curve(before, corner, after, turn_m))
    line = np.concatenate([*pieces, corners[-1:]])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    begins = np.cumsum([len(piece) for piece in pieces]) - 1
    fine = np.linspace(0.0, along[-1], math.ceil(along[-1] / STEP_M) + 1)
    points = np.stack([np.interp(fine, along, line[:, 0]), np.interp(fine, along, line[:, 1])], axis=1)
    return fine, points, [(float(along[row]), line[row]) for row in begins]


def _curve(before: FloatArray, corner: FloatArray, after: FloatArray, turn_m: float) -> FloatArray:
    """Points of a curve that touches both legs of a corner, float64 (400, 2)."""
    into, out = corner - before, after - corner
    reach = min(turn_m, float(np.hypot(*into)) / 2, float(np.hypot(*out)) / 2)
    start, end = corner - into / np.hypot(*into) * reach, corner + out / np.hypot(*out) * reach
    shares = np.linspace(0.0, 1.0, 400)[:, None]
    # A quadratic curve touches the legs as an arc does, whatever the angle between them.
    curve: FloatArray = (1 - shares) ** 2 * start + 2 * shares * (1 - shares) * corner + shares**2 * end
    return curve


def _wandering(scenario: Scenario, line: FloatArray, along_m: FloatArray, seed: int) -> FloatArray:
    """The same points beside the planned way, by as much as the operator errs there."""
    operator = scenario.operator
    if operator.wander_m == 0.0:
        return line
    field = random_field(operator.wander_length_m, np.random.Generator(np.random.PCG64(seed)))
    from_end = np.minimum(along_m - along_m[0], along_m[-1] - along_m)
    calm = np.clip(from_end / CALM_M, 0.0, 1.0)
    calm = calm**3 * (10.0 - 15.0 * calm + 6.0 * calm**2)
    aside = operator.wander_m * calm * field.at(along_m, np.zeros_like(along_m))
    course = np.arctan2(np.gradient(line[:, 0]), np.gradient(line[:, 1]))
    points: FloatArray = line + aside[:, None] * np.stack([-np.cos(course), np.sin(course)], axis=1)
    return points


def _headings(lines: list[FloatArray]) -> FloatArray:
    """Of the vehicle at each point of the joined ways, smoothed and unwrapped; every second way is in reverse."""
    found: list[FloatArray] = []
    for number, line in enumerate(lines):
        raw = np.unwrap(np.arctan2(np.gradient(line[:, 0]), np.gradient(line[:, 1]))) + math.pi * (number % 2)
        around = HEADING_STEPS // 2
        padded = np.concatenate([np.full(around, raw[0]), raw, np.full(around, raw[-1])])
        heading = np.convolve(padded, np.ones(HEADING_STEPS) / HEADING_STEPS, mode="valid")
        if found:
            heading = heading[1:] - 2.0 * math.pi * np.round((heading[0] - found[-1][-1]) / (2.0 * math.pi))
        found.append(heading)
    return np.concatenate(found)


def _derivatives(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """First and second by the length along the way, over a tenth of a metre on either side."""
    base_m = BASE_STEPS * STEP_M
    padded = np.pad(values, BASE_STEPS, mode="reflect", reflect_type="odd")
    before, after = padded[: -2 * BASE_STEPS], padded[2 * BASE_STEPS :]
    return (after - before) / (2.0 * base_m), (after - 2.0 * values + before) / base_m**2
