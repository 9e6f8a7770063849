"""The example head as a host meets it: a process behind a terminal line, or behind pipes."""

import itertools
import os
import pty
import select
import signal
import subprocess
import time
import tty

import pytest
from reference_head import ENVIRONMENT

from firmware_bridge.codec.head import HeadDecoder, encode
from firmware_bridge.records import (
    DictionaryRequest,
    HeadDictionary,
    HeadStatus,
    HelloReply,
    HostHello,
    LeaseGrant,
    LeaseState,
    LeaseStatus,
    LeaseStop,
    OutputCommand,
    OutputReply,
    PulseStamp,
    SampleBlock,
    SelfTestReply,
    SelfTestRequest,
    StatusBit,
    TimeQuery,
    TimeReply,
)

PATIENCE_S = 20.0  # only a broken head takes this long: whatever is waited for comes within a second or two
REPEAT_S = 0.3  # what was not answered is said again; also longer than the example's hand presses, 0.1 s


class Line:
    """The host's end of a line to a head: says things, and waits for what comes back."""

    def __init__(self, read_from, write_to, process):
        self.process = process
        self.decoder = HeadDecoder()
        self.heard = []
        self._read_from = read_from
        self._write_to = write_to

    def say(self, *records):
        """Commands to the head."""
        os.write(self._write_to, b"".join(map(encode, records)))

    def say_bytes(self, data):
        """Anything to the head."""
        os.write(self._write_to, data)

    def await_record(self, wanted, *, say=(), every_s=REPEAT_S):
        """The first new record that is wanted; `say` is said at once and again until it comes."""
        deadline = time.monotonic() + PATIENCE_S
        repeat = time.monotonic()
        while (now := time.monotonic()) < deadline:
            if say and now >= repeat:
                self.say(*(say() if callable(say) else say))
                repeat = now + every_s
            until = min(deadline, repeat) if say else deadline
            if not select.select([self._read_from], [], [], max(until - now, 0.0))[0]:
                continue
            records = self.decoder.feed(os.read(self._read_from, 65_536))
            self.heard += records
            for record in records:
                if wanted(record):
                    return record
        raise AssertionError(f"not heard within {PATIENCE_S} s; last: {self.heard[-3:]}")


@pytest.fixture
def on_a_line(built):
    """A function that starts the example head, with these arguments, behind a pseudo-terminal."""
    program = built("example")
    opened = []

    def start(*arguments):
        ours, theirs = pty.openpty()
        tty.setraw(theirs)  # before the head sets its own: what it says at once must not come back as an echo
        process = subprocess.Popen([program, *arguments, os.ttyname(theirs)], env=ENVIRONMENT)
        opened.append((ours, theirs, process))
        return Line(ours, ours, process)

    yield start
    for ours, theirs, process in opened:
        os.close(theirs)
        os.close(ours)  # the line hangs up, and the head ends by itself
        try:
            assert process.wait(timeout=PATIENCE_S) == 0
        finally:
            process.kill()
            process.wait()


def test_the_example_is_read_by_the_host(on_a_line):
    """Dictionary unasked and on request, then samples at 100 Hz by the device's clock."""
    line = on_a_line()
    first = line.await_record(lambda record: isinstance(record, HeadDictionary))
    assert first.is_simulated
    assert [channel.name for channel in first.channels] == ["left", "right"]
    assert [channel.position_m for channel in first.channels] == [(0.0, 0.15, 0.02), (0.0, -0.15, 0.02)]
    assert line.await_record(lambda r: isinstance(r, HeadDictionary), say=[DictionaryRequest()]) == first
    line.await_record(lambda record: isinstance(record, SampleBlock) and record.sequence[-1] >= 50)
    blocks = [record for record in line.heard if isinstance(record, SampleBlock)]
    numbers = [int(block.sequence[0]) for block in blocks]  # gaps are allowed: a busy host may be late to read
    assert all(earlier < later for earlier, later in itertools.pairwise(numbers))
    assert [int(block.device_time_ns[0]) for block in blocks] == [(number + 1) * 10_000_000 for number in numbers]
    assert all(
        tuple(block.values[0]) == (block.sequence[0] % 100 * 0.05, block.sequence[0] % 100 * -0.05) for block in blocks
    )
    stats = line.decoder.stats
    assert (stats.malformed, stats.unknown) == (0, 0)


def test_the_example_answers_every_command(on_a_line):
    """Version, clock, outputs and self-test, each by its token; status and pulse unasked."""
    line = on_a_line()
    hello = line.await_record(lambda r: isinstance(r, HelloReply), say=[HostHello(token=1, versions=(1, 2))])
    assert hello == HelloReply(token=1, version=1)
    hello = line.await_record(lambda r: isinstance(r, HelloReply), say=[HostHello(token=2, versions=(2,))])
    assert hello == HelloReply(token=2, version=None)
    early = line.await_record(lambda r: isinstance(r, TimeReply), say=[TimeQuery(token=3)])
    late = line.await_record(lambda r: isinstance(r, TimeReply), say=[TimeQuery(token=4)])
    assert (early.token, late.token) == (3, 4)
    assert 0 <= early.device_time_ns < late.device_time_ns
    output = line.await_record(
        lambda r: isinstance(r, OutputReply), say=[OutputCommand(token=5, lamp_on=True, buzzer_on=False)]
    )
    assert output == OutputReply(token=5, lamp_on=True, buzzer_on=False)
    test = line.await_record(lambda r: isinstance(r, SelfTestReply), say=[SelfTestRequest(token=6)], every_s=2.0)
    assert test == SelfTestReply(token=6, passed=(True, True))
    status = line.await_record(lambda record: isinstance(record, HeadStatus))
    assert (status.lamp_on, status.buzzer_on, status.is_faulty) == (True, False, False)
    pulse = line.await_record(lambda record: isinstance(record, PulseStamp))
    assert pulse.device_time_ns == pulse.pulse * 1_000_000_000


def test_samples_under_test_say_so(on_a_line):
    """While a self-test runs, its signal is not taken for the ground."""
    line = on_a_line()
    line.await_record(
        lambda r: isinstance(r, SampleBlock) and bool(r.status[0] & StatusBit.SELF_TEST),
        say=[DictionaryRequest(), SelfTestRequest(token=1)],
    )


def test_the_example_hears_through_noise(on_a_line):
    """Noise, a cut frame and a flood first: the next frame after a zero byte is answered."""
    line = on_a_line()
    line.say_bytes(bytes(range(256)) + encode(TimeQuery(token=1))[:-3] + b"\x55" * 2_000 + b"\x00")
    assert line.await_record(lambda r: isinstance(r, TimeReply), say=[TimeQuery(token=2)]).token == 2


def test_a_lost_lease_stops_and_stays_stopped(on_a_line):
    """Granted and resumed by hand it moves; without grants it stops; grants alone never move it again."""
    line = on_a_line("--lease")
    sequence = 0

    def grant():
        nonlocal sequence
        sequence += 1
        return [LeaseGrant(sequence=sequence, duration_ms=1_000)]

    def lease_is(state):
        return lambda record: isinstance(record, LeaseStatus) and record.state is state

    stopped = line.await_record(lease_is(LeaseState.STOPPED), say=grant)
    assert stopped.stop is LeaseStop.START
    line.await_record(lease_is(LeaseState.PERMITTED), say=lambda: [*pressed_by_hand(line), *grant()])
    lost = line.await_record(lease_is(LeaseState.STOPPED))  # nobody grants any more
    assert (lost.stop, lost.remaining_ms) == (LeaseStop.EXPIRED, 0)
    for _ in range(20):
        status = line.await_record(lambda record: isinstance(record, LeaseStatus), say=grant)
        assert (status.state, status.stop) == (LeaseState.STOPPED, LeaseStop.EXPIRED)
    line.await_record(lease_is(LeaseState.PERMITTED), say=lambda: [*pressed_by_hand(line), *grant()])


def pressed_by_hand(line):
    """A hand at the vehicle presses the button once; on the line it says nothing."""
    line.process.send_signal(signal.SIGUSR1)
    return []


def test_without_its_option_the_example_has_no_lease(on_a_line):
    """Off by default."""
    line = on_a_line()
    status = line.await_record(
        lambda record: isinstance(record, LeaseStatus), say=[LeaseGrant(sequence=1, duration_ms=300)]
    )
    assert status == LeaseStatus(sequence=1, remaining_ms=0, state=LeaseState.OFF, stop=None)


def test_the_example_speaks_over_pipes_and_ends_with_its_input(built):
    """Standard input and output instead of a line; the end of the input is the end of the head."""
    process = subprocess.Popen(
        [built("example")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT, bufsize=0
    )
    try:
        line = Line(process.stdout.fileno(), process.stdin.fileno(), process)
        line.await_record(lambda record: isinstance(record, HeadDictionary))
        assert line.await_record(lambda r: isinstance(r, TimeReply), say=[TimeQuery(token=9)]).token == 9
        process.stdin.close()
        assert process.wait(timeout=PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_line_that_is_not_there_is_named(built):
    """The example says what it could not open."""
    done = subprocess.run(
        [built("example"), "/dev/no-such-line"], check=False, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 1
    assert "/dev/no-such-line" in done.stderr
