"""
What screens are told, twenty times a second: the state as it is, with the age of everything in it.

Nothing is decided here. A snapshot may be lost or skipped; the record never depends on one.
"""

import math

import numpy as np

from controller.core.geometry import to_dmm
from controller.core.reasons import Reason, ReasonValue
from controller.core.sampling import SILENCE_NS_MAX
from controller.core.shown import HeadSnapshot, Snapshot
from controller.core.speed import speed_advice
from controller.core.state import HeadState, State
from controller.core.timebase import MS, SECOND
from firmware_bridge.records import FloatArray, MonoNs

INTERVAL_NS = 50 * MS


def take_snapshot(state: State, now_ns: MonoNs) -> Snapshot | None:
    """The state as it stands, once in each interval of the loop's clock and at the end; else None."""
    interval = now_ns // INTERVAL_NS
    if interval == state.last_snapshot and not state.is_ended:
        return None
    state.last_snapshot = interval
    fix = state.track.fixes[-1] if state.track.fixes else None
    antenna = state.site.vehicle.antenna_m
    known = tuple((head.rate_hz, head.lead_m) for head in state.heads if head.detector is not None)
    advice = speed_advice(state.site.profile, state.site.vehicle, known)
    return Snapshot(
        now_ns=now_ns,
        utc_ns=state.utc_ns(now_ns),
        origin=state.origin.value,
        fix_class=None if fix is None else fix.fix_class.value,
        fix_age_ns=None if fix is None else now_ns - fix.mono_ns,
        fix_error_95_m=None if fix is None else fix.error_95_m,
        position_dmm=None if fix is None else (int(to_dmm(fix.east_m)), int(to_dmm(fix.north_m))),
        heading_deg=None if fix is None or fix.heading_rad is None else math.degrees(fix.heading_rad),
        speed_m_s=None if fix is None else fix.speed_m_s,
        speed_limit_m_s=advice.limit_m_s,
        speed_limit_by=advice.by,
        antenna_m=(antenna[0], antenna[1]),
        contacts_m=state.site.vehicle.contacts_m,
        heads=tuple(_head_snapshot(state, head, now_ns) for head in state.heads),
        alarms=len(state.alarms),
        sounding=tuple(head.alarm.number for head in state.heads if head.alarm is not None),
        unacknowledged=len(state.alarms) - state.alarms_heard,
        unmarked=state.alarms_unmarked,
        is_paused=state.is_paused,
        is_ended=state.is_ended,
        lateness_ns=state.lateness_ns,
        backlog_ns=state.backlog_ns,
        epoch_error_ns=state.position_clock.error_ns,
        fix_latency_ns=state.position_clock.latency_ns,
    )


def _head_snapshot(state: State, head: HeadState, now_ns: MonoNs) -> HeadSnapshot:
    antenna = state.site.vehicle.antenna_m
    detector, shown = head.detector, head.shown_signal
    head.shown_signal = None
    count = len(head.channels)
    radius_m = (head.head.nominal_radius_m,) * count if head.block is None else head.block.radius_m
    silence_ns = None if head.last_arrival_ns is None else now_ns - head.last_arrival_ns
    part = None if head.check is None or head.check.part is None else head.check.part.value
    return HeadSnapshot(
        head=head.head.id,
        channels=head.channels,
        coils_m=tuple((float(x) + antenna[0], float(y) + antenna[1]) for x, y, _ in head.lever_m.tolist()),
        radius_m=radius_m,
        signal=(None,) * count if shown is None else _known(shown),
        threshold=() if detector is None else tuple(detector.threshold.tolist()),
        sigma=() if detector is None else _known(detector.sigma),
        age_ns=silence_ns,
        reasons=_reasons(head, silence_ns),
        block=None if head.block is None else head.block.number,
        check=None if head.check is None else head.check.number,
        check_part=part,
        reach_m=head.reach_m,
        time_error_ns=head.time_error_ns,
        clock_residual_ns=head.clock.residual_ns,
        clock_drift_ppm=head.clock.drift_ppm,
    )


def _reasons(head: HeadState, silence_ns: int | None) -> tuple[ReasonValue, ...] | None:
    """As last announced; a head that has fallen silent since then does not wait for the next second to say so."""
    silent = Reason.HEAD_SILENT.label
    if silence_ns is None or silence_ns <= SILENCE_NS_MAX or any(r.reason == silent for r in head.credit or ()):
        return head.credit
    said = ReasonValue(reason=silent, value=silence_ns / SECOND, limit=SILENCE_NS_MAX / SECOND)
    return (said, *(head.credit or ()))


def _known(values: FloatArray) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else value for value in values.tolist())
