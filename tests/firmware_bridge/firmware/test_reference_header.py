"""The C header for firmware authors, held to the host's codec byte for byte, and to the lease's table."""

import re
import shutil
import struct
import subprocess
import zlib

import msgspec
import numpy as np
import pytest
from head_records import (
    COMMANDS,
    DICTIONARIES,
    LEASES,
    MALFORMED_COMMANDS,
    PULSES,
    SELF_TEST_REPLIES,
    STATUSES,
    TIME_REPLIES,
    U32,
    dictionary,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_head import COMPILER, HEADER, OUTPUTS, SELF_TEST, STRICT, dictionary_arguments

from firmware_bridge.codec.framing import encode_frame
from firmware_bridge.codec.head import HeadDecoder, HostCommandDecoder, choose_version, encode, encode_samples
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
    TimeQuery,
    TimeReply,
)

STATES = [LeaseState.OFF, LeaseState.STOPPED, LeaseState.PERMITTED]
STOPS = [None, LeaseStop.START, LeaseStop.EXPIRED, LeaseStop.WITHDRAWN, LeaseStop.LOCAL]
RESULTS = {False: 0, True: 1, None: 2}
WITHOUT_NUL = DICTIONARIES.filter(lambda record: "\0" not in repr_of_texts(record))  # a C text ends at NUL
NOW_US = 0x0102_0304_0506


def repr_of_texts(record):
    texts = [record.model, record.firmware, record.serial]
    return "".join(texts + [text for channel in record.channels for text in (channel.name, channel.unit)])


def sent_by_c(head, record):
    """The frame that the header makes of a record."""
    match record:
        case HeadDictionary():
            return head.ask(b"D", dictionary_arguments(record))
        case TimeReply():
            return head.ask(b"T", struct.pack("<IQ", record.token, record.device_time_ns // 1_000))
        case PulseStamp():
            return head.ask(b"P", struct.pack("<IQ", record.pulse, record.device_time_ns // 1_000))
        case OutputReply():
            return head.ask(b"O", struct.pack("<IB", record.token, record.lamp_on + 2 * record.buzzer_on))
        case HelloReply():
            return head.ask(b"H", struct.pack("<IB", record.token, record.version or 0))
        case SelfTestReply():
            head.start(dictionary(channels=len(record.passed)))
            results = bytes(RESULTS[result] for result in record.passed)
            return head.ask(b"E", struct.pack("<I", record.token) + results)
        case LeaseStatus():
            state, stop = STATES.index(record.state), STOPS.index(record.stop)
            return head.ask(b"L", struct.pack("<IHBB", record.sequence, record.remaining_ms, state, stop))
        case HeadStatus():
            temperature = -(2**15) if record.temperature_c is None else round(record.temperature_c * 100)
            supply = 0 if record.supply_v is None else round(record.supply_v * 1_000)
            flags = (record.is_faulty, record.lamp_on, record.buzzer_on)
            return head.ask(b"S", struct.pack("<IhHBBB", record.uptime_ms, temperature, supply, *flags))
    raise AssertionError(record)


def expected_reply(command, now_us, channels=3):
    """What a head with outputs, without self-test and relay, answers."""
    match command:
        case DictionaryRequest():
            return dictionary(channels=channels)
        case TimeQuery():
            return TimeReply(token=command.token, device_time_ns=now_us * 1_000)
        case OutputCommand():
            return OutputReply(token=command.token, lamp_on=command.lamp_on, buzzer_on=command.buzzer_on)
        case SelfTestRequest():
            return SelfTestReply(token=command.token, passed=(None,) * channels)
        case HostHello():
            return HelloReply(token=command.token, version=choose_version(command.versions))
        case LeaseGrant():
            return LeaseStatus(sequence=command.sequence, remaining_ms=0, state=LeaseState.OFF, stop=None)
    raise AssertionError(command)


# How it compiles.


@pytest.mark.parametrize(
    "flags",
    [
        ("-O0",),
        ("-O2",),
        ("-Os", "-Wsign-conversion", "-Wshadow", "-Wundef", "-Wcast-qual", "-Wstrict-prototypes"),
        ("-O2", "-m32", "-ffreestanding"),
        ("-O2", "-funsigned-char", "-fshort-enums", "-ffreestanding"),
    ],
    ids=" ".join,
)
def test_the_header_compiles_without_a_warning(built, tmp_path, flags):
    """C99, pedantic, conversions checked; also for 32 bits and without a standard library."""
    probe = subprocess.run(
        [COMPILER, *flags, "-c", "-x", "c", "-", "-o", tmp_path / "probe.o"],
        input=b"int x;\n",
        check=False,
        capture_output=True,
    )
    if probe.returncode != 0:
        pytest.skip(f"this compiler cannot do {' '.join(flags)}")
    arguments = [*STRICT, *flags, "-x", "c", "-DFIRMGROUND_HEAD_IMPLEMENTATION", "-c", HEADER, "-o", tmp_path / "h.o"]
    done = subprocess.run([COMPILER, *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_header_compiles_as_cpp(tmp_path):
    """Firmware is often C++."""
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    arguments = ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-x", "c++", "-DFIRMGROUND_HEAD_IMPLEMENTATION"]
    done = subprocess.run(
        [compiler, *arguments, "-c", HEADER, "-o", tmp_path / "h.o"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_header_needs_nothing_but_types():
    """No library, no dynamic memory: three includes that define types alone."""
    assert re.findall(r"#include <(.+)>", HEADER.read_text()) == ["stdbool.h", "stddef.h", "stdint.h"]


# What it sends.


@settings(deadline=None)
@given(data=st.binary(max_size=300))
def test_the_checksum_is_the_common_one(head, data):
    """CRC-32's check value, and zlib's for any bytes."""
    assert head.ask(b"C", b"123456789") == struct.pack("<I", 0xCBF43926)
    assert head.ask(b"C", data) == struct.pack("<I", zlib.crc32(data))


@settings(deadline=None)
@given(
    record=TIME_REPLIES
    | PULSES
    | STATUSES
    | LEASES
    | SELF_TEST_REPLIES
    | st.builds(OutputReply, token=U32, lamp_on=st.booleans(), buzzer_on=st.booleans())
    | st.builds(HelloReply, token=U32, version=st.sampled_from([1, None]))
)
def test_c_and_python_send_the_same_bytes(head, record):
    """Every short message, byte for byte."""
    head.start(dictionary())
    assert sent_by_c(head, record) == encode(record)


@settings(max_examples=60, deadline=None)
@given(record=WITHOUT_NUL)
def test_c_and_python_send_the_same_dictionary(head, record):
    """At start, after a zero byte that ends whatever came before, and when it changes."""
    assert head.start(record) == b"\x00" + encode(record)
    head.start(dictionary())
    assert sent_by_c(head, record) == encode(record)


@settings(max_examples=60, deadline=None)
@given(
    channels=st.sampled_from([1, 2, 16, 64, 150]),
    rows=st.integers(1, 3),
    sequence=U32,
    time_us=st.integers(0, (2**63 - 1) // 1000),
    status=st.integers(0, 2**16 - 1),
    seed=st.integers(0, 2**32 - 1),
    has_zeros=st.booleans(),
)
def test_c_and_python_send_the_same_samples(head, channels, rows, sequence, time_us, status, seed, has_zeros):
    """Any counts, also long runs without a zero byte, where stuffing begins a block without a zero."""
    random = np.random.default_rng(seed)
    counts = random.integers(0 if has_zeros else 1, 256, (rows, channels, 4), dtype=np.uint8).view("<i4")[:, :, 0]
    described = dictionary(channels=channels)
    head.start(described)
    is_missing = counts == -(2**31)
    block = SampleBlock(
        dictionary_id=described.dictionary_id,
        sequence=(sequence + np.arange(rows)) % 2**32,
        device_time_ns=np.full(rows, time_us * 1_000),
        values=np.where(is_missing, np.nan, counts * 0.5),
        status=np.full(rows, status),
    )
    body = b"".join(struct.pack("<QH", time_us, status) + row.astype("<i4").tobytes() for row in counts)
    assert head.ask(b"B", struct.pack("<IB", sequence, rows) + body) == encode_samples(block, described)


@pytest.mark.parametrize("length", [*range(200, 216), 255])
def test_stuffing_agrees_at_the_end_of_a_full_block(head, length):
    """Frames of 246 bytes and up without a zero in them: with 254 there is no block after the full one."""
    coil = HeadChannel(name="c", unit="V", scale=0.1, gate_us=0x0101_0101 / 1_000, position_m=(0.257, 0.257, 0.257))
    changed = {"model": "m" * length, "is_simulated": True, "rate_hz": 0.1, "channels": (coil,)}
    head.start(dictionary())
    for identity in range(0x0101_0101, 0x0101_0109):
        record = msgspec.structs.replace(dictionary(dictionary_id=identity), **changed)
        assert sent_by_c(head, record) == encode(record)


@pytest.mark.parametrize("count", [0, 7])
def test_samples_that_do_not_fit_are_not_sent(head, count):
    """None, or more than a payload holds: refused at once, nothing half sent."""
    head.start(dictionary(channels=150))
    assert head.ask(b"B", struct.pack("<IB", 1, count) + bytes(count * (10 + 4 * 150))) == b""
    assert head.deeds == b"!"


@pytest.mark.parametrize(
    "change",
    [
        {"model": "x" * 256},
        {"rate_hz": 0.0},
        {"rate_hz": float("nan")},
        {"rate_hz": float("inf")},
        {"channels": ()},
        {"channels": dictionary(scale=-1.0).channels},
        {"channels": dictionary(channels=255).channels},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_dictionary_that_cannot_be_read_is_not_sent(head, change):
    """Too long a text or payload, no rate, no channel, no scale: the head says so, at start and at a change."""
    record = msgspec.structs.replace(dictionary(), **change)
    assert head.start(record) == b""
    assert head.deeds == b"!"
    head.start(dictionary())
    assert head.ask(b"D", dictionary_arguments(record)) == b""
    assert head.deeds == b"!"


# What it reads.


@settings(deadline=None)
@given(commands=st.lists(COMMANDS, max_size=6))
def test_every_command_is_answered(small_head, commands):
    """A head of the default size understands all that a host of this version says."""
    small_head.start(dictionary())
    written = small_head.feed(b"".join(map(encode, commands)), NOW_US)
    assert HeadDecoder().feed(written) == [expected_reply(command, NOW_US) for command in commands]
    assert small_head.counters() == (len(commands), 0, 0, 0, 0)


@pytest.mark.parametrize("payload", MALFORMED_COMMANDS)
def test_commands_that_cannot_be_obeyed_are_counted(head, payload):
    """What the host's codec refuses is refused here, without an answer."""
    head.start(dictionary())
    assert head.feed(encode_frame(bytes.fromhex(payload))) == b""
    assert head.counters() == (1, 0, 1, 0, 0)


@pytest.mark.parametrize("versions", range(235, 256))
def test_a_command_with_a_full_block_is_read(small_head, versions):
    """Frames around 254 bytes without a zero, up to the longest hello."""
    small_head.start(dictionary())
    for token in range(0x0101_0101, 0x0101_0105):
        hello = HostHello(token=token, versions=tuple(range(versions, 0, -1)))
        assert HeadDecoder().feed(small_head.feed(encode(hello))) == [HelloReply(token=token, version=1)]


def streams():
    """Frames of commands and of anything, noise and zero bytes, with a cut or a flipped bit in some of them."""
    anything = st.binary(min_size=1, max_size=40).map(lambda body: encode_frame(b"\x01" + body))
    frames = COMMANDS.map(encode) | anything | st.binary(min_size=1, max_size=300).map(encode_frame)
    cut = st.tuples(frames, st.integers(0, 400)).map(lambda pair: pair[0][: pair[1] % len(pair[0])])
    flipped = st.tuples(frames, st.integers(0, 4_000)).map(
        lambda pair: bytes(
            byte ^ (1 << pair[1] % 8 if at == pair[1] // 8 % len(pair[0]) else 0) for at, byte in enumerate(pair[0])
        )
    )
    flood = st.integers(1, 9_000).map(lambda length: b"\x55" * length)
    return st.lists(frames | cut | flipped | flood | st.binary(max_size=200), max_size=8).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(stream=streams())
def test_c_and_python_read_the_same_from_any_bytes(head, stream):
    """Noise, cut and damaged frames, floods: the same commands, the same counters, and no crash under sanitizers."""
    host_side = HostCommandDecoder()
    commands = host_side.feed(stream + b"\x00")
    head.start(dictionary())
    written = head.feed(stream + b"\x00", NOW_US)
    assert HeadDecoder().feed(written) == [expected_reply(command, NOW_US) for command in commands]
    stats = host_side.stats
    counted = (stats.frames, stats.bad_checksum, stats.malformed, stats.unknown, stats.bytes_skipped)
    assert head.counters() == counted


@settings(max_examples=100, deadline=None)
@given(stream=streams())
def test_a_small_head_hears_the_next_command_after_anything(small_head, stream):
    """After a zero byte the next frame is read, whatever came before."""
    small_head.start(dictionary())
    small_head.feed(stream)
    written = small_head.feed(b"\x00" + encode(TimeQuery(token=77)), NOW_US)
    assert HeadDecoder().feed(written)[-1] == TimeReply(token=77, device_time_ns=NOW_US * 1_000)


def test_a_frame_that_is_too_long_is_skipped_whole(small_head):
    """One byte more than the buffer: counted, and the next frame is read."""
    small_head.start(dictionary())
    assert small_head.feed(b"\x01" * 270 + b"\x00") == b""
    assert small_head.counters() == (0, 1, 0, 0, 270)
    assert small_head.feed(b"\x01" * 271 + b"\x00") == b""
    assert small_head.counters() == (0, 1, 0, 0, 541)
    assert small_head.feed(encode(TimeQuery(token=1))) != b""


def test_a_head_without_lamp_never_confirms_one(head):
    """What is not there is off, whatever was commanded."""
    head.start(dictionary(), fitted=0)
    written = head.feed(encode(OutputCommand(token=5, lamp_on=True, buzzer_on=True)))
    assert HeadDecoder().feed(written) == [OutputReply(token=5, lamp_on=False, buzzer_on=False)]


def test_the_self_test_reports_when_it_is_done(head):
    """The hardware is started with the token; the reply is sent by whoever ends the test."""
    head.start(dictionary(), fitted=OUTPUTS | SELF_TEST)
    assert head.feed(encode(SelfTestRequest(token=0x0102_0304))) == b""
    assert head.deeds == b"S\x04\x03\x02\x01"
    reply = SelfTestReply(token=0x0102_0304, passed=(True, False, None))
    assert HeadDecoder().feed(head.ask(b"E", struct.pack("<I", 0x0102_0304) + b"\x01\x00\x02")) == [reply]
