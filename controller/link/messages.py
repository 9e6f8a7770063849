"""
What link publishes, as records: one structure a topic, under `firmground/v1/{site}/{machine}/`.

Every message says which session and origin it belongs to, when it was true, how old it was when sent and how long it
may be shown as current. Building messages is pure; `controller.link.publisher` sends them.
"""

import msgspec

from controller.channel import Health, Welcome
from controller.core.cells import MapTotals
from controller.core.check_events import HeadIdentified
from controller.core.decisions import Aim
from controller.core.geometry import Plane
from controller.core.shown import Snapshot
from controller.core.timebase import MS
from controller.store.chain import LedgerRecord, RecordFields

ROOT = "firmground/v1"
SCHEMA = 1
STATE_VALID_MS = 1_000
SUMMARY_VALID_MS = 30_000
FOR_EVER = None


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """
    What every message carries.

    schema       : version of this structure
    t            : UTC in ns at which the content was true; None while no receiver has said the time
    utc_trust    : `gnss` or `none`
    age_ms       : age of the content when it was sent
    valid_for_ms : how long after `t` it may be shown as current; None: it stands until replaced
    """

    schema: int = SCHEMA
    session: str | None
    origin: str | None
    t: int | None
    utc_trust: str
    age_ms: int
    valid_for_ms: int | None


class Status(Envelope, frozen=True, kw_only=True):
    """`status`, retained and as last will: `online`, `blind` (link hears no core) or `offline`, with the reason."""

    state: str
    reason: str


class Birth(Envelope, frozen=True, kw_only=True):
    """`birth`, retained: what runs, under which configuration, with which heads."""

    machine: str
    site: str
    software: str
    config_sha256: str
    profile: str
    task: str | None
    realtime: tuple[str, ...]
    heads: tuple[HeadIdentified, ...]


class LiveState(Envelope, frozen=True, kw_only=True):
    """`live/state`: position, credit, alarms and links; newest wins."""

    live_seq: int
    snapshot: Snapshot
    health: Health | None


class HeadSignal(msgspec.Struct, frozen=True, kw_only=True):
    """One head's channels: the largest signal since the last message, threshold and noise, in the channel's unit."""

    head: str
    channels: tuple[str, ...]
    signal: tuple[float | None, ...]
    threshold: tuple[float, ...]
    sigma: tuple[float | None, ...]


class LiveSignal(Envelope, frozen=True, kw_only=True):
    """`live/signal`; newest wins."""

    live_seq: int
    heads: tuple[HeadSignal, ...]


class EventMessage(Envelope, frozen=True, kw_only=True):
    """`event/{kind}`: a ledger record as it stands there; `record` and `hash` are the ledger's own bytes."""

    ledger_seq: int
    kind: str
    body: dict[str, object]
    record: bytes
    hash: bytes


class Coverage(Envelope, frozen=True, kw_only=True):
    """
    `coverage/{task}/{block}/{tx}/{ty}`, retained: the newest cells of one tile of one block.

    cells        : zstd of two planes of 256 x 256 bytes, row by row from the south-west: mark, reason set
    cells_sha256 : of the cells before compression
    reason_sets  : the reasons that the second plane names by index
    block_state  : `open`, `passed` or `voided`; ground of block 0 was passed outside any block
    latitude_deg, longitude_deg : origin of the plane
    """

    ledger_seq: int
    spec: str | None
    block: int
    block_state: str
    tx: int
    ty: int
    version: int
    cells: bytes
    cells_sha256: bytes
    reason_sets: dict[int, tuple[str, ...]]
    latitude_deg: float | None
    longitude_deg: float | None


class Summary(Envelope, frozen=True, kw_only=True):
    """`summary`, retained: totals of the session, as `MapTotals` has them. Searched is not cleared."""

    ledger_seq: int
    searched_for: Aim | None
    searched_m2: float
    hand_searched_m2: float
    provisional_m2: float
    research_due_m2: float
    signal_open_m2: float
    inaccessible_m2: float
    keep_out_m2: float
    out_of_spec_m2: dict[str, float]
    research_due_by_cause_m2: dict[str, float]
    task_m2: float | None
    not_visited_m2: float | None
    outside_m2: float
    alarms: int
    published_seq: int | None


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What messages say of the session they belong to."""

    session: str | None = None
    origin: str | None = None
    utc_ns: int | None = None
    age_ns: int = 0

    def envelope(self, valid_for_ms: int | None) -> dict[str, object]:
        """The fields of `Envelope`."""
        return {
            "session": self.session,
            "origin": self.origin,
            "t": self.utc_ns,
            "utc_trust": "none" if self.utc_ns is None else "gnss",
            "age_ms": max(0, self.age_ns) // MS,
            "valid_for_ms": valid_for_ms,
        }


def status(context: Context, state: str, reason: str) -> Status:
    """`online`, `blind` or `offline`; stands until replaced."""
    return Status(**context.envelope(FOR_EVER), state=state, reason=reason)  # type: ignore[arg-type]


def birth(
    context: Context,
    welcome: Welcome,
    heads: tuple[HeadIdentified, ...],
    *,
    machine: str,
    site: str,
    profile: str,
    task: str | None,
    config_sha256: str,
) -> Birth:
    """What runs."""
    return Birth(
        **context.envelope(FOR_EVER),  # type: ignore[arg-type]
        machine=machine,
        site=site,
        software=welcome.software,
        config_sha256=config_sha256,
        profile=profile,
        task=task,
        realtime=welcome.realtime,
        heads=heads,
    )


def live_state(context: Context, live_seq: int, snapshot: Snapshot, health: Health | None) -> LiveState:
    """The newest state."""
    return LiveState(
        **context.envelope(STATE_VALID_MS),  # type: ignore[arg-type]
        live_seq=live_seq,
        snapshot=snapshot,
        health=health,
    )


def live_signal(context: Context, live_seq: int, snapshot: Snapshot) -> LiveSignal:
    """The newest signals."""
    return LiveSignal(
        **context.envelope(STATE_VALID_MS),  # type: ignore[arg-type]
        live_seq=live_seq,
        heads=tuple(
            HeadSignal(
                head=head.head,
                channels=head.channels,
                signal=head.signal,
                threshold=head.threshold,
                sigma=head.sigma,
            )
            for head in snapshot.heads
        ),
    )


def event(session: str, record: LedgerRecord, fields: RecordFields) -> EventMessage:
    """A ledger record; its age is not known to whoever reads the ledger later, so it is 0 and `t` is what counts."""
    context = Context(session=session, origin=fields.origin, utc_ns=fields.utc_ns)
    return EventMessage(
        **context.envelope(FOR_EVER),  # type: ignore[arg-type]
        ledger_seq=record.seq,
        kind=record.kind,
        body=fields.body,
        record=record.stored,
        hash=record.hash,
    )


def summary(
    context: Context,
    totals: MapTotals,
    *,
    searched_for: Aim | None,
    ledger_seq: int,
    alarms: int,
    published_seq: int | None,
) -> Summary:
    """Totals of the session."""
    return Summary(
        **context.envelope(SUMMARY_VALID_MS),  # type: ignore[arg-type]
        ledger_seq=ledger_seq,
        searched_for=searched_for,
        alarms=alarms,
        published_seq=published_seq,
        **msgspec.structs.asdict(totals),
    )


def coverage(
    context: Context,
    *,
    fields: RecordFields,
    version: int,
    block_state: str,
    compressed: bytes,
    digest: bytes,
    reason_sets: dict[int, tuple[str, ...]],
    plane: Plane | None,
) -> Coverage:
    """The newest cells of one tile; `fields` are those of any record of that tile."""
    body = fields.body
    return Coverage(
        **context.envelope(FOR_EVER),  # type: ignore[arg-type]
        ledger_seq=fields.seq,
        spec=body["spec"],
        block=body["block"],
        block_state=block_state,
        tx=body["tx"],
        ty=body["ty"],
        version=version,
        cells=compressed,
        cells_sha256=digest,
        reason_sets=reason_sets,
        latitude_deg=None if plane is None else plane.latitude_deg,
        longitude_deg=None if plane is None else plane.longitude_deg,
    )
