"""
What is said to autopilots: that the controller is here, which messages it needs, and alarms as a line of text.

Nothing else is ever sent to one (P7). Messages are asked for when an autopilot is first heard, after it has restarted
and when they stay away, once a second until they flow.
"""

import msgspec

from controller.core.alarm_events import AlarmRaised
from controller.core.inputs import Origin
from controller.core.site import Autopilot
from controller.core.state import AutopilotState, Outbox, State, StreamState
from controller.core.timebase import SECOND
from firmware_bridge.autopilot_records import AlertText, AutopilotMessage, CompanionHeartbeat, MessageIntervalRequest
from firmware_bridge.records import (
    Attitude,
    AutopilotHeartbeat,
    AutopilotPosition,
    EstimatorStatus,
    GnssFix,
    MonoNs,
    Record,
)

BEAT_NS = SECOND  # between our own heartbeats, as mavlink.io's heartbeat protocol has it
ASK_NS = SECOND  # between two requests for the same message
ABSENT_NS = 3 * SECOND  # without one of a message's records, or without a heartbeat
RESTART_NS = SECOND  # a boot clock this far back is a restart (or its wrap, once in 49.7 days), not a late datagram
ESTIMATOR_NS_MAX = 3 * SECOND  # five times a second it is asked for; radios lose some
TEXT_CHARACTERS_MAX = 50  # of a STATUSTEXT


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """How often a message is asked for, and how many in the second after a request show that it flows."""

    interval_us: int
    enough: int


STREAMS = {
    # Half the rate: autopilots round intervals to their own loop, and a slow radio drops some.
    AutopilotMessage.ATTITUDE: Stream(interval_us=50_000, enough=10),
    # PX4 does not know this one and sends ESTIMATOR_STATUS by itself.
    AutopilotMessage.EKF_STATUS_REPORT: Stream(interval_us=200_000, enough=2),
    # The receiver behind the autopilot may itself give one fix a second; asking again would not make it faster.
    AutopilotMessage.GPS_RAW_INT: Stream(interval_us=100_000, enough=1),
}


def hear_autopilot(state: State, link: str, record: Record, arrival_ns: MonoNs) -> None:
    """Note that an autopilot lives, whether it has restarted, and which of its messages flow."""
    autopilot = next((autopilot for autopilot in state.autopilots if autopilot.autopilot.link == link), None)
    if autopilot is None:
        return
    if isinstance(record, AutopilotHeartbeat):
        autopilot.heartbeat_ns = arrival_ns
    if isinstance(record, Attitude | AutopilotPosition):
        _note_boot_time(autopilot, record.device_time_ns)
    message = _message_of(record)
    for stream in autopilot.streams:
        if stream.message is message:
            stream.heard_ns = arrival_ns
            stream.heard += 1


def why_not_attitude(state: State, arrival_ns: MonoNs) -> str | None:
    """Why an attitude may not be used; whoever has once said how good its estimate is must go on saying so."""
    estimator = state.estimator
    if estimator is None:
        return None
    if not estimator.is_attitude_good:
        return "attitude of an estimator that calls it bad"
    if arrival_ns - estimator.arrival_ns > ESTIMATOR_NS_MAX:
        return "attitude of an estimator that has not said for seconds whether it is good"
    return None


def command_autopilots(state: State, now_ns: MonoNs, out: Outbox) -> None:
    """Alarms of this step first, then our heartbeat and what is missing."""
    alarms = [event for event in out.events if isinstance(event, AlarmRaised) and event.check is None]
    for autopilot in state.autopilots:
        site = autopilot.autopilot
        for alarm in alarms:
            out.command(site.link, AlertText(system_id=site.system_id, text=alarm_text(alarm, state.origin)))
        if autopilot.beat_ns is None or now_ns - autopilot.beat_ns >= BEAT_NS:
            autopilot.beat_ns = now_ns
            out.command(site.link, CompanionHeartbeat(system_id=site.system_id))
        if autopilot.heartbeat_ns is None or now_ns - autopilot.heartbeat_ns >= ABSENT_NS:
            continue
        for stream in autopilot.streams:
            _ask(site, stream, now_ns, out)


def alarm_text(alarm: AlarmRaised, origin: Origin) -> str:
    """
    As "ANOMALY 17 c5 c6"; channels that do not fit are counted: "ANOMALY 17 c5 c6 +9".

    Anything but a live session says so first, as "SIMULATED ANOMALY 17 c5 c6" (P8).
    """
    mark = "" if origin is Origin.LIVE else f"{origin.value.upper()} "
    names = ["".join(c if c.isascii() and c.isprintable() else "?" for c in name) for name in alarm.channels]
    kept = len(names)
    while True:
        rest = [f"+{len(names) - kept}"] if kept < len(names) else []
        text = " ".join([f"{mark}ANOMALY {alarm.alarm}", *names[:kept], *rest])
        if len(text) <= TEXT_CHARACTERS_MAX or kept == 0:
            return text[:TEXT_CHARACTERS_MAX]
        kept -= 1


def _ask(site: Autopilot, stream: StreamState, now_ns: MonoNs, out: Outbox) -> None:
    """Ask for a message unless it flows, or was asked for within the last second."""
    if stream.asked_ns is not None and now_ns - stream.asked_ns < ASK_NS:
        return
    wanted = STREAMS[stream.message]
    if stream.asked_ns is not None and stream.heard >= wanted.enough:
        stream.is_flowing = True
    if stream.is_flowing and stream.heard_ns is not None and now_ns - stream.heard_ns < ABSENT_NS:
        return
    stream.is_flowing = False
    stream.heard = 0
    stream.asked_ns = now_ns
    out.command(
        site.link,
        MessageIntervalRequest(system_id=site.system_id, message=stream.message, interval_us=wanted.interval_us),
    )


def _note_boot_time(autopilot: AutopilotState, device_time_ns: int) -> None:
    """A boot clock that has gone back: the autopilot has forgotten what it was asked for."""
    last_ns = autopilot.device_time_ns
    if last_ns is not None and device_time_ns < last_ns - RESTART_NS:
        for stream in autopilot.streams:
            stream.is_flowing = False
            stream.heard = 0
    if last_ns is None or device_time_ns > last_ns or device_time_ns < last_ns - RESTART_NS:
        autopilot.device_time_ns = device_time_ns


def _message_of(record: Record) -> AutopilotMessage | None:
    match record:
        case Attitude():
            return AutopilotMessage.ATTITUDE
        case GnssFix():
            return AutopilotMessage.GPS_RAW_INT
        case EstimatorStatus():
            return AutopilotMessage.EKF_STATUS_REPORT
    return None
