"""An autopilot that is read and never commanded: heartbeat, attitude and its own position, as MAVLink."""

import math

import numpy as np

from firmware_bridge.codec.mavlink import MavlinkEncoder
from firmware_bridge.records import Attitude, AutopilotHeartbeat, AutopilotPosition
from sim.earth import geographic
from sim.gnss import SECOND
from sim.machine_config import AUTOPILOT_LATENCY_MS
from sim.motion import Motion
from sim.scenario import Scenario

RATE_HZ = 20
BOOT_NS = 42 * SECOND  # the autopilot was switched on before the controller
ATTITUDE_ERROR_RAD = math.radians(0.5)
GROUND_ROVER, ARDUPILOT, ACTIVE = 10, 3, 4


def autopilot_bytes(
    scenario: Scenario, motion: Motion, until_s: float, random: np.random.Generator
) -> list[tuple[int, bytes]]:
    """(arrival in ns since the start, bytes) for the whole run: attitude at 20 Hz, position at 2, heartbeat at 1."""
    encoder = MavlinkEncoder(1, 1)
    world = scenario.world
    times_s = np.arange(1, int(until_s * RATE_HZ)) / RATE_HZ
    poses = motion.poses(times_s)
    latitude, longitude = geographic(world.origin, poses.east_m, poses.north_m)
    wobble = ATTITUDE_ERROR_RAD * np.sin(times_s * 0.3 + random.uniform(0.0, 6.0))
    jitter = random.uniform(0.0, 5.0, len(times_s))
    arrivals: list[tuple[int, bytes]] = []
    for row, seconds in enumerate(times_s.tolist()):
        now_ns = round(seconds * SECOND)
        attitude = Attitude(
            system_id=1,
            device_time_ns=BOOT_NS + now_ns,
            roll_rad=float(poses.roll_rad[row] + wobble[row]),
            pitch_rad=float(poses.pitch_rad[row] - wobble[row]),
            yaw_rad=math.remainder(float(poses.heading_rad[row]), 2.0 * math.pi),
        )
        payload = encoder.encode(attitude)
        if row % RATE_HZ == 0:
            payload += encoder.encode(
                AutopilotHeartbeat(
                    system_id=1, vehicle_type=GROUND_ROVER, autopilot=ARDUPILOT, base_mode=0, system_status=ACTIVE
                )
            )
        if row % (RATE_HZ // 2) == 0:
            payload += encoder.encode(
                AutopilotPosition(
                    system_id=1,
                    device_time_ns=BOOT_NS + now_ns,
                    latitude_deg=float(latitude[row]),
                    longitude_deg=float(longitude[row]),
                    altitude_m=world.altitude_m,
                    heading_deg=math.degrees(float(poses.heading_rad[row])) % 360.0,
                )
            )
        arrivals.append((now_ns + round((AUTOPILOT_LATENCY_MS + float(jitter[row])) * 1_000_000), payload))
    return arrivals
