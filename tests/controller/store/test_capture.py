"""Captures: what is damaged is said, what cannot be is refused with its reason."""

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.store.capture import Capture, CaptureHead, Stream, write_capture
from controller.store.importers import GEM2_CONFIG
from firmware_bridge.errors import CaptureError, ConfigError

HEAD = CaptureHead(
    format=1,
    name="test",
    description='with "quotes"',
    origin="live",
    stream=(Stream(name="gnss", timebase="utc", date_known=False), Stream(name="gem2", timebase="utc")),
)
STREAMS = {"gnss": [(10, b"one"), (30, b"three")], "gem2": [(10, b"first"), (20, b"two"), (40, b"four")]}


@pytest.fixture
def capture(tmp_path):
    directory = tmp_path / "capture"
    write_capture(directory, HEAD, GEM2_CONFIG, STREAMS)
    return directory


def test_chunks_come_back_in_order_of_their_stamps(capture):
    """Equal stamps in the order of the streams."""
    opened = Capture.open(capture)
    assert opened.damage == []
    assert list(opened.chunks()) == [
        (10, "gnss", b"one"),
        (10, "gem2", b"first"),
        (20, "gem2", b"two"),
        (30, "gnss", b"three"),
        (40, "gem2", b"four"),
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(size=st.integers(0, 60))
def test_a_stream_cut_at_any_byte_keeps_its_whole_chunks(capture, size):
    """The damage is said; without any whole chunk the capture is refused."""
    path = capture / "gem2.chunks"
    whole = b"".join(struct.pack("<qI", stamp, len(data)) + data for stamp, data in STREAMS["gem2"])
    path.write_bytes(whole[:size])
    if size < 17:
        with pytest.raises(CaptureError, match="no whole chunk"):
            Capture.open(capture)
        return
    opened = Capture.open(capture)
    found = [data for _, stream, data in opened.chunks() if stream == "gem2"]
    assert found == [data for _, data in STREAMS["gem2"]][: len(found)]
    boundaries = {17, 32, len(whole)}
    assert bool(opened.damage) is (min(size, len(whole)) not in boundaries)


def test_stamps_that_go_backwards_are_put_in_order_and_said(capture):
    """Counted, not lost."""
    (capture / "gnss.chunks").write_bytes(struct.pack("<qI", 30, 1) + b"b" + struct.pack("<qI", 10, 1) + b"a")
    opened = Capture.open(capture)
    assert "1 stamps go backwards" in opened.damage[0]
    assert [data for _, stream, data in opened.chunks() if stream == "gnss"] == [b"a", b"b"]


def test_an_absurd_length_ends_the_stream(capture):
    """Damage is not an allocation."""
    path = capture / "gnss.chunks"
    path.write_bytes(path.read_bytes() + struct.pack("<qI", 50, 2**31))
    assert "no chunk at byte" in Capture.open(capture).damage[0]


def test_streams_that_do_not_overlap_are_refused_with_both_spans(tmp_path):
    """One line with both spans in seconds."""
    apart = {"gnss": [(0, b"x")], "gem2": [(5_000_000_000, b"y")]}
    write_capture(tmp_path / "apart", HEAD, GEM2_CONFIG, apart)
    with pytest.raises(CaptureError, match=r"do not overlap.*'gnss'.*0\.000 s.*'gem2'.*5\.000 s"):
        Capture.open(tmp_path / "apart")


@pytest.mark.parametrize("name", ["capture.toml", "config.toml", "gnss.chunks"])
def test_a_missing_file_is_named(capture, name):
    """One clear message."""
    (capture / name).unlink()
    with pytest.raises(CaptureError, match=name):
        Capture.open(capture)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('timebase = "utc"', 'timebase = "gps"', "timebase"),
        ("format = 1", "format = 1\ncolour = 3", "unknown key 'colour'"),
    ],
)
def test_a_mistake_in_capture_toml_is_named(capture, old, new, words):
    """As in a configuration."""
    path = capture / "capture.toml"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ConfigError, match=words):
        Capture.open(capture)


def test_a_stream_without_its_link_is_named(capture):
    """The configuration must know every stream, with the same timebase."""
    path = capture / "capture.toml"
    path.write_text(path.read_text().replace('timebase = "utc"', 'timebase = "host"', 1))
    with pytest.raises(CaptureError, match="needs a"):
        Capture.open(capture)
