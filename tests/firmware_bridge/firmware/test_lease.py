"""The motion lease of the C header: no grant, byte or clock closes the relay, a loss opens it, only a hand resumes."""

import pytest
from head_records import COMMANDS, U32, dictionary
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_head import OUTPUTS, RELAY

from firmware_bridge.codec.framing import encode_frame
from firmware_bridge.codec.head import HeadDecoder, encode
from firmware_bridge.records import LeaseGrant, LeaseState, LeaseStatus, LeaseStop

MS = 1_000  # microseconds
STEADY_US = 50 * MS


class Vehicle:
    """A head with a relay, its time, and a hand; every step is kept for the judge."""

    def __init__(self, head):
        self.head = head
        self.now_us = 0
        self.sequence = 0
        self.statuses = []
        self.steps = []  # (kind, time, detail, relay afterwards)
        self._decoder = HeadDecoder()
        self._hear(head.start(dictionary(), fitted=OUTPUTS | RELAY))
        assert head.relay() is False

    @property
    def is_closed(self):
        return bool(self.steps) and self.steps[-1][3]

    def grant(self, duration_ms=300, *, ahead=1):
        """One grant from the host, and the head's answer."""
        self.sequence = (self.sequence + ahead) % 2**32
        grant = LeaseGrant(sequence=self.sequence, duration_ms=duration_ms)
        self._hear(self.head.feed(encode(grant), self.now_us))
        self._keep("grant", duration_ms)
        return self.statuses[-1]

    def hear(self, stream):
        """Any bytes from the host."""
        self._hear(self.head.feed(stream, self.now_us))
        self._keep("bytes", stream)

    def tick(self, after_us=10 * MS, *, is_pressed=False):
        """Time passes, the lease is checked."""
        self.now_us = max(self.now_us + after_us, 0)
        written, _ = self.head.tick(self.now_us, is_pressed)
        self._hear(written)
        self._keep("tick", is_pressed)
        return self.is_closed

    def stop(self):
        """The head finds a fault."""
        self._hear(self.head.ask(b"x", self.now_us.to_bytes(8, "little")))
        self._keep("stop", None)

    def press(self, released_us=60 * MS, pressed_us=60 * MS):
        """A hand: released, pressed, in ticks of 10 ms; then released again."""
        for is_pressed, length_us in ((False, released_us), (True, pressed_us)):
            for _ in range(length_us // (10 * MS) + 1):
                self.tick(is_pressed=is_pressed)
        return self.tick(0)

    def _hear(self, written):
        self.statuses += [record for record in self._decoder.feed(written) if isinstance(record, LeaseStatus)]
        assert self._decoder.stats.malformed == 0

    def _keep(self, kind, detail):
        relay = self.head.relay()
        self.steps.append((kind, self.now_us, detail, self.is_closed if relay is None else relay))


@pytest.fixture
def vehicle(head):
    """A vehicle that has just been switched on."""
    return Vehicle(head)


@pytest.fixture
def moving(vehicle):
    """A vehicle whose relay a hand has closed, with 1,000 ms of lease from the last grant."""
    vehicle.grant(1_000)
    assert vehicle.press()
    vehicle.grant(1_000)
    return vehicle


def test_a_head_starts_stopped_and_a_grant_does_not_move_it(vehicle):
    """However long the host grants, nothing closes without a hand."""
    for _ in range(50):
        status = vehicle.grant()
        assert not vehicle.tick()
        assert (status.state, status.stop, status.remaining_ms) == (LeaseState.STOPPED, LeaseStop.START, 300)
        assert status.sequence == vehicle.sequence


def test_a_hand_closes_the_relay_while_a_lease_runs(vehicle):
    """And the head reports it unasked."""
    vehicle.grant(1_000)
    assert vehicle.press()
    assert vehicle.statuses[-1].state is LeaseState.PERMITTED
    assert vehicle.statuses[-1].stop is None
    assert vehicle.statuses[-1].remaining_ms > 0


def test_a_hand_without_a_lease_does_nothing(vehicle):
    """And it is not remembered for a lease that comes later."""
    assert not vehicle.press()
    vehicle.grant()
    assert not vehicle.tick()


def test_the_lease_ends_to_the_microsecond(moving):
    """Closed one microsecond before the deadline, open at it; the loss is reported with its cause."""
    assert moving.tick(1_000 * MS - 1)
    assert not moving.tick(1)
    assert moving.statuses[-1] == LeaseStatus(
        sequence=moving.sequence, remaining_ms=0, state=LeaseState.STOPPED, stop=LeaseStop.EXPIRED
    )


def test_the_time_left_is_rounded_up(moving):
    """As long as the relay may be closed, the time left is not zero."""
    moving.tick(1_000 * MS - 1)
    assert moving.grant(ahead=0).remaining_ms == 1
    assert moving.is_closed


def test_after_a_loss_no_grant_moves_the_machine_again(moving):
    """Stopped stays stopped, for as long as the host likes to grant, until a hand resumes."""
    assert not moving.tick(1_000 * MS)
    for _ in range(200):
        status = moving.grant()
        assert not moving.tick()
        assert (status.state, status.stop) == (LeaseState.STOPPED, LeaseStop.EXPIRED)
    assert moving.press()


def test_a_grant_after_the_deadline_finds_the_lease_lost(moving):
    """Even where nobody looked in between: a late loop does not turn a loss into an extension."""
    moving.now_us += 1_000 * MS
    status = moving.grant()
    assert not moving.is_closed
    assert (status.state, status.stop) == (LeaseState.STOPPED, LeaseStop.EXPIRED)


def test_a_withdrawal_stops_at_once(moving):
    """In the same call, without waiting for a tick; whatever its sequence."""
    status = moving.grant(0, ahead=-5)
    assert not moving.is_closed
    assert status == LeaseStatus(
        sequence=moving.sequence, remaining_ms=0, state=LeaseState.STOPPED, stop=LeaseStop.WITHDRAWN
    )


@pytest.mark.parametrize("ahead", [0, -1, 2**31])
def test_a_repeated_or_late_grant_extends_nothing(moving, ahead):
    """The deadline stays where it was, and the answer names the grant that holds."""
    held = moving.sequence
    moving.tick(400 * MS)
    status = moving.grant(1_000, ahead=ahead)
    assert (status.sequence, status.remaining_ms) == (held, 600)
    assert not moving.tick(600 * MS)


@pytest.mark.parametrize("ahead", [1, 2**31 - 1])
def test_a_newer_grant_extends_also_where_the_sequence_wraps(moving, ahead):
    """1 to 2**31 - 1 ahead, modulo 2**32."""
    for _ in range(3):
        moving.tick(900 * MS)
        assert moving.grant(1_000, ahead=ahead).remaining_ms == 1_000
    assert moving.is_closed


def test_a_grant_that_is_too_long_is_not_a_grant(moving):
    """1,001 ms: malformed, neither shortened nor answered."""
    answers = len(moving.statuses)
    moving.hear(encode_frame(bytes.fromhex("01 0a ff 00 00 00 e9 03")))
    assert moving.head.counters()[2] == 1
    assert len(moving.statuses) == answers
    assert not moving.tick(1_000 * MS)


def test_a_clock_that_goes_back_stops(moving):
    """Nothing can be measured with it; the cause is the head's own."""
    assert not moving.tick(-1)
    assert moving.statuses[-1].stop is LeaseStop.LOCAL


def test_a_fault_stops_and_as_long_as_it_lasts_no_hand_resumes(moving):
    """The lease may go on running."""
    moving.stop()
    assert not moving.is_closed
    assert moving.statuses[-1].stop is LeaseStop.LOCAL
    assert moving.statuses[-1].remaining_ms > 0
    for is_pressed in [False] * 10 + [True] * 10:
        moving.grant()
        assert not moving.tick(is_pressed=is_pressed)
        moving.stop()
    moving.grant()
    assert moving.press()


@pytest.mark.parametrize(
    ("released_us", "pressed_us", "closes"),
    [(50 * MS, 50 * MS, True), (30 * MS, 60 * MS, False), (60 * MS, 30 * MS, False)],
)
def test_a_press_is_steady(vehicle, released_us, pressed_us, closes):
    """50 ms released, then 50 ms pressed; bouncing contacts and disturbances are shorter."""
    vehicle.grant(1_000)
    assert vehicle.press(released_us, pressed_us) is closes


def test_a_button_that_is_held_down_does_not_resume(moving):
    """Wedged, welded, or pressed since before the loss: it must be released first, steadily."""
    for _ in range(10):
        moving.tick(is_pressed=True)
    moving.tick(1_000 * MS, is_pressed=True)
    for _ in range(50):
        moving.grant()
        assert not moving.tick(is_pressed=True)
    for bounces in range(23, 28):  # bouncing for as long as a steady release takes, then held again
        for is_pressed in (False, True) * bounces + (False,) + (True,) * 100:
            moving.grant()
            assert not moving.tick(MS, is_pressed=is_pressed)
    moving.grant(1_000)
    assert moving.press()


def test_a_press_does_not_outlive_the_lease_in_which_it_began(vehicle):
    """Lost and granted again while the button is down: the press does not count."""
    vehicle.grant(100)
    for _ in range(6):
        vehicle.tick()
    vehicle.tick(is_pressed=True)
    vehicle.tick(50 * MS, is_pressed=True)
    for _ in range(20):
        vehicle.grant(1_000)
        assert not vehicle.tick(is_pressed=True)


def test_a_head_without_a_relay_says_so(head):
    """Off by default: grants are answered, nothing is driven."""
    head.start(dictionary(), fitted=OUTPUTS)
    written = head.feed(encode(LeaseGrant(sequence=9, duration_ms=300)))
    assert HeadDecoder().feed(written) == [LeaseStatus(sequence=9, remaining_ms=0, state=LeaseState.OFF, stop=None)]
    assert head.deeds == b""
    assert head.tick(0, True) == (b"", None)


ANY_BYTES = (
    st.binary(max_size=80)
    | st.binary(max_size=30).map(lambda body: encode_frame(b"\x01" + body))
    | st.tuples(st.integers(0, 255), st.binary(max_size=20)).map(lambda m: encode_frame(bytes([1, m[0]]) + m[1]))
    | COMMANDS.map(encode)
    | st.builds(LeaseGrant, sequence=U32, duration_ms=st.integers(1, 1_000)).map(encode)
)


@settings(max_examples=60, deadline=None)
@given(streams=st.lists(st.tuples(ANY_BYTES, st.integers(0, 400 * MS)), max_size=12))
def test_no_bytes_from_the_host_ever_close_the_relay(head, streams):
    """After a loss: any bytes, any message type, any grants, at any time."""
    vehicle = Vehicle(head)
    vehicle.grant(1_000)
    assert vehicle.press()
    assert not vehicle.tick(1_000 * MS)
    for stream, after_us in streams:
        vehicle.hear(stream)
        assert not vehicle.is_closed
        assert not vehicle.tick(after_us)


DELAYS_US = st.sampled_from([0, 1, MS, 10 * MS, STEADY_US - 1, STEADY_US, 299 * MS, 300 * MS, 1_000 * MS, -MS])
STEPS = st.one_of(
    st.tuples(st.just("grant"), st.sampled_from([0, 1, 60, 300, 1_000]), st.sampled_from([1, 1, 1, 0, -1, 2**31])),
    st.tuples(st.just("tick"), DELAYS_US, st.booleans()),
    st.tuples(st.just("hand"), st.sampled_from([40 * MS, 60 * MS]), st.sampled_from([40 * MS, 60 * MS])),
    st.tuples(st.just("drive"), st.integers(1, 4), st.just(None)),
    st.tuples(st.just("stop"), st.just(None), st.just(None)),
)


@settings(max_examples=200, deadline=None)
@given(plan=st.lists(STEPS, max_size=25))
def test_the_relay_is_closed_only_with_a_lease_and_by_a_hand(head, plan):
    """Any course of grants, ticks, presses, faults and clocks, judged by what was sent and pressed alone."""
    vehicle = Vehicle(head)
    for kind, first, second in plan:
        match kind:
            case "grant":
                vehicle.grant(first, ahead=second)
            case "tick":
                vehicle.tick(first, is_pressed=second)
            case "hand":
                vehicle.press(first, second)
            case "drive":
                vehicle.grant(1_000)
                vehicle.press()
                for _ in range(first):
                    vehicle.grant(300)
                    vehicle.tick(200 * MS)
            case "stop":
                vehicle.stop()
    judge(vehicle.steps)


def judge(steps):
    """Closed: some grant still covers the instant. Closing: by a tick, and by a steady press since the last stop."""
    until_us = before_us = 0  # the latest instant that any grant since the last withdrawal or restart covers
    inputs = []  # (time, pressed) at ticks since the relay last had to be open
    was_closed = False
    for kind, now_us, detail, is_closed in steps:
        if now_us < before_us:
            until_us, inputs = 0, []
            assert not is_closed
        before_us = now_us
        if now_us >= until_us:
            inputs = []
        if kind == "grant":
            until_us = max(until_us, now_us + detail * MS) if detail else 0
        if kind == "stop" or (kind == "grant" and detail == 0):
            inputs = []
            assert not is_closed
        if kind == "tick":
            inputs.append((now_us, detail))
        if is_closed:
            assert now_us < until_us
        if is_closed and not was_closed:
            assert kind == "tick"
            assert is_press(inputs)
        if was_closed and not is_closed:
            inputs = []
        was_closed = is_closed


def is_press(inputs):
    """Whether these inputs end with 50 ms of pressed after 50 ms of released."""
    lengths = []
    for wanted in (True, False):
        run = []
        while inputs and inputs[-1][1] is wanted:
            run.append(inputs[-1][0])
            inputs = inputs[:-1]
        lengths.append(run[0] - run[-1] if run else -1)
    return all(length >= STEADY_US for length in lengths)


def test_the_judge_knows_a_press():
    """The judge's own cases: long enough, too short, no release before."""
    steady = [(0, False), (50 * MS, False), (60 * MS, True), (110 * MS, True)]
    assert is_press(steady)
    assert not is_press(steady[:-1])
    assert not is_press(steady[1:])
    assert not is_press(steady[2:])
    assert not is_press([*steady, (120 * MS, False)])
