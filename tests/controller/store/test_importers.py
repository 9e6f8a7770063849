"""Vendors' recordings as captures: every byte and its time, and what cannot be used is named."""

import pytest

from controller.play import play
from controller.store.importers import find_importer, import_em38, import_gem2
from controller.summary import summarize
from firmware_bridge.codec.n38 import encode_reading, encode_sentence
from firmware_bridge.codec.nmea import encode_nmea
from firmware_bridge.errors import CaptureError
from firmware_bridge.records import FixClass, GnssFix

MS = 1_000_000
SECOND = 1_000 * MS

GEM_CSV = "Line,Sample,Time[ms],QSum\n 0,  6, 1000.400, 5.0\n 0,  7, noise, 5.0\n 0,  8, 1200.400, 6.0"
GPS_CSV = "\n 900, $GPGGA,1*00\n 1900, $GPGGA,2*00\n"


def test_a_vendor_export_becomes_a_capture_line_by_line(tmp_path):
    """Bytes as they were, stamps exact to the nanosecond, an unreadable time left out and said."""
    (tmp_path / "a_gem.csv").write_text(GEM_CSV)
    (tmp_path / "a_gps.csv").write_text(GPS_CSV)
    assert find_importer(tmp_path) is import_gem2
    capture = import_gem2(tmp_path, tmp_path / "out")
    assert list(capture.chunks()) == [
        (900_000_000, "gnss", b"$GPGGA,1*00\r\n"),
        (1_000_400_000, "gem2", b" 0,  6, 1000.400, 5.0\r\n"),
        (1_200_400_000, "gem2", b" 0,  8, 1200.400, 6.0\r\n"),
        (1_900_000_000, "gnss", b"$GPGGA,2*00\r\n"),
    ]
    assert capture.damage == ["a_gem.csv, line 3: its time cannot be read; the line is left out"]
    assert find_importer(tmp_path / "out") is None


@pytest.mark.parametrize(
    ("gem", "gps", "words"),
    [
        (GEM_CSV, None, "_gps.csv"),
        ("no header\n1,2,3", GPS_CSV, "line 1"),
        ("", GPS_CSV, "line 1"),
        (GEM_CSV, "noise\n", "no line with a time"),
    ],
)
def test_an_export_that_cannot_be_used_is_named(tmp_path, gem, gps, words):
    """File and line, in one sentence."""
    (tmp_path / "a_gem.csv").write_text(gem)
    if gps is not None:
        (tmp_path / "a_gps.csv").write_text(gps)
    with pytest.raises(CaptureError, match=words):
        import_gem2(tmp_path, tmp_path / "out")


def sentence(seconds):
    """A GGA of a walk to the north, 1 m/s."""
    fix = GnssFix(
        utc_ns=None,
        time_of_day_ns=(7_200 + seconds) * SECOND,
        latitude_deg=-27.44 + seconds / 110_800.0,
        longitude_deg=151.43,
        altitude_m=366.0,
        fix_class=FixClass.SINGLE,
        horizontal_error_95_m=None,
        speed_m_s=None,
        course_deg=None,
        heading_deg=None,
        heading_error_95_deg=None,
        correction_age_s=None,
        reference_station=None,
    )
    return encode_nmea(fix).splitlines()[0]


def em38(seconds, leaps=()):
    """A logger's file of so many seconds: a fix each, five readings; `leaps` maps the number of a reading to its ms."""
    parts = [b"EM38MK2 W207GPS00002    3\n"]
    for second in range(seconds):
        parts.append(encode_sentence((10_000 + second * 1_000) * MS, sentence(second)))
        for fifth in range(5):
            number = second * 5 + fifth
            ms = dict(leaps).get(number, 10_000 + number * 200 + 15)
            parts.append(encode_reading(ms * MS, [100.0 + number % 3, 0.2, 200.0, 0.5]))
    return b"".join(parts)


def chunks_of(tmp_path, data):
    """What the importer makes of a file: stamps in ms, the bytes, and the damage."""
    (tmp_path / "walk.N38").write_bytes(data)
    capture = import_em38(tmp_path / "walk.N38", tmp_path / "out")
    found = list(capture.chunks())
    return [stamp_ns // MS for stamp_ns, _, _ in found], b"".join(payload for _, _, payload in found), capture.damage


def test_a_logger_s_file_becomes_a_capture_byte_by_byte(tmp_path):
    """Its header with the first time, each sentence and reading with its own, nothing lost."""
    data = em38(3)
    stamps, kept, damage = chunks_of(tmp_path, data)
    assert kept == data
    assert damage == []
    assert stamps[:4] == [10_000, 10_015, 10_215, 10_415]
    assert len(stamps) == 3 * 6


def test_a_file_or_the_directory_of_it_is_recognised_in_any_spelling(tmp_path):
    """A capture that somebody made of it is left to the capture format."""
    (tmp_path / "walk.n38").write_bytes(em38(3))
    assert find_importer(tmp_path) is find_importer(tmp_path / "walk.n38") is import_em38
    assert import_em38(tmp_path, tmp_path / "out").name == "em38"
    (tmp_path / "capture.toml").write_text("")
    assert find_importer(tmp_path) is None
    assert find_importer(tmp_path / "nothing.N38") is None


def test_a_logger_s_readings_are_placed_by_its_own_sentences(tmp_path):
    """One link is position and head at once; a recording earns nothing (P1)."""
    (tmp_path / "walk.N38").write_bytes(em38(30))
    links = {}
    for _ in play(import_em38(tmp_path / "walk.N38", tmp_path / "out"), tmp_path / "session", links):
        pass
    summary = summarize(tmp_path / "session")
    assert (summary.samples, summary.origin) == (150, "replayed")
    assert summary.samples_placed >= 29 * 5 - 5, "all between the first and the last fix"
    assert links["logger"].frames == 180
    assert summary.searched_m2 == summary.provisional_m2 == 0.0


def test_a_time_that_leaps_alone_is_replaced_and_said(tmp_path):
    """A reading's time has no checksum: a digit changed on its way must not stretch a survey to days."""
    data = em38(4, {3: 9_910_615, 12: 15, 19: 9_000_000_000})
    stamps, kept, damage = chunks_of(tmp_path, data)
    assert kept == data
    assert stamps == sorted(stamps)
    assert stamps[-1] - stamps[0] < 4_000
    assert damage == ["walk.N38: 3 times of the logger leap; those of the records before them stand in"]


def test_a_sentence_stamped_before_the_reading_ahead_of_it_keeps_its_place(tmp_path):
    """The logger does that, by 14 ms at most in the recording that we have; no byte changes its order."""
    data = em38(4, {4: 11_010})
    stamps, kept, damage = chunks_of(tmp_path, data)
    assert (kept, damage) == (data, [])
    assert stamps == sorted(stamps)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no N38 record"),
        (b"no logger ever wrote this, not even by mistake\n", "no N38 record"),
        (em38(20) + em38(3), r"walk.N38, byte \d+: the logger's clock goes back from 29815 ms to 10000 ms .* split"),
    ],
)
def test_a_logger_s_file_that_cannot_be_used_is_named(tmp_path, data, words):
    """Nothing in it, or two recordings in one."""
    (tmp_path / "walk.N38").write_bytes(data)
    with pytest.raises(CaptureError, match=words):
        import_em38(tmp_path / "walk.N38", tmp_path / "out")


def test_several_files_must_be_chosen_from(tmp_path):
    """Which survey is meant, only the user knows."""
    for name in ("a.N38", "b.N38"):
        (tmp_path / name).write_bytes(em38(3))
    with pytest.raises(CaptureError, match="holds 2 N38 files; name the one to play"):
        import_em38(tmp_path, tmp_path / "out")
