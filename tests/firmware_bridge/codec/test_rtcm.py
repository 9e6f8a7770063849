"""RTCM 3 frames out of any bytes, and the reference station's place."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from firmware_bridge.codec.fix_part import Refusal
from firmware_bridge.codec.gnss_frames import crc24q
from firmware_bridge.codec.rtcm import FRAME_BYTES_MAX, RtcmFrame, RtcmFramer, decode_station, geodetic

# The worked examples of RTCM 10403: message 1005 of section 4.2 and message 1029 of section 3.5.8.
RTCM_1005 = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")
RTCM_1029 = bytes.fromhex(
    "d30027405017008473 6e151e5554462d3820d0bfd180d0bed0b2d0b5d180d0ba d0b02077c3b672746572eda33b"
)


def frame(payload):
    """A frame around a payload."""
    body = b"\xd3" + len(payload).to_bytes(2, "big") + payload
    return body + crc24q(body).to_bytes(3, "big")


def station(number=1006, station_id=7, virtual=0, xyz=(1114104.5999, -4850729.7108, 3975521.4643), height=1.5):
    """A 1005 or 1006, packed bit by bit after the document's table: an independent writer."""
    fields = [(number, 12), (station_id, 12), (0, 6), (1, 1), (0, 1), (0, 1), (virtual, 1), (round(xyz[0] * 1e4), 38)]
    fields += [(0, 2), (round(xyz[1] * 1e4), 38), (0, 2), (round(xyz[2] * 1e4), 38)]
    fields += [(round(height * 1e4), 16)] if number == 1006 else []
    bits = 0
    for value, width in fields:
        bits = bits << width | value & (1 << width) - 1
    return frame(bits.to_bytes(sum(width for _, width in fields) // 8, "big"))


def split(data, sizes=()):
    """All frames and the counters, fed in the given sizes and then the rest."""
    framer = RtcmFramer()
    frames = []
    for size in sizes:
        frames += framer.feed(data[:size])
        data = data[size:]
    frames += framer.feed(data)
    return frames + framer.finish(), framer.counts


def only(data):
    """The one frame in the bytes."""
    (found,), _ = split(data)
    return found


def test_the_published_frames_are_found_with_their_numbers():
    """Both examples of the standard, back to back and with noise around them."""
    frames, counts = split(b"\r\nnoise" + RTCM_1029 + RTCM_1005 + b"\x00")
    assert [(found.number, found.data) for found in frames] == [(1029, RTCM_1029), (1005, RTCM_1005)]
    assert (counts.frames, counts.bad_crc, counts.bytes_skipped) == (2, 0, 8)


def test_the_published_station_stands_where_the_standard_says():
    """Station 2003 at X 1114104.5999, Y -4850729.7108, Z 3975521.4643 m (RTCM 10403, worked example)."""
    found = decode_station(only(RTCM_1005))
    assert (found.station_id, found.is_virtual, found.antenna_height_m) == (2003, False, None)
    assert (found.x_m, found.y_m, found.z_m) == (1114104.5999, -4850729.7108, 3975521.4643)
    back = Transformer.from_crs("EPSG:4979", "EPSG:4978")
    ecef = back.transform(found.latitude_deg, found.longitude_deg, found.ellipsoidal_height_m)
    assert ecef == pytest.approx((found.x_m, found.y_m, found.z_m), abs=1e-6)


def test_a_1006_also_says_how_high_its_antenna_is():
    """Number, indicator and height of a virtual station."""
    found = decode_station(only(station(virtual=1)))
    assert (found.station_id, found.is_virtual, found.antenna_height_m) == (7, True, 1.5)
    assert decode_station(only(station(number=1005))).antenna_height_m is None


@pytest.mark.parametrize("xyz", [(0.0, 0.0, 0.0), (6.2e6, 0.0, 0.0), (0.0, 0.0, 6.6e6)])
def test_a_station_that_is_not_on_the_ground_is_refused(xyz):
    """A base that has not surveyed itself in sends zeros; nothing may be compared with that."""
    assert decode_station(only(station(xyz=xyz))) is Refusal.MALFORMED


def test_other_and_short_messages_are_refused():
    """A 1029 has no station; a 1005 with missing bits must not be read as zeros."""
    assert decode_station(only(RTCM_1029)) is Refusal.UNKNOWN
    assert decode_station(only(frame(RTCM_1005[3:-4]))) is Refusal.MALFORMED
    assert decode_station(only(frame(RTCM_1005[3:-3] + b"\x00"))) is Refusal.MALFORMED


def test_a_frame_whose_crc_the_library_rejects_is_refused():
    """The framer checks before; should one pass it, the library's exception is a count."""
    damaged = bytearray(RTCM_1005)
    damaged[10] ^= 1
    assert decode_station(RtcmFrame(number=1005, data=bytes(damaged))) is Refusal.MALFORMED


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(-11_000, 9_000))
def test_geodetic_coordinates_agree_with_proj(latitude, longitude, height):
    """To 1e-11 degree of latitude and a micrometre of height, poles included."""
    x, y, z = Transformer.from_crs("EPSG:4979", "EPSG:4978").transform(latitude, longitude, height)
    found = geodetic(x, y, z)
    assert found[0] == pytest.approx(latitude, abs=1e-11)
    assert found[2] == pytest.approx(height, abs=1e-6)
    if abs(latitude) < 89.999:
        assert math.sin(math.radians(found[1] - longitude) / 2) == pytest.approx(0.0, abs=1e-12)


def test_a_damaged_frame_is_counted_and_the_next_found():
    """One flipped bit costs one frame."""
    damaged = bytearray(RTCM_1005)
    damaged[8] ^= 0x10
    frames, counts = split(bytes(damaged) + RTCM_1029)
    assert [found.number for found in frames] == [1029]
    assert (counts.bad_crc, counts.bytes_skipped) == (1, len(RTCM_1005))


def test_a_frame_cut_in_the_middle_does_not_swallow_the_next():
    """The cut frame claims bytes of its successor; one byte is skipped and the successor found."""
    frames, counts = split(RTCM_1029[:20] + RTCM_1005 + RTCM_1029)
    assert [found.number for found in frames] == [1005, 1029]
    assert counts.bad_crc == 1


def test_a_frame_behind_an_unfinished_one_is_found_at_the_end():
    """When no more bytes come, what was waiting for a longer frame is searched."""
    framer = RtcmFramer()
    assert framer.feed(b"\xd3\x03\xff" + RTCM_1005) == []
    assert [found.number for found in framer.finish()] == [1005]


def test_reserved_bits_that_are_set_are_no_header():
    """The six bits before the length are zero in this version of the standard."""
    frames, counts = split(b"\xd3\xd3\x04" + RTCM_1005)
    assert len(frames) == 1
    assert (counts.bad_crc, counts.bytes_skipped) == (0, 3)


def test_fillers_are_counted_and_not_handed_on():
    """A frame without room for a message number says nothing."""
    frames, counts = split(frame(b"") + frame(b"\x3e") + RTCM_1005)
    assert [found.number for found in frames] == [1005]
    assert (counts.fillers, counts.frames, counts.bytes_skipped) == (2, 1, 0)


def test_the_longest_frame_passes():
    """1023 bytes of payload."""
    longest = frame(b"\xfe\xf0" + bytes(1021))
    assert len(longest) == FRAME_BYTES_MAX
    assert [found.number for found in split(longest)[0]] == [4079]


pieces = st.one_of(
    st.sampled_from([RTCM_1005, RTCM_1029, frame(b""), b"\xd3", b"\xd3\x00", b"\xd3\x03\xff", RTCM_1005[:-1]]),
    st.binary(max_size=12),
)


@given(parts=st.lists(pieces, max_size=12), sizes=st.lists(st.integers(1, 40), max_size=30))
def test_any_chunking_gives_the_same_frames(parts, sizes):
    """Frames and counters depend on the bytes alone, whatever the bytes are; nothing raises."""
    data = b"".join(parts)
    assert split(data, sizes) == split(data)


@given(parts=st.lists(pieces, max_size=12))
def test_every_byte_is_accounted_for(parts):
    """Frames, fillers and skipped bytes add up to the bytes that came in."""
    data = b"".join(parts)
    frames, counts = split(data)
    fillers = counts.bytes - counts.bytes_skipped - sum(len(found.data) for found in frames)
    assert counts.bytes == len(data)
    assert 6 * counts.fillers <= fillers <= 7 * counts.fillers


@given(st.lists(st.binary(max_size=300) | st.just(b"\xd3\x03\xff"), max_size=30))
def test_what_is_held_back_is_bounded(chunks):
    """Never a whole longest frame, whatever comes."""
    framer = RtcmFramer()
    for chunk in chunks:
        framer.feed(chunk)
        assert len(framer._pending) < FRAME_BYTES_MAX
    framer.finish()
    assert not framer._pending


@given(number=st.sampled_from([1005, 1006]), payload=st.binary(min_size=21, max_size=21))
def test_no_station_payload_raises(number, payload):
    """Any content of the right length is a station on the ground or a refusal."""
    payload = (number << 4 | payload[0] & 15).to_bytes(2, "big") + payload[2:]
    found = decode_station(RtcmFrame(number=number, data=frame(payload[: 19 if number == 1005 else 21])))
    if not isinstance(found, Refusal):
        assert 0 <= found.station_id < 4096
        assert -90 <= found.latitude_deg <= 90
