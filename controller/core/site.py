"""
What the core is told about the machine and the work before it starts: geometry, links, sources, profile.

Vehicle frame: x forward, y left, z up, metres, origin at the vehicle's reference point on the ground. All records are
frozen; `controller.config` reads them from one TOML file and checks what spans more than one of them.
"""

import enum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from firmware_bridge.autopilot_records import AutopilotMessage
from firmware_bridge.records import FixClass

Metres = Annotated[float, Meta(ge=-20.0, le=20.0)]
Position3 = tuple[Metres, Metres, Metres]
Degrees = tuple[
    Annotated[float, Meta(ge=-85.0, le=85.0)],
    Annotated[float, Meta(ge=-180.0, le=180.0)],
]  # latitude, longitude, WGS 84
Ring = Annotated[tuple[Degrees, ...], Meta(min_length=3, max_length=10_000)]
Identifier = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a configuration file; unknown keys are refused."""


class Metric(enum.Enum):
    """What a rule may limit; the unit is in the name. Larger is worse."""

    SPEED = "speed_m_s"  # of the position antenna between two fixes
    POSITION_ERROR = "position_error_95_m"  # horizontal, 95 %, as the receiver states it; the larger of two fixes
    FIX_GAP = "fix_gap_s"  # between the two fixes that bracket a sample
    HEADING_ERROR = "heading_error_95_deg"  # as the receiver states it, with what the way between two fixes may bend
    SAMPLE_SPACING = "sample_spacing_m"  # from one sample of a channel to its next
    CLOCK_ERROR = "clock_error_ms"  # bound on the error of a sample's time
    CHECK_AGE = "check_age_h"  # since the function check that a block stands on
    SIGNAL_SHARE = "signal_share"  # of a head's last ten seconds, how much had a channel in signal
    STOPPING = "stopping_share"  # stopping distance as a share of the coils' lead on the first contact with the ground


# No profile is for work that could do with more.
LIMIT_MAX = {
    Metric.SPEED: 5.0,
    Metric.POSITION_ERROR: 2.0,
    Metric.FIX_GAP: 2.0,
    Metric.HEADING_ERROR: 10.0,
    Metric.SAMPLE_SPACING: 1.0,
    Metric.CLOCK_ERROR: 1000.0,
    Metric.CHECK_AGE: 24.0,
    Metric.SIGNAL_SHARE: 1.0,
    Metric.STOPPING: 1.0,
}
# About the machine's safety and not about what was searched: a profile need not withhold credit by it.
ADVISED = (Metric.STOPPING,)


class Rule(Section, frozen=True, kw_only=True):
    """
    One row of a profile: a limit on one metric.

    window_s : the limit must have been kept throughout so many seconds before; 0 is the sample itself
    limit    : in the metric's unit, at most `LIMIT_MAX`; the limit itself is within the limit
    severity : of breaking it, for the report
    action   : `withhold`, what breaks it earns no credit; `advise`, it is recorded and shown
    """

    id: Identifier
    metric: Metric
    limit: Annotated[float, Meta(gt=0.0)]
    window_s: Annotated[float, Meta(ge=0.0, le=600.0)] = 0.0
    severity: Literal["minor", "major", "critical"] = "major"
    action: Literal["withhold", "advise"] = "withhold"


class Profile(Section, frozen=True, kw_only=True):
    """
    The quality limits of one kind of search (`controller/profiles/*.toml`).

    confidence                : what the position error bound must hold with; scales the receivers' 95 % statements
    known_point_m_max         : how far the antenna may be found from a known point, in a function check
    rule                      : the limits on what is measured all the time; each metric is withheld for by one at least
    k_sigma, k_noise          : alarm threshold in units of noise; smallest margin of the reference item over the site
                                threshold in units of noise
    alarm_samples             : consecutive readings above the threshold that make an alarm (DESIGN's n)
    baseline_s, settle_s      : length of the running median; time from start or re-baseline until credit
    hold_s_max                : longest time an alarm holds the baseline before it is taken anew, without credit
    release_share             : an alarm's signal has ended below this share of the threshold
    response_tolerance        : a function check passes within this share of the calibrated response
    masking_radius_m          : ground this close to an unclosed alarm does not count, beside the alarm's own error
    """

    name: Identifier
    description: str
    confidence: Literal["95%", "99.7%"]
    fix_classes: tuple[FixClass, ...]
    known_point_m_max: Annotated[float, Meta(gt=0.0, le=1.0)]
    requires_attitude: bool
    response_tolerance: Annotated[float, Meta(gt=0.0, lt=1.0)]
    k_sigma: Annotated[float, Meta(ge=3.0, le=20.0)]
    k_noise: Annotated[float, Meta(ge=1.0, le=20.0)]
    alarm_samples: Annotated[int, Meta(ge=1, le=20)]
    baseline_s: Annotated[float, Meta(ge=0.5, le=60.0)]
    settle_s: Annotated[float, Meta(ge=0.5, le=60.0)]
    hold_s_max: Annotated[float, Meta(ge=1.0, le=120.0)]
    release_share: Annotated[float, Meta(gt=0.0, lt=1.0)]
    masking_radius_m: Annotated[float, Meta(ge=0.0, le=5.0)]
    rule: Annotated[tuple[Rule, ...], Meta(min_length=1, max_length=32)]

    def limit(self, metric: Metric) -> float:
        """The smallest limit of a metric that credit is withheld by."""
        return min(rule.limit for rule in self.rule if rule.metric is metric and rule.action == "withhold")

    def advised(self, metric: Metric) -> float | None:
        """The smallest limit of a metric, whether credit is withheld by it or not; None without any."""
        return min((rule.limit for rule in self.rule if rule.metric is metric), default=None)

    def with_limit(self, metric: Metric, limit: float) -> "Profile":
        """The same profile with another limit in every rule of a metric that credit is withheld by."""
        rules = (
            msgspec.structs.replace(rule, limit=limit) if rule.metric is metric and rule.action == "withhold" else rule
            for rule in self.rule
        )
        return msgspec.structs.replace(self, rule=tuple(rules))


class Task(Section, frozen=True, kw_only=True):
    """
    The task this session works for and the immutable WGS 84 origin of its east-north plane.

    known_point_latitude_deg, known_point_longitude_deg : a marked place that was surveyed by other means; the position
    antenna is brought over it in every function check. Both or neither
    boundary : corners of the ground to be searched, in order: (latitude, longitude), until people set another
    """

    id: Identifier
    origin_latitude_deg: Annotated[float, Meta(ge=-85.0, le=85.0)]
    origin_longitude_deg: Annotated[float, Meta(ge=-180.0, le=180.0)]
    origin_altitude_m: Annotated[float, Meta(ge=-500.0, le=6000.0)]
    known_point_latitude_deg: Annotated[float, Meta(ge=-85.0, le=85.0)] | None = None
    known_point_longitude_deg: Annotated[float, Meta(ge=-180.0, le=180.0)] | None = None
    boundary: Ring | None = None


class Vehicle(Section, frozen=True, kw_only=True):
    """
    The carrier's geometry and the bounds on how it can move.

    antenna_m             : phase centre of the position antenna in the vehicle frame
    slope_deg_max         : steepest roll or pitch, used where no attitude is measured
    attitude_error_deg    : bound on the measured roll's and pitch's error
    acceleration_m_s2_max : bound on horizontal acceleration: what interpolation between two fixes cannot see
    yaw_acceleration_deg_s2_max : likewise for heading
    second_antenna_m      : of the receiver that the position is cross-checked with, if there is one
    contacts_m            : where wheels, tracks or feet touch the ground: x forward, y left of each
    stop_delay_s, braking_m_s2 : from an alarm until the brakes act, whoever acts them, and how hard they then do; as
                            measured on the site's ground. None: unknown
    """

    antenna_m: Position3
    slope_deg_max: Annotated[float, Meta(ge=0.0, le=30.0)]
    attitude_error_deg: Annotated[float, Meta(ge=0.0, le=10.0)] = 1.0
    acceleration_m_s2_max: Annotated[float, Meta(gt=0.0, le=20.0)] = 2.0
    yaw_acceleration_deg_s2_max: Annotated[float, Meta(gt=0.0, le=720.0)] = 60.0
    second_antenna_m: Position3 | None = None
    contacts_m: Annotated[tuple[tuple[Metres, Metres], ...], Meta(max_length=64)] = ()
    stop_delay_s: Annotated[float, Meta(ge=0.0, le=10.0)] | None = None
    braking_m_s2: Annotated[float, Meta(gt=0.0, le=20.0)] | None = None


class PositionSource(Section, frozen=True, kw_only=True):
    """
    Where position, heading and attitude come from, and how the position error behaves in time.

    relative_error_m : bound on how much the errors of two fixes of one pass differ apart from slow drift
                       (receiver noise, twice its amplitude)
    drift_m_s        : bound on how fast the common error moves
    heading_link     : the position link, where its fixes carry a heading; None: no heading is measured, and course
                       never stands in for it
    second_link      : a second receiver on the same body; where its antenna is not where it must be, nothing counts
    baseline_error_m : how far the distance of the two antennas may be off: three sigmas of two good fixes
    heading_error_95_deg : the manufacturer's word for receivers that state none with each heading (NMEA HDT)
    pulse_head       : the head whose pulse input is wired to this receiver's time pulse, once a second, on the whole
                       second of UTC; None: the receiver's latency is what the configuration says
    """

    link: Identifier
    relative_error_m: Annotated[float, Meta(ge=0.0, le=1.0)]
    drift_m_s: Annotated[float, Meta(ge=0.0, le=0.1)]
    heading_link: Identifier | None = None
    heading_error_95_deg: Annotated[float, Meta(gt=0.0, le=10.0)] | None = None
    attitude_link: Identifier | None = None
    second_link: Identifier | None = None
    baseline_error_m: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.03
    pulse_head: Identifier | None = None


class LinkTiming(Section, frozen=True, kw_only=True):
    """
    How a link's stamps relate to time.

    timebase         : `host`, arrivals on the monotonic clock; `utc`, a recording whose stamps are themselves UTC
    latency_ms       : from the instant a value belongs to until its arrival, as measured; None is unknown. Of plain
                       lines, what is left of it besides the time on the wire
    latency_error_ms : bound on the error of that, for the quickest arrival within any ten seconds (two for an
                       instrument read by its rate, each one for an instrument read by its arrivals); None is unknown
                       and earns no credit
    byte_ns          : time of one byte on the wire; 0 where there is none
    """

    name: Identifier
    timebase: Literal["host", "utc"]
    latency_ms: Annotated[float, Meta(ge=0.0, le=2000.0)] | None
    latency_error_ms: Annotated[float, Meta(ge=0.0, le=500.0)] | None
    byte_ns: float = 0.0


class ChannelSite(Section, frozen=True, kw_only=True):
    """One channel of a head that has no dictionary of its own; position in the head's frame."""

    name: str
    unit: str
    position_m: Position3


class Head(Section, frozen=True, kw_only=True):
    """
    A detector head on the vehicle.

    mount_m          : origin of the head's frame in the vehicle frame
    nominal_radius_m : footprint drawn for ground that was passed without credit; never used for credit
    alarm_floor      : smallest alarm threshold, in the channels' unit; must not exceed any site threshold
    saturation_level : |value| at or above this is saturated; None where the head reports it itself
    is_signed        : True where only positive values are signals
    channels         : for plain-line instruments; a head with a dictionary leaves it empty
    rate_hz          : nominal sample rate of a plain-line instrument; a dictionary states its own
    rate_error_ppm   : bound on the error of `rate_hz`: the samples are then timed by their count, and arrivals may
                       vary by less than half a period; None: by each arrival
    device_clock_error_ms : bound on the error of a plain-line instrument's own stamps on its own clock, their steps
                       included: the samples are then timed by them; None: they are recorded only
    """

    id: Identifier
    link: Identifier
    mount_m: Position3
    nominal_radius_m: Annotated[float, Meta(gt=0.0, le=2.0)]
    alarm_floor: Annotated[float, Meta(gt=0.0)]
    saturation_level: Annotated[float, Meta(gt=0.0)] | None = None
    is_signed: bool = False
    channels: tuple[ChannelSite, ...] = ()
    rate_hz: Annotated[float, Meta(gt=0.0, le=10000.0)] | None = None
    rate_error_ppm: Annotated[float, Meta(ge=0.0, le=20000.0)] | None = None
    device_clock_error_ms: Annotated[float, Meta(ge=0.0, le=500.0)] | None = None


class Autopilot(msgspec.Struct, frozen=True, kw_only=True):
    """A MAVLink link of one known system that the core reads, with the messages that it needs of it."""

    link: str
    system_id: int
    messages: tuple[AutopilotMessage, ...]


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """
    Everything `step` knows beforehand.

    utc_at_mono_zero_ns : for recordings with `timebase = utc`, the UTC of monotonic zero; None on a live machine
    """

    machine: str
    site: str
    task: Task | None
    vehicle: Vehicle
    position: PositionSource
    heads: tuple[Head, ...]
    links: tuple[LinkTiming, ...]
    profile: Profile
    autopilots: tuple[Autopilot, ...] = ()
    utc_at_mono_zero_ns: int | None = None

    def timing(self, link: str) -> LinkTiming:
        """The timing of one configured link."""
        return next(timing for timing in self.links if timing.name == link)
