"""A talk with a receiver over a pseudo-terminal: answers, silence, noise, another speed, and a pulled cable."""

import pytest

from firmware_bridge.codec.ubx_config import Layer
from firmware_bridge.errors import PortError, ReceiverError
from firmware_bridge.io.ports import open_serial_port
from firmware_bridge.io.receiver import ATTEMPTS, NS_PER_MS, Receiver
from sim.receiver import BBR, FLASH, RAM, RATE_MEASUREMENT, ReceiverFaults, SimulatedReceiver
from tests.receiver_rig import PluggedReceiver

BAUD = 0x40520001
NAV_PVT, HPPOSLLH, RELPOSNED, DYNAMICS = 0x20910007, 0x20910034, 0x2091008E, 0x20110021
UNKNOWN = 0x20910FFF
SHORT_NS = 60 * NS_PER_MS
ALL_SOURCES = frozenset({"NAV-PVT", "NAV-HPPOSLLH", "NAV-RELPOSNED"})


@pytest.fixture
def talk(tmp_path):
    """Starts a simulated receiver and returns it with a talk to it."""
    opened = []

    def start(answer_ns=SHORT_NS * 10, line_baud=38_400, ram=None, **faults):
        simulated = SimulatedReceiver(ReceiverFaults(**faults))
        simulated.layers[RAM] |= ram or {}
        opened.append(PluggedReceiver(tmp_path / "gnss", simulated))
        port = open_serial_port(str(tmp_path / "gnss"), line_baud)
        opened.append(port)
        return simulated, Receiver(port, answer_ns)

    yield start
    for thing in reversed(opened):
        thing.close()


def test_it_says_what_it_is(talk):
    """MON-VER, as recorded from a real one."""
    _, receiver = talk()
    assert receiver.version().extension("FWVER") == "HPG 1.32"


def test_values_are_read_from_each_layer(talk):
    """What is stored nowhere else stands in RAM alone."""
    simulated, receiver = talk()
    simulated.layers[FLASH][RATE_MEASUREMENT] = 100
    keys = [RATE_MEASUREMENT, DYNAMICS, NAV_PVT]
    assert receiver.read(Layer.RAM, keys) == {RATE_MEASUREMENT: 1000, DYNAMICS: 0, NAV_PVT: 0}
    assert receiver.read(Layer.FLASH, keys) == {RATE_MEASUREMENT: 100}
    assert receiver.read(Layer.BBR, keys) == {}
    assert receiver.read(Layer.RAM, []) == {}


def test_keys_that_it_does_not_know_are_found_among_those_that_it_does(talk):
    """It refuses the whole question; halving it tells which key was meant."""
    _, receiver = talk(unknown=frozenset({NAV_PVT, HPPOSLLH}))
    keys = [RATE_MEASUREMENT, NAV_PVT, DYNAMICS, RELPOSNED, HPPOSLLH, UNKNOWN, BAUD]
    assert set(receiver.read(Layer.RAM, keys)) == {RATE_MEASUREMENT, DYNAMICS, RELPOSNED, BAUD}


def test_more_than_64_keys_are_asked_for_in_turns(talk):
    """A receiver refuses more than 64 in one question."""
    simulated, receiver = talk()
    assert len(receiver.read(Layer.RAM, [RATE_MEASUREMENT] * 64 + [DYNAMICS] * 3)) == 2
    assert len(simulated.asked) == 2


def test_values_are_set_in_the_layers_that_were_named(talk):
    """And in no other."""
    simulated, receiver = talk()
    assert receiver.write([Layer.RAM, Layer.FLASH], {RATE_MEASUREMENT: 200, DYNAMICS: 3})
    assert simulated.layers[RAM][RATE_MEASUREMENT] == simulated.layers[FLASH][RATE_MEASUREMENT] == 200
    assert simulated.layers[BBR] == {}


def test_one_refused_value_refuses_all(talk):
    """False, and nothing is set."""
    simulated, receiver = talk(refused=frozenset({DYNAMICS}))
    assert not receiver.write([Layer.RAM], {RATE_MEASUREMENT: 200, DYNAMICS: 3})
    assert simulated.layers[RAM][RATE_MEASUREMENT] == 1000


def test_a_question_that_was_not_heard_is_asked_again(talk):
    """All but one of the attempts may be lost."""
    _, receiver = talk(answer_ns=SHORT_NS, unanswered=ATTEMPTS - 1)
    assert receiver.version().hardware == "00190000"


def test_silence_is_said_after_the_last_attempt(talk):
    """Nothing at all arrives, and the message asks the likeliest question."""
    _, receiver = talk(answer_ns=SHORT_NS, unanswered=-1)
    with pytest.raises(ReceiverError, match="gnss: nothing arrives at 38400 baud: is the receiver switched on"):
        receiver.version()


def test_a_receiver_that_talks_and_does_not_listen_is_told_from_a_silent_one(talk):
    """Its messages come, so speed and port are right; our line to it is not."""
    _, receiver = talk(answer_ns=SHORT_NS, unanswered=-1, ram={NAV_PVT: 1, RATE_MEASUREMENT: 20})
    with pytest.raises(ReceiverError, match="it sends, but does not answer"):
        receiver.version()


def test_another_speed_is_told_from_silence(talk):
    """What arrives is noise, and the message says what to try."""
    _, receiver = talk(answer_ns=SHORT_NS, line_baud=115_200, ram={NAV_PVT: 1, RATE_MEASUREMENT: 20})
    with pytest.raises(
        ReceiverError, match="makes no sense at 115200 baud: try another --baud; from the factory it is 38400"
    ):
        receiver.version()


@pytest.mark.parametrize(
    "noise",
    [
        b"\xb5\x62\x06\x8b",  # the beginning of an answer that never comes
        b"\xb5\x62\x01\x07\xff\x1f",  # claims 8191 bytes, more than will follow
        b"\xd3\x03\xff",  # claims to be 1 kB of RTCM
        b"$GNGGA,",
        b"\x00\xff" * 40,
    ],
)
def test_noise_between_the_frames_hides_no_answer(talk, noise):
    """Also noise that looks like the head of a long frame, behind which the answer is held back until time is over."""
    simulated, receiver = talk(answer_ns=SHORT_NS * 2, noise=noise)
    assert receiver.version().extension("MOD") == "ZED-F9P"
    assert receiver.write([Layer.RAM], {RATE_MEASUREMENT: 200})
    assert receiver.read(Layer.RAM, [RATE_MEASUREMENT]) == {RATE_MEASUREMENT: 200}
    assert simulated.layers[RAM][RATE_MEASUREMENT] == 200


def test_answers_are_found_among_the_messages_of_a_busy_receiver(talk):
    """Twenty epochs a second between question and answer."""
    _, receiver = talk(ram={NAV_PVT: 1, HPPOSLLH: 1, RELPOSNED: 1, RATE_MEASUREMENT: 50})
    for _ in range(10):
        assert receiver.read(Layer.RAM, [NAV_PVT, BAUD]) == {NAV_PVT: 1, BAUD: 38_400}


def test_a_pulled_cable_is_a_port_that_has_gone(talk):
    """In the middle of a talk: no answer is waited for."""
    _, receiver = talk(unplugged_after=1)
    receiver.version()
    with pytest.raises(PortError, match="has gone"):
        receiver.read(Layer.RAM, [BAUD])


def test_a_new_speed_is_set_and_followed(talk):
    """What is asked after it is asked at the new speed, over the same lock."""
    simulated, receiver = talk()
    assert receiver.write_baud([Layer.RAM], BAUD, 230_400)
    assert (simulated.baud, receiver.read(Layer.RAM, [BAUD])) == (230_400, {BAUD: 230_400})


def test_a_new_speed_that_is_refused_changes_nothing(talk):
    """The talk goes on at the old one."""
    _, receiver = talk(refused=frozenset({BAUD}))
    assert not receiver.write_baud([Layer.RAM], BAUD, 230_400)
    assert receiver.read(Layer.RAM, [BAUD]) == {BAUD: 38_400}


def test_a_new_speed_that_is_acknowledged_and_not_taken_is_gone_back_from(talk):
    """The receiver is found again at the old one, and the answer is no."""
    _, receiver = talk(answer_ns=SHORT_NS, is_baud_stuck=True)
    assert not receiver.write_baud([Layer.RAM], BAUD, 230_400)
    assert receiver.version().hardware == "00190000"


def test_what_arrives_is_measured(talk):
    """The types, and the time from one epoch to the next."""
    _, receiver = talk(ram={NAV_PVT: 1, HPPOSLLH: 1, RELPOSNED: 1, RATE_MEASUREMENT: 50})
    assert receiver.flow(20, ALL_SOURCES) == (ALL_SOURCES, 50)


def test_what_does_not_arrive_is_not_reported(talk):
    """A type that is switched off, and a rate that is not kept; it ends after its time."""
    _, receiver = talk(ram={NAV_PVT: 1, HPPOSLLH: 1, RATE_MEASUREMENT: 100})
    assert receiver.flow(20, ALL_SOURCES) == (frozenset({"NAV-PVT", "NAV-HPPOSLLH"}), 100)
