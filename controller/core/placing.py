"""
From the queue to the map: samples between two fixes are placed, judged, credited or stored with their reasons.
"""

import math

import numpy as np

from controller.core import trust
from controller.core.alarm_events import AlarmLocated, AlarmUnlocated
from controller.core.alarms import AlarmPosition
from controller.core.crosscheck import disagreement
from controller.core.effects import PlacedSamples
from controller.core.geometry import DMM_PER_M, lever_arms, to_dmm
from controller.core.mapping import NO_BLOCK, PlacedRun, split_runs
from controller.core.reasons import NO_REASONS, Reason, labels
from controller.core.rulebook import Measured
from controller.core.rules import (
    BRACKET_METRICS,
    BracketJudgement,
    independent_error_m,
    judge_bracket,
)
from controller.core.site import Metric
from controller.core.speed import alarm_s, stopping_share
from controller.core.state import HeadState, Outbox, PendingSamples, State
from controller.core.timebase import MS, SECOND
from controller.core.track import TrackFix, interpolate, interpolate_heading
from firmware_bridge.records import BoolArray, FloatArray, IntArray, MonoNs, UtcNs

WAIT_NS_MAX = 3 * SECOND  # a sample waits this long for the fix that follows it
GAP_NS_MAX = 3 * SECOND  # fixes further apart place nothing, whatever the profile
ATTITUDE_WAIT_NS_MAX = SECOND // 2  # attitudes may lag behind the fix by this much
ATTITUDE_GAP_NS_MAX = 500 * MS
SECOND_WAIT_NS_MAX = SECOND // 2  # likewise the fixes of a second receiver
COURSE_M_MIN = 0.05  # shorter steps between fixes give no direction to draw with


def place_pending(state: State, head: HeadState, now_ns: MonoNs, out: Outbox, *, is_last: bool = False) -> None:
    """Place what can be placed by now; with `is_last`, store everything else without a position."""
    while head.pending:
        batch = _take_batch(state, head, now_ns, is_last=is_last)
        if batch is None:
            break
        samples, fixes = batch
        head.samples_judged += len(samples.index)
        if fixes is None:
            _store_unplaced(state, head, samples, out)
        else:
            _place(state, head, samples, fixes, out)
    _settle_alarms(state, head, now_ns, out)


def _take_batch(
    state: State, head: HeadState, now_ns: MonoNs, *, is_last: bool
) -> tuple[PendingSamples, tuple[TrackFix, TrackFix] | None] | None:
    """
    The longest run of waiting samples that share their two fixes, taken off the queue; None where they must wait.
    """
    first = head.pending[0]
    fixes = state.track.bracket(MonoNs(int(first.times_ns[0])))
    if fixes is None:
        if not is_last and now_ns - int(first.times_ns[0]) <= WAIT_NS_MAX:
            return None
        return head.pending.popleft(), None
    if not is_last and _must_wait_for_attitude(state, fixes[1].mono_ns, now_ns):
        return None
    if not is_last and _must_wait_for_second(state, fixes[1].mono_ns, now_ns):
        return None
    assert head.detector is not None, "samples wait that a detector has seen"
    proven = head.detector.index - head.detector.unproven
    if first.index[0] >= proven:
        if not is_last and now_ns - int(first.times_ns[0]) <= WAIT_NS_MAX:
            return None
        first.reasons[:] |= Reason.HEAD_FAULT.bit  # nothing came after them that would show their channels alive
        proven = int(first.index[-1]) + 1
    taken = []
    while head.pending and _shares_channels(head.pending[0], first):
        block = head.pending[0]
        is_inside = (block.times_ns >= fixes[0].mono_ns) & (block.times_ns < fixes[1].mono_ns)
        is_inside &= block.index < proven
        count = len(is_inside) if is_inside.all() else int(np.argmin(is_inside))
        if count == 0:
            break
        head.pending.popleft()
        taken.append(_rows(block, slice(0, count)))
        if count < len(is_inside):
            head.pending.appendleft(_rows(block, slice(count, None)))
            break
    is_usable = state.plane is not None and fixes[1].mono_ns - fixes[0].mono_ns <= GAP_NS_MAX
    return _join(taken), fixes if is_usable else None


def _must_wait_for_attitude(state: State, until_ns: MonoNs, now_ns: MonoNs) -> bool:
    if state.attitude_clock is None or now_ns - until_ns > ATTITUDE_WAIT_NS_MAX:
        return False
    last = state.track.last_attitude_ns
    return last is None or last < until_ns


def _must_wait_for_second(state: State, until_ns: MonoNs, now_ns: MonoNs) -> bool:
    """Both receivers are compared at the fix's instant: the second one's next fix may still be on its way."""
    if state.second is None or now_ns - until_ns > SECOND_WAIT_NS_MAX:
        return False
    fixes = state.second.track.fixes
    return not fixes or fixes[-1].mono_ns <= until_ns


def _place(
    state: State, head: HeadState, samples: PendingSamples, fixes: tuple[TrackFix, TrackFix], out: Outbox
) -> None:
    """Place samples between two fixes, judge them by the profile, and put them on the map."""
    bracket = judge_bracket(*fixes, state.site)
    antenna_m, share = interpolate(*fixes, samples.times_ns)
    tilt = state.track.tilt(samples.times_ns, ATTITUDE_GAP_NS_MAX)
    position_dmm = _coil_positions(samples, fixes, antenna_m, share, tilt)
    reasons = samples.reasons | _bracket_reasons(state, head, samples, bracket, has_attitude=tilt is not None)
    reasons |= _crosscheck(state, head, fixes)
    reasons |= _spacing(head, samples, position_dmm)
    error_m = _independent_error(state, samples, bracket, has_attitude=tilt is not None)
    _map_runs(head, samples, position_dmm, reasons, bracket, error_m)
    _locate_alarm(head, samples, position_dmm, bracket, error_m)
    head.samples_placed += len(samples.index)
    head.reasons_seen |= int(np.bitwise_or.reduce(reasons, axis=None))
    error_95 = np.full(len(samples.index), math.nan if bracket.error_95_m is None else bracket.error_95_m)
    is_placed = np.ones(len(samples.index), dtype=np.bool_)
    out.placed.append(_placed_record(state, head, samples, position_dmm, is_placed, error_95, reasons))


def _coil_positions(
    samples: PendingSamples,
    fixes: tuple[TrackFix, TrackFix],
    antenna_m: FloatArray,
    share: FloatArray,
    tilt: tuple[FloatArray, FloatArray] | None,
) -> IntArray:
    """int64 (n, channels, 2). Without heading, the direction of travel stands in: for drawing, never for credit."""
    heading = interpolate_heading(*fixes, share)
    if heading is None:
        east, north = fixes[1].east_m - fixes[0].east_m, fixes[1].north_m - fixes[0].north_m
        course = math.atan2(east, north) if math.hypot(east, north) >= COURSE_M_MIN else 0.0
        heading = np.full(len(share), course)
    roll, pitch = (np.zeros(len(share)), np.zeros(len(share))) if tilt is None else tilt
    return to_dmm(antenna_m[:, None, :] + lever_arms(samples.lever_m, heading, roll, pitch))


def _bracket_reasons(
    state: State, head: HeadState, samples: PendingSamples, bracket: BracketJudgement, *, has_attitude: bool
) -> IntArray:
    """What position, heading, attitude and clock withhold: int64 (n, 1)."""
    mask = bracket.reasons
    if state.site.profile.requires_attitude and not has_attitude:
        mask |= Reason.ATTITUDE_UNKNOWN.bit
    if bracket.time_error_ns is None:
        mask |= Reason.CLOCK_UNSYNCED.bit
    reasons = trust.reasons_of(state, samples.times_ns) | mask
    needs_heading = bool((samples.lever_m[:, :2] != 0.0).any())
    is_counted = samples.block != NO_BLOCK
    for metric, value in bracket.metrics.items():
        if metric is not Metric.HEADING_ERROR or needs_heading:
            reasons |= head.rules.judge(metric, value, samples.times_ns, is_counted)
    if state.site.profile.advised(Metric.STOPPING) is not None:
        delay_s = alarm_s(state.site.profile, head.rate_hz)
        share = stopping_share(bracket.speed_m_s, head.lead_m, state.site.vehicle, delay_s)
        reasons |= head.rules.judge(Metric.STOPPING, share, samples.times_ns, is_counted)
    return reasons[:, None]


def _crosscheck(state: State, head: HeadState, fixes: tuple[TrackFix, TrackFix]) -> int:
    """
    `sources_disagree` where a second receiver is configured and does not bear out the fixes; else nothing.

    One that says nothing withholds credit; one that contradicts takes what was credited before.
    """
    if state.second is None:
        return NO_REASONS
    measured = disagreement(fixes, state.second.track, state.site)
    head.measured[Reason.SOURCES_DISAGREE] = measured
    assert measured.limit is not None, "the cross-check has one"
    if measured.value is not None and measured.value <= measured.limit:
        return NO_REASONS
    if measured.value is not None:
        trust.doubt(state, Reason.SOURCES_DISAGREE)
    return Reason.SOURCES_DISAGREE.bit


def _spacing(head: HeadState, samples: PendingSamples, position_dmm: IntArray) -> IntArray:
    """`too_fast` where a coil moved further than allowed since its last sample: int64 (n, channels)."""
    previous = position_dmm[0] if head.last_position is None else head.last_position
    head.last_position = position_dmm[-1]
    steps = np.diff(np.concatenate([previous[None], position_dmm]), axis=0)
    spacing_m = np.sqrt(steps[:, :, 0] ** 2 + steps[:, :, 1] ** 2) / DMM_PER_M
    reasons = head.rules.judge_each(Metric.SAMPLE_SPACING, spacing_m, samples.times_ns, samples.block != NO_BLOCK)
    # Behind a gap the spacing is the gap's, and the sample has its reason.
    return np.where(samples.reasons & Reason.SAMPLE_GAP.bit, NO_REASONS, reasons)


def _independent_error(
    state: State, samples: PendingSamples, bracket: BracketJudgement, *, has_attitude: bool
) -> FloatArray | None:
    if bracket.time_error_ns is None or samples.time_error_ns is None:
        return None
    return independent_error_m(samples.lever_m, bracket, state.site, samples.time_error_ns, has_attitude=has_attitude)


def _map_runs(
    head: HeadState,
    samples: PendingSamples,
    position_dmm: IntArray,
    reasons: IntArray,
    bracket: BracketJudgement,
    error_m: FloatArray | None,
) -> None:
    head.reach_m = _reach_m(head, bracket, error_m)
    for start, stop in split_runs(samples.block):
        rows = slice(start, stop)
        block = int(samples.block[start])
        radius = np.zeros(reasons[rows].shape, dtype=np.int64)
        if block != NO_BLOCK and error_m is not None:
            reach = np.floor((np.array(head.block_radius_m[block]) - error_m) * DMM_PER_M).astype(np.int64)
            radius = np.where(reasons[rows] == NO_REASONS, reach[None, :], 0)
        head.raster.add(
            PlacedRun(
                block=block,
                times_ns=samples.times_ns[rows],
                position_dmm=position_dmm[rows],
                radius_dmm=radius,
                reasons=reasons[rows],
                common_error_dmm=math.ceil((bracket.common_error_m or 0.0) * DMM_PER_M),
            )
        )


def _reach_m(head: HeadState, bracket: BracketJudgement, error_m: FloatArray | None) -> float | None:
    """What is left of the narrowest detection radius after both errors; None where it or they are unknown."""
    if head.block is None or error_m is None or bracket.common_error_m is None:
        return None
    return float((np.array(head.block.radius_m) - error_m).min()) - bracket.common_error_m


def _locate_alarm(
    head: HeadState,
    samples: PendingSamples,
    position_dmm: IntArray,
    bracket: BracketJudgement,
    error_m: FloatArray | None,
) -> None:
    """Remember where an alarm's strongest sample was. The item may lie anywhere within the coil's footprint."""
    for alarm in head.unsettled:
        row = alarm.peak_index - int(samples.index[0])
        if not 0 <= row < len(samples.index):
            continue
        bound = None
        if bracket.common_error_m is not None and error_m is not None:
            bound = bracket.common_error_m + float(error_m[alarm.peak_channel]) + head.head.nominal_radius_m
        alarm.position = AlarmPosition(
            peak_index=alarm.peak_index,
            east_dmm=int(position_dmm[row, alarm.peak_channel, 0]),
            north_dmm=int(position_dmm[row, alarm.peak_channel, 1]),
            error_m=bound,
            error_95_m=bracket.error_95_m,
        )


def _store_unplaced(state: State, head: HeadState, samples: PendingSamples, out: Outbox) -> None:
    """Samples without a position stay in the record with their reason."""
    head.raster.close()
    head.last_position = None
    reasons = samples.reasons | Reason.NO_FIX.bit
    head.rules.miss(BRACKET_METRICS, MonoNs(int(samples.times_ns[-1])))
    head.reasons_seen |= int(np.bitwise_or.reduce(reasons, axis=None))
    head.measured[Reason.NO_FIX] = Measured(value=None, limit=None)
    for alarm in head.unsettled:
        if samples.index[0] <= alarm.peak_index <= samples.index[-1]:
            alarm.unplaced_index = alarm.peak_index
    shape = (*reasons.shape, 2)
    nowhere, is_placed = np.zeros(shape, dtype=np.int64), np.zeros(len(samples.index), dtype=np.bool_)
    error_95 = np.full(len(samples.index), math.nan)
    out.placed.append(_placed_record(state, head, samples, nowhere, is_placed, error_95, reasons))


def _settle_alarms(state: State, head: HeadState, now_ns: MonoNs, out: Outbox) -> None:
    """Put the location of each ended alarm into the record, once its strongest sample has been through."""
    for alarm in [alarm for alarm in head.unsettled if not alarm.is_sounding]:
        position = alarm.position
        if position is not None and position.peak_index == alarm.peak_index:
            out.events.append(_located(state, alarm.number, position, now_ns))
        elif alarm.unplaced_index == alarm.peak_index:
            utc_ns, reasons = state.utc_ns(now_ns), labels(Reason.NO_FIX.bit)
            out.events.append(AlarmUnlocated(mono_ns=now_ns, utc_ns=utc_ns, alarm=alarm.number, reasons=reasons))
        else:
            continue
        head.unsettled.remove(alarm)


def _located(state: State, number: int, position: AlarmPosition, now_ns: MonoNs) -> AlarmLocated:
    assert state.plane is not None, "a sample was placed without a plane"
    latitude, longitude = state.plane.unproject(position.east_dmm / DMM_PER_M, position.north_dmm / DMM_PER_M)
    return AlarmLocated(
        mono_ns=now_ns,
        utc_ns=state.utc_ns(now_ns),
        alarm=number,
        east_dmm=position.east_dmm,
        north_dmm=position.north_dmm,
        latitude_deg=round(float(latitude), 9),
        longitude_deg=round(float(longitude), 9),
        error_m=position.error_m,
        error_95_m=position.error_95_m,
    )


def _placed_record(
    state: State,
    head: HeadState,
    samples: PendingSamples,
    position_dmm: IntArray,
    is_placed: BoolArray,
    error_95_m: FloatArray,
    reasons: IntArray,
) -> PlacedSamples:
    first_ns = MonoNs(int(samples.times_ns[0]))
    first_utc: UtcNs | None = state.utc_ns(first_ns)
    return PlacedSamples(
        head=head.head.id,
        link=head.head.link,
        channels=samples.channels,
        sequence=samples.sequence,
        device_time_ns=samples.device_time_ns,
        utc_ns=None if first_utc is None else samples.times_ns + (first_utc - first_ns),
        position_dmm=position_dmm,
        is_placed=is_placed,
        error_95_m=error_95_m,
        values=samples.values,
        reasons=reasons,
    )


def _shares_channels(samples: PendingSamples, first: PendingSamples) -> bool:
    return samples.lever_m is first.lever_m


def _rows(samples: PendingSamples, rows: slice) -> PendingSamples:
    return PendingSamples(
        arrival_ns=samples.arrival_ns,
        index=samples.index[rows],
        sequence=samples.sequence[rows],
        device_time_ns=None if samples.device_time_ns is None else samples.device_time_ns[rows],
        times_ns=samples.times_ns[rows],
        time_error_ns=samples.time_error_ns,
        values=samples.values[rows],
        block=samples.block[rows],
        reasons=samples.reasons[rows],
        lever_m=samples.lever_m,
        channels=samples.channels,
    )


def _join(parts: list[PendingSamples]) -> PendingSamples:
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    errors = [part.time_error_ns for part in parts if part.time_error_ns is not None]
    devices = [part.device_time_ns for part in parts if part.device_time_ns is not None]
    return PendingSamples(
        arrival_ns=parts[-1].arrival_ns,
        index=np.concatenate([part.index for part in parts]),
        sequence=np.concatenate([part.sequence for part in parts]),
        device_time_ns=np.concatenate(devices) if len(devices) == len(parts) else None,
        times_ns=np.concatenate([part.times_ns for part in parts]),
        time_error_ns=max(errors) if len(errors) == len(parts) else None,
        values=np.concatenate([part.values for part in parts]),
        block=np.concatenate([part.block for part in parts]),
        reasons=np.concatenate([part.reasons for part in parts]),
        lever_m=first.lever_m,
        channels=first.channels,
    )
