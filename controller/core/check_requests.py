"""
Calibrations, function checks, blocks and their verdicts: what people ask of one head.

A request that cannot be carried out is refused in plain words; it never half happens.
"""

import hashlib

import msgspec
import numpy as np

from controller.core import checks, trust
from controller.core.cells import DueCause
from controller.core.check_events import (
    BlockEnded,
    BlockOpened,
    BlocksJudged,
    ChangeReported,
    CheckBegun,
    CheckEnded,
    GroundSuspended,
    SpecSet,
    Verdict,
)
from controller.core.checks import CheckRun, Retest
from controller.core.detection import Thresholds
from controller.core.inputs import (
    BeginCheck,
    BeginCheckPart,
    Calibration,
    CheckPart,
    EndCheck,
    HeadChange,
    HeadRequest,
    ReportChange,
    ReportMissedItem,
)
from controller.core.sampling import set_output
from controller.core.self_test import begin_self_test
from controller.core.site import Profile
from controller.core.state import HeadState, OpenBlock, Outbox, State
from controller.core.timebase import SECOND
from firmware_bridge.records import MonoNs

RETEST_NS_MAX = 900 * SECOND  # a failed check is repeated on the spot, or it is another check


def end_block(state: State, head: HeadState, why: str, now_ns: MonoNs, out: Outbox) -> None:
    """No more credit into the open block, if there is one; it waits for its verdict. No check is repeated after it."""
    head.retest = None
    if head.block is None:
        return
    head.unjudged.append(head.block.number)
    utc_ns = state.utc_ns(now_ns)
    out.events.append(BlockEnded(mono_ns=now_ns, utc_ns=utc_ns, head=head.head.id, block=head.block.number, why=why))
    head.block = None


def end_calibration(state: State, head: HeadState, person: str, why: str, now_ns: MonoNs, out: Outbox) -> None:
    """
    The head is no longer what was calibrated: its check cannot pass, and no later one can prove what waits for it.

    A check compares with the calibration in force. One that is made for what the head has become would pass on a head
    that had lost its reach before.
    """
    end_block(state, head, why, now_ns, out)
    if head.check is not None:
        head.check.is_disturbed = True
        _conclude_check(state, head, head.check, person, now_ns, out, is_seen_and_heard=False)
        head.retest = None
    blocks, cause = _take_unjudged(state, head, now_ns, out), f"no closing check: {why}"
    _give_verdicts(state, head, blocks, cause, now_ns, out, due=DueCause.HEAD_CHANGED)
    head.calibration = None


def tell_rules(state: State, head: HeadState, now_ns: MonoNs, out: Outbox) -> None:
    """What every rule found in the blocks that wait for their verdict goes into the record."""
    if head.unjudged:
        utc_ns, blocks, rules = state.utc_ns(now_ns), tuple(head.unjudged), head.rules.take_totals()
        out.events.append(BlocksJudged(mono_ns=now_ns, utc_ns=utc_ns, head=head.head.id, blocks=blocks, rules=rules))


def take_head_request(state: State, request: HeadRequest, now_ns: MonoNs, out: Outbox) -> str | None:
    """Carry out a request that concerns one head; why not, where that cannot be done."""
    head = next((head for head in state.heads if head.head.id == request.head), None)
    if head is None:
        return f"there is no head {request.head!r}"
    if head.detector is None:
        return f"head {request.head!r} has not said yet which channels it has"
    match request:
        case Calibration():
            return _calibrate(state, head, request, now_ns, out)
        case BeginCheck():
            return _begin_check(state, head, request, now_ns, out)
        case BeginCheckPart():
            return _begin_part(state, head, request, now_ns, out)
        case EndCheck():
            return _end_check(state, head, request, now_ns, out)
        case ReportChange():
            _report_change(state, head, request, now_ns, out)
            return None
        case ReportMissedItem():
            return _suspend(state, head, request, now_ns, out)
        case _:
            return begin_self_test(state, head, request.person, now_ns, out)


def _calibrate(state: State, head: HeadState, request: Calibration, now_ns: MonoNs, out: Outbox) -> str | None:
    if request.person == request.witness:
        return "a calibration needs two different people"
    if len(request.channels) != len(head.channels):
        return f"{len(request.channels)} channels are calibrated; the head has {len(head.channels)}"
    if request.dictionary_id != head.dictionary_id:
        return f"it was made with dictionary {request.dictionary_id}; the head now has {head.dictionary_id}"
    for name, channel in zip(head.channels, request.channels, strict=True):
        if channel.site_threshold < head.head.alarm_floor:
            return f"channel {name}: site threshold {channel.site_threshold} is below the alarm floor of the head"
        if channel.reference_response_min <= channel.site_threshold:
            return f"channel {name}: the reference item's smallest response does not exceed the site threshold"
    if head.check is not None:
        return "a function check is running"
    spec = spec_hash(state.site.profile, request)
    if spec == head.spec and head.calibration is not None:
        end_block(state, head, "calibrated anew, and the same", now_ns, out)
    else:
        end_calibration(state, head, request.person, "calibrated anew", now_ns, out)
    head.calibration, head.spec = request, spec
    assert head.detector is not None
    head.detector.calibrate(
        Thresholds(
            site=np.array([channel.site_threshold for channel in request.channels]),
            reference_min=np.array([channel.reference_response_min for channel in request.channels]),
        )
    )
    utc_ns, profile = state.utc_ns(now_ns), state.site.profile.name
    out.events.append(SpecSet(mono_ns=now_ns, utc_ns=utc_ns, spec=head.spec, profile=profile, calibration=request))
    return None


def spec_hash(profile: Profile, calibration: Calibration) -> str:
    """
    Identity of a search specification: SHA-256, first 16 hex digits, over what was searched for and how.

    Who calibrated, and in how many runs, is in the record but not in the identity.
    """
    parts = [calibration.item, calibration.depth_m, calibration.head, calibration.channels, profile]
    return hashlib.sha256(msgspec.msgpack.encode(parts)).hexdigest()[:16]


def _begin_check(state: State, head: HeadState, request: BeginCheck, now_ns: MonoNs, out: Outbox) -> str | None:
    if head.calibration is None:
        return "the head is not calibrated: there is nothing to check against"
    if head.check is not None:
        return "a function check is already running"
    retest = head.retest if request.is_untouched_retest else None
    if request.is_untouched_retest and (retest is None or now_ns - retest.failed_ns > RETEST_NS_MAX):
        return "there is no check to repeat untouched: it must have just failed, for the first time, with nothing since"
    end_block(state, head, "function check begun", now_ns, out)
    state.checks_begun += 1
    peak = np.full(len(head.channels), np.nan)
    head.check = CheckRun(
        number=state.checks_begun, person=request.person, channels=head.channels, peak=peak, retest=retest
    )
    utc_ns, number = state.utc_ns(now_ns), head.check.number
    out.events.append(
        CheckBegun(
            mono_ns=now_ns,
            utc_ns=utc_ns,
            head=head.head.id,
            check=number,
            person=request.person,
            retest_of=None if retest is None else retest.check,
        )
    )
    return None


def _begin_part(state: State, head: HeadState, request: BeginCheckPart, now_ns: MonoNs, out: Outbox) -> str | None:
    if head.check is None:
        return "no function check is running"
    if request.part in head.check.parts_done:
        return f"part {request.part.value} was already done; a retest is a new check"
    if request.part is CheckPart.KNOWN_POINT and not trust.has_known_point(state.site):
        return "there is no known point: [task] known_point_latitude_deg and known_point_longitude_deg are not set"
    assert head.detector is not None
    checks.begin_part(head.check, request.part, head.detector.sigma)
    if request.part is CheckPart.ALARM_PATH:
        set_output(state, head, True, now_ns, out)
    return None


def _end_check(state: State, head: HeadState, request: EndCheck, now_ns: MonoNs, out: Outbox) -> str | None:
    run = head.check
    if run is None:
        return "no function check is running"
    assert head.detector is not None
    checks.leave_part(run, head.detector.sigma)
    is_seen_and_heard = request.is_alarm_seen_and_heard
    _conclude_check(state, head, run, request.person, now_ns, out, is_seen_and_heard=is_seen_and_heard)
    return None


def _conclude_check(
    state: State,
    head: HeadState,
    run: CheckRun,
    person: str,
    now_ns: MonoNs,
    out: Outbox,
    *,
    is_seen_and_heard: bool,
) -> None:
    calibration, has_known_point = head.calibration, trust.has_known_point(state.site)
    assert calibration is not None, "a check runs under a calibration, which does not end before it"
    results = checks.judge_check(
        run,
        calibration,
        state.site.profile,
        is_seen_and_heard=is_seen_and_heard,
        has_known_point=has_known_point,
    )
    passed = all(result.passed for result in results)
    head.check = None
    head.has_failed_check = not passed
    set_output(state, head, head.alarm is not None, now_ns, out)
    out.events.append(
        CheckEnded(
            mono_ns=now_ns,
            utc_ns=state.utc_ns(now_ns),
            head=head.head.id,
            check=run.number,
            person=person,
            passed=passed,
            results=results,
        )
    )
    _judge_blocks(state, head, run, now_ns, out, passed=passed)
    trust.judge_point(state, run, now_ns, passed=passed)
    if passed:
        _open_block(state, head, calibration, run.number, now_ns, out)


def _judge_blocks(state: State, head: HeadState, run: CheckRun, now_ns: MonoNs, out: Outbox, *, passed: bool) -> None:
    """A check proves, or voids, all ground since the last one that passed; a retest gives back what it repeats took."""
    blocks = _take_unjudged(state, head, now_ns, out)
    cause = f"check {run.number} {'passed' if passed else 'failed'}"
    if run.retest is not None:
        cause += f": untouched retest of check {run.retest.check}"
    elif not passed and not run.is_disturbed:
        head.retest = Retest(check=run.number, blocks=blocks, failed_ns=now_ns)
    if run.retest is not None and passed:
        blocks += run.retest.blocks
    _give_verdicts(state, head, blocks, cause, now_ns, out, due=None if passed else DueCause.CHECK_FAILED)


def _take_unjudged(state: State, head: HeadState, now_ns: MonoNs, out: Outbox) -> tuple[int, ...]:
    """The blocks that wait for their verdict, which they get now; what the rules found in them stands before it."""
    tell_rules(state, head, now_ns, out)
    blocks, head.unjudged = tuple(head.unjudged), []
    return blocks


def _give_verdicts(
    state: State,
    head: HeadState,
    blocks: tuple[int, ...],
    cause: str,
    now_ns: MonoNs,
    out: Outbox,
    *,
    due: DueCause | None,
) -> None:
    for block in blocks:
        head.verdicts[block] = head.verdicts.get(block, 0) + 1
        out.events.append(
            Verdict(
                mono_ns=now_ns,
                utc_ns=state.utc_ns(now_ns),
                block=block,
                number=head.verdicts[block],
                state="passed" if due is None else "voided",
                cause=cause,
                due=None if due is None else due.label,
            )
        )


def _report_change(state: State, head: HeadState, request: ReportChange, now_ns: MonoNs, out: Outbox) -> None:
    """What the last check proved is over; a check that runs cannot pass any more."""
    out.events.append(
        ChangeReported(
            mono_ns=now_ns,
            utc_ns=state.utc_ns(now_ns),
            head=head.head.id,
            person=request.person,
            change=request.change.value,
        )
    )
    why = f"{request.change.value} reported"
    if request.change in (HeadChange.HEIGHT, HeadChange.CONFIGURATION):
        end_calibration(state, head, request.person, why, now_ns, out)
        return
    end_block(state, head, why, now_ns, out)
    if head.check is not None:
        head.check.is_disturbed = True


def _suspend(state: State, head: HeadState, request: ReportMissedItem, now_ns: MonoNs, out: Outbox) -> str | None:
    if head.spec is None:
        return "the head was never calibrated in this session: there is nothing to suspend"
    end_calibration(state, head, request.person, "missed item reported", now_ns, out)
    blocks = tuple(block for block, spec in head.block_spec.items() if spec == head.spec)
    out.events.append(
        GroundSuspended(
            mono_ns=now_ns,
            utc_ns=state.utc_ns(now_ns),
            head=head.head.id,
            spec=head.spec,
            blocks=blocks,
            person=request.person,
            note=request.note,
        )
    )
    _give_verdicts(state, head, blocks, "missed item", now_ns, out, due=DueCause.ITEM_MISSED)
    return None


def _open_block(
    state: State, head: HeadState, calibration: Calibration, check: int, now_ns: MonoNs, out: Outbox
) -> None:
    assert head.spec is not None
    head.output.is_proven = True
    state.blocks_opened += 1
    radius_m = tuple(channel.detection_radius_m for channel in calibration.channels)
    head.block = OpenBlock(number=state.blocks_opened, opened_ns=now_ns, radius_m=radius_m)
    head.block_radius_m[head.block.number] = radius_m
    head.block_spec[head.block.number] = head.spec
    utc_ns, number = state.utc_ns(now_ns), head.block.number
    out.events.append(
        BlockOpened(mono_ns=now_ns, utc_ns=utc_ns, head=head.head.id, block=number, spec=head.spec, check=check)
    )
