"""One NTRIP connection, from the request to its end."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codec.ntrip import (
    HEAD_BYTES_MAX,
    STATUS_LINE_BYTES_MAX,
    Corrections,
    NtripConnection,
    NtripProblem,
    NtripRequest,
    Refused,
    StreamEnded,
    StreamStarted,
)
from firmware_bridge.codec.source_table import SourceTable

GGA = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"
FRAME = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")
V2_HEAD = (
    b"HTTP/1.1 200 OK\r\nNtrip-Version: Ntrip/2.0\r\nServer: NTRIP Caster 2.0.45/2.0\r\n"
    b"Content-Type: gnss/data\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
)
TABLE = b"STR;ACOR0;La Coruna;RTCM 3.1;1004(1);2;GPS;EUREF;ESP;43.36;351.60;1;0;x;none;B;N;500;\r\nENDSOURCETABLE\r\n"


def request(**changes):
    """A request for a mountpoint that the document uses in its examples."""
    values = {
        "host": "caster.example", "port": 2101, "mountpoint": "BUCU0", "username": "ntrip", "password": "secret",
        "version": 1,
    }  # fmt: skip
    return NtripRequest(**(values | changes))


def converse(data, sizes=(), version=1, mountpoint="BUCU0"):
    """All events with neighbouring corrections joined, the connection's end included."""
    connection = NtripConnection(request(version=version, mountpoint=mountpoint))
    events = []
    for size in sizes:
        events += connection.feed(data[:size])
        data = data[size:]
    events += connection.feed(data)
    events += connection.finish()
    joined = []
    for event in events:
        if isinstance(event, Corrections) and joined and isinstance(joined[-1], Corrections):
            joined[-1] = Corrections(data=joined[-1].data + event.data)
        else:
            joined.append(event)
    return joined


def test_a_version_1_request_is_that_of_the_document():
    """Request line, an agent that begins with NTRIP, and basic credentials (10410.0, section 6.1; RFC 7617)."""
    assert NtripConnection(request()).open(GGA) == (
        b"GET /BUCU0 HTTP/1.0\r\nUser-Agent: NTRIP Firmground\r\nAccept: */*\r\nConnection: close\r\n"
        b"Authorization: Basic bnRyaXA6c2VjcmV0\r\n\r\n"
    )
    assert base64.b64decode("bnRyaXA6c2VjcmV0") == b"ntrip:secret"


def test_a_version_2_request_names_its_host_and_version_and_the_first_position():
    """The GGA travels in a header of its own."""
    lines = NtripConnection(request(version=2)).open(GGA).split(b"\r\n")
    assert lines[0] == b"GET /BUCU0 HTTP/1.1"
    assert b"Host: caster.example:2101" in lines
    assert b"Ntrip-Version: Ntrip/2.0" in lines
    assert b"Ntrip-GGA: " + GGA.rstrip() in lines
    assert lines[-2:] == [b"", b""]
    assert b"Ntrip-GGA" not in NtripConnection(request(version=2)).open()
    assert b"Host: [::1]:2101" in NtripConnection(request(version=2, host="::1")).open()


def test_without_a_user_name_no_credentials_are_sent():
    """Open streams need none; an empty password is a password."""
    assert b"Authorization" not in NtripConnection(request(username=None)).open()
    assert b"Authorization: Basic bnRyaXA6" in NtripConnection(request(password=None)).open()


@pytest.mark.parametrize(
    "changes",
    [
        *[{"mountpoint": text} for text in ("a b", "a\r\nX: y", "ü")],
        *[{"host": text} for text in ("", "a b", "a\r\nX: y")],
        *[{"username": "a:b"}, {"username": "a\n"}, {"password": "a\r\nb"}, {"version": 3}],
    ],
)
def test_what_would_become_part_of_the_header_is_refused(changes):
    """A configuration cannot add lines to a request."""
    with pytest.raises(ValueError):
        request(**changes)


def test_a_request_does_not_show_its_password():
    """Logs print requests."""
    assert "secret" not in repr(request())
    assert "secret" not in f"{[request()]}"


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("between", [b"", b"\r\n", b"Server: x\r\n\r\n"])
def test_a_version_1_stream_begins_right_behind_its_status_line(version, between):
    """Also for who asked in version 2; what some casters print between is passed on for the framer to skip."""
    events = converse(b"ICY 200 OK\r\n" + between + FRAME, version=version)
    assert events == [StreamStarted(version=1), Corrections(data=between + FRAME), StreamEnded()]


def test_a_version_2_stream_comes_in_chunks():
    """Two chunks that cut a frame, and the last one."""
    body = b"a\r\n" + FRAME[:10] + b"\r\nf\r\n" + FRAME[10:] + b"\r\n0\r\n\r\n"
    assert converse(V2_HEAD + body, version=2) == [StreamStarted(version=2), Corrections(data=FRAME), StreamEnded()]


def test_a_version_2_stream_may_come_without_chunks():
    """Up to the connection's end."""
    head = V2_HEAD.replace(b"Transfer-Encoding: chunked\r\n", b"")
    assert converse(head + FRAME, version=2) == [StreamStarted(version=2), Corrections(data=FRAME), StreamEnded()]


def test_a_damaged_chunk_ends_the_stream():
    """What came before it counts; what follows cannot be told from damage."""
    events = converse(V2_HEAD + b"3\r\nabc\r\nxyz\r\n", version=2)
    assert events[:2] == [StreamStarted(version=2), Corrections(data=b"abc")]
    assert events[2].problem is NtripProblem.NOT_NTRIP
    assert len(events) == 3


@pytest.mark.parametrize(
    ("head", "version"),
    [
        (b"SOURCETABLE 200 OK\r\nServer: x\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n", 1),
        (b"HTTP/1.1 200 OK\r\nContent-Type: gnss/sourcetable\r\n\r\n", 2),
        (b"HTTP/1.0 200 OK\r\nCONTENT-TYPE: Text/Plain; charset=utf-8\r\n\r\n", 1),
    ],
)
def test_a_source_table_is_recognised_in_both_versions(head, version):
    """It is what a caster sends for a mountpoint that it does not have."""
    (event,) = converse(head + TABLE, version=version)
    assert isinstance(event, SourceTable)
    assert event.is_complete
    assert [(m.name, m.needs_position) for m in event.mountpoints] == [("ACOR0", True)]


def test_a_chunked_source_table_is_read():
    """Version 2 may chunk its table too."""
    head = V2_HEAD.replace(b"gnss/data", b"gnss/sourcetable")
    for body in (b"%x\r\n%s\r\n0\r\n\r\n" % (len(TABLE), TABLE), b"%x\r\n%s\r\n0\r\n\r\n" % (88, TABLE[:88])):
        (event,) = converse(head + body, version=2)
        assert [mountpoint.name for mountpoint in event.mountpoints] == ["ACOR0"]
        assert event.is_complete == (b"END" in body)


def test_the_table_of_who_asks_for_none_needs_no_content_type():
    """An empty mountpoint asks for the table."""
    (event,) = converse(b"HTTP/1.1 200 OK\r\n\r\n" + TABLE, mountpoint="")
    assert isinstance(event, SourceTable)


@pytest.mark.parametrize(
    ("reply", "problem", "status"),
    [
        (b"HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n", NtripProblem.UNAUTHORIZED, 401),
        (b"HTTP/1.0 401 Unauthorized\r\n", NtripProblem.UNAUTHORIZED, 401),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", NtripProblem.UNAUTHORIZED, 403),
        (b"HTTP/1.1 404 Not Found\r\n\r\n<html>", NtripProblem.NO_SUCH_MOUNTPOINT, 404),
        (b"HTTP/1.1 409 Conflict\r\n\r\n", NtripProblem.REFUSED, 409),
        (b"HTTP/1.1 503\r\n\r\n", NtripProblem.REFUSED, 503),
        (b"ICY 401 Unauthorized\r\n", NtripProblem.UNAUTHORIZED, 401),
        (b"ERROR - Bad Password\r\n", NtripProblem.UNAUTHORIZED, None),
        (b"ERROR - Mount Point Taken or Invalid\r\n", NtripProblem.NO_SUCH_MOUNTPOINT, None),
        (b"ERROR - Too many clients\r\n", NtripProblem.REFUSED, None),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>", NtripProblem.NOT_NTRIP, 200),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", NtripProblem.NOT_NTRIP, None),
        (b"SSH-2.0-OpenSSH_9.2\r\n", NtripProblem.NOT_NTRIP, None),
        (FRAME * 50, NtripProblem.NOT_NTRIP, None),
        (b"", NtripProblem.NOT_NTRIP, None),
        (b"HTTP/1.1 200 OK\r\nServer: x", NtripProblem.NOT_NTRIP, None),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * HEAD_BYTES_MAX, NtripProblem.NOT_NTRIP, None),
        (b"x" * (STATUS_LINE_BYTES_MAX + 1), NtripProblem.NOT_NTRIP, None),
    ],
)
def test_every_other_answer_is_a_refusal_in_words(reply, problem, status):
    """One event, whose text people can read: printable, short, with the caster's own words."""
    (event,) = converse(reply)
    assert isinstance(event, Refused)
    assert (event.problem, event.status) == (problem, status)
    assert event.text.isprintable()
    assert event.text.isascii()
    assert len(event.text) < 250


def test_positions_are_sent_only_into_an_open_stream():
    """Version 1 has no other place for them; after the end there is nobody to tell."""
    connection = NtripConnection(request())
    assert connection.report_position(GGA) == b""
    connection.feed(b"ICY 200 OK\r\n")
    assert connection.report_position(GGA) == connection.report_position(GGA.rstrip()) == GGA
    connection.finish()
    assert connection.report_position(GGA) == b""
    assert connection.is_over


@pytest.mark.parametrize("report", [b"$GPGGA,1\r\nGET / HTTP/1.0\r\n*00", b"GET /", b"$GPGGA," + b"1" * 200 + b"*00"])
def test_a_report_that_is_no_sentence_is_our_mistake(report):
    """It would be sent as it is."""
    connection = NtripConnection(request())
    connection.feed(b"ICY 200 OK\r\n")
    with pytest.raises(AssertionError):
        connection.report_position(report)


def test_nothing_comes_after_the_end():
    """A connection that is over stays over."""
    connection = NtripConnection(request())
    connection.feed(b"HTTP/1.1 404 Not Found\r\n\r\n")
    assert connection.feed(b"ICY 200 OK\r\n" + FRAME) == []
    assert connection.finish() == []


_pieces = [
    *[b"ICY 200 OK\r\n", V2_HEAD, b"SOURCETABLE 200 OK\r\n\r\n", TABLE, b"HTTP/1.1 401 Unauthorized\r\n", b"\r\n"],
    *[
        b"HTTP/1.1 200 OK\r\n",
        b"Content-Type: gnss/data\r\n",
        b"Content-Type: text/plain\r\n",
        FRAME,
        b"5\r\nabcde\r\n",
    ],
    *[b"0\r\n\r\n", b"ERROR - x\r\n", b"x" * STATUS_LINE_BYTES_MAX, b"X: " + b"y" * HEAD_BYTES_MAX],
]


@given(
    parts=st.lists(st.sampled_from(_pieces) | st.binary(max_size=9), max_size=8),
    sizes=st.lists(st.integers(1, 900)),
    version=st.sampled_from([1, 2]),
)
def test_any_answer_means_the_same_in_any_chunks(parts, sizes, version):
    """No bytes raise, what is held back is bounded, and every connection ends with exactly one last word."""
    data = b"".join(parts)
    events = converse(data, sizes, version)
    assert events == converse(data, (), version)
    assert isinstance(events[-1], Refused | SourceTable | StreamEnded)
    assert sum(isinstance(event, Refused | SourceTable | StreamEnded) for event in events) == 1


@given(st.lists(st.binary(max_size=200), max_size=200))
def test_what_is_held_back_is_bounded(chunks):
    """Whatever a caster sends."""
    connection = NtripConnection(request())
    connection.feed(b"HTTP/1.1 200 OK\r\n")
    for chunk in chunks:
        connection.feed(chunk)
        assert len(connection._buffer) <= HEAD_BYTES_MAX
