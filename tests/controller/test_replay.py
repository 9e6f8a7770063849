"""Same inputs, same record (promise P4); another input, another record, and the first difference is named."""

import sqlite3
from contextlib import closing

import msgspec

from controller.core.check_events import Revoked
from controller.core.inputs import RawInputs
from controller.replay import replay
from controller.store.ledger import read_events
from controller.store.raw_log import FILE_NAME, RawLogReader, RawLogWriter, encode_inputs
from controller.store.verify import verify
from controller.summary import read_map
from sim.day import plan
from sim.inproc import run
from sim.scenario import load_scenario
from sim.sections import Fault


def rewritten(session, change):
    """The raw log again, with one turn changed and every checksum of the file right."""
    turns = [raw for _, raw in RawLogReader(session).inputs()]
    (session / FILE_NAME).unlink()
    writer = RawLogWriter(session, is_durable=False)
    for count, raw in enumerate(turns):
        changed = change(count, raw)
        writer.append(changed.now_ns, encode_inputs(changed))
    writer.close()


def test_a_simulated_day_replays_to_the_same_record(simulated):
    """Record for record, byte for byte."""
    report = replay(simulated)
    assert report.difference is None
    assert report.records > 100
    assert report.inputs > 1_000


def test_a_day_with_a_jump_in_it_replays_to_the_same_record(tmp_path):
    """What was credited before the jump is revoked in the record, which verifies and is made again byte for byte."""
    scenario = load_scenario("first-lane")
    moved = Fault(kind="base_moved", from_s=20.0, size=1.85)
    for _ in run(plan(msgspec.structs.replace(scenario, fault=(moved,)), 1), tmp_path / "session"):
        pass
    revoked = [event for event in read_events(tmp_path / "session") if isinstance(event, Revoked)]
    assert [event.reason for event in revoked] == ["position_jump"]
    totals = read_map(tmp_path / "session").fold.totals()
    assert totals.searched_m2 == totals.provisional_m2 == 0.0
    assert totals.out_of_spec_m2["position_jump"] > 1.0
    assert verify(tmp_path / "session").problems == ()
    assert replay(tmp_path / "session").difference is None


def test_one_changed_byte_in_the_file_is_found(session):
    """Every region of the raw log is covered by a checksum."""
    path = session / FILE_NAME
    content = bytearray(path.read_bytes())
    for position in (20, len(content) // 3, len(content) // 2, len(content) - 60):
        damaged = bytearray(content)
        damaged[position] ^= 0x04
        path.write_bytes(damaged)
        assert replay(session).difference is not None, position


def test_one_changed_input_byte_is_found_even_with_every_checksum_right(session):
    """A forger who rewrites the file still changes what the chain anchors, if nothing else."""

    def flip(count, raw):
        if count != 1_500:
            return raw
        first = raw.chunks[0]
        payload = bytes([first.payload[0] ^ 1]) + first.payload[1:]
        return msgspec.structs.replace(raw, chunks=(msgspec.structs.replace(first, payload=payload), *raw.chunks[1:]))

    rewritten(session, flip)
    difference = replay(session).difference
    assert difference is not None
    assert difference.startswith("record ")


def test_a_missing_turn_is_found(session):
    """An input taken away is an input changed."""
    rewritten(session, lambda count, raw: RawInputs(now_ns=raw.now_ns) if count == 700 else raw)
    assert replay(session).difference is not None


def test_a_changed_record_is_found_and_named(session):
    """The ledger against what its inputs make."""
    with closing(sqlite3.connect(session / "ledger.sqlite")) as ledger:
        (record,) = ledger.execute("SELECT record FROM records WHERE seq = 5").fetchone()
        ledger.execute("UPDATE records SET record = ? WHERE seq = 5", (record.replace(b"array", b"arrax"),))
        ledger.commit()
        changed = b"arrax" in ledger.execute("SELECT record FROM records WHERE seq = 5").fetchone()[0]
    difference = replay(session).difference
    assert (difference is not None) is changed
    if changed:
        assert difference.startswith("record 5")


def test_a_record_taken_from_the_end_is_found(session):
    """The inputs make more than the ledger holds."""
    with closing(sqlite3.connect(session / "ledger.sqlite")) as ledger:
        ledger.execute("DELETE FROM records WHERE seq = (SELECT MAX(seq) FROM records)")
        ledger.commit()
    assert "does not hold" in replay(session).difference
