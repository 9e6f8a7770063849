"""
What people ask of the core: what concerns one head, acknowledgements, pauses, the end.

A request that cannot be carried out is refused in the record, with its reason in plain words; it never half happens.
"""

import math

from controller.core import trust
from controller.core.alarm_events import AlarmAcknowledged, AlarmMarked
from controller.core.alarms import NEXT, Alarm, AlarmInput, AlarmState
from controller.core.check_requests import take_head_request
from controller.core.effects import Paused, RequestRefused, StationChanged
from controller.core.inputs import (
    AcknowledgeAlarm,
    AnyRequest,
    EndSession,
    MarkAlarm,
    SetPaused,
    StationSeen,
)
from controller.core.reasons import Reason
from controller.core.state import Outbox, State
from firmware_bridge.records import MonoNs

STATION_M_MAX = 0.01  # a base surveyed in anew moves by more; the wire's step is 0.1 mm


def take_request(state: State, request: AnyRequest, now_ns: MonoNs, out: Outbox) -> None:
    """Carry out one request, or refuse it in the record."""
    match request:
        case AcknowledgeAlarm():
            why = _acknowledge(state, request, now_ns, out)
        case MarkAlarm():
            why = _mark(state, request, now_ns, out)
        case SetPaused():
            state.is_paused = request.is_paused
            utc_ns = state.utc_ns(now_ns)
            out.events.append(Paused(mono_ns=now_ns, utc_ns=utc_ns, person=request.person, is_paused=request.is_paused))
            why = None
        case StationSeen():
            _see_station(state, request, now_ns, out)
            why = None
        case EndSession():
            state.is_ended = True
            state.ended_by = request.person
            why = None
        case _:
            why = take_head_request(state, request, now_ns, out)
    if why is not None:
        name = str(request.__struct_config__.tag)
        utc_ns = state.utc_ns(now_ns)
        out.events.append(RequestRefused(mono_ns=now_ns, utc_ns=utc_ns, request=name, person=request.person, why=why))


def _see_station(state: State, station: StationSeen, now_ns: MonoNs, out: Outbox) -> None:
    """Another station, or the same one elsewhere, takes credit; a network's virtual one may move at will."""
    before, state.station = state.station, station
    moved_m = None
    if before is not None:
        moved_m = math.dist((before.x_m, before.y_m, before.z_m), (station.x_m, station.y_m, station.z_m))
        is_other = station.station_id != before.station_id or station.is_virtual != before.is_virtual
        if is_other or (moved_m > STATION_M_MAX and not station.is_virtual):
            trust.doubt(state, Reason.BASE_CHANGED)
    out.events.append(
        StationChanged(
            mono_ns=now_ns,
            utc_ns=state.utc_ns(now_ns),
            station_id=station.station_id,
            is_virtual=station.is_virtual,
            moved_m=None if moved_m is None else round(moved_m, 4),
            is_credit_withheld=bool(state.doubts & Reason.BASE_CHANGED.bit),
        )
    )


def _acknowledge(state: State, request: AcknowledgeAlarm, now_ns: MonoNs, out: Outbox) -> str | None:
    alarm = state.alarms.get(request.alarm)
    if alarm is None:
        return f"there is no alarm {request.alarm}"
    _advance(state, alarm, AlarmInput.ACKNOWLEDGE)
    utc_ns = state.utc_ns(now_ns)
    out.events.append(AlarmAcknowledged(mono_ns=now_ns, utc_ns=utc_ns, alarm=request.alarm, person=request.person))
    return None


def _mark(state: State, request: MarkAlarm, now_ns: MonoNs, out: Outbox) -> str | None:
    alarm = state.alarms.get(request.alarm)
    if alarm is None:
        return f"there is no alarm {request.alarm}"
    _advance(state, alarm, AlarmInput.MARK)
    out.events.append(
        AlarmMarked(
            mono_ns=now_ns,
            utc_ns=state.utc_ns(now_ns),
            alarm=request.alarm,
            person=request.person,
            tag=request.tag,
            is_by_hand=request.is_by_hand,
        )
    )
    return None


def _advance(state: State, alarm: Alarm, seen: AlarmInput) -> None:
    """Whoever marks an alarm has heard it."""
    before, alarm.state = alarm.state, NEXT[alarm.state, seen]
    state.alarms_heard += before is AlarmState.RAISED
    if seen is AlarmInput.MARK and not alarm.is_in_check:
        state.alarms_unmarked -= before is not AlarmState.MARKED
