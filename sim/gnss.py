"""
Two-antenna RTK receivers: true class, an error as the model says, constant latency with jitter, real bytes, and faults.

Heights follow the antenna over the ground's plane. What a fault changes it changes in what the receiver says; the truth
stays where the vehicle is.
"""

import math

import msgspec
import numpy as np

from firmware_bridge.codec.nmea import encode_nmea
from firmware_bridge.codec.ubx import encode_ubx
from firmware_bridge.records import BoolArray, FixClass, FloatArray, GnssFix, UtcNs
from sim.earth import geographic
from sim.gnss_errors import BOUND_SHARE, PRESETS, Gaussian, error_model
from sim.motion import Motion, Poses, vehicle_axes
from sim.route import ANTENNA_M
from sim.scenario import RADIUS_95, Scenario
from sim.sections import Fault, Link

SECOND = 1_000_000_000
STATION, OTHER_STATION = "0001", "0002"
DISPLACED_M = {"false_fix": 0.3, "base_moved": 0.5, "base_switched": 0.5}  # where a fault says no size
CLOCK_STEP_S = 2.0
FLOAT_AFTER_S, WORSE_AFTER_S = 5.0, 60.0  # of corrections that are missing
FIXED_AFTER_S = 3.0  # from their return
FLOAT_RAMP_S = 10.0  # over which an ambiguity that is not fixed any more lets the error grow


class _Epochs(msgspec.Struct, kw_only=True, eq=False):
    """What the receiver will say of n epochs, before it is encoded; faults change it in place."""

    times_s: FloatArray
    places_m: FloatArray
    heading_deg: FloatArray
    speed_m_s: FloatArray
    classes: list[FixClass]
    stated_m: FloatArray
    age_s: FloatArray
    stations: list[str]
    clock_s: FloatArray


class Receiver:
    """The bytes of `link`, made in consecutive parts; every random number comes from `random`."""

    def __init__(
        self, scenario: Scenario, motion: Motion, utc_ns: int, random: np.random.Generator, link: Link = "gnss"
    ) -> None:
        gnss = scenario.gnss
        self._scenario, self._motion, self._utc_ns = scenario, motion, utc_ns
        errors, floats, self._jitter, single = random.spawn(4)
        step_s = 1.0 / gnss.rate_hz
        self._errors = error_model(gnss, step_s, errors)
        self._float = Gaussian(PRESETS[FixClass.FLOAT], step_s, floats)
        self._wobble = single.uniform(0.0, 6.0)
        self._faults = [f for f in scenario.fault if (f.link or "gnss") == link]
        self._directions = [single.uniform(0.0, 2.0 * math.pi) for _ in self._faults]
        second = scenario.gnss2
        self._antenna_m = np.zeros(3)
        if link == "gnss2":
            assert second is not None, "a second receiver has a section"
            self._antenna_m = np.array(second.antenna_m) - np.array(ANTENNA_M)
        self._held: tuple[FloatArray, float, float] | None = None
        self._last_ns = 0

    def arrivals(self, from_s: float, until_s: float) -> list[tuple[int, bytes]]:
        """(arrival in ns, bytes) of the epochs in (from, until], in order of arrival."""
        gnss = self._scenario.gnss
        first, last = (math.floor(at * gnss.rate_hz + 1e-9) for at in (from_s, until_s))
        if first == last:
            return []
        epochs = self._epochs(np.arange(first + 1, last + 1) / gnss.rate_hz)
        for fault, direction in zip(self._faults, self._directions, strict=True):
            self._apply(fault, direction, epochs)
        jitter_ms = self._jitter.uniform(0.0, gnss.jitter_ms, len(epochs.times_s))
        encode = encode_ubx if gnss.protocol == "ubx" else encode_nmea
        arrivals = []
        for row, fix in enumerate(self._fixes(epochs)):
            late_ns = round((gnss.latency_ms + float(jitter_ms[row])) * 1_000_000)
            # A line does not let one epoch overtake another.
            self._last_ns = max(self._last_ns, round(float(epochs.times_s[row]) * SECOND) + late_ns)
            arrivals.append((self._last_ns, encode(fix)))
        return arrivals

    def _epochs(self, times_s: FloatArray) -> _Epochs:
        gnss, poses = self._scenario.gnss, self._motion.poses(times_s)
        wobble = BOUND_SHARE * gnss.heading_error_95_deg * np.sin(times_s * 0.11 + self._wobble)
        return _Epochs(
            times_s=times_s,
            places_m=antenna_places(poses, self._scenario, self._antenna_m) + self._errors.take(times_s),
            heading_deg=(np.degrees(poses.heading_rad) + wobble) % 360.0,
            speed_m_s=poses.speed_m_s.copy(),
            classes=[FixClass[gnss.fix_class.upper()]] * len(times_s),
            stated_m=np.full(len(times_s), gnss.stated_error_95_m),
            age_s=np.ones(len(times_s)),
            stations=[STATION] * len(times_s),
            clock_s=np.zeros(len(times_s)),
        )

    def _apply(self, fault: Fault, direction: float, epochs: _Epochs) -> None:
        driven_s = epochs.times_s - self._motion.depart_s
        is_on = fault.is_on(driven_s)
        match fault.kind:
            case "false_fix" | "base_moved" | "base_switched":
                metres = DISPLACED_M[fault.kind] if fault.size is None else fault.size
                epochs.places_m[is_on] += metres * np.array([math.sin(direction), math.cos(direction), 0.0])
                if fault.kind == "base_switched":
                    for row in np.flatnonzero(is_on).tolist():
                        epochs.stations[row] = OTHER_STATION
            case "outage":
                for row in np.flatnonzero(is_on).tolist():
                    epochs.classes[row] = FixClass.NONE
            case "receiver_clock_step":
                epochs.clock_s[is_on] += CLOCK_STEP_S if fault.size is None else fault.size
            case "receiver_freeze":
                self._freeze(is_on, epochs)
            case "corrections_lost":
                self._lose_corrections(fault, driven_s, epochs)
            case _:
                pass  # what happens to bytes happens on the wire

    def _freeze(self, is_on: BoolArray, epochs: _Epochs) -> None:
        """The last epoch before it is repeated: place, course and speed."""
        for row, is_frozen in enumerate(is_on.tolist()):
            if not is_frozen or self._held is None:
                speed, heading = float(epochs.speed_m_s[row]), float(epochs.heading_deg[row])
                self._held = epochs.places_m[row].copy(), speed, heading
                continue
            epochs.places_m[row], epochs.speed_m_s[row], epochs.heading_deg[row] = self._held

    def _lose_corrections(self, fault: Fault, driven_s: FloatArray, epochs: _Epochs) -> None:
        """Float when they are too old, worse later; fixed again some seconds after they have come back."""
        until_s = math.inf if fault.until_s is None else fault.until_s
        wander = self._float.take(driven_s)
        lost_s = np.minimum(driven_s, until_s) - fault.from_s
        is_float = (lost_s > FLOAT_AFTER_S) & (driven_s < until_s + FIXED_AFTER_S)
        growth = np.clip((lost_s - FLOAT_AFTER_S) / FLOAT_RAMP_S, 0.0, 1.0)
        is_on = fault.is_on(driven_s)
        epochs.age_s[is_on] += lost_s[is_on]
        for row in np.flatnonzero(is_float).tolist():
            is_worse = lost_s[row] > WORSE_AFTER_S
            epochs.classes[row] = FixClass.DGNSS if is_worse else FixClass.FLOAT
            scale = PRESETS[FixClass.DGNSS].slow_m / PRESETS[FixClass.FLOAT].slow_m if is_worse else 1.0
            epochs.places_m[row] += growth[row] * scale * wander[row]
            epochs.stated_m[row] += scale * RADIUS_95 * PRESETS[FixClass.FLOAT].slow_m * growth[row]

    def _fixes(self, epochs: _Epochs) -> list[GnssFix]:
        gnss, world = self._scenario.gnss, self._scenario.world
        latitude, longitude = geographic(world.origin, epochs.places_m[:, 0], epochs.places_m[:, 1])
        course = (epochs.heading_deg + np.where(epochs.speed_m_s < 0.0, 180.0, 0.0)) % 360.0
        fixes = []
        for row, seconds in enumerate((epochs.times_s + epochs.clock_s).tolist()):
            utc_ns = UtcNs(self._utc_ns + round(seconds * SECOND))
            has_place = epochs.classes[row] is not FixClass.NONE
            fixes.append(
                GnssFix(
                    utc_ns=utc_ns,
                    time_of_day_ns=utc_ns % (86_400 * SECOND),
                    latitude_deg=float(latitude[row]) if has_place else None,
                    longitude_deg=float(longitude[row]) if has_place else None,
                    altitude_m=world.altitude_m + float(epochs.places_m[row, 2]) if has_place else None,
                    fix_class=epochs.classes[row],
                    horizontal_error_95_m=float(epochs.stated_m[row]) if has_place else None,
                    speed_m_s=abs(float(epochs.speed_m_s[row])) if has_place else None,
                    course_deg=float(course[row]) if has_place else None,
                    heading_deg=float(epochs.heading_deg[row]) if has_place else None,
                    heading_error_95_deg=gnss.heading_error_95_deg if has_place else None,
                    correction_age_s=float(epochs.age_s[row]) if has_place else None,
                    reference_station=epochs.stations[row] if has_place else None,
                )
            )
        return fixes


def antenna_places(poses: Poses, scenario: Scenario, offset_m: FloatArray) -> FloatArray:
    """East, north and height above the origin of what stands `offset_m` from the antenna: float64 (n, 3)."""
    offsets = np.stack([np.array(ANTENNA_M), offset_m]) @ vehicle_axes(poses)
    antenna, other = offsets[:, 0], offsets[:, 1]
    foot = np.stack([poses.east_m, poses.north_m], axis=1) - antenna[:, :2]
    up = antenna[:, 2] + foot @ np.array(scenario.slope) + poses.heave_m
    return np.stack([poses.east_m + other[:, 0], poses.north_m + other[:, 1], up + other[:, 2]], axis=1)
