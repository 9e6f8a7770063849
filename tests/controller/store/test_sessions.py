"""Numbered sessions and the cursors of what has been published."""

import shutil

import pytest

from controller.store.cursors import Cursors
from controller.store.ledger import read_ledger_hash
from controller.store.sessions import next_session
from firmware_bridge.errors import StoreError


def test_numbers_only_rise_and_other_names_do_not_count(tmp_path):
    """A gap is not filled: a session's name is never given twice."""
    assert next_session(tmp_path, "m-1").session == "m-1-000001"
    for name in ("m-1-000007", "m-1-000003", "m-10-000099", "notes", "m-1-x"):
        (tmp_path / "sessions" / name).mkdir(parents=True)
    coming = next_session(tmp_path, "m-1")
    assert coming.session == "m-1-000008"
    assert coming.directory == tmp_path / "sessions" / "m-1-000008"
    assert coming.previous_head is None
    assert "m-1-000007" in coming.trouble


def test_a_session_names_the_last_record_of_the_one_before(simulated, tmp_path):
    """The chain goes on from session to session."""
    shutil.copytree(simulated, tmp_path / "sessions" / "m-000001")
    coming = next_session(tmp_path, "m")
    assert coming.previous_head == read_ledger_hash(simulated)
    assert coming.trouble is None


def test_a_data_directory_that_cannot_be_made_is_said(tmp_path):
    """In words, with its path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file/sessions: cannot be used"):
        next_session(tmp_path / "file", "m")


def test_cursors_survive_and_never_go_back(tmp_path):
    """One for each broker and session."""
    cursors = Cursors(tmp_path, "broker-a")
    assert cursors.published("m-000001") == -1
    cursors.advance("m-000001", 41)
    cursors.advance("m-000001", 40)
    cursors.close()
    again = Cursors(tmp_path, "broker-a")
    assert again.published("m-000001") == 41
    assert again.published("m-000002") == -1
    assert Cursors(tmp_path, "broker-b").published("m-000001") == -1


def test_a_cursor_file_that_is_none_is_said(tmp_path):
    """Damage is an error in words, not a silent start from nothing."""
    (tmp_path / "link.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match=r"link\.sqlite: cannot be opened"):
        Cursors(tmp_path, "b")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened"):
        Cursors(tmp_path / "file", "b")


def test_cursors_that_cannot_be_used_any_more_are_said(tmp_path):
    """Reading and writing both."""
    cursors = Cursors(tmp_path, "b")
    cursors._connection.execute("DROP TABLE cursors")
    with pytest.raises(StoreError, match="cannot be read"):
        cursors.published("s")
    with pytest.raises(StoreError, match="cannot be written"):
        cursors.advance("s", 1)
