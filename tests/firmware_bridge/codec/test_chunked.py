"""Chunked transfer coding, read without holding chunks back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codec.chunked import SIZE_LINE_BYTES_MAX, TRAILER_BYTES_MAX, ChunkedBody

# The example of RFC 9112's predecessors and of every introduction to the coding.
EXAMPLE = b"4\r\nWiki\r\n7\r\npedia i\r\nB\r\nn \r\nchunks.\r\n0\r\n\r\n"


def read(data, sizes=()):
    """The content, and whether the body is complete or damaged."""
    body = ChunkedBody()
    content = b""
    for size in sizes:
        content += body.feed(data[:size])
        data = data[size:]
    content += body.feed(data)
    return content, body.is_complete, body.is_damaged


def test_the_published_example_is_read():
    """Three chunks, the last with line ends inside."""
    assert read(EXAMPLE) == (b"Wikipedia in \r\nchunks.", True, False)


def test_extensions_trailers_and_bare_line_feeds_are_passed_over():
    """As RFC 9112, sections 7.1.1 and 7.1.2, allow; bare LF because casters exist that send it."""
    assert read(b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n") == (b"abc", True, False)
    assert read(b"3\nabc\n0\n\n") == (b"abc", True, False)


def test_content_comes_before_its_chunk_is_whole():
    """A frame of a slow stream must not wait for the rest of a large chunk."""
    assert read(b"1000\r\nabc") == (b"abc", False, False)


def test_what_follows_the_last_chunk_is_not_content():
    """The body is over."""
    assert read(b"0\r\n\r\n3\r\nabc\r\n") == (b"", True, False)


@pytest.mark.parametrize(
    "damaged",
    [
        *[b"x\r\n", b"\r\n", b"-1\r\n", b"123456789\r\n", b"3\r\nabcd\r\n", b"3 3\r\n", b"0x3\r\n"],
        *[b"1" * (SIZE_LINE_BYTES_MAX + 1), b"0\r\n" + b"X: y\r\n" * TRAILER_BYTES_MAX],
    ],
)
def test_what_is_no_chunk_ends_the_body(damaged):
    """Nothing is guessed: the connection must be made anew."""
    assert read(damaged + b"\r\n3\r\nabc\r\n")[1:] == (False, True)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.lists(st.integers(1, 30)))
def test_any_content_in_any_chunks_comes_back(pieces, sizes):
    """Encoded by the rule, fed in any sizes."""
    data = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    assert read(data, sizes) == (b"".join(pieces), True, False)


@given(
    st.lists(st.sampled_from([b"3\r\nabc\r\n", b"0\r\n", b"\r\n", b"\n", b"5\r\n"]) | st.binary(max_size=9)),
    st.lists(st.integers(1, 30)),
)
def test_any_bytes_are_read_alike_in_any_chunks(parts, sizes):
    """No bytes raise, and the outcome does not depend on how they came."""
    data = b"".join(parts)
    assert read(data, sizes) == read(data)
