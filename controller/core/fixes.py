"""
From a receiver's or an autopilot's record to the track: its time, its place in the plane, and what speaks against it.
"""

import math

from controller.core import trust
from controller.core.autopilot import why_not_attitude
from controller.core.effects import OriginLatched, PlaneSet
from controller.core.geometry import Plane
from controller.core.inputs import Origin
from controller.core.reasons import Reason
from controller.core.site import Metric
from controller.core.state import Outbox, State
from controller.core.timebase import DAY, SECOND, EpochClock
from controller.core.track import TrackAttitude, TrackFix, is_frozen, is_jump, is_thrown
from firmware_bridge.records import Attitude, FixClass, GnssFix, MonoNs, UtcNs

# 2025-01-01T00:00:00Z. Nothing live is older than this program. A receiver whose GPS week has rolled over is 1024 weeks
# back, so every such date is found until August 2044.
LIVE_UTC_NS_MIN = 1_735_689_600 * SECOND
LATE_FIX = "fix more than 0.5 s late: delayed, or the receiver's clock was stepped"


def take_fix(state: State, fix: GnssFix, arrival_ns: MonoNs, now_ns: MonoNs, out: Outbox) -> None:
    """A fix of the position link: into the track, or refused with its cause."""
    link = state.site.position.link
    if fix.fix_class is FixClass.SIMULATED:
        latch_simulated(state, f"fix class of link {link}", now_ns, out)
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
        set_plane(state, fix.latitude_deg, fix.longitude_deg, fix.altitude_m, now_ns, out)
    _add_fix(state, _track_fix(state, fix, epoch_ns, clock))


def _is_date_plausible(state: State, utc_ns: UtcNs) -> bool:
    """Recordings and simulations may be of any time; what happens now is later than this program."""
    return state.origin is not Origin.LIVE or utc_ns >= LIVE_UTC_NS_MIN


def take_second_fix(state: State, fix: GnssFix, arrival_ns: MonoNs, now_ns: MonoNs, out: Outbox) -> None:
    """A fix of the receiver that only bears the first one out: it never sets the plane, the date or a position."""
    assert state.second is not None, "a second link has a receiver"
    link, clock = str(state.site.position.second_link), state.second.clock
    if fix.fix_class is FixClass.SIMULATED:
        latch_simulated(state, f"fix class of link {link}", now_ns, out)
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
    if is_jump(previous, fix, acceleration, state.site.profile.limit(Metric.SPEED)):
        return True
    if len(fixes) > 2 and is_thrown(fixes[-3], previous, fix, acceleration):
        return True
    return is_frozen(fixes, acceleration)


def take_attitude(state: State, attitude: Attitude, arrival_ns: MonoNs) -> None:
    """Roll and pitch of the attitude link: into the track, or refused with its cause."""
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


def latch_simulated(state: State, cause: str, now_ns: MonoNs, out: Outbox) -> None:
    """Something real has said that it is not: the session is simulated from here on (P8)."""
    if state.origin is Origin.SIMULATED:
        return
    state.origin = Origin.SIMULATED
    out.events.append(
        OriginLatched(mono_ns=now_ns, utc_ns=state.utc_ns(now_ns), origin=state.origin.value, cause=cause)
    )


def set_plane(
    state: State, latitude_deg: float, longitude_deg: float, altitude_m: float, now_ns: MonoNs, out: Outbox
) -> None:
    """The plane that everything is placed in, once; the record says so."""
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
