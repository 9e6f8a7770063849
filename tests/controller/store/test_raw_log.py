"""Logged inputs: whole, cut, damaged, and as the public reader sees them."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from mcap.stream_reader import StreamReader

from controller.core.inputs import Chunk, EndSession, RawInputs
from controller.store.raw_log import FILE_NAME, InputDigest, RawLogReader, RawLogWriter, encode_inputs


def turns(count):
    return [
        RawInputs(now_ns=number, chunks=(Chunk(link="head", arrival_ns=number, payload=bytes([number % 256]) * 9),))
        for number in range(count)
    ]


def written(directory, count=40, sync_every=7):
    writer = RawLogWriter(directory, is_durable=False)
    for number, raw in enumerate(turns(count)):
        writer.append(raw.now_ns, encode_inputs(raw))
        if number % sync_every == 0:
            writer.sync()
    writer.close()
    return directory / FILE_NAME


def read(directory):
    reader = RawLogReader(directory)
    return [raw for _, raw in reader.inputs()], reader.damage


def test_turns_come_back_in_order(tmp_path):
    """And a log that was closed in order has no damage."""
    written(tmp_path)
    assert read(tmp_path) == (turns(40), None)


def test_a_log_cut_at_any_byte_is_read_up_to_the_cut(tmp_path):
    """Never an exception, never a turn that was not logged, and the damage is said."""
    path = written(tmp_path)
    content = path.read_bytes()
    longest = 0
    for size in range(len(content)):
        path.write_bytes(content[:size])
        found, damage = read(tmp_path)
        assert found == turns(40)[: len(found)]
        assert len(found) >= longest
        longest = max(longest, len(found))
        assert damage is not None
    assert longest == 40


def test_a_flipped_bit_anywhere_is_damage_or_harmless_to_no_turn(tmp_path):
    """No flipped bit gives other turns without being said."""
    path = written(tmp_path)
    content = path.read_bytes()
    for position in range(8, len(content) - 8):
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        found, damage = read(tmp_path)
        assert found == turns(40)[: len(found)]
        assert damage is not None or len(found) == 40


def test_the_public_reader_reads_it(tmp_path):
    """One channel, `inputs`, msgpack; every message in stream order."""
    with written(tmp_path).open("rb") as file:
        records = list(StreamReader(file, validate_crcs=True).records)
    messages = [record for record in records if type(record).__name__ == "Message"]
    assert [msgspec.msgpack.decode(message.data, type=RawInputs) for message in messages] == turns(40)
    assert [message.log_time for message in messages] == list(range(40))


@given(messages=st.lists(st.binary(max_size=30), min_size=1, max_size=10), data=st.data())
def test_the_digest_tells_messages_from_their_joined_bytes(messages, data):
    """Moving a boundary between two messages changes the digest."""
    first, second = InputDigest(), InputDigest()
    for message in messages:
        first.add(message)
    joined = b"".join(messages)
    cut = data.draw(st.integers(0, len(joined)))
    for message in (joined[:cut], joined[cut:]):
        second.add(message)
    assert (first.anchor.sha256 == second.anchor.sha256) == (messages == [joined[:cut], joined[cut:]])


def test_a_request_survives_the_log():
    """Requests are tagged unions; they come back as what they were."""
    raw = RawInputs(now_ns=5, requests=(EndSession(person="op-1"),))
    assert msgspec.msgpack.decode(encode_inputs(raw), type=RawInputs) == raw
