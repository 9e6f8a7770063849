"""
The record is written beside the loop: a bounded queue of turns, and one thread that owns the files.

A disk that refuses is tried again while the queue has room, and the loop is told how far behind the record is, so that
credit is withheld. Where the queue overflows the record ends there, whole; deciding and sounding go on without one.
"""

import contextlib
import logging
import os
import queue
import threading
from typing import NamedTuple

from controller.core.effects import Effects
from controller.core.inputs import RawInputs
from controller.store.recorder import Recorder
from firmware_bridge.errors import StoreError
from firmware_bridge.records import MonoNs

QUEUE_TURNS_MAX = 16_384  # a minute of the reference load: longer than any disk's worst pause, 40 MB at most
RETRY_S = 0.5
CLOSE_S_MAX = 5.0

_log = logging.getLogger(__name__)


class _Turn(NamedTuple):
    number: int
    raw: RawInputs
    effects: Effects


class Durable(NamedTuple):
    """How much is on the disk: turns given so far, and the last record's number."""

    turns: int
    seq: int


class StoreThread:
    """
    Takes turns and makes them durable.

    `fileno` becomes readable whenever more is durable than before; `take_durable` says how much.
    """

    def __init__(self, recorder: Recorder, queue_turns_max: int = QUEUE_TURNS_MAX) -> None:
        self._recorder = recorder
        self._queue: queue.Queue[_Turn | None] = queue.Queue(queue_turns_max)
        self._given = 0
        self._written = 0
        self._oldest_ns: MonoNs | None = None
        self._durable = Durable(0, 0)
        self._is_lost = False
        self._trouble: str | None = None
        self._is_stopping = threading.Event()
        self._told = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    def put(self, raw: RawInputs, effects: Effects) -> int:
        """The next turn; never waits. Its number, to compare with what is durable."""
        self._given += 1
        if not self._is_lost:
            try:
                self._queue.put_nowait(_Turn(self._given, raw, effects))
            except queue.Full:
                self._is_lost = True
                self._trouble = f"the record was given up: {self._queue.maxsize} turns were waiting to be written"
                _log.critical("%s", self._trouble)
        return self._given

    def backlog_ns(self, now_ns: MonoNs) -> int:
        """Age of the oldest turn that is not written yet; 0 where all are."""
        oldest_ns = self._oldest_ns
        return 0 if oldest_ns is None else max(0, now_ns - oldest_ns)

    @property
    def trouble(self) -> str | None:
        """Why records are not being written, in words; None while they are."""
        return self._trouble

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._told

    def take_durable(self) -> Durable:
        """How much is on the disk by now."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._told)
        return self._durable

    @property
    def durable(self) -> Durable:
        """How much is on the disk, the end of the record included once it is closed."""
        return self._durable

    def close(self) -> None:
        """Write what waits and close the files; a disk that goes on refusing is given up after a few seconds."""
        self._is_stopping.set()
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=CLOSE_S_MAX)
        self._thread.join(CLOSE_S_MAX)
        if self._thread.is_alive():
            _log.critical("the record could not be closed: %s", self._trouble)
            return  # the thread still uses the descriptor
        os.close(self._told)

    def _run(self) -> None:
        while True:
            turn = self._queue.get()
            if turn is None:
                break
            self._oldest_ns = turn.raw.now_ns
            self._written = turn.number
            if self._recorder.take(turn.raw, turn.effects):
                self._commit(turn.number)
            if not self._is_lost and self._queue.empty():
                self._oldest_ns = None
        self._close()

    def _commit(self, number: int) -> None:
        while True:
            try:
                self._recorder.commit()
            except StoreError as error:
                self._say_trouble(str(error))
                if self._is_stopping.wait(RETRY_S):
                    return  # `close` has the last word
                continue
            if self._trouble is not None and not self._is_lost:
                _log.warning("the record is being written again")
                self._trouble = None
            self._durable = Durable(number, self._recorder.last_seq)
            os.eventfd_write(self._told, 1)
            return

    def _close(self) -> None:
        try:
            self._recorder.close()
        except StoreError as error:
            self._say_trouble(str(error))
            return
        self._durable = Durable(self._written, self._recorder.last_seq)

    def _say_trouble(self, trouble: str) -> None:
        if trouble != self._trouble:
            _log.error("%s", trouble)
        self._trouble = trouble
