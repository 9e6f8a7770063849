"""
A two-antenna RTK receiver: true class, an error as its model says, constant latency with jitter, real bytes.

`bounded`: the slow error keeps to a circle just inside its bound and moves along it as fast as it may, nearly the worst
that the receiver's statement allows; the white part is uniform within its disc. Nothing sound may ever over-claim.
`honest`: an Ornstein-Uhlenbeck process and white noise, 95 % of it within the stated error; the rest is beyond it.
"""

import math

import numpy as np

from firmware_bridge.codec.nmea import encode_nmea
from firmware_bridge.codec.ubx import encode_ubx
from firmware_bridge.records import FixClass, FloatArray, GnssFix, UtcNs
from sim.earth import geographic
from sim.motion import Motion
from sim.scenario import Scenario, slow_sigma_m
from sim.sections import GnssModel

SECOND = 1_000_000_000
BOUND_SHARE = 0.9  # share of each bound that is used: the wire rounds, and a bound is a bound


def position_errors(scenario: Scenario, times_s: FloatArray, random: np.random.Generator) -> FloatArray:
    """Error vectors, float64 (n, 2), at equal steps of time, by the scenario's error model."""
    if scenario.gnss.error_model == "honest":
        return _honest_errors(scenario.gnss, times_s, random)
    return _bounded_errors(scenario.gnss, times_s, random)


def _honest_errors(gnss: GnssModel, times_s: FloatArray, random: np.random.Generator) -> FloatArray:
    """Slow and white part together have the stated 95 % radius."""
    steps = random.normal(0.0, 1.0, (len(times_s), 2))
    keep = math.exp(-float(times_s[1] - times_s[0]) / gnss.correlation_s)
    slow = np.empty_like(steps)
    slow[0] = steps[0]
    for row in range(1, len(steps)):
        slow[row] = keep * slow[row - 1] + math.sqrt(1.0 - keep**2) * steps[row]
    errors: FloatArray = slow_sigma_m(gnss) * slow + random.normal(0.0, gnss.white_m, steps.shape)
    return errors


def _bounded_errors(gnss: GnssModel, times_s: FloatArray, random: np.random.Generator) -> FloatArray:
    """Never longer than the stated error, never drifting faster than stated."""
    radius = BOUND_SHARE * (gnss.stated_error_95_m - gnss.white_m)
    angle = random.uniform(0.0, 2.0 * math.pi) + BOUND_SHARE * gnss.drift_m_s / radius * times_s
    slow = radius * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    length = gnss.white_m * np.sqrt(random.uniform(0.0, 1.0, len(times_s)))
    turn = random.uniform(0.0, 2.0 * math.pi, len(times_s))
    errors: FloatArray = slow + length[:, None] * np.stack([np.sin(turn), np.cos(turn)], axis=1)
    return errors


def receiver_bytes(
    scenario: Scenario, motion: Motion, until_s: float, utc_ns: int, random: np.random.Generator
) -> list[tuple[int, bytes]]:
    """(arrival in ns since the start, bytes of one epoch) for the whole run, in order of arrival."""
    gnss, world = scenario.gnss, scenario.world
    times_s = np.arange(1, int(until_s * gnss.rate_hz)) / gnss.rate_hz
    poses = motion.poses(times_s)
    places = np.stack([poses.east_m, poses.north_m], axis=1) + position_errors(scenario, times_s, random)
    latitude, longitude = geographic(world.origin, places[:, 0], places[:, 1])
    wobble = BOUND_SHARE * gnss.heading_error_95_deg * np.sin(times_s * 0.11 + random.uniform(0.0, 6.0))
    heading = (np.degrees(poses.heading_rad) + wobble) % 360.0
    course = (heading + np.where(poses.speed_m_s < 0.0, 180.0, 0.0)) % 360.0
    jitter = random.uniform(0.0, gnss.jitter_ms, len(times_s))
    encode = encode_ubx if gnss.protocol == "ubx" else encode_nmea
    arrivals: list[tuple[int, bytes]] = []
    for row, seconds in enumerate(times_s.tolist()):
        fix = GnssFix(
            utc_ns=UtcNs(utc_ns + round(seconds * SECOND)),
            time_of_day_ns=(utc_ns + round(seconds * SECOND)) % (86_400 * SECOND),
            latitude_deg=float(latitude[row]),
            longitude_deg=float(longitude[row]),
            altitude_m=world.altitude_m,
            fix_class=FixClass.FIXED,
            horizontal_error_95_m=gnss.stated_error_95_m,
            speed_m_s=abs(float(poses.speed_m_s[row])),
            course_deg=float(course[row]),
            heading_deg=float(heading[row]),
            heading_error_95_deg=gnss.heading_error_95_deg,
            correction_age_s=1.0,
            reference_station="0001",
        )
        arrival = round(seconds * SECOND) + round((gnss.latency_ms + float(jitter[row])) * 1_000_000)
        arrivals.append((arrival, encode(fix)))
    return arrivals


class Receiver:
    """The receiver's bytes in parts."""

    def __init__(self, scenario: Scenario, motion: Motion, utc_ns: int, random: np.random.Generator) -> None:
        self._arguments = scenario, motion, utc_ns, random
        self._all: list[tuple[int, bytes]] | None = None

    def arrivals(self, from_s: float, until_s: float) -> list[tuple[int, bytes]]:
        """(arrival in ns, bytes) of the epochs in (from, until]."""
        scenario, motion, utc_ns, random = self._arguments
        if self._all is None:
            self._all = receiver_bytes(scenario, motion, motion.arrive_s + 120.0, utc_ns, random)
        late = round((scenario.gnss.latency_ms + scenario.gnss.jitter_ms) * 1e6)
        return [a for a in self._all if from_s * SECOND < a[0] - late + late <= until_s * SECOND]
