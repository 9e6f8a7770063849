"""A scripted port: what is read, answered, lost with the plug, and never waited for in vain."""

import itertools
import os
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_bridge.io.ports import open_port
from sim.testing.port import KEPT_BYTES_MAX
from sim.testing.waiting import eventually


@pytest.fixture
def opened(firmground_port):
    """A port, and a file that has it open as a controller would."""
    port = firmground_port()
    descriptor = os.open(port.path, os.O_RDWR | os.O_NOCTTY)
    yield port, descriptor
    os.close(descriptor)


def read(descriptor, count):
    """So many bytes, as they come."""
    got = b""
    while len(got) < count:
        got += os.read(descriptor, count - len(got))
    return got


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 20), max_size=6), noise=st.binary(max_size=20).filter(lambda b: b"?" not in b))
def test_a_question_is_answered_however_it_is_cut(opened, cuts, noise):
    """Once each time it comes, whatever stands before it and wherever a write ended."""
    port, descriptor = opened
    port.when(b"who are you?", send=b"coil 7\n")
    said, ends = noise + b"who are you?", sorted({0, *cuts, len(noise) + 12})
    for begin, end in itertools.pairwise(ends):
        os.write(descriptor, said[begin:end])
    assert read(descriptor, 7) == b"coil 7\n"
    assert port.expect(b"who are you?") == said


def test_two_ports_of_one_test_are_two_devices(firmground_port):
    """As a head and a receiver."""
    first, second = firmground_port(), firmground_port()
    assert first.path != second.path
    with open(first.path, "wb", buffering=0) as writer:
        writer.write(b"to the first")
        assert first.receive() == b"to the first"
    with pytest.raises(AssertionError, match=r"nothing came at .*port-2/tty within 0.05 s"):
        second.receive(0.05)


def test_what_was_expected_is_taken_and_the_rest_stays(opened):
    """`expect` takes up to its end; `receive` takes what is left; what did not come is named beside what did."""
    port, descriptor = opened
    os.write(descriptor, b"alpha beta gamma")
    assert port.expect(b"beta") == b"alpha beta"
    with pytest.raises(AssertionError, match=r"b'delta' did not come .* 6 bytes came, the last of them b' gamma'"):
        port.expect(b"delta", 0.05)
    assert port.receive() == b" gamma"


def test_what_is_scripted_for_a_time_comes_in_the_order_of_the_times(opened):
    """Not in the order of the script."""
    port, descriptor = opened
    port.at(0.04, send=b"2")
    port.at(0.02, send=b"1")
    assert read(descriptor, 2) == b"12"


def test_a_pulled_plug_hangs_up_and_another_terminal_comes_back(opened):
    """Whoever has it open reads an error, as from a USB adapter; bytes sent meanwhile are lost, later ones are not."""
    port, descriptor = opened
    port.unplug()
    assert not port.path.exists()
    assert (port.is_plugged, port.baud) == (False, 0)
    assert os.read(descriptor, 1) == b""
    port.send(b"nobody hears this")
    port.plug()
    port.plug()
    again = open_port(str(port.path), 57_600)
    assert port.baud == 57_600
    port.send(b"back")
    assert eventually(again.read) == b"back"
    again.close()


def test_a_test_that_waits_is_woken_by_the_first_byte(opened):
    """Not by its patience: `receive` is back long before it."""
    port, descriptor = opened
    late = threading.Timer(0.05, lambda: os.write(descriptor, b"here"))
    late.start()
    assert port.receive(timeout_s=20.0).startswith(b"h")
    late.join()


def test_what_nobody_takes_is_bounded(opened):
    """The oldest bytes go; the newest are kept."""
    port, descriptor = opened
    block = b"x" * 4096
    for _ in range(KEPT_BYTES_MAX // len(block) + 1):
        os.write(descriptor, block)
    os.write(descriptor, b"the end")
    taken = port.expect(b"the end")
    assert len(taken) <= KEPT_BYTES_MAX
    assert taken.endswith(b"xthe end")


def test_an_answer_to_nothing_is_refused(firmground_port):
    """It would answer for ever."""
    with pytest.raises(AssertionError, match="name the bytes"):
        firmground_port().when(b"", send=b"x")
