"""
How far off its samples may be by what the machine's own configuration, profile and receiver state.

The simulator's own sum of the two kinds of error that DESIGN and `docs/ARCHITECTURE.md` name, from the configuration's
text and the scenario alone. The oracle measures by it what a session gave away beyond what it had to.
"""

import math

from controller.config import parse_config
from controller.profile_files import load_profile
from sim.machine_config import WINDOW_S, config_text
from sim.scenario import Scenario

RADIUS = {"95%": 1.0, "99.7%": math.sqrt(math.log(0.003) / math.log(0.05))}  # of a Rayleigh radius, from 95 %
ANGLE = {"95%": 1.0, "99.7%": 2.9677 / 1.9600}  # of a Gaussian angle, from 95 %
HEAD_CLOCK_S = 0.003  # what a fitted head clock is usually off at most


def stated_error_m(scenario: Scenario) -> float:
    """Common and independent error of the outermost channel on a straight lane at the lanes' speed, metres."""
    config = parse_config(config_text(scenario), scenario.name)
    profile = load_profile(config.machine.profile)
    gnss, vehicle, position = scenario.gnss, config.vehicle, config.position
    gap_s = 1.0 / gnss.rate_hz
    mount_m, antenna_m = config.head[0].mount_m, vehicle.antenna_m
    half_array_m = (scenario.head.channels - 1) / 2.0 * scenario.head.pitch_m
    across_m = math.hypot(mount_m[0] - antenna_m[0], half_array_m)
    up_m = abs(mount_m[2] - antenna_m[2])
    tilt = math.radians(vehicle.attitude_error_deg)
    tilt_m = (up_m + across_m * math.sin(math.radians(vehicle.slope_deg_max))) * tilt
    bend = math.radians(vehicle.yaw_acceleration_deg_s2_max) * gap_s**2 / 8.0
    turned_m = across_m * (math.radians(gnss.heading_error_95_deg) * ANGLE[profile.confidence] + bend)
    latency_ms = next(link.latency_error_ms or 0.0 for link in config.link if link.name == position.link)
    late_m = scenario.lanes.speed_m_s * (latency_ms / 1e3 + HEAD_CLOCK_S)
    chord_m = vehicle.acceleration_m_s2_max * gap_s**2 / 8.0
    wander_m = position.relative_error_m + position.drift_m_s * WINDOW_S
    return gnss.stated_error_95_m * RADIUS[profile.confidence] + wander_m + chord_m + late_m + tilt_m + turned_m
