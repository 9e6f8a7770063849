"""
Whether positions can be believed, and what becomes of credit when they cannot.

A receiver cannot prove itself: a false fix is smooth and says "fixed", and corrections from a base station that stands
elsewhere are smooth and metres wrong. So positions are trusted from their last proof on, for as long as nothing speaks
against them. The only proof is a known point, in a function check that passed. Two receivers at the right distance from
each other are none, since an error across the line between them hardly changes it. Where no known point was ever
passed, trust begins when the session's first block opens: that is people's word, not evidence.

Once something speaks against the positions, nobody knows since when, and with one receiver not even which side of a
jump was true. Everything credited since trust began is revoked then, and nothing counts until they are proved anew.
"""

import math

import numpy as np

from controller.core import checks
from controller.core.check_events import Revoked
from controller.core.checks import CheckRun
from controller.core.inputs import CheckPart
from controller.core.reasons import NO_REASONS, Reason
from controller.core.site import Metric, Site
from controller.core.state import Outbox, State
from controller.core.timebase import SECOND
from controller.core.track import TrackFix
from firmware_bridge.records import IntArray, MonoNs


def doubt(state: State, reason: Reason) -> None:
    """Something speaks against the positions: `withdraw_unsound` takes the credit, `reasons_of` withholds more."""
    if state.doubts == NO_REASONS:
        state.unsound = reason
    state.doubts |= reason.bit
    for head in state.heads:
        if head.check is not None:
            head.check.point = None  # what was seen on the known point so far proves nothing now


def has_known_point(site: Site) -> bool:
    """Whether function checks have a known point to pass."""
    return site.task is not None and site.task.known_point_latitude_deg is not None


def watch_point(state: State, fix: TrackFix) -> None:
    """A fix of the position link: one that may not carry credit ends what a running check saw of the known point."""
    profile = state.site.profile
    gap_ns_max = round(profile.limit(Metric.FIX_GAP) * SECOND)
    is_good = fix.error_95_m is not None and fix.error_95_m <= profile.limit(Metric.POSITION_ERROR)
    is_good = is_good and fix.fix_class in profile.fix_classes
    for run in [head.check for head in state.heads if head.check is not None]:
        if run.part is not CheckPart.KNOWN_POINT:
            continue
        if is_good:
            checks.stand_on_point(run, _from_point_m(state, fix), fix.mono_ns, gap_ns_max)
        else:
            run.point = None


def judge_point(state: State, run: CheckRun, now_ns: MonoNs, *, passed: bool) -> None:
    """
    A function check has ended: passed on a known point, it proves the positions; found elsewhere, it contradicts them.

    Without a known point, trust begins with the session's first passed check: what happened before anything was
    credited is past, but for another base station, which stays where it is.
    """
    if passed and run.point is not None:
        if state.doubts != NO_REASONS:
            state.past_doubts, state.doubted_until_ns = state.doubts, now_ns
        state.doubts = NO_REASONS
        state.trusted_ns = run.point.last_ns
    elif run.point is not None and run.point.distance_m > state.site.profile.known_point_m_max:
        doubt(state, Reason.CHECK_FAILED)
    elif passed and state.trusted_ns is None:
        state.doubts &= Reason.BASE_CHANGED.bit
        state.trusted_ns = now_ns


def reasons_of(state: State, times_ns: IntArray) -> IntArray:
    """What doubts withhold from samples taken at some times: int64 (n,)."""
    return np.where(times_ns < state.doubted_until_ns, state.doubts | state.past_doubts, state.doubts)


def _from_point_m(state: State, fix: TrackFix) -> float:
    task = state.site.task
    assert state.plane is not None, "fixes are in the plane"
    assert task is not None, "the part was begun"
    assert task.known_point_latitude_deg is not None, "the part was begun"
    assert task.known_point_longitude_deg is not None, "the configuration was checked"
    east_m, north_m = state.plane.project(task.known_point_latitude_deg, task.known_point_longitude_deg)
    return math.hypot(fix.east_m - float(east_m), fix.north_m - float(north_m))


def withdraw_unsound(state: State, tiles: int | None, now_ns: MonoNs, out: Outbox) -> bool:
    """
    Revoke what was credited since trust began, if it came into doubt since the last call, up to so many tiles a call.

    An event says when all tiles of a block are done; True: tiles have changed.
    """
    reason, state.unsound = state.unsound, None
    if reason is not None and state.trusted_ns is not None:
        # A recording's stamps may lag behind its fixes; what waits in a pass was placed before the last fix.
        until_ns = max(now_ns, state.track.fixes[-1].mono_ns if state.track.fixes else now_ns)
        for block in range(1, state.blocks_opened + 1):
            index = state.reason_sets.index(reason.bit)
            state.passes.revoke(block, state.trusted_ns, until_ns, reason.label, index)
    is_withdrawing = state.passes.is_withdrawing
    for done in state.passes.withdraw(tiles):
        if done.cells_lost:
            out.events.append(
                Revoked(
                    mono_ns=now_ns,
                    utc_ns=state.utc_ns(now_ns),
                    block=done.block,
                    from_ns=MonoNs(done.from_ns),
                    to_ns=MonoNs(done.to_ns),
                    reason=done.reason,
                    cells_lost=done.cells_lost,
                )
            )
    return is_withdrawing
