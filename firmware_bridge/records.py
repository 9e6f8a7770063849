"""
What devices say, as frozen records. Units stand last in each name; missing is `None`, never a good value.

Times are integer nanoseconds of two kinds that never mix: `MonoNs` (this host's monotonic clock, for control) and
`UtcNs` (since 1970-01-01T00:00:00Z, for reports). Device clocks are plain integers named `device_time_ns`.
"""

import enum
import math
from typing import Any, NewType

import msgspec
import numpy as np
import numpy.typing as npt

MonoNs = NewType("MonoNs", int)
UtcNs = NewType("UtcNs", int)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class FixClass(enum.Enum):
    """How a position was obtained. One enum for every receiver: their integer codes clash (GGA 4, MAVLink 6: fixed)."""

    NONE = "none"
    SINGLE = "single"
    DGNSS = "dgnss"
    FLOAT = "float"
    FIXED = "fixed"
    DEAD_RECKONING = "dead_reckoning"
    SIMULATED = "simulated"


class Record(msgspec.Struct, frozen=True, kw_only=True, tag_field="record"):
    """Anything a decoder emits; its `record` tag is the type's name in snake_case."""


class GnssFix(Record, frozen=True, kw_only=True, tag="gnss_fix"):
    """
    One epoch of a GNSS receiver, assembled from all messages that carry the same epoch.

    utc_ns                 : the fix's epoch; None until a message with a date was seen
    time_of_day_ns         : the epoch's UTC time of day, [0, 86400 s); None when the message carries no time
    altitude_m             : above mean sea level
    horizontal_error_95_m  : radius that holds the truth with 95 % probability by the receiver's own statement;
                             None when it states none (an HDOP is not a statement of error)
    heading_deg            : true heading of the vehicle's forward axis from two antennas, clockwise from north;
                             only when the receiver says it is valid (moving base: RTK fixed)
    course_deg, speed_m_s  : direction and speed of travel over ground; course is not heading
    reference_station      : the correction's reference station id as the receiver prints it
    """

    utc_ns: UtcNs | None
    time_of_day_ns: int | None
    latitude_deg: float | None
    longitude_deg: float | None
    altitude_m: float | None
    fix_class: FixClass
    horizontal_error_95_m: float | None
    speed_m_s: float | None
    course_deg: float | None
    heading_deg: float | None
    heading_error_95_deg: float | None
    correction_age_s: float | None
    reference_station: str | None


class GnssAttitude(Record, frozen=True, kw_only=True, tag="gnss_attitude"):
    """
    What a receiver says of the vehicle's attitude at one epoch; it comes right behind that epoch's `GnssFix`.

    Axes as u-blox defines them (integration manuals, "Vehicle frame": x forward, y right, z down): roll is positive
    right side down, pitch positive nose up. Trimble and NovAtel do not say; what is true of an installation is known
    once it was tried.

    source      : the message, as "NAV-ATT", "PASHR" or "PTNL,AVR"
    heading_deg : true heading of an inertial system, clockwise from north; that of two antennas stands in the fix
    *_error_95_deg : half-width that holds the truth with 95 % probability by the receiver's own statement
    """

    source: str
    utc_ns: UtcNs | None
    time_of_day_ns: int | None
    heading_deg: float | None
    roll_deg: float | None
    pitch_deg: float | None
    heading_error_95_deg: float | None
    roll_error_95_deg: float | None
    pitch_error_95_deg: float | None


class TimePulse(Record, frozen=True, kw_only=True, tag="time_pulse"):
    """
    u-blox TIM-TP: when the receiver's next time pulse will be.

    utc_ns                : the pulse's UTC, to the millisecond and its 2^-32 parts; None where the receiver states
                            another time scale, or does not know UTC yet
    quantisation_error_ps : as the receiver states it: its clock has steps, and the pulse falls on one of them; None
                            where it calls the figure invalid
    """

    utc_ns: UtcNs | None
    quantisation_error_ps: int | None


class ReferenceStation(Record, frozen=True, kw_only=True, tag="reference_station"):
    """
    RTCM 1005 or 1006: where the antenna stands that the corrections were measured with.

    station_id             : DF003, [0, 4095]
    is_virtual             : DF141: computed for the rover's place by a network, and therefore free to move
    x_m, y_m, z_m          : earth-centred, earth-fixed, of the antenna reference point, in the datum of the service
    latitude_deg, longitude_deg, ellipsoidal_height_m : the same point on the WGS 84 ellipsoid (not above sea level)
    antenna_height_m       : of the reference point above the marker; None in a 1005, which does not say
    """

    station_id: int
    is_virtual: bool
    x_m: float
    y_m: float
    z_m: float
    latitude_deg: float
    longitude_deg: float
    ellipsoidal_height_m: float
    antenna_height_m: float | None


class Attitude(Record, frozen=True, kw_only=True, tag="attitude"):
    """
    MAVLink ATTITUDE. Axes as MAVLink defines them (x forward, y right, z down): roll is positive right side down,
    pitch positive nose up, yaw clockwise from true north, all in radians.
    """

    system_id: int
    device_time_ns: int
    roll_rad: float
    pitch_rad: float
    yaw_rad: float


class AutopilotHeartbeat(Record, frozen=True, kw_only=True, tag="autopilot_heartbeat"):
    """MAVLink HEARTBEAT of the configured system: the autopilot is alive."""

    system_id: int
    vehicle_type: int
    autopilot: int
    base_mode: int
    system_status: int


class EstimatorStatus(Record, frozen=True, kw_only=True, tag="estimator_status"):
    """What an autopilot says of its own estimate: MAVLink EKF_STATUS_REPORT (ArduPilot) or ESTIMATOR_STATUS (PX4)."""

    system_id: int
    is_attitude_good: bool


class AutopilotPosition(Record, frozen=True, kw_only=True, tag="autopilot_position"):
    """MAVLink GLOBAL_POSITION_INT: the autopilot's own filtered position (steps of 1e-7 degree, about 1.1 cm)."""

    system_id: int
    device_time_ns: int
    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    heading_deg: float | None


class HeadChannel(msgspec.Struct, frozen=True, kw_only=True):
    """
    One receive channel (coil and gate) of a detector head.

    position_m : x forward, y left, z up of the coil's centre in the head's own frame
    scale      : units per count; a sample's value is count * scale
    gate_us    : start of the gate after turn-off, None for an instrument without gates
    """

    name: str
    unit: str
    scale: float
    gate_us: float | None
    position_m: tuple[float, float, float]


class HeadDictionary(Record, frozen=True, kw_only=True, tag="head_dictionary"):
    """What a detector head says of itself. `dictionary_id` stands in every sample frame that it describes."""

    dictionary_id: int
    model: str
    firmware: str
    serial: str
    is_simulated: bool
    rate_hz: float
    channels: tuple[HeadChannel, ...]


class SampleBlock(Record, frozen=True, kw_only=True, tag="sample_block", eq=False):
    """
    Consecutive samples of one head.

    dictionary_id  : the dictionary that describes the channels; None for plain lines (the configuration describes them)
    sequence       : int64, shape (n,) - the device's sample counter; carried over its wrap if a line format says so
    device_time_ns : int64, shape (n,) - device clock at each sample; None when the instrument sends none
    values         : float64, shape (n, channels) - in the channel's unit; NaN where the instrument gave no reading
    status         : int64, shape (n,) - the device's status bits (`StatusBit`)
    wire_bytes     : length of the line that carried the samples, its end included; 0 where nothing hangs on it
    """

    dictionary_id: int | None
    sequence: IntArray
    device_time_ns: IntArray | None
    values: FloatArray
    status: IntArray
    wire_bytes: int = 0


class StatusBit(enum.IntFlag):
    """Bits of a sample's status word in the head protocol."""

    FAULT = 1  # the head says this sample must not be trusted
    SATURATED = 2  # at least one channel clipped
    TRANSMITTER_OFF = 4  # no primary field: nothing can be detected
    SELF_TEST = 8  # an injected signal, not the ground


class HeadStatus(Record, frozen=True, kw_only=True, tag="head_status"):
    """Slow state of a head, about once a second."""

    uptime_ms: int
    temperature_c: float | None
    supply_v: float | None
    is_faulty: bool
    lamp_on: bool
    buzzer_on: bool


class TimeReply(Record, frozen=True, kw_only=True, tag="time_reply"):
    """The head's clock at the instant it received the time query with the same token."""

    token: int
    device_time_ns: int


class OutputReply(Record, frozen=True, kw_only=True, tag="output_reply"):
    """The head confirms the lamp and buzzer state it was commanded to with the same token."""

    token: int
    lamp_on: bool
    buzzer_on: bool


class SelfTestReply(Record, frozen=True, kw_only=True, tag="self_test_reply"):
    """Result of a self-test: per channel, at least one, whether it passed; None where the head did not test it."""

    token: int
    passed: tuple[bool | None, ...]


HEAD_PROTOCOL_VERSIONS = (1,)  # all versions of the head protocol that this program speaks


class HelloReply(Record, frozen=True, kw_only=True, tag="hello_reply"):
    """The head's choice among the versions that the hello with the same token offered; None: it speaks none of them."""

    token: int
    version: int | None


class PulseStamp(Record, frozen=True, kw_only=True, tag="pulse_stamp"):
    """The head's clock at the edge of a time pulse on its input; `pulse` counts edges and wraps at 2**32."""

    pulse: int
    device_time_ns: int


class LeaseState(enum.Enum):
    """What the motion relay behind a head does."""

    OFF = "off"  # the head has no relay, or its lease is not switched on
    STOPPED = "stopped"  # open; only a hand at the vehicle closes it, and only while a lease runs
    PERMITTED = "permitted"  # closed


class LeaseStop(enum.Enum):
    """Why a motion relay is open."""

    START = "start"  # nobody has resumed since the head started
    EXPIRED = "expired"  # no grant came in time
    WITHDRAWN = "withdrawn"  # the host gave the lease up
    LOCAL = "local"  # the head itself stopped: a fault, a switch, a clock that went back


class LeaseStatus(Record, frozen=True, kw_only=True, tag="lease_status"):
    """
    The head's motion lease, in answer to each grant and whenever its state changes.

    sequence     : of the grant last taken; a grant that was refused is answered with another one's number. While
                   `OFF`, of the grant that this answers
    remaining_ms : how long the lease still runs, rounded up; 0 means none runs
    stop         : why it stopped, None unless `STOPPED`
    """

    sequence: int
    remaining_ms: int
    state: LeaseState
    stop: LeaseStop | None


class DictionaryRequest(Record, frozen=True, kw_only=True, tag="dictionary_request"):
    """Host to head: send your dictionary."""


class TimeQuery(Record, frozen=True, kw_only=True, tag="time_query"):
    """Host to head: reply with your clock."""

    token: int


class OutputCommand(Record, frozen=True, kw_only=True, tag="output_command"):
    """Host to head: set lamp and buzzer, and confirm."""

    token: int
    lamp_on: bool
    buzzer_on: bool


class SelfTestRequest(Record, frozen=True, kw_only=True, tag="self_test_request"):
    """Host to head: run the self-test and report."""

    token: int


class HostHello(Record, frozen=True, kw_only=True, tag="host_hello"):
    """Host to head: the protocol versions that the host speaks, at least one, each 1 to 255; choose one."""

    token: int
    versions: tuple[int, ...]


class LeaseGrant(Record, frozen=True, kw_only=True, tag="lease_grant"):
    """
    Host to head: the motion relay may stay closed for `duration_ms` from receipt, at most 1,000; 0 withdraws the lease.

    It never closes a relay: that takes a hand at the vehicle. `sequence` rises with every grant, wrapping at 2**32.
    """

    sequence: int
    duration_ms: int


class LinkStats(Record, frozen=True, kw_only=True, tag="link_stats"):
    """
    One frozen snapshot of a link's counters since it was opened.

    frames        : whole frames or sentences with a good checksum
    records       : records emitted
    bad_checksum  : frames whose checksum or CRC failed
    malformed     : good frames whose content could not be used (a value out of range, wrong field count)
    unknown       : good frames of a kind this decoder does not read
    bytes_skipped : bytes that belonged to no frame
    """

    bytes: int
    frames: int
    records: int
    bad_checksum: int
    malformed: int
    unknown: int
    bytes_skipped: int


def as_plain(record: Record) -> dict[str, Any]:
    """A record as JSON-ready values: arrays as lists, NaN as None, enums by value."""
    plain: dict[str, Any] = {"record": record.__struct_config__.tag}
    for name in record.__struct_fields__:
        plain[name] = _plain_value(getattr(record, name))
    return plain


def _plain_value(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain_value(item) for item in value.tolist()]
    if isinstance(value, list):
        return [_plain_value(item) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    return msgspec.to_builtins(value)
