"""
A head's self-test: asked for by a person, judged here. It can only withhold credit, never stand in for a check.
"""

from controller.core.check_events import SelfTested
from controller.core.state import HeadState, Outbox, SelfTestRun, State
from controller.core.timebase import SECOND
from firmware_bridge.records import MonoNs, SelfTestReply, SelfTestRequest

ANSWER_NS_MAX = 10 * SECOND  # ten times what a sweep over all gates of a large array takes


def begin_self_test(state: State, head: HeadState, person: str, now_ns: MonoNs, out: Outbox) -> str | None:
    """Ask the head; why not, where that cannot be done."""
    if head.head.channels:
        return "this instrument has no self-test"
    if head.self_test is not None:
        return "a self-test is running"
    token = state.take_token()
    head.self_test = SelfTestRun(token=token, person=person, begun_ns=now_ns)
    out.command(head.head.link, SelfTestRequest(token=token))
    return None


def end_self_test(state: State, head: HeadState, reply: SelfTestReply, now_ns: MonoNs, out: Outbox) -> None:
    """The head's result; an answer to anything but the running test is ignored."""
    if head.self_test is None or head.self_test.token != reply.token:
        return
    is_passed: bool | None = None  # a head without a test of its own has neither passed nor failed
    if len(reply.passed) != len(head.channels) or False in reply.passed:
        is_passed = False
    elif None not in reply.passed:
        is_passed = True
    _conclude(state, head, reply.passed, now_ns, out, is_passed=is_passed)


def watch_self_test(state: State, head: HeadState, now_ns: MonoNs, out: Outbox) -> None:
    """A head that does not answer in time has failed."""
    if head.self_test is not None and now_ns - head.self_test.begun_ns > ANSWER_NS_MAX:
        _conclude(state, head, (), now_ns, out, is_passed=False)


def _conclude(
    state: State,
    head: HeadState,
    passed: tuple[bool | None, ...],
    now_ns: MonoNs,
    out: Outbox,
    *,
    is_passed: bool | None,
) -> None:
    assert head.self_test is not None, "only a running test is concluded"
    if is_passed is not None:
        head.has_failed_self_test = not is_passed
    out.events.append(
        SelfTested(
            mono_ns=now_ns,
            utc_ns=state.utc_ns(now_ns),
            head=head.head.id,
            person=head.self_test.person,
            passed=passed,
            is_passed=is_passed,
        )
    )
    head.self_test = None
