"""
A session in one object, from its ledger alone: what `--json` prints and what people read after a run.
"""

import math
from pathlib import Path

import msgspec

from controller.config import read_config
from controller.core.alarm_events import AlarmEnded, AlarmLocated, AlarmRaised
from controller.core.effects import AnyEvent, PlaneSet, SessionEnded
from controller.core.fold import MapFold, MapTotals
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


class SessionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of one session. Areas in square metres; they add up to the ground that was ever passed."""

    session: str
    origin: str
    machine: str
    duration_s: float
    samples: int | None
    samples_placed: int | None
    searched_m2: float
    provisional_m2: float
    research_due_m2: float
    signal_open_m2: float
    out_of_spec_m2: dict[str, float]
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
    fold, plane, others = MapFold(load_profile(config.machine.profile).masking_radius_m), None, []
    for event in read_events(directory):
        fold.add(event)
        if isinstance(event, PlaneSet):
            plane = Plane(event.latitude_deg, event.longitude_deg, event.altitude_m)
        others.append(event)
    return SessionMap(info=read_info(directory), fold=fold, plane=plane, events=tuple(others))


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
        searched_m2=totals.searched_m2,
        provisional_m2=totals.provisional_m2,
        research_due_m2=totals.research_due_m2,
        signal_open_m2=totals.signal_open_m2,
        out_of_spec_m2=totals.out_of_spec_m2,
        alarms=len(found),
        detections=found,
        ledger_hash=read_ledger_hash(directory),
    )


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
