"""Whole frames out of a receiver's mixed bytes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codec.gnss_frames import (
    NMEA_BYTES_MAX,
    UBX_OVERHEAD,
    UBX_PAYLOAD_MAX,
    FrameKind,
    GnssFramer,
    crc24q,
    fletcher,
)

# The example sentence of every NMEA introduction, with its published checksum.
GGA = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"
# UBX-ACK-ACK for CFG-MSG and the poll for MON-VER, as u-blox's documents and tools print them.
ACK = bytes.fromhex("b56205010200 0601 0f38")
POLL = bytes.fromhex("b5620a0400000e34")
# Message 1005 of the worked example in RTCM 10403.
RTCM_1005 = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")


def _frames(data, sizes=()):
    framer = GnssFramer()
    frames = []
    for size in sizes:
        frames += framer.feed(data[:size])
        data = data[size:]
    frames += framer.feed(data)
    return frames + framer.finish(), framer.counts


def test_published_frames_of_all_three_kinds_are_found():
    """A sentence, two UBX frames and an RTCM message, one after the other, come out whole and in order."""
    frames, counts = _frames(GGA + ACK + RTCM_1005 + POLL)
    assert [frame.kind for frame in frames] == [FrameKind.NMEA, FrameKind.UBX, FrameKind.RTCM3, FrameKind.UBX]
    assert [frame.data for frame in frames] == [GGA.rstrip(), ACK, RTCM_1005, POLL]
    assert (counts.frames, counts.bytes_skipped, counts.bad_checksum) == (4, 0, 0)


def test_checksums_have_their_published_check_values():
    """CRC-24Q of the digits 1 to 9, and the Fletcher sums of u-blox's ACK."""
    assert crc24q(b"123456789") == 0xCDE703
    assert fletcher(ACK[2:-2]) == b"\x0f\x38"
    assert fletcher(b"") == b"\x00\x00"


@pytest.mark.parametrize("frame", [GGA, ACK, RTCM_1005])
def test_a_flipped_bit_is_a_bad_checksum(frame):
    """One damaged byte of the body loses the frame and is counted once."""
    damaged = bytearray(frame)
    damaged[8] ^= 0x01
    frames, counts = _frames(bytes(damaged))
    assert frames == []
    assert counts.bad_checksum == 1
    assert counts.bytes_skipped == len(frame.rstrip(b"\r\n"))


def test_a_sentence_without_checksum_is_counted_and_not_used():
    """Nothing vouches for such a sentence."""
    frames, counts = _frames(b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,\r\n")
    assert frames == []
    assert counts.without_checksum == 1


def test_a_real_frame_inside_a_false_one_is_found():
    """After a false header one byte is skipped, so frames inside the claimed length are not lost."""
    false_ubx = b"\xb5\x62\x01\x07" + struct.pack("<H", 400)
    frames, counts = _frames(false_ubx + ACK + GGA + b"x" * 500)
    assert [frame.data for frame in frames] == [ACK, GGA.rstrip()]
    assert counts.bad_checksum == 1


def test_a_real_frame_behind_an_unfinished_one_is_found_at_the_end():
    """When no more bytes come, what was waiting for a longer frame is searched."""
    framer = GnssFramer()
    assert framer.feed(b"\xb5\x62\x01\x07\xff\x0f" + ACK) == []
    assert [frame.data for frame in framer.finish()] == [ACK]


def test_an_interrupted_sentence_does_not_swallow_the_next():
    """A `$` or a binary byte inside a sentence ends it."""
    frames, _ = _frames(b"$GPGGA,1235" + GGA + b"$GPRMC,12" + ACK + GGA)
    assert [frame.data for frame in frames] == [GGA.rstrip(), ACK, GGA.rstrip()]


def test_rtcm_payload_cannot_pass_for_another_protocol():
    """A UBX frame inside an RTCM message is payload, not a frame."""
    body = b"\xd3" + struct.pack(">H", len(ACK)) + ACK
    message = body + crc24q(body).to_bytes(3, "big")
    frames, counts = _frames(message)
    assert [frame.kind for frame in frames] == [FrameKind.RTCM3]
    assert counts.frames == 1


def test_a_lone_line_end_of_either_kind_closes_a_sentence():
    """CR, LF and doubled line ends are all in use, and none counts as skipped."""
    text = GGA.rstrip()
    frames, counts = _frames(text + b"\r" + text + b"\n" + text + b"\r\r\n")
    assert len(frames) == 3
    assert counts.bytes_skipped == 0


@pytest.mark.parametrize(
    "false_start",
    [b"$" + b"A" * 4 * NMEA_BYTES_MAX, b"\xb5\x62\x01\x07\xff\xff", b"\xb5\x62\x01\x07\xf0\x1f", b"\xd3\x03\xff"],
)
def test_what_is_held_back_is_bounded(false_start):
    """No header, however wrong, makes the framer wait for more than its longest frame."""
    framer = GnssFramer()
    for _ in range(3_000):
        framer.feed(false_start[:7])
        assert len(framer._pending) <= UBX_PAYLOAD_MAX + UBX_OVERHEAD
        false_start = false_start[7:] or b"\x00" * 7
    assert not framer._pending


pieces = st.one_of(
    st.sampled_from([GGA, ACK, POLL, RTCM_1005, b"$", b"\xb5", b"\xb5\x62", b"\xd3\x00", b"\r\n", b"*47\r\n"]),
    st.binary(max_size=12),
)


@given(parts=st.lists(pieces, max_size=12), sizes=st.lists(st.integers(1, 40), max_size=30))
def test_any_chunking_gives_the_same_frames(parts, sizes):
    """Frames and counters depend on the bytes alone, whatever the bytes are; nothing raises."""
    data = b"".join(parts)
    assert _frames(data, sizes) == _frames(data)


@given(parts=st.lists(pieces, max_size=12))
def test_every_byte_is_accounted_for(parts):
    """Frames, skipped bytes and line ends add up to the bytes that came in."""
    data = b"".join(parts)
    frames, counts = _frames(data)
    inside = b"".join(frame.data for frame in frames)
    line_ends = sum(data.count(end) - inside.count(end) for end in (b"\r", b"\n"))
    assert counts.bytes == len(data) == len(inside) + counts.bytes_skipped + line_ends
    assert counts.frames == len(frames)
