"""
The whole policy: one step from inputs to effects.

Time is an argument; nothing here reads a clock, opens a port or writes a file. The state belongs to the caller's one
loop and is changed in place.
"""

from controller.core import trust
from controller.core.autopilot import command_autopilots, hear_autopilot
from controller.core.check_requests import end_block, end_calibration, tell_rules
from controller.core.clocks import take_pulse, take_time_reply
from controller.core.effects import (
    CreditState,
    Effects,
    LinkCounters,
    ReasonSetNamed,
    SessionEnded,
    TileWritten,
)
from controller.core.fixes import latch_simulated, set_plane, take_attitude, take_fix, take_second_fix
from controller.core.inputs import Arrival, Inputs
from controller.core.placing import place_pending
from controller.core.reasons import Reason, ReasonValue, labels, members
from controller.core.requests import take_request
from controller.core.rulebook import Measured
from controller.core.sampling import SILENCE_NS_MAX, command_head, cut_signal, identify, output_answered, take_samples
from controller.core.self_test import end_self_test, watch_self_test
from controller.core.snapshot import take_snapshot
from controller.core.state import EstimatorState, HeadState, Outbox, State
from controller.core.timebase import SECOND
from firmware_bridge.records import (
    Attitude,
    EstimatorStatus,
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
)

WITHDRAWN_A_STEP = 16  # tiles, a fifth of a millisecond each: a ten-hour day's in half a second
REDRAWN_A_STEP = 1  # windows of a pass, two milliseconds each


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
            take_fix(state, fix, arrival.arrival_ns, now_ns, out)
        case GnssFix() as fix if arrival.link == position.second_link:
            take_second_fix(state, fix, arrival.arrival_ns, now_ns, out)
        case Attitude() as attitude if arrival.link == position.attitude_link:
            take_attitude(state, attitude, arrival.arrival_ns)
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
                latch_simulated(state, f"dictionary of head {head.head.id}", now_ns, out)
            if identify(state, head, record, now_ns, out):
                end_calibration(state, head, "", "head identified itself anew", now_ns, out)
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


def _announce_task(state: State, now_ns: MonoNs, out: Outbox) -> None:
    """The plane of a configured task stands in the record from the first step on."""
    if state.last_commit_s is None and state.site.task is not None:
        task = state.site.task
        set_plane(state, task.origin_latitude_deg, task.origin_longitude_deg, task.origin_altitude_m, now_ns, out)


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
        out.events += head.rules.take_verdicts(head.head.id, now_ns, utc_ns)
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
        tell_rules(state, head, now_ns, out)
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
