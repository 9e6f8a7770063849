"""Bodies of the head protocol's messages: the document's bytes, round trips, content that contradicts itself."""

import re
from pathlib import Path

import numpy as np
import pytest
from head_records import COMMANDS, MALFORMED_COMMANDS, REPLIES
from hypothesis import given

from firmware_bridge.codec.framing import encode_frame
from firmware_bridge.codec.head import HeadDecoder, HostCommandDecoder, encode, encode_samples
from firmware_bridge.codec.head_messages import is_possible_lease
from firmware_bridge.records import (
    DictionaryRequest,
    HeadChannel,
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

PAGE = Path(__file__).parents[3] / "docs" / "PROTOCOL.md"
DICTIONARY = HeadDictionary(
    dictionary_id=0x4433_2211,
    model="m",
    firmware="f",
    serial="s",
    is_simulated=False,
    rate_hz=100.0,
    channels=(HeadChannel(name="c", unit="uV", scale=0.5, gate_us=80.0, position_m=(0.0, -0.1, 0.02)),),
)
STATUS = HeadStatus(uptime_ms=65_537, temperature_c=-0.5, supply_v=12.1, is_faulty=False, lamp_on=True, buzzer_on=False)
LEASE = LeaseStatus(sequence=258, remaining_ms=300, state=LeaseState.STOPPED, stop=LeaseStop.START)

# What each row of the document's table says, by the beginning of its first column; None: samples, compared apart.
MEANING = {
    "dictionary request": DictionaryRequest(),
    "time query": TimeQuery(token=7),
    "output command": OutputCommand(token=8, lamp_on=True, buzzer_on=True),
    "self-test request": SelfTestRequest(token=9),
    "hello, token": HostHello(token=10, versions=(1, 2)),
    "lease grant, sequence 258": LeaseGrant(sequence=258, duration_ms=300),
    "lease grant, sequence 259": LeaseGrant(sequence=259, duration_ms=0),
    "dictionary 0x": DICTIONARY,
    "time reply": TimeReply(token=7, device_time_ns=1_000_000_000),
    "output reply": OutputReply(token=8, lamp_on=True, buzzer_on=True),
    "self-test reply": SelfTestReply(token=9, passed=(True, False, None)),
    "samples": None,
    "status": STATUS,
    "hello reply": HelloReply(token=10, version=1),
    "pulse": PulseStamp(pulse=3, device_time_ns=2_000_000_000),
    "lease status": LEASE,
}


def crc_by_the_definition(data):
    """CRC-32 one bit at a time: reflected polynomial, all ones before and after."""
    register = 0xFFFF_FFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xEDB8_8320 if register & 1 else 0)
    return register ^ 0xFFFF_FFFF


def unstuffed_by_hand(frame):
    """COBS of short frames undone: each code byte counts up to the next zero."""
    assert frame[-1] == 0
    assert len(frame) < 255
    content, at = bytearray(), 0
    while at < len(frame) - 1:
        content += frame[at + 1 : at + frame[at]] + b"\x00"
        at += frame[at]
    return bytes(content[:-1])


def documented():
    """(meaning, payload, frame) of each row of the document's table."""
    rows = re.findall(r"^\| (.+?) \| `([0-9a-f ]+)` \| `([0-9a-f ]+)` \|$", PAGE.read_text(), re.MULTILINE)
    found = []
    for text, payload, frame in rows:
        (begin,) = [begin for begin in MEANING if text.startswith(begin)]
        found.append(pytest.param(MEANING[begin], bytes.fromhex(payload), bytes.fromhex(frame), id=begin))
    return found


@pytest.mark.parametrize(("record", "payload", "frame"), documented())
def test_the_bytes_of_the_document_are_true(record, payload, frame):
    """What is printed for firmware authors is a frame of the payload beside it, and both codecs agree with it."""
    content = unstuffed_by_hand(frame)
    assert content == payload + crc_by_the_definition(payload).to_bytes(4, "little")
    if record is None:
        record = SampleBlock(
            dictionary_id=DICTIONARY.dictionary_id,
            sequence=np.array([65_536]),
            device_time_ns=np.array([1_010_000_000]),
            values=np.array([[-1.0]]),
            status=np.array([int(StatusBit.SATURATED)]),
        )
        assert encode_samples(record, DICTIONARY) == frame
        decoder = HeadDecoder()
        decoder.feed(encode(DICTIONARY))
        (found,) = decoder.feed(frame)
        assert (found.sequence, found.device_time_ns, found.values, found.status) == (
            record.sequence,
            record.device_time_ns,
            record.values,
            record.status,
        )
        return
    assert encode(record) == frame
    decoder = HeadDecoder() if payload[1] & 0x80 else HostCommandDecoder()
    assert decoder.feed(frame) == [record]


def test_the_document_shows_every_message():
    """Each meaning stands in the table once."""
    shown = [example.id for example in documented()]
    assert sorted(shown) == sorted(MEANING)


@given(record=REPLIES)
def test_what_a_head_says_comes_back(record):
    """Round trip of all that a head says but dictionary and samples, within the wire's resolution."""
    assert HeadDecoder().feed(encode(record)) == [record]


@given(record=COMMANDS)
def test_what_a_host_says_comes_back(record):
    """Round trip of commands."""
    assert HostCommandDecoder().feed(encode(record)) == [record]


@pytest.mark.parametrize("payload", MALFORMED_COMMANDS)
def test_commands_that_cannot_be_obeyed_are_counted(payload):
    """Wrong lengths, no version, version 0, a lease longer than a second: refused, never shortened."""
    decoder = HostCommandDecoder()
    assert decoder.feed(encode_frame(bytes.fromhex(payload))) == []
    assert decoder.stats.malformed == 1


@pytest.mark.parametrize(
    "payload",
    [
        "01 84 09 00 00 00 00",
        "01 84 09 00 00 00 01 03",
        "01 84 09 00 00 00 02 01",
        "01 87 0a 00 00 00",
        "01 88 03 00 00 00 ff ff ff ff ff ff ff ff",
        "01 8a 02 01 00 00 00 00 03 00",
        "01 8a 02 01 00 00 00 00 01 05",
        "01 8a 02 01 00 00 e9 03 01 01",
        "01 8a 02 01 00 00 00 00 02 00",
        "01 8a 02 01 00 00 2c 01 02 02",
        "01 8a 02 01 00 00 2c 01 00 00",
        "01 8a 02 01 00 00 2c 01 01 00",
    ],
)
def test_replies_that_contradict_themselves_are_counted(payload):
    """No channels tested, a closed relay without a lease, a stop without a cause: none of them becomes a record."""
    decoder = HeadDecoder()
    assert decoder.feed(encode_frame(bytes.fromhex(payload))) == []
    assert decoder.stats.malformed == 1


@pytest.mark.parametrize(
    "record",
    [
        HostHello(token=1, versions=()),
        HostHello(token=1, versions=(0,)),
        LeaseGrant(sequence=1, duration_ms=1_001),
        LeaseGrant(sequence=1, duration_ms=-1),
        SelfTestReply(token=1, passed=()),
        LeaseStatus(sequence=1, remaining_ms=0, state=LeaseState.PERMITTED, stop=None),
    ],
)
def test_nothing_that_would_be_refused_is_ever_sent(record):
    """Our own mistake stops the process."""
    with pytest.raises(AssertionError):
        encode(record)


@pytest.mark.parametrize("state", LeaseState)
@pytest.mark.parametrize("stop", [None, *LeaseStop])
@pytest.mark.parametrize("remaining_ms", [0, 1, 1_000])
def test_a_relay_is_closed_only_while_a_lease_runs(state, stop, remaining_ms):
    """State by cause by time left: permitted needs time, stopped needs a cause, off has neither."""
    record = LeaseStatus(sequence=0, remaining_ms=remaining_ms, state=state, stop=stop)
    possible = {
        LeaseState.OFF: stop is None and remaining_ms == 0,
        LeaseState.STOPPED: stop is not None,
        LeaseState.PERMITTED: stop is None and remaining_ms > 0,
    }
    assert is_possible_lease(record) is possible[state]
