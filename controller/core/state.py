"""
What the core remembers between steps. One owner: `step`; its arrays and queues may be changed in place.
"""

from collections import deque

import msgspec
import numpy as np

from controller.core.alarms import Alarm
from controller.core.checks import CheckRun, Retest
from controller.core.crosscheck import SecondReceiver
from controller.core.density import SignalDensity
from controller.core.detection import Detector
from controller.core.effects import AnyEvent, Command, PlacedSamples
from controller.core.envelope import LineClock
from controller.core.geometry import Plane
from controller.core.inputs import Calibration, Origin, StationSeen
from controller.core.mapping import PassRaster, ReasonSets
from controller.core.passes import PassRecords
from controller.core.reasons import NO_REASONS, Reason, ReasonValue
from controller.core.rulebook import Measured, RuleBook
from controller.core.site import Autopilot, Head, Site
from controller.core.tile_map import TileMap
from controller.core.timebase import DeviceClock, EpochClock
from controller.core.track import Track
from firmware_bridge.autopilot_records import AutopilotMessage
from firmware_bridge.records import FloatArray, IntArray, MonoNs, Record, UtcNs

PENDING_BLOCKS_MAX = 4096  # sample blocks that wait for fixes: 40 s at one block each 10 ms, ten times the longest wait


class PendingSamples(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    Samples that wait for the fixes on either side of them.

    index      : int64 (n,), the detector's own sample count
    times_ns   : int64 (n,), monotonic; `time_error_ns` bounds their error, None is unknown
    block      : int64 (n,), number of the block each may be credited to; 0 is none
    reasons    : int64 (n, channels), decided from samples and checks alone
    lever_m    : float64 (channels, 3), antenna to coil
    """

    arrival_ns: MonoNs
    index: IntArray
    sequence: IntArray
    device_time_ns: IntArray | None
    times_ns: IntArray
    time_error_ns: int | None
    values: FloatArray
    block: IntArray
    reasons: IntArray
    lever_m: FloatArray
    channels: tuple[str, ...]


class OpenBlock(msgspec.Struct, frozen=True, kw_only=True):
    """The block that samples taken from `opened_ns` on may be credited to."""

    number: int
    opened_ns: MonoNs
    radius_m: tuple[float, ...]


class OutputState(msgspec.Struct, kw_only=True):
    """Lamp and buzzer: what is wanted, which command is unanswered, and since when."""

    wanted: bool = False
    token: int | None = None
    sent_ns: MonoNs | None = None
    attempts: int = 0
    is_proven: bool = True


class SelfTestRun(msgspec.Struct, frozen=True, kw_only=True):
    """A self-test that was asked for and is not answered yet."""

    token: int
    person: str
    begun_ns: MonoNs


class HeadState(msgspec.Struct, kw_only=True, eq=False):
    """One detector head: identity, clock, detection, check, block, pass."""

    head: Head
    clock: DeviceClock
    line_clock: LineClock
    raster: PassRaster
    rules: RuleBook
    measured: dict[Reason, Measured]
    output: OutputState
    dictionary_id: int | None = None
    is_identity_doubted: bool = False
    is_clock_doubted: bool = False
    channels: tuple[str, ...] = ()
    lever_m: FloatArray = msgspec.field(default_factory=lambda: np.zeros((0, 3)))
    rate_hz: float = 1.0
    lead_m: float | None = None
    detector: Detector | None = None
    density: SignalDensity = msgspec.field(default_factory=lambda: SignalDensity(1.0))
    reach_m: float | None = None
    pending: deque[PendingSamples] = msgspec.field(default_factory=lambda: deque(maxlen=None))
    calibration: Calibration | None = None
    spec: str | None = None
    check: CheckRun | None = None
    has_failed_check: bool = False
    retest: Retest | None = None
    self_test: SelfTestRun | None = None
    has_failed_self_test: bool = False
    block: OpenBlock | None = None
    unjudged: list[int] = []
    block_radius_m: dict[int, tuple[float, ...]] = {}
    block_spec: dict[int, str] = {}
    verdicts: dict[int, int] = {}
    alarm: Alarm | None = None
    unsettled: list[Alarm] = []
    last_sequence: int | None = None
    last_device_ns: int | None = None
    last_arrival_ns: MonoNs | None = None
    time_error_ns: int | None = None
    last_position: IntArray | None = None
    last_query_ns: MonoNs | None = None
    last_request_ns: MonoNs | None = None
    samples: int = 0
    samples_placed: int = 0
    samples_judged: int = 0
    samples_judged_announced: int = 0
    reasons_seen: int = 0
    announced: tuple[str, ...] | None = None
    credit: tuple[ReasonValue, ...] | None = None
    shown_signal: FloatArray | None = None


class StreamState(msgspec.Struct, kw_only=True):
    """One message of an autopilot. `heard`: how many came since it was last asked for."""

    message: AutopilotMessage
    asked_ns: MonoNs | None = None
    heard_ns: MonoNs | None = None
    heard: int = 0
    is_flowing: bool = False


class EstimatorState(msgspec.Struct, frozen=True, kw_only=True):
    """What the autopilot that attitude is read from last said of its estimate, and when."""

    is_attitude_good: bool
    arrival_ns: MonoNs


class AutopilotState(msgspec.Struct, kw_only=True):
    """An autopilot that is read: when it and we were last heard, its boot clock, its messages."""

    autopilot: Autopilot
    streams: tuple[StreamState, ...]
    heartbeat_ns: MonoNs | None = None
    beat_ns: MonoNs | None = None
    device_time_ns: int | None = None


class State(msgspec.Struct, kw_only=True, eq=False):
    """
    The whole of it.

    trusted_ns       : since when positions are trusted (`controller.core.trust`); None before any block
    doubts           : what speaks against them now      unsound : for what credit is to be withdrawn in this step
    past_doubts      : what spoke against samples taken before `doubted_until_ns`, when a known point was passed
    """

    site: Site
    origin: Origin
    heads: list[HeadState]
    autopilots: tuple[AutopilotState, ...]
    tiles: TileMap
    passes: PassRecords
    reason_sets: ReasonSets
    track: Track
    position_clock: EpochClock
    attitude_clock: EpochClock | None
    second: SecondReceiver | None = None
    estimator: EstimatorState | None = None
    plane: Plane | None = None
    alarms: dict[int, Alarm] = {}
    alarms_heard: int = 0
    alarms_unmarked: int = 0
    is_paused: bool = False
    base_station: str | None = None
    station: StationSeen | None = None
    trusted_ns: MonoNs | None = None
    doubts: int = NO_REASONS
    past_doubts: int = NO_REASONS
    doubted_until_ns: MonoNs = MonoNs(0)
    unsound: Reason | None = None
    checks_begun: int = 0
    blocks_opened: int = 0
    tokens_used: int = 0
    last_commit_s: int | None = None
    last_snapshot: int | None = None
    lateness_ns: int = 0
    backlog_ns: int = 0
    refused: dict[tuple[str, str], int] = {}
    announced_refused: dict[tuple[str, str], int] = {}
    is_ended: bool = False
    ended_by: str | None = None
    is_dated: bool = False

    def utc_ns(self, mono_ns: MonoNs) -> UtcNs | None:
        """UTC of a monotonic instant by the position receiver; None before its first dated epoch."""
        if not self.is_dated:
            return None
        return UtcNs(self.position_clock.to_epoch(mono_ns))

    def refuse(self, link: str, cause: str, count: int = 1) -> None:
        """Count a record that was good on the wire but cannot be used."""
        self.refused[link, cause] = self.refused.get((link, cause), 0) + count

    def take_token(self) -> int:
        """A number for a command, never used before in this session."""
        self.tokens_used += 1
        return self.tokens_used


class Outbox:
    """What one step has decided so far, in order."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.events: list[AnyEvent] = []
        self.placed: list[PlacedSamples] = []

    def command(self, link: str, record: Record) -> None:
        """Send a message to a head or an autopilot."""
        self.commands.append(Command(link=link, record=record))


def begin(site: Site, origin: Origin) -> State:
    """The state of a session before its first input."""
    tiles, reason_sets = TileMap(), ReasonSets()
    passes = PassRecords(tiles)
    position = site.position
    plane = None
    if site.task is not None:
        task = site.task
        plane = Plane(task.origin_latitude_deg, task.origin_longitude_deg, task.origin_altitude_m)
    heads = []
    for head in site.heads:
        measured: dict[Reason, Measured] = {}
        footprint_dmm = round(head.nominal_radius_m * 10_000)
        heads.append(
            HeadState(
                head=head,
                clock=DeviceClock(),
                line_clock=LineClock(head, site.timing(head.link)),
                raster=PassRaster(tiles, passes, reason_sets, footprint_dmm, site.profile.alarm_samples),
                rules=RuleBook(site.profile, measured),
                measured=measured,
                output=OutputState(),
            )
        )
    attitude = None
    if position.attitude_link is not None:
        attitude = EpochClock(site.timing(position.attitude_link), site.utc_at_mono_zero_ns)
    second = None
    if position.second_link is not None:
        clock = EpochClock(site.timing(position.second_link), site.utc_at_mono_zero_ns)
        second = SecondReceiver(clock=clock, track=Track())
    return State(
        site=site,
        origin=origin,
        heads=heads,
        autopilots=tuple(
            AutopilotState(autopilot=a, streams=tuple(StreamState(message=message) for message in a.messages))
            for a in site.autopilots
        ),
        tiles=tiles,
        passes=passes,
        reason_sets=reason_sets,
        track=Track(),
        position_clock=EpochClock(site.timing(position.link), site.utc_at_mono_zero_ns),
        attitude_clock=attitude,
        second=second,
        plane=plane,
    )
