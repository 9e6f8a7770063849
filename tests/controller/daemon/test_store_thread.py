"""The record beside the loop: a disk that refuses, a queue that overflows, and what the loop is told of it."""

import resource
import select

import pytest

from controller.core.effects import Effects, Paused
from controller.core.inputs import Chunk, RawInputs
from controller.daemon.store_thread import StoreThread
from controller.store.chain import SessionInfo
from controller.store.ledger import read_records
from controller.store.raw_log import RawLogReader
from controller.store.recorder import Recorder
from controller.store.verify import verify
from firmware_bridge.clock import now_ns
from sim.testing.waiting import eventually

INFO = SessionInfo(
    session="s-1",
    origin="live",
    machine="m",
    site="s",
    software="test",
    config_sha256="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    utc_at_mono_zero_ns=None,
    previous_head=None,
)
NOISE = bytes(hash((number, "noise")) % 256 for number in range(3_000))


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "session"


def thread(directory, **options):
    return StoreThread(Recorder(directory, INFO, "", is_durable=True), **options)


def turn(number, *, is_commit=True):
    """A turn whose bytes do not compress away."""
    payload = bytes((value * (number + 3) + number) % 251 for value in NOISE)
    raw = RawInputs(now_ns=now_ns(), chunks=(Chunk(link="gnss", arrival_ns=1, payload=payload),))
    event = Paused(mono_ns=raw.now_ns, utc_ns=None, person=f"op-{number}", is_paused=True)
    return raw, Effects(events=(event,), is_commit=is_commit)


@pytest.fixture
def full_disk():
    """Files may not grow beyond what the test allows: writing fails as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (before[0] if size is None else size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_was_put_is_durable_and_the_loop_is_told(directory):
    """The descriptor becomes readable; turns and records are counted; the record verifies after the end."""
    store = thread(directory)
    for number in range(5):
        assert store.put(*turn(number)) == number + 1
    while store.take_durable().turns < 5:
        assert select.select([store.fileno()], [], [], 5.0)[0]
    assert store.take_durable() == (5, 10)
    eventually(lambda: store.backlog_ns(now_ns()) == 0)
    store.close()
    assert verify(directory).problems == ()
    assert store.durable.seq == 10


def test_turns_without_a_commit_wait_in_memory_and_are_written_at_the_end(directory):
    """Only each second's end needs the disk."""
    store = thread(directory)
    for number in range(3):
        store.put(*turn(number, is_commit=False))
    eventually(lambda: store.backlog_ns(now_ns()) == 0)
    assert store.take_durable().turns == 0
    store.close()
    assert store.durable.turns == 3
    assert len(list(read_records(directory))) == 4


def test_a_full_disk_is_said_withholds_and_is_made_good_when_there_is_room(directory, full_disk):
    """While it refuses the backlog grows; with room again every turn is there, in order, none twice."""
    store = thread(directory)
    store.put(*turn(0))
    eventually(lambda: store.take_durable().turns == 1)
    full_disk(10_000)
    for number in range(1, 8):
        store.put(*turn(number))
    eventually(lambda: store.trouble is not None)
    assert "cannot be written" in store.trouble
    first = store.backlog_ns(now_ns())
    eventually(lambda: store.backlog_ns(now_ns()) > first > 0)
    full_disk(None)
    eventually(lambda: store.take_durable().turns == 8)
    assert store.trouble is None
    eventually(lambda: store.backlog_ns(now_ns()) == 0)
    store.close()
    assert verify(directory).problems == ()
    assert len(list(RawLogReader(directory).messages())) == 8


def test_an_overflowing_queue_ends_the_record_whole_and_never_blocks(directory, full_disk):
    """What is written is a whole beginning; putting goes on at once; the backlog says that nothing counts."""
    store = thread(directory, queue_turns_max=4)
    full_disk(6_000)
    for number in range(30):
        store.put(*turn(number))
    assert "given up" in store.trouble
    full_disk(None)
    eventually(lambda: store.take_durable().turns >= 4)
    later = now_ns()
    eventually(lambda: store.backlog_ns(now_ns()) > now_ns() - later > 0)
    store.close()
    messages = len(list(RawLogReader(directory).messages()))
    assert 4 <= messages < 30
    assert verify(directory).problems == ()


def test_closing_on_a_disk_that_goes_on_refusing_comes_to_an_end(directory, full_disk):
    """It is said; the process can stop."""
    store = thread(directory)
    full_disk(5_000)
    store.put(*turn(0))
    eventually(lambda: store.trouble is not None)
    store.close()
    assert store.durable.turns == 0
