"""Links of known latency and jitter: fixes and samples are placed in time within the bound that is stated."""

import msgspec
import numpy as np
import pytest
from core_machine import MS, SECOND, dictionary, fix, site

from controller.core.inputs import Arrival, Inputs, Origin
from controller.core.site import LinkTiming
from controller.core.state import begin
from controller.core.step import step
from firmware_bridge.records import PulseStamp, SampleBlock, TimeQuery, TimeReply

START_NS = 500 * SECOND
HEAD_PPM, HEAD_OFFSET_NS = 60.0, 7_000 * SECOND


def head_clock_ns(mono_ns):
    return HEAD_OFFSET_NS + mono_ns + round((mono_ns - START_NS) * HEAD_PPM * 1e-6)


class World:
    """
    A head at 50 Hz and a receiver at 10 Hz whose clock runs `gnss_ppm` fast.

    Everything arrives late by its latency and a random delay, a line's bytes in the order in which they were sent;
    once in five seconds a fix comes without that delay. The lists collect (|error|, bound) of what the core makes of
    their times.
    """

    def __init__(self, *, latency_ms, stated_ms, jitter_ms, gnss_ppm=0.0, pulse_head=None, has_pulses=False, seed=1):
        base = site()
        timing = {"name": "gnss", "timebase": "host", "latency_ms": stated_ms, "latency_error_ms": 3.0}
        if stated_ms is None:
            timing["latency_error_ms"] = None
        links = (LinkTiming(**timing), *(link for link in base.links if link.name != "gnss"))
        position = msgspec.structs.replace(base.position, pulse_head=pulse_head)
        self.state = begin(msgspec.structs.replace(base, links=links, position=position), Origin.LIVE)
        self.random = np.random.default_rng(seed)
        self.latency_ns, self.jitter_ms, self.gnss_ppm = round(latency_ms * MS), jitter_ms, gnss_ppm
        self.has_pulses = has_pulses
        self.queue = [(START_NS, 0, "head", dictionary(), None)]
        self.fix_errors, self.sample_errors = [], []
        self.count = 0
        self.head_ns = START_NS

    def send(self, arrival_ns, link, record, truth_ns=None):
        self.count += 1
        if isinstance(record, SampleBlock):
            arrival_ns = self.head_ns = max(arrival_ns, self.head_ns)
        self.queue.append((arrival_ns, self.count, link, record, truth_ns))

    def delay_ns(self, quickest_ns):
        return quickest_ns + round(self.random.uniform(0.0, self.jitter_ms) * MS)

    def live(self, seconds):
        for tick in range(1, seconds * 50):
            truth_ns = START_NS + tick * 20 * MS
            device_ns = head_clock_ns(truth_ns) // 1_000 * 1_000
            block = SampleBlock(
                dictionary_id=7,
                sequence=np.array([tick]),
                device_time_ns=np.array([device_ns]),
                values=np.zeros((1, 4)),
                status=np.array([0]),
            )
            self.send(truth_ns + self.delay_ns(4 * MS), "head", block, truth_ns)
            if tick % 5 == 0:
                since_ns = truth_ns - START_NS
                epoch_ns = since_ns + round(since_ns * self.gnss_ppm * 1e-6)
                delay_ns = self.latency_ns if tick % 250 == 0 else self.delay_ns(self.latency_ns)
                self.send(truth_ns + delay_ns, "gnss", fix(epoch_ns, 0.0, 0.0), truth_ns)
            if tick % 50 == 0 and self.has_pulses:
                stamp = PulseStamp(pulse=tick // 50, device_time_ns=device_ns)
                self.send(truth_ns + self.delay_ns(4 * MS), "head", stamp)
        while self.queue:
            self.queue.sort(key=lambda entry: entry[:2])
            self.take(*self.queue.pop(0))

    def take(self, arrival_ns, _, link, record, truth_ns):
        arrival = Arrival(link=link, arrival_ns=arrival_ns, record=record)
        _, effects = step(self.state, Inputs(now_ns=arrival_ns, arrivals=(arrival,), requests=()))
        if link == "gnss" and self.state.track.fixes:
            newest = self.state.track.fixes[-1]
            if newest.time_error_ns is not None:
                self.fix_errors.append((abs(newest.mono_ns - truth_ns), newest.time_error_ns))
        if isinstance(record, SampleBlock) and self.state.heads[0].pending:
            newest = self.state.heads[0].pending[-1]
            if newest.time_error_ns is not None:
                self.sample_errors.append((abs(int(newest.times_ns[-1]) - truth_ns), newest.time_error_ns))
        for command in effects.commands:
            if isinstance(command.record, TimeQuery):
                heard_ns = arrival_ns + self.delay_ns(MS)
                reply = TimeReply(token=command.record.token, device_time_ns=head_clock_ns(heard_ns) // 1_000 * 1_000)
                self.send(heard_ns + self.delay_ns(MS), "head", reply)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("latency_ms", "jitter_ms"), [(50.0, 5.0), (150.0, 60.0)])
def test_fixes_and_samples_are_within_their_stated_bounds(latency_ms, jitter_ms, seed):
    """Latency known to 3 ms and truly 2 ms off; both clocks drift; every stated bound holds."""
    world = World(
        latency_ms=latency_ms, stated_ms=latency_ms - 2.0, jitter_ms=jitter_ms, gnss_ppm=50.0 - 30.0 * seed, seed=seed
    )
    world.live(30)
    assert len(world.fix_errors) > 190
    assert all(error <= bound for error, bound in world.fix_errors)
    assert len(world.sample_errors) > 1_400
    assert all(error <= bound for error, bound in world.sample_errors)
    assert max(bound for _, bound in world.fix_errors) <= 6 * MS
    assert max(bound for _, bound in world.sample_errors[100:]) <= (jitter_ms + 3.0) * MS


def test_a_latency_that_is_stated_wrong_is_what_no_arrival_can_show():
    """Why it is measured, or shown by a pulse: 30 ms beside the truth look the same from here."""
    world = World(latency_ms=80.0, stated_ms=50.0, jitter_ms=5.0)
    world.live(15)
    assert world.fix_errors
    assert all(error > bound for error, bound in world.fix_errors)


@pytest.mark.parametrize("seed", range(4))
def test_with_its_time_pulse_at_the_head_a_receiver_needs_no_measured_latency(seed):
    """The pulse's instant is on the head's clock; fixes map within that clock's bound."""
    world = World(
        latency_ms=230.0, stated_ms=None, jitter_ms=40.0, pulse_head="head", has_pulses=True, seed=seed, gnss_ppm=-20.0
    )
    world.live(30)
    assert len(world.fix_errors) > 190
    # A receiver's pulse marks its own second, which here drifts against the head's whole ones.
    assert all(error <= bound + 30 * 20_000 for error, bound in world.fix_errors)
    latency_ns = world.state.position_clock.latency_ns
    assert latency_ns is not None
    assert abs(latency_ns - 230 * MS) < 12 * MS


def pulse(state, mono_ns, number=1):
    """One pulse arrives at the configured head 5 ms after its edge."""
    stamp = PulseStamp(pulse=number, device_time_ns=head_clock_ns(mono_ns))
    arrival = Arrival(link="head", arrival_ns=mono_ns + 5 * MS, record=stamp)
    step(state, Inputs(now_ns=mono_ns + 5 * MS, arrivals=(arrival,), requests=()))


def refused_pulses(state):
    return {cause for link, cause in state.refused if link == "head" and cause.startswith("pulse")}


def test_a_pulse_that_cannot_be_believed_is_refused_and_counted():
    """Before the head's clock is known; with no fix of late; off the second of the one before."""
    world = World(latency_ms=80.0, stated_ms=None, jitter_ms=5.0, pulse_head="head")
    pulse(world.state, START_NS)
    assert refused_pulses(world.state) == {"pulse before the head's clock was known"}
    world.live(12)
    assert len(refused_pulses(world.state)) == 1
    newest_ns = world.state.track.fixes[-1].mono_ns
    second_ns = newest_ns // SECOND * SECOND + SECOND
    pulse(world.state, second_ns)
    pulse(world.state, second_ns + 300 * MS)
    assert "pulse not a whole second after the one before" in refused_pulses(world.state)
    pulse(world.state, second_ns + 4 * SECOND)
    assert "pulse without a fix of late: the receiver may not know the second" in refused_pulses(world.state)
    assert world.state.position_clock.latency_ns is None


def test_pulses_that_nobody_configured_change_nothing():
    """The head's input may be wired to anything."""
    world = World(latency_ms=80.0, stated_ms=None, jitter_ms=5.0, has_pulses=True)
    world.live(15)
    assert not world.fix_errors
    assert world.sample_errors
