"""
What `step` is told: raw inputs as they are logged, and the same inputs decoded.

A session's logged inputs are a sequence of `RawInputs`; decoding them again gives the same `Inputs`, and stepping
through those gives the same record (promise P4). Requests are what people and their tools ask of the core.
"""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta

from firmware_bridge.records import MonoNs, Record


class Origin(enum.Enum):
    """Where a session's bytes came from; latched, and never changed by anybody's finding (promise P8)."""

    LIVE = "live"
    REPLAYED = "replayed"
    SIMULATED = "simulated"


class Chunk(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Bytes as one read of a port returned them, stamped once."""

    link: str
    arrival_ns: MonoNs
    payload: bytes


class Request(msgspec.Struct, frozen=True, kw_only=True, tag_field="request"):
    """Something a person, or a tool acting for one, asks of the core. `person` is an id code, never a name."""

    person: str


class ChannelCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a calibration measured for one channel.

    site_threshold         : alarm threshold, in the channel's unit
    reference_response_min : smallest response of the reference item at the required depth and worst position within
                             `detection_radius_m`, lower bound over the runs
    check_response         : response of the check piece at the coil's centre: what a function check compares with
    detection_radius_m     : horizontal distance within which the whole alarm chain raised the item at every sample
    """

    site_threshold: Annotated[float, Meta(gt=0.0)]
    reference_response_min: Annotated[float, Meta(gt=0.0)]
    check_response: Annotated[float, Meta(gt=0.0)]
    detection_radius_m: Annotated[float, Meta(gt=0.0, le=2.0)]


class Calibration(Request, frozen=True, kw_only=True, tag="calibration"):
    """A finished calibration of one head, vouched for by two people. It sets the search specification."""

    witness: str
    head: str
    dictionary_id: int | None
    item: str
    depth_m: float
    runs: int
    channels: tuple[ChannelCalibration, ...]


class CheckPart(enum.Enum):
    """The parts of a function check, in the order in which they are done."""

    BACKGROUND = "background"  # the head over quiet ground: no alarm, noise within limits
    REFERENCE_ITEM = "reference_item"  # the check piece under every coil in turn
    KNOWN_POINT = (
        "known_point"  # the position antenna over a place that was surveyed by other means, where there is one
    )
    ALARM_PATH = "alarm_path"  # lamp and buzzer commanded, answered by the head, seen and heard by a person


class BeginCheck(Request, frozen=True, kw_only=True, tag="begin_check"):
    """
    Start a function check; credit stops here, and the open block waits for its verdict.

    is_untouched_retest : the person's word that nothing was touched since the check that has just failed. Passed, it
                          gives back what that one took; there is one such retest
    """

    head: str
    is_untouched_retest: bool = False


class BeginCheckPart(Request, frozen=True, kw_only=True, tag="begin_check_part"):
    """The next part of the running check begins now."""

    head: str
    part: CheckPart


class EndCheck(Request, frozen=True, kw_only=True, tag="end_check"):
    """End the running check; the core judges it from the samples. A passed check opens the next block."""

    head: str
    is_alarm_seen_and_heard: bool


class HeadChange(enum.Enum):
    """What people report of a head that no instrument tells, and that ends what a function check has proved."""

    POWER = "power"  # was switched off and on
    KNOCK = "knock"  # was hit, fell, or went through water
    OPERATOR = "operator"  # another person works with it
    HEIGHT = "height"  # was mounted, or its height set, anew: no calibration holds any more
    CONFIGURATION = "configuration"  # its settings were changed: likewise


class ReportChange(Request, frozen=True, kw_only=True, tag="report_change"):
    """Something happened to a head: its block ends, and nothing counts before another check."""

    head: str
    change: HeadChange


class ReportMissedItem(Request, frozen=True, kw_only=True, tag="report_missed_item"):
    """
    An item was found on ground that this head had searched: all that it has searched under this specification is
    suspended at once, and nothing counts before another calibration.

    note : what was found and how, without a name; 255 characters
    """

    head: str
    note: Annotated[str, Meta(max_length=255)]


class AcknowledgeAlarm(Request, frozen=True, kw_only=True, tag="acknowledge_alarm"):
    """The operator has heard this alarm. It stays open."""

    alarm: int


class MarkAlarm(Request, frozen=True, kw_only=True, tag="mark_alarm"):
    """
    A marker for this alarm stands on the ground, seen by this person.

    tag        : what is written on it      is_by_hand : set by hand, as an alarm without a position must be
    """

    alarm: int
    tag: Annotated[str, Meta(max_length=40)]
    is_by_hand: bool


class SetPaused(Request, frozen=True, kw_only=True, tag="set_paused"):
    """Pause or resume credit by hand."""

    is_paused: bool


class RunSelfTest(Request, frozen=True, kw_only=True, tag="run_self_test"):
    """Have a head test itself; a channel that fails, or no answer, withholds credit until a test passes."""

    head: str


class EndSession(Request, frozen=True, kw_only=True, tag="end_session"):
    """Close the session's record: what still waits for a position is stored without one."""


class StationSeen(Request, frozen=True, kw_only=True, tag="station_seen"):
    """
    Where the station stands that corrections now come from, as RTCM 1005 or 1006 says; earth-centred, metres.

    Not asked by a person: it is an input because credit hangs on it. `is_virtual`: computed for the machine's place.
    """

    station_id: int
    is_virtual: bool
    x_m: float
    y_m: float
    z_m: float


HeadRequest = Calibration | BeginCheck | BeginCheckPart | EndCheck | ReportChange | ReportMissedItem | RunSelfTest

AnyRequest = HeadRequest | AcknowledgeAlarm | MarkAlarm | SetPaused | EndSession | StationSeen


class RawInputs(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """
    One turn of the loop as it is logged: the clock, the chunks in order of arrival, the requests.

    lateness_ns : how much later than due this turn began; what arrived with it may have waited as long
    backlog_ns  : age of the oldest turn that the record does not hold yet
    """

    now_ns: MonoNs
    chunks: tuple[Chunk, ...] = ()
    requests: tuple[AnyRequest, ...] = ()
    lateness_ns: int = 0
    backlog_ns: int = 0


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded record with the link it came by and the arrival of the chunk that completed it."""

    link: str
    arrival_ns: MonoNs
    record: Record


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of the loop, decoded; `lateness_ns` and `backlog_ns` as in `RawInputs`."""

    now_ns: MonoNs
    arrivals: tuple[Arrival, ...] = ()
    requests: tuple[AnyRequest, ...] = ()
    lateness_ns: int = 0
    backlog_ns: int = 0
