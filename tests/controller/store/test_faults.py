"""Every way in which the store can fail says what, where, and leaves what was there as it was."""

import sqlite3
from contextlib import closing

import msgspec
import pytest

from controller.core.effects import Effects
from controller.core.inputs import Chunk, EndSession, RawInputs
from controller.replay import rederive, replay
from controller.store.capture import CaptureHead, Stream, write_capture
from controller.store.chain import RecordMaker, SessionInfo
from controller.store.compression import compress, decompress
from controller.store.importers import import_gem2
from controller.store.ledger import (
    LedgerWriter,
    read_events,
    read_ledger_hash,
    read_origins,
    read_records,
    read_tiles,
)
from controller.store.raw_log import FILE_NAME, RawLogReader, RawLogWriter, encode_inputs
from controller.store.recorder import Recorder
from controller.store.verify import verify
from firmware_bridge.errors import CaptureError, StoreError

INFO = SessionInfo(
    session="s", origin="live", machine="m", site="s", software="x", config_sha256="0", utc_at_mono_zero_ns=None,
    previous_head=None,
)  # fmt: skip
EVERYTHING = (read_records, read_tiles, read_events)


def edit(session, *statements):
    with closing(sqlite3.connect(session / "ledger.sqlite")) as ledger:
        for statement in statements:
            ledger.execute(*statement)
        ledger.commit()


def relogged(session, *messages):
    (session / FILE_NAME).unlink()
    writer = RawLogWriter(session, is_durable=True)
    for number, message in enumerate(messages):
        writer.append(number, message)
    writer.close()


def test_a_session_cannot_begin_where_no_directory_can_be(tmp_path):
    """A file stands in the way; it is named and untouched."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match="file/session: cannot be created"):
        Recorder(tmp_path / "file" / "session", INFO, "", is_durable=False)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_raw_log_is_never_written_anew(tmp_path):
    """The file that is there stays."""
    (tmp_path / FILE_NAME).write_bytes(b"earlier")
    with pytest.raises(StoreError, match="cannot be created"):
        RawLogWriter(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == b"earlier"


def test_a_missing_raw_log_is_named(tmp_path):
    """By the reader, by verification, and as a difference by replay."""
    with pytest.raises(StoreError, match=FILE_NAME):
        list(RawLogReader(tmp_path).messages())


def test_verification_goes_on_past_missing_inputs_and_configuration(session):
    """Both are said, and the rest is checked all the same."""
    (session / FILE_NAME).unlink()
    (session / "config.toml").unlink()
    report = verify(session)
    words = " ".join(problem.what for problem in report.problems)
    assert FILE_NAME in words
    assert "config.toml cannot be read" in words
    assert report.records > 100


@pytest.mark.parametrize(
    "message", [b"\xc1", msgspec.msgpack.encode([1, "not chunks", []]), b"\x93\x01\x91\x93\xa1\xff"]
)
def test_a_logged_message_that_is_no_input_is_damage(session, message):
    """A good file with a bad message: readable up to it, and said."""
    relogged(session, encode_inputs(RawInputs(now_ns=1)), message, encode_inputs(RawInputs(now_ns=2)))
    reader = RawLogReader(session)
    assert len(list(reader.inputs())) == 1
    assert "turn 2 is not a logged input" in reader.damage
    assert replay(session).difference is not None  # the first one, which is before the damage
    with pytest.raises(StoreError, match="turn 2"):
        list(rederive(session))


def test_an_input_of_a_link_that_is_not_configured_is_named(session):
    """A log and a configuration that do not belong together."""
    raw = RawInputs(now_ns=1, chunks=(Chunk(link="elsewhere", arrival_ns=1, payload=b"x"),))
    relogged(session, encode_inputs(raw))
    assert "'elsewhere'" in replay(session).difference


def test_inputs_that_end_early_leave_records_without_a_source(session):
    """The ledger holds what these inputs do not make."""
    first = next(raw for _, raw in RawLogReader(session).inputs())
    relogged(session, encode_inputs(first))
    assert "do not make" in replay(session).difference


def test_a_ledger_that_cannot_be_created_is_named(tmp_path):
    """No such directory."""
    with pytest.raises(StoreError, match="cannot be created"):
        LedgerWriter(tmp_path / "absent")


def test_a_failed_write_leaves_nothing_half_done_and_the_next_one_works(tmp_path):
    """All of a transaction or none of it; the ledger is not stuck in it."""
    maker = RecordMaker(INFO)
    message = encode_inputs(RawInputs(now_ns=1, requests=(EndSession(person="p"),)))
    records = [maker.genesis, *maker.take(message, 1, Effects(is_commit=True))]
    ledger = LedgerWriter(tmp_path)
    with pytest.raises(StoreError, match="cannot be written"):
        ledger.append([records[0], records[1], records[0]])
    assert list(read_records(tmp_path)) == []
    ledger.append(records)
    ledger.close()
    assert [record.seq for record in read_records(tmp_path)] == [0, 1]


def test_an_empty_ledger_has_no_hash(tmp_path):
    """Nothing was recorded; nothing is invented."""
    LedgerWriter(tmp_path).close()
    with pytest.raises(StoreError, match="holds no records"):
        read_ledger_hash(tmp_path)


@pytest.mark.parametrize("read", [*EVERYTHING, read_ledger_hash])
def test_a_ledger_without_its_tables_is_named(session, read):
    """Somebody's other database under our name."""
    edit(session, ("DROP TABLE records",), ("DROP TABLE tiles",))
    with pytest.raises(StoreError, match="cannot be read"):
        list(read(session))


@pytest.mark.parametrize("read", [read_events, read_origins])
def test_a_record_that_cannot_be_decoded_is_named(session, read):
    """Readers stop there; `verify` is the one that goes on."""
    edit(session, ("UPDATE records SET record = X'c1' WHERE seq = 7",))
    with pytest.raises(StoreError, match="cannot be decoded"):
        list(read(session))
    assert replay(session).difference.endswith("the stored bytes are not a record")


def test_a_changed_hash_under_right_bytes_is_a_difference(session):
    """Replay compares the chain too."""
    edit(session, ("UPDATE records SET hash = X'00' WHERE seq = 3",))
    assert "the bytes or the hash are not" in replay(session).difference


def test_a_ledger_that_is_no_database_is_a_difference(session):
    """Replay names it and does not fall over."""
    (session / "ledger.sqlite").write_bytes(b"noise" * 1000)
    assert "is no ledger" in replay(session).difference


def test_compressed_content_is_bounded_and_checked():
    """More than was expected, or damage, is an error and never an allocation."""
    stored = compress(bytes(1000))
    assert decompress(stored, 1000) == bytes(1000)
    with pytest.raises(StoreError, match="at most 999"):
        decompress(stored, 999)
    with pytest.raises(StoreError, match="damaged"):
        decompress(b"noise", 1000)


def test_a_capture_is_never_written_over_another(tmp_path):
    """The directory that is there stays."""
    head = CaptureHead(
        format=1, name="n", description="d", origin="live", stream=(Stream(name="gnss", timebase="host"),)
    )
    with pytest.raises(CaptureError, match="cannot be written"):
        write_capture(tmp_path, head, "", {"gnss": []})


def test_an_export_file_that_cannot_be_read_is_named(tmp_path):
    """A directory in place of the file."""
    (tmp_path / "a_gem.csv").mkdir()
    (tmp_path / "a_gps.csv").write_text("")
    with pytest.raises(CaptureError, match=r"a_gem\.csv: cannot be read"):
        import_gem2(tmp_path, tmp_path / "out")
