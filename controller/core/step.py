"""
The whole policy: one step from inputs to effects.

Time is an argument; nothing here reads a clock, opens a port or writes a file. The state belongs to the caller's one
loop and is changed in place.
"""

import math

from controller.core import trust
from controller.core.autopilot import command_autopilots, hear_autopilot, why_not_attitude
from controller.core.clocks import take_pulse, take_time_reply
from controller.core.effects import (
    CreditState,
    Effects,
    LinkCounters,
    OriginLatched,
    PlaneSet,
    ReasonSetNamed,
    SessionEnded,
    TileWritten,
)
from controller.core.geometry import Plane
from controller.core.inputs import Arrival, Inputs, Origin
from controller.core.placing import place_pending
from controller.core.reasons import Reason, ReasonValue, labels, members
from controller.core.requests import end_block, take_request
from controller.core.rules import Measured
from controller.core.sampling import SILENCE_NS_MAX, command_head, cut_signal, identify, output_answered, take_samples
from controller.core.self_test import end_self_test, watch_self_test
from controller.core.snapshot import take_snapshot
from controller.core.state import EstimatorState, HeadState, Outbox, State
from controller.core.timebase import DAY, SECOND, EpochClock
from controller.core.track import TrackAttitude, TrackFix, is_frozen, is_jump, is_thrown
from firmware_bridge.records import (
    Attitude,
    EstimatorStatus,
    FixClass,
    GnssFix,
    HeadDictionary,
    HelloReply,
    MonoNs,
    OutputReply,
    PulseStamp,
    Record,
    SampleBlock,
    SelfTestReply,
    TimeReply,
    UtcNs,
)

WITHDRAWN_A_STEP = 16  # tiles, a fifth of a millisecond each: a ten-hour day's in half a second
REDRAWN_A_STEP = 1  # windows of a pass, two milliseconds each
# 2025-01-01T00:00:00Z. Nothing live is older than this program. A receiver whose GPS week has rolled over is 1024 weeks
# back, so every such date is found until August 2044.
LIVE_UTC_NS_MIN = 1_735_689_600 * SECOND
LATE_FIX = "fix more than 0.5 s late: delayed, or the receiver's clock was stepped"


def step(state: State, inputs: Inputs) -> tuple[State, Effects]:
    """Take one turn's inputs; return the state and what to do, commands first."""
    if state.is_ended:
        return state, Effects()
    out = Outbox()
    now_ns = inputs.now_ns
    state.lateness_ns, state.backlog_ns = inputs.lateness_ns, inputs.backlog_ns
    _announce_task(state, now_ns, out)
    for arrival in inputs.arrivals:
        _take_arrival(state, arrival, now_ns, out)
    for request in inputs.requests:
        take_request(state, request, now_ns, out)
    for head in state.heads:
        command_head(state, head, now_ns, out)
        watch_self_test(state, head, now_ns, out)
        place_pending(state, head, now_ns, out)
    command_autopilots(state, now_ns, out)  # after the heads: lamp and buzzer come first
    if trust.withdraw_unsound(state, WITHDRAWN_A_STEP, now_ns, out):
        _write_tiles(state, now_ns, out)  # before or with the event, so that no cut leaves the event without them
    state.passes.redraw(REDRAWN_A_STEP)
    is_commit = _is_commit(state, now_ns)
    if state.is_ended:
        _finish(state, now_ns, out)
    elif is_commit:
        _commit(state, now_ns, out)
    return state, Effects(
        commands=tuple(out.commands),
        events=tuple(out.events),
        placed=tuple(out.placed),
        snapshot=take_snapshot(state, now_ns),
        is_commit=is_commit,
    )


def _take_arrival(state: State, arrival: Arrival, now_ns: MonoNs, out: Outbox) -> None:
    position = state.site.position
    hear_autopilot(state, arrival.link, arrival.record, arrival.arrival_ns)
    match arrival.record:
        case GnssFix() as fix if arrival.link == position.link:
            _take_fix(state, fix, arrival.arrival_ns, now_ns, out)
        case GnssFix() as fix if arrival.link == position.second_link:
            _take_second_fix(state, fix, arrival.arrival_ns, now_ns, out)
        case Attitude() as attitude if arrival.link == position.attitude_link:
            _take_attitude(state, attitude, arrival.arrival_ns)
        case EstimatorStatus() as status if arrival.link == position.attitude_link:
            state.estimator = EstimatorState(is_attitude_good=status.is_attitude_good, arrival_ns=arrival.arrival_ns)
        case record:
            head = next((head for head in state.heads if head.head.link == arrival.link), None)
            if head is not None:
                _take_head_record(state, head, record, arrival.arrival_ns, now_ns, out)


def _take_head_record(
    state: State, head: HeadState, record: Record, arrival_ns: MonoNs, now_ns: MonoNs, out: Outbox
) -> None:
    match record:
        case SampleBlock():
            take_samples(state, head, record, arrival_ns, now_ns, out)
        case HeadDictionary():
            head.is_identity_doubted = False
            if record.is_simulated:
                _latch_simulated(state, f"dictionary of head {head.head.id}", now_ns, out)
            if identify(state, head, record, now_ns, out):
                end_block(state, head, "head identified itself anew", now_ns, out)
                head.calibration = None
        case TimeReply():
            take_time_reply(state, head, record, arrival_ns, now_ns, out)
        case PulseStamp() if head.head.id == state.site.position.pulse_head:
            take_pulse(state, head, record, now_ns)
        case OutputReply():
            output_answered(head, record.token, record.lamp_on and record.buzzer_on)
        case SelfTestReply():
            end_self_test(state, head, record, now_ns, out)
        case HelloReply(version=None):
            state.refuse(head.head.link, "the head speaks no version of the protocol that this host speaks")
        case _:
            pass  # what else a head says is shown by the shell; no decision hangs on it


def _take_fix(state: State, fix: GnssFix, arrival_ns: MonoNs, now_ns: MonoNs, out: Outbox) -> None:
    link = state.site.position.link
    if fix.fix_class is FixClass.SIMULATED:
        _latch_simulated(state, f"fix class of link {link}", now_ns, out)
    if fix.utc_ns is None and fix.time_of_day_ns is None:
        state.refuse(link, "fix without a time")
        return
    clock = state.position_clock
    if fix.utc_ns is not None and _is_date_plausible(state, fix.utc_ns):
        epoch_ns = int(fix.utc_ns)
        state.is_dated = True
    else:
        if fix.utc_ns is not None:
            state.refuse(link, "date before this program was written: the receiver's week has rolled over")
        time_of_day_ns = fix.time_of_day_ns if fix.utc_ns is None else fix.utc_ns % DAY
        assert time_of_day_ns is not None
        epoch_ns = clock.nearest_day(time_of_day_ns, arrival_ns)
        # A recording whose stamps are UTC lends its date; a live receiver without one has none.
        state.is_dated = state.is_dated or state.site.timing(link).timebase == "utc"
    clock.add(epoch_ns, arrival_ns)
    if clock.is_late(epoch_ns, arrival_ns):
        state.refuse(link, LATE_FIX)
        return
    if fix.latitude_deg is None or fix.longitude_deg is None or fix.fix_class is FixClass.NONE:
        return
    if state.plane is None:
        if fix.altitude_m is None:
            state.refuse(link, "fix without an altitude, before the plane is set")
            return
        _set_plane(state, fix.latitude_deg, fix.longitude_deg, fix.altitude_m, now_ns, out)
    _add_fix(state, _track_fix(state, fix, epoch_ns, clock))


def _is_date_plausible(state: State, utc_ns: UtcNs) -> bool:
    """Recordings and simulations may be of any time; what happens now is later than this program."""
    return state.origin is not Origin.LIVE or utc_ns >= LIVE_UTC_NS_MIN


def _take_second_fix(state: State, fix: GnssFix, arrival_ns: MonoNs, now_ns: MonoNs, out: Outbox) -> None:
    """A fix of the receiver that only bears the first one out: it never sets the plane, the date or a position."""
    assert state.second is not None, "a second link has a receiver"
    link, clock = str(state.site.position.second_link), state.second.clock
    if fix.fix_class is FixClass.SIMULATED:
        _latch_simulated(state, f"fix class of link {link}", now_ns, out)
    if fix.utc_ns is None and fix.time_of_day_ns is None:
        state.refuse(link, "fix without a time")
        return
    epoch_ns = fix.utc_ns if fix.utc_ns is not None else clock.nearest_day(int(fix.time_of_day_ns or 0), arrival_ns)
    clock.add(int(epoch_ns), arrival_ns)
    if clock.is_late(int(epoch_ns), arrival_ns):
        state.refuse(link, LATE_FIX)
        return
    if fix.latitude_deg is None or fix.longitude_deg is None or state.plane is None:
        return
    if fix.fix_class not in state.site.profile.fix_classes:
        return  # what may not carry credit cannot bear out what does
    if not state.second.track.add_fix(_track_fix(state, fix, int(epoch_ns), clock)):
        state.refuse(link, "fix not later than the one before")


def _track_fix(state: State, fix: GnssFix, epoch_ns: int, clock: EpochClock) -> TrackFix:
    """A fix with a place, in the plane and on the monotonic clock."""
    assert state.plane is not None, "the plane is set before"
    assert fix.latitude_deg is not None, "it has a place"
    assert fix.longitude_deg is not None, "it has a place"
    east_m, north_m = state.plane.project(fix.latitude_deg, fix.longitude_deg)
    return TrackFix(
        mono_ns=clock.to_mono(epoch_ns),
        east_m=float(east_m),
        north_m=float(north_m),
        up_m=None if fix.altitude_m is None else fix.altitude_m - state.plane.altitude_m,
        fix_class=fix.fix_class,
        error_95_m=fix.horizontal_error_95_m,
        time_error_ns=clock.error_ns,
        speed_m_s=fix.speed_m_s,
        heading_rad=_heading(state, fix),
        heading_error_95_rad=_heading_error(state, fix),
        reference_station=fix.reference_station,
    )


def _add_fix(state: State, fix: TrackFix) -> None:
    """Into the track, with what a jump or another base station does to everything after it."""
    previous = state.track.fixes[-1] if state.track.fixes else None
    if not state.track.add_fix(fix):
        state.refuse(state.site.position.link, "fix not later than the one before")
        return
    if previous is not None and _has_jumped(state, previous, fix):
        trust.doubt(state, Reason.POSITION_JUMP)
    trust.watch_point(state, fix)
    if fix.reference_station is not None:
        if state.base_station not in (None, fix.reference_station):
            trust.doubt(state, Reason.BASE_CHANGED)
        state.base_station = fix.reference_station


def _has_jumped(state: State, previous: TrackFix, fix: TrackFix) -> bool:
    """By its distance from the fix before, by what it makes of the way before that, or by not having moved."""
    fixes, acceleration = state.track.fixes, state.site.vehicle.acceleration_m_s2_max
    if is_jump(previous, fix, acceleration, state.site.profile.speed_m_s_max):
        return True
    if len(fixes) > 2 and is_thrown(fixes[-3], previous, fix, acceleration):
        return True
    return is_frozen(fixes, acceleration)


def _take_attitude(state: State, attitude: Attitude, arrival_ns: MonoNs) -> None:
    clock = state.attitude_clock
    assert clock is not None, "an attitude link has a clock"
    clock.add(attitude.device_time_ns, arrival_ns)
    link, why = str(state.site.position.attitude_link), why_not_attitude(state, arrival_ns)
    if why is not None:
        state.refuse(link, why)
        return
    taken = state.track.add_attitude(
        TrackAttitude(
            mono_ns=clock.to_mono(attitude.device_time_ns),
            roll_rad=attitude.roll_rad,
            pitch_rad=attitude.pitch_rad,
        )
    )
    if not taken:
        state.refuse(link, "attitude not later than the one before")


def _heading(state: State, fix: GnssFix) -> float | None:
    return None if state.site.position.heading_link is None else _radians(fix.heading_deg)


def _heading_error(state: State, fix: GnssFix) -> float | None:
    """As stated with the heading; else the configured bound, if any."""
    stated = fix.heading_error_95_deg
    return _radians(state.site.position.heading_error_95_deg if stated is None else stated)


def _radians(degrees: float | None) -> float | None:
    return None if degrees is None else math.radians(degrees)


def _latch_simulated(state: State, cause: str, now_ns: MonoNs, out: Outbox) -> None:
    if state.origin is Origin.SIMULATED:
        return
    state.origin = Origin.SIMULATED
    out.events.append(
        OriginLatched(mono_ns=now_ns, utc_ns=state.utc_ns(now_ns), origin=state.origin.value, cause=cause)
    )


def _announce_task(state: State, now_ns: MonoNs, out: Outbox) -> None:
    """The plane of a configured task stands in the record from the first step on."""
    if state.last_commit_s is None and state.site.task is not None:
        task = state.site.task
        _set_plane(state, task.origin_latitude_deg, task.origin_longitude_deg, task.origin_altitude_m, now_ns, out)


def _set_plane(
    state: State, latitude_deg: float, longitude_deg: float, altitude_m: float, now_ns: MonoNs, out: Outbox
) -> None:
    state.plane = Plane(latitude_deg, longitude_deg, altitude_m)
    out.events.append(
        PlaneSet(
            mono_ns=now_ns,
            utc_ns=state.utc_ns(now_ns),
            task=None if state.site.task is None else state.site.task.id,
            latitude_deg=latitude_deg,
            longitude_deg=longitude_deg,
            altitude_m=altitude_m,
        )
    )


def _is_commit(state: State, now_ns: MonoNs) -> bool:
    """Once in each second of the loop's clock, and at the end."""
    second = now_ns // SECOND
    if second == state.last_commit_s and not state.is_ended:
        return False
    state.last_commit_s = second
    return True


def _commit(state: State, now_ns: MonoNs, out: Outbox) -> None:
    """What a second of work has changed: why credit is withheld, refused records, tiles."""
    utc_ns = state.utc_ns(now_ns)
    for head in state.heads:
        _announce_credit(state, head, now_ns, out)
    for (link, cause), count in state.refused.items():
        if state.announced_refused.get((link, cause)) != count:
            state.announced_refused[link, cause] = count
            out.events.append(LinkCounters(mono_ns=now_ns, utc_ns=utc_ns, link=link, refused=count, cause=cause))
    _write_tiles(state, now_ns, out)


def _write_tiles(state: State, now_ns: MonoNs, out: Outbox) -> None:
    utc_ns = state.utc_ns(now_ns)
    changed = state.tiles.take_changed()
    for index, names in state.reason_sets.take_new():
        out.events.append(ReasonSetNamed(mono_ns=now_ns, utc_ns=utc_ns, index=index, reasons=names))
    for block, tx, ty, version, cells in changed:
        spec = next((head.block_spec[block] for head in state.heads if block in head.block_spec), None)
        out.events.append(
            TileWritten(
                mono_ns=now_ns,
                utc_ns=utc_ns,
                spec=spec,
                block=block,
                tx=tx,
                ty=ty,
                version=version,
                cells=cells,
            )
        )


def _announce_credit(state: State, head: HeadState, now_ns: MonoNs, out: Outbox) -> None:
    """An event whenever the reasons that occurred within the last second are others than before."""
    mask = head.reasons_seen
    if head.samples_judged == head.samples_judged_announced and head.pending:
        mask |= Reason.NO_FIX.bit  # nothing was judged: what waits for a position does not count
    head.reasons_seen = 0
    head.samples_judged_announced = head.samples_judged
    silence_ns = None if head.last_arrival_ns is None else now_ns - head.last_arrival_ns
    if silence_ns is None or silence_ns > SILENCE_NS_MAX:
        mask |= Reason.HEAD_SILENT.bit
        value = None if silence_ns is None else silence_ns / SECOND
        head.measured[Reason.HEAD_SILENT] = Measured(value=value, limit=SILENCE_NS_MAX / SECOND)
    if labels(mask) == head.announced:
        return
    head.announced = labels(mask)
    nothing = Measured(value=None, limit=None)
    values = []
    for reason in members(mask):
        measured = head.measured.get(reason, nothing)
        values.append(ReasonValue(reason=reason.label, value=measured.value, limit=measured.limit))
    head.credit = tuple(values)
    out.events.append(CreditState(mono_ns=now_ns, utc_ns=state.utc_ns(now_ns), head=head.head.id, reasons=head.credit))


def _finish(state: State, now_ns: MonoNs, out: Outbox) -> None:
    """Close the record in order: signals, passes, totals. An open block stays provisional."""
    blocks_open = 0
    for head in state.heads:
        cut_signal(state, head, now_ns, out)
        place_pending(state, head, now_ns, out, is_last=True)
        blocks_open += len(head.unjudged) + (head.block is not None)
        end_block(state, head, "session ended", now_ns, out)
        head.raster.close()
    trust.withdraw_unsound(state, None, now_ns, out)
    state.passes.redraw(None)
    _commit(state, now_ns, out)
    out.events.append(
        SessionEnded(
            mono_ns=now_ns,
            utc_ns=state.utc_ns(now_ns),
            person=state.ended_by or "",
            samples=sum(head.samples for head in state.heads),
            samples_placed=sum(head.samples_placed for head in state.heads),
            alarms=len(state.alarms),
            blocks_open=blocks_open,
        )
    )
