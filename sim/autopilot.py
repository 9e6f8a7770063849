"""
An autopilot: heartbeat, attitude and its own position, as MAVLink.

Like a real one without configured streams it sends only heartbeats until it is asked for more, and forgets what it was
asked for when it restarts. It reads the wire by itself, so that the controller's writer meets an independent reader.
"""

import math
import struct
from collections.abc import Iterator

import numpy as np

from firmware_bridge.codec.mavlink import MavlinkEncoder, mavlink_crc
from firmware_bridge.codec.mavlink_frames import CRC_BYTES, HEADER_BYTES_2, MARKER_2
from firmware_bridge.records import Attitude, AutopilotHeartbeat, AutopilotPosition, EstimatorStatus, FloatArray
from sim.earth import geographic
from sim.gnss import SECOND, antenna_places
from sim.machine_config import AUTOPILOT_LATENCY_MS
from sim.motion import Motion
from sim.scenario import Scenario

RATE_HZ = 20
REBOOT_S = 8.0  # from losing power to the first heartbeat
ASTRAY_DEG = 4.0  # how far a failed estimate is off
BOOT_NS = 42 * SECOND  # the autopilot was switched on before the controller
ATTITUDE_ERROR_RAD = math.radians(0.5)
GROUND_ROVER, ARDUPILOT, ACTIVE = 10, 3, 4
SYSTEM_ID, COMPONENT_ID = 1, 1
HEARTBEAT_ID = 0
# common.xml: COMMAND_LONG, its layout and CRC_EXTRA, and the one command that is obeyed.
COMMAND_LONG_ID, COMMAND_LONG_SEED, SET_MESSAGE_INTERVAL = 76, 152, 511
_COMMAND_LONG = struct.Struct("<7fHBBB")


class AutopilotFeed:
    """All that it could send, in parts: attitude at 20 Hz, estimator's status at 5, position at 2, heartbeat at 1."""

    def __init__(self, scenario: Scenario, motion: Motion, random: np.random.Generator) -> None:
        self._scenario, self._motion = scenario, motion
        self._encoder = MavlinkEncoder(SYSTEM_ID, COMPONENT_ID)
        self._wobble = random.uniform(0.0, 6.0)
        self._jitter = random
        self._reboots = reboots_of(scenario, motion.depart_s)

    def arrivals(self, from_s: float, until_s: float) -> list[tuple[int, bytes]]:
        """(arrival in ns, bytes) of what it measured in (from, until]."""
        first, last = (math.floor(at * RATE_HZ + 1e-9) for at in (from_s, until_s))
        if first == last:
            return []
        ticks = np.arange(first + 1, last + 1)
        poses = self._motion.poses(ticks / RATE_HZ)
        places = antenna_places(poses, self._scenario, np.zeros(3))
        latitude, longitude = geographic(self._scenario.world.origin, places[:, 0], places[:, 1])
        wobble = ATTITUDE_ERROR_RAD * np.sin(ticks / RATE_HZ * 0.3 + self._wobble) + self._astray(ticks / RATE_HZ)
        jitter = self._jitter.uniform(0.0, 5.0, len(ticks))
        arrivals: list[tuple[int, bytes]] = []
        for row, tick in enumerate(ticks.tolist()):
            now_ns = round(tick / RATE_HZ * SECOND)
            if any(off_ns <= now_ns < on_ns for off_ns, on_ns in self._reboots):
                continue
            boot_ns = max((on_ns for _, on_ns in self._reboots if on_ns <= now_ns), default=-BOOT_NS)
            attitude = Attitude(
                system_id=1,
                device_time_ns=now_ns - boot_ns,
                roll_rad=float(poses.roll_rad[row] + wobble[row]),
                pitch_rad=float(poses.pitch_rad[row] - wobble[row]),
                yaw_rad=math.remainder(float(poses.heading_rad[row]), 2.0 * math.pi),
            )
            payload = self._encoder.encode(attitude)
            if tick % RATE_HZ == 1:
                payload += self._encoder.encode(
                    AutopilotHeartbeat(
                        system_id=1, vehicle_type=GROUND_ROVER, autopilot=ARDUPILOT, base_mode=0, system_status=ACTIVE
                    )
                )
            if tick % (RATE_HZ // 5) == 1:
                status = EstimatorStatus(system_id=1, is_attitude_good=not self._has_failed(tick / RATE_HZ))
                payload += self._encoder.encode(status)
            if tick % (RATE_HZ // 2) == 1:
                payload += self._encoder.encode(
                    AutopilotPosition(
                        system_id=1,
                        device_time_ns=now_ns - boot_ns,
                        latitude_deg=float(latitude[row]),
                        longitude_deg=float(longitude[row]),
                        altitude_m=self._scenario.world.altitude_m + float(places[row, 2]),
                        heading_deg=math.degrees(float(poses.heading_rad[row])) % 360.0,
                    )
                )
            arrivals.append((now_ns + round((AUTOPILOT_LATENCY_MS + float(jitter[row])) * 1_000_000), payload))
        return arrivals

    def _has_failed(self, seconds: float) -> bool:
        driven_s = np.array([seconds - self._motion.depart_s])
        return any(fault.is_on(driven_s)[0] for fault in self._scenario.fault if fault.kind == "ekf_failed")

    def _astray(self, times_s: FloatArray) -> FloatArray:
        """What a failed estimate adds to the attitude, in radians."""
        driven_s = times_s - self._motion.depart_s
        astray = np.zeros(len(times_s))
        for fault in self._scenario.fault:
            if fault.kind == "ekf_failed":
                most = math.radians(ASTRAY_DEG if fault.size is None else fault.size)
                astray += np.where(fault.is_on(driven_s), most * np.sin((driven_s - fault.from_s) * 1.5), 0.0)
        return astray


def reboots_of(scenario: Scenario, depart_s: float) -> list[tuple[int, int]]:
    """When it loses power and when it is there again, in nanoseconds since the day's beginning."""
    reboots = []
    for fault in scenario.fault:
        if fault.kind == "autopilot_reboot":
            until_s = fault.from_s + REBOOT_S if fault.until_s is None else fault.until_s
            reboots.append((round((depart_s + fault.from_s) * SECOND), round((depart_s + until_s) * SECOND)))
    return sorted(reboots)


class SimulatedAutopilot:
    """
    Of all that could be sent, what has been asked for.

    others : how many frames it was sent that are no requests for messages, our heartbeats and texts among them
    """

    def __init__(self) -> None:
        self._intervals_us: dict[int, float] = {}
        self.others = 0

    @property
    def intervals_us(self) -> dict[int, float]:
        """Message ids that were asked for since the start, with their intervals."""
        return dict(self._intervals_us)

    def hear(self, payload: bytes) -> None:
        """Obey the requests in whole frames; anything else is counted and ignored."""
        for message_id, frame in _frames(payload):
            request = _message_interval(frame) if message_id == COMMAND_LONG_ID else None
            if request is None:
                self.others += 1
            else:
                self._intervals_us[request[0]] = request[1]

    def say(self, payload: bytes) -> bytes:
        """The frames of `payload` that go out: heartbeats, and what was asked for."""
        return b"".join(
            frame
            for message_id, frame in _frames(payload)
            if message_id == HEARTBEAT_ID or message_id in self._intervals_us
        )

    def restart(self) -> None:
        """Switched off and on: it has forgotten everything."""
        self._intervals_us.clear()


def _frames(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """(message id, frame) of unsigned MAVLink 2 frames that stand one behind the other."""
    while payload:
        assert payload[0] == MARKER_2, "not a MAVLink 2 frame"
        length = HEADER_BYTES_2 + payload[1] + CRC_BYTES
        yield int.from_bytes(payload[7:HEADER_BYTES_2], "little"), payload[:length]
        payload = payload[length:]


def _message_interval(frame: bytes) -> tuple[int, float] | None:
    """(message id, microseconds) of a good request to this autopilot."""
    crc = mavlink_crc(frame[1:-CRC_BYTES] + bytes((COMMAND_LONG_SEED,)))
    if crc != int.from_bytes(frame[-CRC_BYTES:], "little"):
        return None
    fields = _COMMAND_LONG.unpack(frame[HEADER_BYTES_2:-CRC_BYTES].ljust(_COMMAND_LONG.size, b"\x00"))
    message_id, interval_us = fields[:2]
    command, system_id, component_id = fields[7:10]
    is_ours = (system_id, component_id) == (SYSTEM_ID, COMPONENT_ID) and command == SET_MESSAGE_INTERVAL
    return (int(message_id), interval_us) if is_ours else None
