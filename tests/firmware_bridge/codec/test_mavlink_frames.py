"""Frames cut from bytes, before anybody knows what they say."""

from firmware_bridge.codec.mavlink import make_framer
from tests.firmware_bridge.mavlink_peer import frames_of, new_peer


def test_a_frame_that_is_not_taken_costs_one_byte():
    """What follows it, and what stands inside it, is looked at all the same."""
    first, second = frames_of(new_peer(), 2)
    framer = make_framer(lambda frame: frame != first)
    assert framer.feed(first + second) == [second]
    assert (framer.frames, framer.bytes_skipped, framer.bytes) == (1, len(first), len(first) + len(second))


def test_a_good_frame_inside_one_that_is_not_taken_is_found():
    """The payload of an ENCAPSULATED_DATA is another frame."""
    peer = new_peer()
    (inner,) = frames_of(peer, 1)
    outer = bytes(peer.encapsulated_data_encode(1, inner.ljust(253, b"\0")).pack(peer))
    assert make_framer().feed(outer) == [outer]
    assert make_framer(lambda frame: frame != outer).feed(outer) == [inner]
