"""The closed list between core and link."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.channel import MESSAGE_BYTES_MAX, Answer, Ask, Hello, decode_to_core, decode_to_link, encode
from controller.core.inputs import EndCheck


def test_messages_come_back_as_they_were():
    """Requests inside included, with their kind."""
    ask = Ask(number=3, request=EndCheck(person="op-1", head="array", is_alarm_seen_and_heard=True))
    assert decode_to_core(encode(ask)) == ask
    answer = Answer(number=3, state="refused", why="no function check is running")
    assert decode_to_link(encode(answer)) == answer


def test_neither_side_takes_the_other_sides_messages():
    """An answer is no question."""
    with pytest.raises(ValueError, match="answer"):
        decode_to_core(encode(Answer(number=1, state="accepted")))
    with pytest.raises(ValueError, match="hello"):
        decode_to_link(encode(Hello(version=1, client="x")))


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused(packet):
    """Whatever arrives, either a message of the list or a ValueError."""
    for decode in (decode_to_core, decode_to_link):
        try:
            decode(packet)
        except ValueError:
            continue


def test_a_packet_beyond_the_limit_is_refused_unread():
    """Nobody's memory is filled."""
    with pytest.raises(ValueError, match="is longer than 65536"):
        decode_to_core(bytes(MESSAGE_BYTES_MAX + 1))
