"""The machine configuration that fits a scenario: what its operator would have written."""

from sim.motion import ANTENNA_M, MOUNT_X_M
from sim.scenario import Scenario

ALARM_FLOOR_UV = 15.0
LATENCY_ERROR_MS = 5.0
AUTOPILOT_LATENCY_MS = 20.0
RELATIVE_MARGIN_M = 0.001  # what the wire's resolution adds to the receiver's own white noise


def config_text(scenario: Scenario) -> str:
    """TOML text as `controller.config` reads it."""
    world, gnss, head = scenario.world, scenario.gnss, scenario.head
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

[vehicle]
antenna_m = {list(ANTENNA_M)}
slope_deg_max = 5.0

[position]
link = "gnss"
relative_error_m = {2 * gnss.white_m + RELATIVE_MARGIN_M}
drift_m_s = {gnss.drift_m_s}
heading_link = "gnss"
heading_error_95_deg = {gnss.heading_error_95_deg}
attitude_link = "autopilot"

[[link]]
name = "gnss"
protocol = "gnss"
latency_ms = {gnss.latency_ms}
latency_error_ms = {LATENCY_ERROR_MS}

[[link]]
name = "autopilot"
protocol = "mavlink"
system_id = 1
latency_ms = {AUTOPILOT_LATENCY_MS}
latency_error_ms = {LATENCY_ERROR_MS}

[[link]]
name = "head"
protocol = "head"

[[head]]
id = "array"
link = "head"
mount_m = [{MOUNT_X_M}, 0.0, {head.height_m}]
nominal_radius_m = {head.detection_radius_m}
alarm_floor = {ALARM_FLOOR_UV}
"""
