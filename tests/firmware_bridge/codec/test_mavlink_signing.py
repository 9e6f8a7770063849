"""Signatures of MAVLink 2, made and verified, against the library's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as dialect

from firmware_bridge.autopilot_records import AlertText, AutopilotMessage, CompanionHeartbeat, MessageIntervalRequest
from firmware_bridge.codec.mavlink import CompanionEncoder, mavlink_crc
from firmware_bridge.codec.mavlink_frames import FRAME_BYTES_MAX
from firmware_bridge.codec.mavlink_signing import BEHIND_MAX, STREAMS_MAX, SigningGate, sign
from tests.firmware_bridge.mavlink_peer import KEY, OTHER_KEY, SECOND, STAMP, frames_of, new_peer

REFUSALS = ("unsigned", "bad_signature", "old_timestamp", "replayed", "too_many_streams")
SPOKEN = (
    CompanionHeartbeat(system_id=1),
    MessageIntervalRequest(system_id=1, message=AutopilotMessage.ATTITUDE, interval_us=50_000),
    AlertText(system_id=1, text="ANOMALY 1 c5"),
)


def passed(data, gate=None, current=STAMP):
    """What a gate with the right key lets through, and its counts of refusals that are not 0."""
    gate = SigningGate(KEY) if gate is None else gate
    through = b"".join(gate.feed(data, current))
    return through, {cause: count for cause in REFUSALS if (count := getattr(gate.stats, cause))}


def test_what_the_library_signed_passes_byte_for_byte():
    """Ten frames and nothing else."""
    frames = frames_of(new_peer(KEY), 10)
    gate = SigningGate(KEY)
    assert gate.feed(b"".join(frames), STAMP) == frames
    assert (gate.stats.verified, gate.stats.bytes_skipped) == (10, 0)
    assert gate.newest == STAMP + 9


@pytest.mark.parametrize("record", SPOKEN)
def test_the_library_accepts_what_is_signed_here(record):
    """Its check of our signature, and the same content as before."""
    frame = CompanionEncoder(1).encode(record)
    reader = new_peer(KEY)
    (message,) = reader.parse_buffer(sign(frame, KEY, 7, STAMP))
    (plain,) = new_peer().parse_buffer(frame)
    assert reader.signing.goodsig_count == 1
    assert reader.signing.stream_timestamps == {(7, 1, 191): STAMP}
    assert message.to_dict() == plain.to_dict()


def test_the_library_refuses_what_is_signed_with_another_key():
    """The check above can fail."""
    reader = new_peer(OTHER_KEY)
    (message,) = reader.parse_buffer(sign(CompanionEncoder(1).encode(SPOKEN[0]), KEY, 7, STAMP))
    assert message.get_type() == "BAD_DATA"
    assert reader.signing.badsig_count == 1


def test_signing_gives_the_same_bytes_as_the_library():
    """Flag, checksum, link id, timestamp and signature."""
    (unsigned,), (signed,) = frames_of(new_peer(), 1), frames_of(new_peer(KEY, link_id=9), 1)
    assert sign(unsigned, KEY, 9, STAMP) == signed


def test_another_key_passes_nothing():
    """All are counted as what they are."""
    frames = b"".join(frames_of(new_peer(OTHER_KEY), 10))
    assert passed(frames) == (b"", {"bad_signature": 10})


@pytest.mark.parametrize("force_mavlink1", [False, True])
def test_what_is_not_signed_does_not_pass(force_mavlink1):
    """MAVLink 1 cannot be signed; an unsigned frame of version 2 could have been."""
    assert passed(b"".join(frames_of(new_peer(), 5, force_mavlink1=force_mavlink1))) == (b"", {"unsigned": 5})


def test_a_radios_own_status_is_no_exception():
    """The standard lets receivers take RADIO_STATUS unsigned; nothing here reads it, so nobody may forge it either."""
    peer = new_peer(system_id=51, component_id=68)
    frame = bytes(dialect.MAVLink_radio_status_message(200, 200, 100, 40, 40, 0, 0).pack(peer))
    assert passed(frame) == (b"", {"unsigned": 1})


def test_a_signature_is_asked_for_even_where_the_flag_is_taken_off():
    """Who strips flag and signature, and makes the checksum good again, gets an unsigned frame."""
    (frame,) = frames_of(new_peer(KEY), 1)
    body = bytearray(frame[:-15])
    body[2] = 0
    stripped = bytes(body) + mavlink_crc(bytes(body[1:]) + b"\x27").to_bytes(2, "little")
    assert new_peer().parse_buffer(stripped)[0].get_type() == "ATTITUDE"
    assert passed(stripped) == (b"", {"unsigned": 1})


def test_a_recording_played_again_is_refused():
    """Every frame of it, while the sender's next one passes."""
    peer, gate = new_peer(KEY), SigningGate(KEY)
    recorded = b"".join(frames_of(peer, 20))
    assert passed(recorded, gate) == (recorded, {})
    assert passed(recorded, gate) == (b"", {"replayed": 20})
    later = b"".join(frames_of(peer, 1))
    assert passed(later, gate) == (later, {"replayed": 20})


def test_a_recording_is_refused_by_a_gate_that_never_saw_it():
    """After a restart its first frame is older than a minute."""
    recorded = b"".join(frames_of(new_peer(KEY), 20))
    assert passed(recorded, current=STAMP + BEHIND_MAX + SECOND) == (b"", {"old_timestamp": 20})


@pytest.mark.parametrize(("behind", "count"), [(BEHIND_MAX, 1), (BEHIND_MAX + 1, 0)])
def test_the_first_frame_of_a_stream_may_be_a_minute_behind(behind, count):
    """Exactly, and the library agrees."""
    frames = frames_of(new_peer(KEY, stamp=STAMP - behind), 1)
    assert len(SigningGate(KEY).feed(frames[0], STAMP)) == count
    reader = new_peer(KEY)
    assert [m.get_type() for m in reader.parse_buffer(frames[0])] == ["ATTITUDE" if count else "BAD_DATA"]


def test_a_first_frame_that_is_ahead_passes():
    """By years: a computer without a clock chip does not know better."""
    frames = frames_of(new_peer(KEY, stamp=STAMP), 1)
    assert SigningGate(KEY).feed(frames[0], 0) == frames


def test_streams_are_told_apart_by_system_component_and_link_id():
    """Each has timestamps of its own; one that is ahead does not make those of the others old at once."""
    peers = [new_peer(KEY, stamp=STAMP + 10 * SECOND)]
    peers += [new_peer(KEY, **other) for other in ({"system_id": 2}, {"component_id": 2}, {"link_id": 2})]
    data = b"".join(frame for peer in peers for frame in frames_of(peer, 2))
    assert passed(data) == (data, {})


def test_a_new_stream_a_minute_behind_another_is_old():
    """What was verified is our time, too, whatever a clock says."""
    ahead = frames_of(new_peer(KEY, stamp=STAMP + BEHIND_MAX + 1), 1)[0]
    behind = frames_of(new_peer(KEY, component_id=2), 1)[0]
    assert passed(ahead + behind) == (ahead, {"old_timestamp": 1})


def test_a_forged_timestamp_moves_no_stream():
    """A frame whose timestamp was raised is refused, and the next good one passes all the same."""
    first, second = frames_of(new_peer(KEY), 2)
    forged = first[:-12] + b"\xff" * 6 + first[-6:]
    assert passed(forged + first + second) == (first + second, {"bad_signature": 1})


def test_streams_are_bounded():
    """Only a holder of the key could open more; those that are known go on."""
    peers = [new_peer(KEY, component_id=1 + n) for n in range(STREAMS_MAX + 1)]
    gate = SigningGate(KEY)
    first = [frames_of(peer, 1)[0] for peer in peers]
    assert gate.feed(b"".join(first), STAMP) == first[:-1]
    assert gate.stats.too_many_streams == 1
    assert len(gate.feed(frames_of(peers[0], 1)[0], STAMP)) == 1


def test_a_good_frame_inside_a_refused_one_passes():
    """An unsigned header around it, with a good checksum behind it, hides nothing."""
    (inner,) = frames_of(new_peer(KEY), 1)
    peer = new_peer(system_id=9)
    outer = bytes(peer.encapsulated_data_encode(1, inner.ljust(253, b"\0")).pack(peer))
    assert passed(outer) == (inner, {"unsigned": 1})


@st.composite
def streams(draw):
    """(bytes, what must pass): signed frames with unsigned ones, other keys, repetitions and noise between them."""
    good, other, plain = new_peer(KEY), new_peer(OTHER_KEY, component_id=2), new_peer(component_id=3)
    pieces, expected = [], []
    for kind in draw(st.lists(st.sampled_from(["good", "other", "plain", "old", "again", "noise"]), max_size=12)):
        if kind == "noise":
            pieces.append(draw(st.binary(max_size=30)))
        elif kind == "again":
            pieces += expected[-1:]
        else:
            peer = {"good": good, "other": other, "plain": plain}.get(kind)
            (frame,) = frames_of(peer or plain, 1, force_mavlink1=peer is None)
            pieces.append(frame)
            expected += [frame] if kind == "good" else []
    return b"".join(pieces) + bytes(FRAME_BYTES_MAX), b"".join(expected)


@given(streams(), st.data())
def test_only_verified_frames_pass_however_the_bytes_are_cut(stream, data):
    """Byte for byte, next to whatever else is on the wire; the counts do not depend on the cuts either."""
    sent, expected = stream
    whole = SigningGate(KEY)
    assert b"".join(whole.feed(sent, STAMP)) == expected
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=20)))
    pieces = [sent[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    cut = SigningGate(KEY)
    assert b"".join(b"".join(cut.feed(piece, STAMP)) for piece in pieces) == expected
    assert cut.stats == whole.stats


@given(st.integers(0, 4), st.data())
def test_a_flipped_bit_loses_the_frame_it_touches_and_no_other(index, data):
    """Wherever it is: header, payload, checksum, link id, timestamp, signature."""
    frames = frames_of(new_peer(KEY), 5)
    bit = data.draw(st.integers(0, 8 * len(frames[index]) - 1))
    damaged = bytearray(frames[index])
    damaged[bit // 8] ^= 1 << bit % 8
    sent = b"".join([*frames[:index], bytes(damaged), *frames[index + 1 :]]) + bytes(FRAME_BYTES_MAX)
    assert passed(sent)[0] == b"".join([*frames[:index], *frames[index + 1 :]])


@given(st.binary(max_size=2_000), st.integers(0, 2**48))
def test_no_bytes_raise_and_little_is_held(noise, current):
    """Less than a frame waits, whatever came."""
    gate = SigningGate(KEY)
    assert gate.feed(noise, current) == []
    assert len(gate._framer._pending) < FRAME_BYTES_MAX
