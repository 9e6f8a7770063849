"""
What screens are told: the records of a snapshot. `controller.core.snapshot` fills them.
"""

import msgspec

from controller.core.reasons import ReasonValue
from firmware_bridge.records import MonoNs, UtcNs


class HeadSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """
    One head as screens show it; of `channels` each.

    coils_m   : x forward, y left of each coil in the vehicle frame
    radius_m  : detection radius of the open block, else the nominal footprint
    signal    : largest since the last snapshot, in the channel's unit; None without a baseline or a sample
    sigma     : noise; None while unknown
    age_ns    : since its last samples arrived; None before any
    reasons   : what withheld credit within the last second; empty is counting, None is unknown
    block, check, check_part : what is open or running
    reach_m   : what is left of the narrowest radius after the newest errors; None without a block, or where unknown
    time_error_ns : bound on the error of the newest samples' times; None is unknown
    clock_residual_ns, clock_drift_ppm : of the fit to a head's own clock: largest distance of a reply from it, and how
                much faster the monotonic clock runs; None without one
    """

    head: str
    channels: tuple[str, ...]
    coils_m: tuple[tuple[float, float], ...]
    radius_m: tuple[float, ...]
    signal: tuple[float | None, ...]
    threshold: tuple[float, ...]
    sigma: tuple[float | None, ...]
    age_ns: int | None
    reasons: tuple[ReasonValue, ...] | None
    block: int | None
    check: int | None
    check_part: str | None
    reach_m: float | None
    time_error_ns: int | None
    clock_residual_ns: int | None
    clock_drift_ppm: float | None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """
    The state that screens show, twenty times a second; newest wins. Ages in ns, None where nothing was ever received.

    position_dmm   : of the antenna, in the plane      antenna_m : x forward, y left in the vehicle frame
    sounding       : alarms whose signal is present     unacknowledged : how many alarms nobody has heard yet
    unmarked     : how many alarms of the field have no marker yet
    speed_limit_m_s: the smallest that is known; `speed_limit_by` says what sets it (`controller.core.speed`)
    contacts_m   : x forward, y left of what touches the ground, in the vehicle frame
    epoch_error_ns : bound on the error of the fixes' times; None is unknown
    fix_latency_ns : of the quickest fix of late, as the receiver's time pulses show it; None without them
    """

    now_ns: MonoNs
    utc_ns: UtcNs | None
    origin: str
    fix_class: str | None
    fix_age_ns: int | None
    fix_error_95_m: float | None
    position_dmm: tuple[int, int] | None
    heading_deg: float | None
    speed_m_s: float | None
    speed_limit_m_s: float
    speed_limit_by: str
    antenna_m: tuple[float, float]
    contacts_m: tuple[tuple[float, float], ...]
    heads: tuple[HeadSnapshot, ...]
    alarms: int
    sounding: tuple[int, ...]
    unacknowledged: int
    unmarked: int
    is_paused: bool
    is_ended: bool
    lateness_ns: int
    backlog_ns: int
    epoch_error_ns: int | None
    fix_latency_ns: int | None
