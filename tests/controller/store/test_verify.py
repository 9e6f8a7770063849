"""Whatever is changed in a record is found and located."""

import json
import sqlite3
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.store.ledger import LedgerWriter, read_info, read_ledger_hash
from controller.store.verify import verify
from firmware_bridge.errors import StoreError


def edit(session, *statements):
    with closing(sqlite3.connect(session / "ledger.sqlite")) as ledger:
        for statement in statements:
            ledger.execute(*statement)
        ledger.commit()


def test_an_untouched_session_has_no_problem(simulated):
    """Chain, tiles, configuration, inputs; its last anchor is its last record but those after it."""
    report = verify(simulated)
    assert report.problems == ()
    assert report.anchored_seq == report.records - 1
    assert report.head_hash == read_ledger_hash(simulated)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_of_any_record_is_located(session, data):
    """A hypothesis test edits one byte of one stored record."""
    with closing(sqlite3.connect(session / "ledger.sqlite")) as ledger:
        count = ledger.execute("SELECT COUNT(*) FROM records").fetchone()[0]
        seq = data.draw(st.integers(0, count - 1))
        record, digest = ledger.execute("SELECT record, hash FROM records WHERE seq = ?", (seq,)).fetchone()
    column = data.draw(st.sampled_from(["record", "hash"]))
    original = bytearray(record if column == "record" else digest)
    changed = bytearray(original)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    statement = f"UPDATE records SET {column} = ? WHERE seq = ?"
    edit(session, (statement, (bytes(changed), seq)))
    assert seq in {problem.seq for problem in verify(session).problems}
    edit(session, (statement, (bytes(original), seq)))


@pytest.mark.parametrize(("kind", "key"), [("tile", b"ty"), ("tile", b"cells_sha256"), ("raw_log", b"inputs")])
def test_a_body_that_lacks_what_its_kind_needs_is_located(session, kind, key):
    """Renamed keys, which a byte's damage can make, do not stop the verification."""
    with closing(sqlite3.connect(session / "ledger.sqlite")) as ledger:
        seq, record = ledger.execute("SELECT seq, record FROM records WHERE kind = ? LIMIT 1", (kind,)).fetchone()
    edit(session, ("UPDATE records SET record = ? WHERE seq = ?", (record.replace(key, b"z" * len(key)), seq)))
    assert seq in {problem.seq for problem in verify(session).problems}


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        ([("DELETE FROM records WHERE seq = 7",)], "records 7 to 7 are missing"),
        ([("UPDATE records SET kind = 'verdict' WHERE seq = 7",)], "not the record that its row names"),
        (
            [
                ("UPDATE records SET seq = -1 WHERE seq = 7",),
                ("UPDATE records SET seq = 7 WHERE seq = 8",),
                ("UPDATE records SET seq = 8 WHERE seq = -1",),
            ],
            "hash does not follow",
        ),
        ([("INSERT INTO records SELECT 1000000, kind, record, hash FROM records WHERE seq = 7",)], "missing"),
        ([("DELETE FROM records WHERE seq = 0",)], "does not begin with a genesis"),
        ([("DELETE FROM tiles WHERE rowid = (SELECT MIN(rowid) FROM tiles)",)], "are missing"),
        ([("UPDATE tiles SET version = version + 1",)], "is stored as version"),
        ([("UPDATE tiles SET tx = tx + 5",)], "has no record"),
        ([("UPDATE tiles SET cells = X'00'",)], "damaged"),
    ],
)
def test_removing_reordering_and_inserting_is_found(session, statements, words):
    """In words an inspector understands."""
    edit(session, *statements)
    assert words in " ".join(problem.what for problem in verify(session).problems)


def test_other_cells_under_the_right_version_are_found(session):
    """The cells' hash stands in the chain."""
    with closing(sqlite3.connect(session / "ledger.sqlite")) as ledger:
        tiles = ledger.execute("SELECT rowid, cells FROM tiles ORDER BY rowid").fetchall()
    edit(session, ("UPDATE tiles SET cells = ? WHERE rowid = ?", (tiles[1][1], tiles[0][0])))
    assert "were changed" in " ".join(problem.what for problem in verify(session).problems)


def test_a_changed_configuration_is_found(session):
    """Its digest stands in the genesis record."""
    path = session / "config.toml"
    path.write_text(path.read_text().replace("slope_deg_max = 5.0", "slope_deg_max = 4.0"))
    assert "was changed" in " ".join(problem.what for problem in verify(session).problems)


def test_a_session_file_that_says_otherwise_is_found(session):
    """A simulated session cannot be renamed live (P8)."""
    path = session / "session.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"origin": "live"}))
    assert "session.json" in " ".join(problem.what for problem in verify(session).problems)


def test_a_cut_raw_log_keeps_its_earlier_anchors(session):
    """What is proven ends where the inputs end."""
    path = session / "raw-0001.mcap"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    report = verify(session)
    assert report.problems
    assert report.anchored_seq is not None
    assert 0 < report.anchored_seq < report.records - 1


@pytest.mark.parametrize("name", ["ledger.sqlite", "session.json"])
def test_what_is_no_session_is_said(session, name):
    """A missing part is named."""
    (session / name).unlink()
    if name == "session.json":
        with pytest.raises(StoreError, match="is no session directory"):
            verify(session)
    else:
        assert "is no session directory" in verify(session).problems[0].what


def test_noise_in_place_of_a_ledger_is_said(session):
    """Not a database at all."""
    (session / "ledger.sqlite").write_bytes(b"noise" * 1000)
    assert any("is no ledger" in problem.what for problem in verify(session).problems)


def test_a_newer_format_is_said(session):
    """With both numbers."""
    edit(session, ("PRAGMA user_version = 9",))
    assert any("has ledger format 9" in problem.what for problem in verify(session).problems)


def test_a_damaged_session_file_is_said(session):
    """Not JSON, or not a session."""
    (session / "session.json").write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        read_info(session)


def test_a_ledger_is_never_written_anew(session):
    """Not even by us."""
    with pytest.raises(StoreError, match="exists already"):
        LedgerWriter(session)
