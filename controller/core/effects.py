"""
What `step` returns: commands to heads, events for the ledger, placed samples, a snapshot.

Events are the ledger's records: the `kind` tag names them there. Positions in the east-north plane of the task are
integers in tenths of a millimetre, so that the record is the same wherever it is derived.
"""

import msgspec

from controller.core.alarm_events import (
    AlarmAcknowledged,
    AlarmEnded,
    AlarmLocated,
    AlarmMarked,
    AlarmRaised,
    AlarmUnlocated,
)
from controller.core.check_events import (
    BlockEnded,
    BlockOpened,
    BlocksJudged,
    ChangeReported,
    CheckBegun,
    CheckEnded,
    GroundSuspended,
    HeadIdentified,
    Revoked,
    RuleVerdict,
    SelfTested,
    SpecSet,
    Verdict,
)
from controller.core.event import Event
from controller.core.reasons import ReasonValue
from controller.core.shown import Snapshot
from firmware_bridge.records import BoolArray, FloatArray, IntArray, Record


class OriginLatched(Event, frozen=True, kw_only=True, tag="origin_latched"):
    """The session's origin turned out to be less than live; it never turns back (P8)."""

    origin: str
    cause: str


class PlaneSet(Event, frozen=True, kw_only=True, tag="plane_set"):
    """The origin of the east-north plane of this session, from the task or from the first fix."""

    task: str | None
    latitude_deg: float
    longitude_deg: float
    altitude_m: float


class RequestRefused(Event, frozen=True, kw_only=True, tag="request_refused"):
    """A request could not be carried out, and why."""

    request: str
    person: str
    why: str


class CreditState(Event, frozen=True, kw_only=True, tag="credit_state"):
    """What withholds a head's credit has changed; no reasons: it is counting. Worst channel's value for each."""

    head: str
    reasons: tuple[ReasonValue, ...]


class Paused(Event, frozen=True, kw_only=True, tag="paused"):
    """A person paused or resumed credit."""

    person: str
    is_paused: bool


class StationChanged(Event, frozen=True, kw_only=True, tag="station_changed"):
    """
    The corrections' reference station is known, or is another than before, or stands elsewhere.

    moved_m : from the place before; None for the first      is_credit_withheld : from here on, by `base_changed`
    """

    station_id: int
    is_virtual: bool
    moved_m: float | None
    is_credit_withheld: bool


class ReasonSetNamed(Event, frozen=True, kw_only=True, tag="reason_set_named"):
    """Interns a set of reasons: tiles name it by `index` (1..255) from here on."""

    index: int
    reasons: tuple[str, ...]


class TileWritten(Event, frozen=True, kw_only=True, tag="tile"):
    """
    The state of one tile of 256 x 256 cells of 0.05 m after a second's work; the highest version wins.

    block : 0 holds ground passed outside any block
    tx, ty: tile column (east) and row (north) from the plane's origin
    cells : uint8, two planes of 256 x 256, row-major from the south-west: cell state (`CellMark`), reason set index
    """

    spec: str | None
    block: int
    tx: int
    ty: int
    version: int
    cells: bytes


class LinkCounters(Event, frozen=True, kw_only=True, tag="link_counters"):
    """What the core refused of a link's good records, in total, whenever that has changed."""

    link: str
    refused: int
    cause: str


class SessionEnded(Event, frozen=True, kw_only=True, tag="session_ended"):
    """The session was closed in order, with its totals."""

    person: str
    samples: int
    samples_placed: int
    alarms: int
    blocks_open: int


AnyEvent = (
    OriginLatched
    | PlaneSet
    | HeadIdentified
    | SpecSet
    | RequestRefused
    | CheckBegun
    | CheckEnded
    | BlockOpened
    | ChangeReported
    | GroundSuspended
    | BlockEnded
    | Verdict
    | RuleVerdict
    | BlocksJudged
    | Revoked
    | AlarmRaised
    | AlarmEnded
    | AlarmLocated
    | AlarmUnlocated
    | AlarmAcknowledged
    | AlarmMarked
    | CreditState
    | Paused
    | SelfTested
    | StationChanged
    | ReasonSetNamed
    | TileWritten
    | LinkCounters
    | SessionEnded
)


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """
    A message for a detector head (`OutputCommand`, `TimeQuery`, `DictionaryRequest`) or for an autopilot, of which
    there are those of `firmware_bridge.autopilot_records.AutopilotBound` and no others.
    """

    link: str
    record: Record


class PlacedSamples(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    Consecutive samples of one head after placement, with what was decided about each.

    sequence    : int64 (n,)            device_time_ns : int64 (n,) or None
    utc_ns      : int64 (n,) or None where no UTC is known
    position_dmm: int64 (n, channels, 2) east, north of each coil; only where `is_placed`
    is_placed   : bool (n,)
    error_95_m  : float64 (n,), NaN where the receiver stated none
    values      : float64 (n, channels), the reading as received
    reasons     : int64 (n, channels), sets of `Reason` bits; 0 is a sample within every limit
    """

    head: str
    link: str
    channels: tuple[str, ...]
    sequence: IntArray
    device_time_ns: IntArray | None
    utc_ns: IntArray | None
    position_dmm: IntArray
    is_placed: BoolArray
    error_95_m: FloatArray
    values: FloatArray
    reasons: IntArray


class Effects(msgspec.Struct, frozen=True, kw_only=True):
    """
    What to do now, in this order: commands (an alarm's lamp and buzzer first), events, then everything else.

    is_commit : this turn ends a second of work; the store anchors the logged inputs here
    """

    commands: tuple[Command, ...] = ()
    events: tuple[AnyEvent, ...] = ()
    placed: tuple[PlacedSamples, ...] = ()
    snapshot: Snapshot | None = None
    is_commit: bool = False
