"""A head's own clock: what its replies to time queries prove, and the pulses that it stamps for the receiver."""

from controller.core.check_requests import end_block
from controller.core.state import HeadState, Outbox, State
from controller.core.timebase import SECOND, ClockReply
from firmware_bridge.records import MonoNs, PulseStamp, TimeReply

PULSE_FIX_AGE_NS_MAX = 2 * SECOND  # without a fix, a receiver's pulses run on by its own oscillator


def take_time_reply(
    state: State, head: HeadState, reply: TimeReply, arrival_ns: MonoNs, now_ns: MonoNs, out: Outbox
) -> None:
    """The reply proves the clock's fit, or that the head was switched off, or is another one."""
    verdict = head.clock.replied(reply.token, reply.device_time_ns, arrival_ns)
    if verdict in (ClockReply.TAKEN, ClockReply.RESTARTED):
        head.is_clock_doubted = False
    if verdict is ClockReply.RESTARTED:
        head.is_identity_doubted = True
        end_block(state, head, "head restarted", now_ns, out)
        if head.check is not None:
            head.check.is_disturbed = True  # half of it was measured on the head as it was before


def take_pulse(state: State, head: HeadState, pulse: PulseStamp, now_ns: MonoNs) -> None:
    """The position receiver's time pulse, by the clock of the head that it is wired to."""
    link, error_ns = head.head.link, head.clock.error_ns(pulse.device_time_ns)
    if error_ns is None:
        state.refuse(link, "pulse before the head's clock was known")
    elif not state.track.fixes or now_ns - state.track.fixes[-1].mono_ns > PULSE_FIX_AGE_NS_MAX:
        state.refuse(link, "pulse without a fix of late: the receiver may not know the second")
    elif not state.position_clock.add_pulse(head.clock.to_mono(pulse.device_time_ns), error_ns):
        state.refuse(link, "pulse not a whole second after the one before")
