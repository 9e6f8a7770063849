"""The machine configuration that fits a scenario: what its operator would have written."""

import math

import msgspec
import numpy as np

from sim.earth import geographic
from sim.gnss_errors import preset_of
from sim.motion import Motion
from sim.route import ANTENNA_M, YAW_ACCELERATION_DEG_S2, mount_x_m
from sim.scenario import SLOPE_DEG_MAX, Scenario
from sim.sections import GnssModel

ALARM_FLOOR_UV = 15.0
ALARM_FLOOR_SIGMAS = 10.0  # of a magnetometer's noise
LATENCY_ERROR_MS = 5.0
AUTOPILOT_LATENCY_MS = 20.0
RELATIVE_MARGIN_M = 0.001  # what the wire's resolution adds to the receiver's own white noise
WINDOW_S = 3.5  # over which an operator would have watched how far a receiver wanders
RADIUS_997 = math.sqrt(-2.0 * math.log(0.003))  # of a two-dimensional Gaussian, in sigmas an axis

# Four wheels around the reference point, and what its brakes were measured to do.
WHEELS = """contacts_m = [[0.5, 0.4], [0.5, -0.4], [-0.5, 0.4], [-0.5, -0.4]]
stop_delay_s = 0.3
braking_m_s2 = 3.0"""


class Rig(msgspec.Struct, frozen=True, kw_only=True):
    """Where a live machine's links, records, broker and console are."""

    gnss: str
    head: str
    autopilot: str
    data: str
    socket: str
    broker: tuple[str, int]
    console_port: int

    @property
    def gnss2(self) -> str:
        """The second receiver's port, where the scenario has one."""
        return f"{self.gnss}2"


def config_text(scenario: Scenario, rig: Rig | None = None) -> str:
    """TOML text as `controller.config` reads it; with the ports of a live machine where there is one."""
    links = ("gnss", "gnss2", "head", "autopilot")
    ports = {name: "" if rig is None else f'port = "{getattr(rig, name)}"\n' for name in links}
    second = scenario.gnss2
    world, gnss, head = scenario.world, scenario.gnss, scenario.head
    relative_m, drift_m_s = receiver_bounds(gnss)
    return f"""# Made for the simulated scenario {scenario.name}.
format = 1

[machine]
id = "simulated"
site = "{scenario.name}"
profile = "{scenario.profile}"

[task]
id = "{scenario.name}"
origin_latitude_deg = {world.latitude_deg}
origin_longitude_deg = {world.longitude_deg}
origin_altitude_m = {world.altitude_m}
{_known_point(scenario) if scenario.checks.has_known_point else ""}
[vehicle]
antenna_m = {list(ANTENNA_M)}
slope_deg_max = {SLOPE_DEG_MAX}
yaw_acceleration_deg_s2_max = {YAW_ACCELERATION_DEG_S2[scenario.lanes.pattern]}
{"" if second is None else f"second_antenna_m = {list(second.antenna_m)}"}
{"" if scenario.trailer is not None else WHEELS}

[position]
link = "gnss"
relative_error_m = {relative_m}
drift_m_s = {drift_m_s}
heading_link = "gnss"
heading_error_95_deg = {gnss.heading_error_95_deg}
attitude_link = "autopilot"
{"" if second is None else f'second_link = "gnss2"{chr(10)}baseline_error_m = {second.baseline_error_m}'}

{_receiver("gnss", gnss, ports["gnss"])}
{"" if second is None else _receiver("gnss2", gnss, ports["gnss2"])}
[[link]]
name = "autopilot"
protocol = "mavlink"
{ports["autopilot"]}system_id = 1
latency_ms = {AUTOPILOT_LATENCY_MS}
latency_error_ms = {LATENCY_ERROR_MS}

[[link]]
name = "head"
protocol = "head"
{ports["head"]}
[[head]]
id = "array"
link = "head"
mount_m = [{mount_x_m(scenario)}, 0.0, {head.height_m}]
nominal_radius_m = {head.detection_radius_m}
alarm_floor = {alarm_floor(scenario)}
{"" if rig is None else _running(rig)}"""


def _known_point(scenario: Scenario) -> str:
    """The peg under the antenna where the vehicle stands before it sets off."""
    poses = Motion(scenario, 0.0).poses(np.zeros(1))
    latitude, longitude = geographic(scenario.world.origin, poses.east_m, poses.north_m)
    return f"known_point_latitude_deg = {float(latitude[0])!r}\nknown_point_longitude_deg = {float(longitude[0])!r}\n"


def _receiver(link: str, gnss: GnssModel, port: str) -> str:
    return f"""[[link]]
name = "{link}"
protocol = "gnss"
{port}latency_ms = {gnss.latency_ms}
latency_error_ms = {LATENCY_ERROR_MS}
"""


def _running(rig: Rig) -> str:
    return f"""
[storage]
directory = "{rig.data}"
socket = "{rig.socket}"

[mqtt]
host = "{rig.broker[0]}"
port = {rig.broker[1]}
has_json = true

[console]
port = {rig.console_port}
"""


def alarm_floor(scenario: Scenario) -> float:
    """Below it nothing is an alarm, in the head's unit."""
    model = scenario.magnetometer
    return ALARM_FLOOR_UV if model is None else ALARM_FLOOR_SIGMAS * model.noise_nt


def receiver_bounds(gnss: GnssModel) -> tuple[float, float]:
    """
    How far apart two fixes of one pass may be wrong: at once in metres, and in metres for each second between them.

    A bounded receiver never exceeds them; an honest one keeps them with 99.7 %.
    """
    if gnss.error_model == "bounded":
        return 2 * gnss.white_m + RELATIVE_MARGIN_M, gnss.drift_m_s
    preset = preset_of(gnss)
    wander_m = preset.slow_m * math.sqrt(2.0 - 2.0 * math.exp(-WINDOW_S / preset.correlation_s))
    return math.sqrt(2.0) * RADIUS_997 * preset.white_m + RELATIVE_MARGIN_M, RADIUS_997 * wander_m / WINDOW_S
