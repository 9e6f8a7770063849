"""
The sections of a scenario: typed, with every key's meaning and range.

Lengths in metres in the field's own frame: east and north of the task's origin.
"""

import math
from typing import Annotated, Literal

from msgspec import Meta

from controller.core.site import Section
from firmware_bridge.records import BoolArray, FloatArray

Positive = Annotated[float, Meta(gt=0.0)]
Range = tuple[float, float]

Shape = Literal["reference", "isotropic", "rod", "plate"]
Metal = Literal["reference", "low_metal", "aluminium", "small_steel", "large_steel"]


class Target(Section, frozen=True, kw_only=True):
    """
    A buried item. `strength` 1.0 is the reference item; another metal's own size multiplies it.

    shape       : how it answers by direction; `reference` as the reference item does
    azimuth_deg, dip_deg : of its axis, clockwise from north and downward; upright where nothing is said
    remanent    : what iron keeps of magnetism along its axis, as a share of what the Earth's field induces in it
    """

    east_m: float
    north_m: float
    depth_m: Annotated[float, Meta(ge=0.0, le=1.0)]
    strength: Positive
    shape: Shape = "reference"
    metal: Metal = "reference"
    azimuth_deg: Annotated[float, Meta(ge=-360.0, le=360.0)] = 0.0
    dip_deg: Annotated[float, Meta(ge=-90.0, le=90.0)] = 90.0
    remanent: Annotated[float, Meta(ge=-20.0, le=20.0)] = 0.0


class Scatter(Section, frozen=True, kw_only=True):
    """
    Further items that the seed strews over a rectangle, each quantity uniform between its two ends.

    apart_m : least horizontal distance between any two items, the listed ones included
    """

    count: Annotated[int, Meta(ge=1, le=1000)]
    east_m: Range
    north_m: Range
    depth_m: tuple[Annotated[float, Meta(ge=0.0, le=1.0)], Annotated[float, Meta(ge=0.0, le=1.0)]]
    strength: tuple[Positive, Positive]
    apart_m: Annotated[float, Meta(ge=0.0, le=100.0)]


class World(Section, frozen=True, kw_only=True):
    """Where, and what lies there: the listed targets, and those that the seed strews."""

    latitude_deg: Annotated[float, Meta(ge=-85.0, le=85.0)]
    longitude_deg: Annotated[float, Meta(ge=-180.0, le=180.0)]
    altitude_m: float
    reference_depth_m: Annotated[float, Meta(ge=0.0, le=1.0)]
    reference_shape: Literal["isotropic", "rod", "plate"] = "isotropic"
    targets: tuple[Target, ...]
    scatter: Scatter | None = None

    @property
    def origin(self) -> tuple[float, float, float]:
        """Latitude and longitude in degrees, altitude in metres."""
        return self.latitude_deg, self.longitude_deg, self.altitude_m


class Stop(Section, frozen=True, kw_only=True):
    """The vehicle stands for so long on a lane (from 1), its array so many metres into it as first driven."""

    lane: Annotated[int, Meta(ge=1)]
    at_m: Annotated[float, Meta(ge=0.0)]
    for_s: Annotated[float, Meta(gt=0.0, le=3600.0)]


class Stretch(Section, frozen=True, kw_only=True):
    """A part of a lane (from 1) that is driven at another speed, by metres into it as first driven."""

    lane: Annotated[int, Meta(ge=1)]
    from_m: Annotated[float, Meta(ge=0.0)]
    to_m: Annotated[float, Meta(ge=0.0)]
    speed_m_s: Annotated[float, Meta(gt=0.0, le=3.0)]


class Lanes(Section, frozen=True, kw_only=True):
    """
    Parallel lanes along north, beginning at the origin, the next one to the east of the last.

    pattern  : `northward`, each lane driven northward and back outside the field, west of it; `serpentine`, up one
               lane and down the next, with a half turn between them; `back_and_forth`, up each lane and down the
               same one in reverse, over to the next behind the field
    run_in_m : driven before and after each lane, outside the field
    """

    count: Annotated[int, Meta(ge=1, le=200)]
    length_m: Annotated[float, Meta(ge=2.0, le=2000.0)]
    spacing_m: Positive
    speed_m_s: Annotated[float, Meta(gt=0.0, le=3.0)]
    pattern: Literal["northward", "serpentine", "back_and_forth"] = "northward"
    run_in_m: Annotated[float, Meta(ge=0.0, le=20.0)] = 3.5
    stop: tuple[Stop, ...] = ()
    stretch: tuple[Stretch, ...] = ()


class VehicleModel(Section, frozen=True, kw_only=True):
    """
    How uneven ground moves the vehicle: slow sines along the way.

    sway_roll_deg, sway_pitch_deg, bounce_m : amplitudes; the vehicle rises and sinks by the last
    sway_length_m : way from one roll to the right to the next; it pitches more slowly and bounces faster
    """

    sway_roll_deg: Annotated[float, Meta(ge=0.0, le=3.0)] = 0.8
    sway_pitch_deg: Annotated[float, Meta(ge=0.0, le=3.0)] = 0.6
    bounce_m: Annotated[float, Meta(ge=0.0, le=0.5)] = 0.0
    sway_length_m: Annotated[float, Meta(ge=2.0, le=100.0)] = 9.0


class Trailer(Section, frozen=True, kw_only=True):
    """
    The array is over the axle of a trailer, which follows the vehicle's hitch.

    length_m : from the hitch to the axle
    antennas : where they stand; on the `vehicle` they would say nothing about the trailer: refused
    """

    length_m: Annotated[float, Meta(ge=0.5, le=10.0)]
    antennas: Literal["trailer", "vehicle"] = "trailer"


class Operator(Section, frozen=True, kw_only=True):
    """
    How well the lanes are kept.

    wander_m, wander_length_m : sigma of the error across the way, drawn by the seed, and the way on which it changes
    missed_overlap_lane, missed_overlap_m : this lane, from 2 on, is driven so much too far from the last one
    """

    wander_m: Annotated[float, Meta(ge=0.0, le=0.5)] = 0.0
    wander_length_m: Annotated[float, Meta(ge=2.0, le=100.0)] = 5.0
    missed_overlap_lane: Annotated[int, Meta(ge=2)] | None = None
    missed_overlap_m: Annotated[float, Meta(ge=0.0)] = 0.0


class Checks(Section, frozen=True, kw_only=True):
    """
    How long the people take over their checks; seconds.

    begin_s              : from switching on until the opening check; calibrated halfway there
    settle_opening_s, settle_closing_s : the background parts; the first longer than the profile's baseline and settling
    piece_on_s, piece_off_s : how long the check piece lies under each coil, and on its way to the next
    pause_s              : between check and driving
    has_known_point      : the antenna stands on a surveyed peg during the check, which the check measures
    """

    begin_s: Annotated[float, Meta(ge=1.0, le=600.0)] = 5.0
    settle_opening_s: Annotated[float, Meta(ge=1.0, le=60.0)] = 8.0
    settle_closing_s: Annotated[float, Meta(ge=1.0, le=60.0)] = 8.0
    piece_on_s: Annotated[float, Meta(ge=0.1, le=60.0)] = 0.5
    piece_off_s: Annotated[float, Meta(ge=0.1, le=60.0)] = 0.7
    pause_s: Annotated[float, Meta(ge=0.0, le=60.0)] = 2.0
    has_known_point: bool = False


class CoilModel(Section, frozen=True, kw_only=True):
    """
    A level loop: a circle of `radius_m`, or a rectangle of `size_m` along and across travel; `up_m` above the coil's
    own place.
    """

    radius_m: Positive | None = None
    size_m: tuple[Positive, Positive] | None = None
    up_m: Annotated[float, Meta(ge=-1.0, le=1.0)] = 0.0


class HeadModel(Section, frozen=True, kw_only=True):
    """
    An array across the direction of travel: pulse induction, or with `[magnetometer]` magnetometers in the same places.

    height_m           : of the coils above ground          coil_radius_m : of each coil, where none is drawn
    transmit, receive  : the loops; receive as transmit where only that is drawn
    detection_radius_m : distance at which the calibration's reference item must still be seen
    noise_uv, reference_uv : white noise; response of the upright reference item at its depth under a coil's centre
    gate_us            : when the voltage is taken, after the transmitter's end
    """

    channels: Annotated[int, Meta(ge=1, le=64)]
    pitch_m: Positive
    height_m: Positive
    coil_radius_m: Positive = 0.12
    transmit: CoilModel | None = None
    receive: CoilModel | None = None
    gate_us: Annotated[float, Meta(ge=1.0, le=20_000.0)] = 80.0
    rate_hz: Annotated[float, Meta(ge=5.0, le=1000.0)]
    samples_per_frame: Annotated[int, Meta(ge=1, le=50)]
    noise_uv: Positive | None = None
    reference_uv: Positive | None = None
    detection_radius_m: Positive


class Magnetometer(Section, frozen=True, kw_only=True):
    """
    The array's sensors are magnetometers; the Earth's field at the site, the day and the vehicle are theirs.

    reading      : `total_field`; `total_gradient`, the lower of a pair less the upper; `vertical_gradient`, the same of
                   the components along the vehicle's own upright
    baseline_m   : between the two of a pair
    reference_nt : on the axis of the reference item's moment, as far off as it lies under a sensor
    daily_nt     : between the day's least and greatest field at most
    permanent_nt : of the vehicle at each sensor, forward, left, up      induced_nt : largest of what turns with heading
    """

    reading: Literal["total_field", "total_gradient", "vertical_gradient"] = "total_field"
    baseline_m: Annotated[float, Meta(gt=0.0, le=3.0)] = 0.5
    noise_nt: Positive
    reference_nt: Positive
    intensity_nt: Annotated[float, Meta(ge=20_000.0, le=70_000.0)]
    inclination_deg: Annotated[float, Meta(ge=-90.0, le=90.0)]
    declination_deg: Annotated[float, Meta(ge=-180.0, le=180.0)]
    daily_nt: Annotated[float, Meta(ge=0.0, le=1_000.0)] = 30.0
    permanent_nt: tuple[float, float, float] = (0.0, 0.0, 0.0)
    induced_nt: Annotated[float, Meta(ge=0.0, le=1_000.0)] = 0.0


class SoilModel(Section, frozen=True, kw_only=True):
    """
    Magnetic soil under a pulse-induction head.

    median_uv     : its signal at the head's height and gate        log_sigma : of its strength over the site
    correlation_m : distance over which it changes
    """

    median_uv: Positive
    log_sigma: Annotated[float, Meta(ge=0.0, le=2.0)] = 0.3
    correlation_m: Annotated[float, Meta(ge=0.1, le=1000.0)] = 2.0


class TerrainModel(Section, frozen=True, kw_only=True):
    """
    A plane, on which the vehicle stands, and the ground's undulation about it.

    slope_east, slope_north : rise for each metre     undulation_m : sigma; nowhere more than three of them
    """

    slope_east: Annotated[float, Meta(ge=-0.05, le=0.05)] = 0.0
    slope_north: Annotated[float, Meta(ge=-0.05, le=0.05)] = 0.0
    undulation_m: Annotated[float, Meta(ge=0.0, le=0.2)] = 0.0
    correlation_m: Annotated[float, Meta(ge=0.1, le=100.0)] = 2.0


class ClutterModel(Section, frozen=True, kw_only=True):
    """
    Small metal that nobody looks for, strewn by the seed over a rectangle; the judge does not count it among targets.

    median_strength, log_sigma : of the log-normal strengths; 1.0 is the reference item
    """

    density_per_m2: Annotated[float, Meta(gt=0.0, le=10.0)]
    east_m: Range
    north_m: Range
    depth_m_max: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.10
    median_strength: Positive = 0.1
    log_sigma: Annotated[float, Meta(ge=0.0, le=3.0)] = 1.0


class NoiseModel(Section, frozen=True, kw_only=True):
    """
    What the head's electronics add beside white noise; signals in the head's own unit.

    swing             : amplitude of a slow sine, another phase for each channel; 20 for coils where nothing is said
    pink, pink_longest_s : sigma of 1/f noise, and the longest time that it remembers
    drift_per_c, warm_up_c, warm_up_s : drift with temperature; how far and how slowly the head warms up
    mains, mains_hz   : greatest amplitude of pick-up from a power line
    gain_mismatch     : no channel's gain is off by more
    saturation        : no reading is greater; told in the sample's status
    """

    swing: Annotated[float, Meta(ge=0.0)] | None = None
    pink: Annotated[float, Meta(ge=0.0)] = 0.0
    pink_longest_s: Annotated[float, Meta(ge=0.1, le=3600.0)] = 60.0
    drift_per_c: float = 0.0
    warm_up_c: Annotated[float, Meta(ge=0.0, le=60.0)] = 15.0
    warm_up_s: Annotated[float, Meta(ge=1.0, le=36_000.0)] = 600.0
    mains: Annotated[float, Meta(ge=0.0)] = 0.0
    mains_hz: Annotated[float, Meta(ge=10.0, le=400.0)] = 50.0
    gain_mismatch: Annotated[float, Meta(ge=0.0, le=0.15)] = 0.0
    saturation: Positive | None = None


class GnssModel(Section, frozen=True, kw_only=True):
    """
    A two-antenna RTK receiver whose error has a slow and a white part.

    stated_error_95_m : what it says, whatever is true
    error_model   : `bounded`, never beyond the stated 95 % error; `honest`, Gaussian and beyond it in 5 of 100;
                    `preset`, Gaussian as is usual for `fix_class`
    white_m       : of the white part, the amplitude where bounded, sigma of each axis where honest
    drift_m_s     : how fast the slow part may move; what the machine's configuration states
    correlation_s : time constant of the honest slow part
    """

    protocol: Literal["ubx", "nmea"]
    rate_hz: Annotated[float, Meta(ge=1.0, le=20.0)]
    stated_error_95_m: Positive
    white_m: Positive
    drift_m_s: Positive
    heading_error_95_deg: Positive
    error_model: Literal["bounded", "honest", "preset"] = "bounded"
    fix_class: Literal["single", "dgnss", "float", "fixed"] = "fixed"
    correlation_s: Annotated[float, Meta(ge=1.0, le=1000.0)] = 60.0
    latency_ms: Annotated[float, Meta(ge=5.0, le=500.0)]
    jitter_ms: Annotated[float, Meta(ge=0.0, le=200.0)]


class SecondReceiver(Section, frozen=True, kw_only=True):
    """
    Another receiver of the same make on the same body, with errors of its own; the controller compares both.

    antenna_m        : forward, left, up of the vehicle's reference point; the first one's is (0, 0, 2)
    baseline_error_m : how far apart from the baseline the controller lets both be
    """

    antenna_m: tuple[float, float, float]
    baseline_error_m: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.05


Link = Literal["gnss", "gnss2", "head", "autopilot"]
FaultKind = Literal[
    "flip", "drop", "duplicate", "reorder", "stall", "burst", "unplug", "wrong_baud",
    "head_clock_step", "head_clock_drift", "receiver_clock_step",
    "receiver_freeze", "corrections_lost", "outage", "false_fix", "base_moved", "base_switched",
    "ekf_failed", "autopilot_reboot",
    "head_reset", "head_swapped", "stuck_channel", "dead_channel", "lamp_silent",
]  # fmt: skip


class Fault(Section, frozen=True, kw_only=True):
    """
    One thing that goes wrong; the catalogue in `docs/SAFETY.md` says what each kind is and what `size` means.

    link    : whose bytes, or whose clock; the kind's own where nothing is said
    from_s  : seconds after the vehicle has set off, negative before it     until_s : its end; the day's without it
    size    : how much of it; the kind's usual size where nothing is said
    """

    kind: FaultKind
    link: Link | None = None
    from_s: float
    until_s: float | None = None
    size: float | None = None

    def is_on(self, driven_s: FloatArray) -> BoolArray:
        """At which of these times, in seconds since the vehicle has set off, it is there."""
        return (driven_s >= self.from_s) & (driven_s < (math.inf if self.until_s is None else self.until_s))
