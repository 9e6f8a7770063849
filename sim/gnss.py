"""
Two-antenna RTK receivers: true class, an error as the model says, constant latency with jitter, real bytes, and faults.

Heights follow the antenna over the ground's plane. What a fault changes it changes in what the receiver says; the truth
stays where the vehicle is.
"""

import math

import msgspec
import numpy as np

from firmware_bridge.codec.fix_part import FROM_WORST
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
CORRECTED = (FixClass.DGNSS, FixClass.FLOAT, FixClass.FIXED)


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


class _Held(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a frozen receiver repeats."""

    place_m: FloatArray
    speed_m_s: float
    heading_deg: float
    fix_class: FixClass
    stated_m: float
    age_s: float
    station: str


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
        self._wobble = single.uniform(0.0, 6.0)
        faults = [f for f in scenario.fault if (f.link or "gnss") == link]
        self._directed = [(fault, single.uniform(0.0, 2.0 * math.pi)) for fault in faults]
        self._outages, self._freezes, lost = (
            [fault for fault in faults if fault.kind == kind]
            for kind in ("outage", "receiver_freeze", "corrections_lost")
        )
        # Each has a process of its own, or where the day is cut would say which takes what.
        self._lost = [
            (fault, Gaussian(PRESETS[FixClass.FLOAT], step_s, one))
            for fault, one in zip(lost, floats.spawn(len(lost)), strict=True)
        ]
        second = scenario.gnss2
        self._antenna_m = np.zeros(3)
        if link == "gnss2":
            assert second is not None, "a second receiver has a section"
            self._antenna_m = np.array(second.antenna_m) - np.array(ANTENNA_M)
        self._held: _Held | None = None
        self._last_ns = 0

    def arrivals(self, from_s: float, until_s: float) -> list[tuple[int, bytes]]:
        """(arrival in ns, bytes) of the epochs in (from, until], in order of arrival."""
        gnss = self._scenario.gnss
        first, last = (math.floor(at * gnss.rate_hz + 1e-9) for at in (from_s, until_s))
        if first == last:
            return []
        epochs = self._epochs(np.arange(first + 1, last + 1) / gnss.rate_hz)
        self._apply_faults(epochs)
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

    def _apply_faults(self, epochs: _Epochs) -> None:
        """Whatever their order in the scenario: without satellites nothing else counts, and a freeze repeats it all."""
        driven_s = epochs.times_s - self._motion.depart_s
        for fault, wander in self._lost:
            _lose_corrections(fault, wander.take(driven_s), driven_s, epochs)
        for fault, direction in self._directed:
            _displace(fault, direction, fault.is_on(driven_s), epochs)
        for fault in self._outages:
            for row in np.flatnonzero(fault.is_on(driven_s)).tolist():
                epochs.classes[row] = FixClass.NONE
        if self._freezes:
            self._freeze(np.any([fault.is_on(driven_s) for fault in self._freezes], axis=0), epochs)

    def _freeze(self, is_on: BoolArray, epochs: _Epochs) -> None:
        """The last epoch before it is repeated, its class and its accuracy, too."""
        for row, is_frozen in enumerate(is_on.tolist()):
            if not is_frozen or self._held is None:
                self._held = _Held(
                    place_m=epochs.places_m[row].copy(),
                    speed_m_s=float(epochs.speed_m_s[row]),
                    heading_deg=float(epochs.heading_deg[row]),
                    fix_class=epochs.classes[row],
                    stated_m=float(epochs.stated_m[row]),
                    age_s=float(epochs.age_s[row]),
                    station=epochs.stations[row],
                )
                continue
            held = self._held
            epochs.places_m[row], epochs.speed_m_s[row] = held.place_m, held.speed_m_s
            epochs.heading_deg[row], epochs.classes[row] = held.heading_deg, held.fix_class
            epochs.stated_m[row], epochs.age_s[row] = held.stated_m, held.age_s
            epochs.stations[row] = held.station

    def _fixes(self, epochs: _Epochs) -> list[GnssFix]:
        gnss, world = self._scenario.gnss, self._scenario.world
        latitude, longitude = geographic(world.origin, epochs.places_m[:, 0], epochs.places_m[:, 1])
        course = (epochs.heading_deg + np.where(epochs.speed_m_s < 0.0, 180.0, 0.0)) % 360.0
        fixes = []
        for row, seconds in enumerate((epochs.times_s + epochs.clock_s).tolist()):
            utc_ns = UtcNs(self._utc_ns + round(seconds * SECOND))
            has_place = epochs.classes[row] is not FixClass.NONE
            is_corrected = epochs.classes[row] in CORRECTED
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
                    correction_age_s=float(epochs.age_s[row]) if is_corrected else None,
                    reference_station=epochs.stations[row] if is_corrected else None,
                )
            )
        return fixes


def _displace(fault: Fault, direction: float, is_on: BoolArray, epochs: _Epochs) -> None:
    """Places, or the time that they are said to be of, are off."""
    if fault.kind == "receiver_clock_step":
        epochs.clock_s[is_on] += CLOCK_STEP_S if fault.size is None else fault.size
        return
    if fault.kind not in DISPLACED_M:
        return
    metres = DISPLACED_M[fault.kind] if fault.size is None else fault.size
    epochs.places_m[is_on] += metres * np.array([math.sin(direction), math.cos(direction), 0.0])
    if fault.kind == "base_switched":
        for row in np.flatnonzero(is_on).tolist():
            epochs.stations[row] = OTHER_STATION


def _lose_corrections(fault: Fault, wander: FloatArray, driven_s: FloatArray, epochs: _Epochs) -> None:
    """Float when they are too old, worse later; as before some seconds after they have come back."""
    until_s = math.inf if fault.until_s is None else fault.until_s
    lost_s = np.minimum(driven_s, until_s) - fault.from_s
    is_float = (lost_s > FLOAT_AFTER_S) & (driven_s < until_s + FIXED_AFTER_S)
    growth = np.clip((lost_s - FLOAT_AFTER_S) / FLOAT_RAMP_S, 0.0, 1.0)
    is_on = fault.is_on(driven_s)
    epochs.age_s[is_on] += lost_s[is_on]
    for row in np.flatnonzero(is_float).tolist():
        if epochs.classes[row] not in CORRECTED:
            continue  # what uses none misses none
        is_worse = lost_s[row] > WORSE_AFTER_S
        left = FixClass.DGNSS if is_worse else FixClass.FLOAT
        epochs.classes[row] = min(epochs.classes[row], left, key=FROM_WORST.index)
        scale = PRESETS[FixClass.DGNSS].slow_m / PRESETS[FixClass.FLOAT].slow_m if is_worse else 1.0
        epochs.places_m[row] += growth[row] * scale * wander[row]
        epochs.stated_m[row] += scale * RADIUS_95 * PRESETS[FixClass.FLOAT].slow_m * growth[row]


def antenna_places(poses: Poses, scenario: Scenario, offset_m: FloatArray) -> FloatArray:
    """East, north and height above the origin of what stands `offset_m` from the antenna: float64 (n, 3)."""
    offsets = np.stack([np.array(ANTENNA_M), offset_m]) @ vehicle_axes(poses)
    antenna, other = offsets[:, 0], offsets[:, 1]
    foot = np.stack([poses.east_m, poses.north_m], axis=1) - antenna[:, :2]
    up = antenna[:, 2] + foot @ np.array(scenario.slope) + poses.heave_m
    return np.stack([poses.east_m + other[:, 0], poses.north_m + other[:, 1], up + other[:, 2]], axis=1)
