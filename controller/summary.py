"""
A session in one object, from its ledger alone: what `--json` prints and what people read after a run.
"""

import math
from pathlib import Path

import msgspec

from controller.config import read_config
from controller.core.alarm_events import AlarmEnded, AlarmLocated, AlarmRaised
from controller.core.cells import MapTotals
from controller.core.decisions import Aim
from controller.core.effects import AnyEvent, SessionEnded
from controller.core.fold import MapFold, map_fold
from controller.core.geometry import Plane
from controller.profile_files import load_profile
from controller.store.chain import SessionInfo
from controller.store.ledger import read_events, read_info, read_ledger_hash


class Detection(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm as users meet it. `check`: the function check it was raised in; None is an anomaly in the field."""

    id: int
    lat: float | None
    lon: float | None
    error_95_m: float | None
    peak: float | None
    channels: tuple[str, ...]
    origin: str
    check: int | None


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What was searched for one item to one depth under one profile; never added to that for another."""

    aim: Aim
    searched_m2: float
    provisional_m2: float


class SessionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """
    Totals of one session, areas as in `MapTotals`.

    searched_for : what its last calibration was for, and what all areas are of      searches : of everything that it
                   was calibrated for, the last included
    """

    session: str
    origin: str
    machine: str
    duration_s: float
    samples: int | None
    samples_placed: int | None
    searched_for: Aim | None
    searches: tuple[Search, ...]
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
    detections: tuple[Detection, ...]
    ledger_hash: str


class SessionMap(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What a session's ledger says of the ground: its fold, plane and identity."""

    info: SessionInfo
    fold: MapFold
    plane: Plane | None
    events: tuple[AnyEvent, ...]


def read_map(directory: Path) -> SessionMap:
    """Fold a session's ledger; raises `StoreError` where there is none, `ConfigError` where its profile is gone."""
    config = read_config(directory / "config.toml")
    fold, others = map_fold(load_profile(config.machine.profile), config.task), []
    for event in read_events(directory):
        fold.add(event)
        others.append(event)
    return SessionMap(info=read_info(directory), fold=fold, plane=fold.plane, events=tuple(others))


def summarize(directory: Path) -> SessionSummary:
    """The totals of a session directory; raises `StoreError` where there is none."""
    session = read_map(directory)
    ended = next((event for event in session.events if isinstance(event, SessionEnded)), None)
    found = detections(session.events, session.info.origin)
    totals: MapTotals = session.fold.totals()
    times = [event.mono_ns for event in session.events]
    return SessionSummary(
        session=session.info.session,
        origin=session.info.origin,
        machine=session.info.machine,
        duration_s=(max(times) - min(times)) / 1e9 if times else 0.0,
        samples=None if ended is None else ended.samples,
        samples_placed=None if ended is None else ended.samples_placed,
        searched_for=session.fold.aim,
        searches=_searches(session.fold),
        **msgspec.structs.asdict(totals),
        alarms=len(found),
        detections=found,
        ledger_hash=read_ledger_hash(directory),
    )


def _searches(fold: MapFold) -> tuple[Search, ...]:
    found = []
    for aim in fold.aims:
        totals = fold.totals(aim)
        found.append(Search(aim=aim, searched_m2=totals.searched_m2, provisional_m2=totals.provisional_m2))
    return tuple(found)


def detections(events: tuple[AnyEvent, ...], origin: str) -> tuple[Detection, ...]:
    """Every alarm of a session, in order, with what later events say of it."""
    located = {event.alarm: event for event in events if isinstance(event, AlarmLocated)}
    ended = {event.alarm: event for event in events if isinstance(event, AlarmEnded)}
    found = []
    for raised in events:
        if not isinstance(raised, AlarmRaised):
            continue
        place, end = located.get(raised.alarm), ended.get(raised.alarm)
        peak = raised.value if end is None else end.peak
        found.append(
            Detection(
                id=raised.alarm,
                lat=None if place is None else place.latitude_deg,
                lon=None if place is None else place.longitude_deg,
                error_95_m=None if place is None else place.error_95_m,
                peak=None if peak is None or math.isnan(peak) else peak,
                channels=raised.channels if end is None else end.channels,
                origin=origin,
                check=raised.check,
            )
        )
    return tuple(found)
