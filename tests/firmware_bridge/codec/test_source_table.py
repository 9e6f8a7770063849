"""A caster's list of streams."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codec.source_table import (
    LINE_BYTES_MAX,
    MOUNTPOINTS_MAX,
    TABLE_BYTES_MAX,
    Mountpoint,
    SourceTableReader,
    parse_mountpoint,
)

# The example of the version 1.0 document, section 8.3, in its layout.
STR = (
    b"STR;ACOR0;La Coruna;RTCM 2.0;1(1),3(60),16(60);0;GPS;EUREF;ESP;43.36;351.60;0;0;Trimble 4000SSI;none;B;N;500;none"
)
VRS = b"STR;VRS_3;Net;RTCM 3.1;1004(1);2;GPS+GLO;NET;DEU;52.48;13.30;1;1;NET;none;B;Y;2000;"
END = b"ENDSOURCETABLE\r\n"


def read(data, sizes=()):
    """The table, however it ends."""
    reader = SourceTableReader()
    for size in sizes:
        table = reader.feed(data[:size])
        if table is not None:
            return table
        data = data[size:]
    return reader.feed(data) or reader.finish()


def test_a_stream_line_means_what_the_document_says():
    """Name, identifier, format, place; it wants no position and is one station."""
    assert parse_mountpoint(STR) == Mountpoint(
        name="ACOR0",
        identifier="La Coruna",
        format="RTCM 2.0",
        latitude_deg=43.36,
        longitude_deg=351.6,
        needs_position=False,
        is_network=False,
    )
    assert parse_mountpoint(VRS).needs_position
    assert parse_mountpoint(VRS).is_network


def test_only_stream_lines_are_kept():
    """Casters, networks, comments and blank lines are passed over, in order."""
    table = read(b"\r\nCAS;a;2101\r\nNET;b\r\n#x\r\n" + STR + b"\r\n" + VRS + b"\n" + END + b"more")
    assert [mountpoint.name for mountpoint in table.mountpoints] == ["ACOR0", "VRS_3"]
    assert table.is_complete


def test_an_end_without_a_line_end_is_an_end():
    """A caster that closes right behind the word."""
    assert read(STR + b"\r\nENDSOURCETABLE").is_complete


def test_a_table_that_was_cut_says_so():
    """What came is there."""
    table = read(STR + b"\r\n" + VRS[:40])
    assert [mountpoint.name for mountpoint in table.mountpoints] == ["ACOR0", "VRS_3"]
    assert not table.is_complete
    assert table.mountpoints[1].latitude_deg is None


@pytest.mark.parametrize("text", [b"", b"x", b"90.1", b"nan", b"1e1", b"-", b"1_0"])
def test_a_place_that_is_no_number_is_unknown(text):
    """The stream stays listed."""
    assert parse_mountpoint(STR.replace(b"43.36", text)).latitude_deg is None


@pytest.mark.parametrize("line", [b"", b"STR", b"STR;", b"STR;a;b", b"STR;;b;c", b"str;a;b;c"])
def test_a_line_without_its_first_fields_is_no_stream(line):
    """Nothing to ask for."""
    assert parse_mountpoint(line) is None


def test_a_table_longer_than_any_is_cut():
    """Streams, bytes and the length of a line are bounded."""
    assert len(read((STR + b"\n") * (MOUNTPOINTS_MAX + 1) + END).mountpoints) == MOUNTPOINTS_MAX
    assert not read((STR + b"\n") * (MOUNTPOINTS_MAX + 1) + END).is_complete
    assert not read(b"#\n" * (TABLE_BYTES_MAX // 2 + 1) + END).is_complete
    assert not read(STR + b"x" * LINE_BYTES_MAX + b"\n" + END).is_complete
    reader = SourceTableReader()
    for _ in range(1_000):
        assert reader.feed(b"x" * 100) is None
        assert len(reader._line) <= LINE_BYTES_MAX + 1


@pytest.mark.parametrize("line", [END.strip() + b" " * LINE_BYTES_MAX + b"x", b" " * LINE_BYTES_MAX + END.strip()])
def test_a_line_longer_than_any_ends_no_table_however_it_came(line):
    """What is cut off a line that comes in pieces does not make it the table's end."""
    assert read(STR + b"\n" + line + b"\n" + VRS) == read(STR + b"\n" + line + b"\n" + VRS, [len(STR) + 1 + len(line)])
    assert not read(line + b"\n", [len(line)]).is_complete


def test_a_table_is_cut_at_the_same_place_however_it_came():
    """A line counts for what is kept of it, so that its length in pieces is its length at once."""
    data = (b"x" * 10_000 + b"\n") * (TABLE_BYTES_MAX // 10_000 + 1) + STR + b"\n" + END
    assert read(data) == read(data, [9_999] * 500)


_lines = st.sampled_from([STR + b"\r\n", VRS + b"\n", END, STR[:30], b"STR;a;b;c;;;;;;;;;;\n", b"x" * LINE_BYTES_MAX])


@given(st.lists(_lines | st.binary(max_size=9), max_size=8), st.lists(st.integers(1, 300)))
def test_any_bytes_are_read_alike_in_any_chunks(parts, sizes):
    """No bytes raise, and the table does not depend on how they came."""
    data = b"".join(parts)
    assert read(data, sizes) == read(data)
