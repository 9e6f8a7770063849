"""
Signed MAVLink at one port: what arrives is verified before anything else sees it, what leaves is signed last.

So neither the record nor a replay of it knows a key. The last timestamp is kept on the disk, ahead of its use and by a
thread of its own: a disk that waits must not hold up the loop. What is not covered by a reservation is not sent.
"""

import contextlib
import os
import queue
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from firmware_bridge.codec.mavlink_signing import KEY_BYTES, STAMP_MAX, GateStats, SigningGate, sign
from firmware_bridge.codec.mavlink_stamps import StampClock
from firmware_bridge.errors import ConfigError
from firmware_bridge.records import MonoNs, UtcNs

CLOSE_S_MAX = 2.0
KEY_FILE_BYTES_MAX = 2 * KEY_BYTES + 8  # hex digits and a line's end


class SigningStatus(msgspec.Struct, frozen=True, kw_only=True):
    """
    The signatures of one port.

    trouble : why nothing can be signed, in words; None while it can
    """

    gate: GateStats
    trouble: str | None


def read_signing_key(path: Path) -> bytes:
    """
    The 32 bytes of a key file, as they are or as 64 hex digits.

    Raises `ConfigError` where it cannot be read, everybody may read it, or it holds no key; no message shows what is
    in it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(KEY_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if mode & stat.S_IRWXO:
        raise ConfigError(f"{path}: everybody on this computer may use this key; take that away with: chmod o= {path}")
    key = content
    if len(content) != KEY_BYTES:
        with contextlib.suppress(ValueError):
            key = bytes.fromhex(content.decode("ascii", errors="replace").strip())
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{path}: holds no key; needed are {KEY_BYTES} bytes, or {2 * KEY_BYTES} hex digits")
    if not any(key):
        raise ConfigError(f"{path}: a key of zeros means to MAVLink that nothing is signed; make one of random bytes")
    return key


class StampFile:
    """
    The last reserved timestamp of one link, on the disk.

    Writing is done by a thread, one value at a time; `kept` is what the disk holds for certain.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_writing = False
        self.kept = 0
        self.trouble: str | None = None

    def read(self) -> None:
        """Find what the disk holds: 0 without a file, and with `trouble` said, where it cannot be read."""
        try:
            text = self._path.read_text(encoding="ascii")
            self.kept = int(text)
            if not 0 <= self.kept <= STAMP_MAX:
                raise ValueError(text)
        except FileNotFoundError:
            self.kept = 0
        except (OSError, ValueError) as error:
            self.kept = 0
            self.trouble = f"{self._path}: is not a timestamp; signing goes by the computer's clock alone: {error}"

    def write(self, stamp: int) -> None:
        """Make it durable now, whole or not at all; `trouble` says where that failed."""
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("w", encoding="ascii") as file:
                file.write(f"{stamp}\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            self.trouble = f"{self._path}: cannot be written, so nothing more may be signed: {error.strerror}"
            return
        self.kept = stamp
        self.trouble = None

    def write_soon(self, stamp: int) -> None:
        """Hand it to the thread, unless that is still writing; never waits."""
        if self._is_writing:
            return
        self._is_writing = True
        if self._thread is None:
            # Started by the loop, it inherits its priority: descheduled, it would keep the interpreter from the loop.
            self._thread = threading.Thread(target=self._run, name="stamp", daemon=True)
            self._thread.start()
        self._queue.put(stamp)

    def close(self, stamp: int) -> None:
        """Write the very last timestamp in place of a reservation; a disk that hangs is given up."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(CLOSE_S_MAX)
            if self._thread.is_alive():
                return  # the reservation stands
            self._thread = None
        self.write(stamp)

    def _run(self) -> None:
        while (stamp := self._queue.get()) is not None:
            self.write(stamp)
            self._is_writing = False


class Signing:
    """
    Verifies what one port receives and signs what it sends.

    link_id : of our own stream, 0 to 255: no two links to one autopilot may share it
    stamps  : read already
    """

    def __init__(self, key: bytes, link_id: int, stamps: StampFile, utc_now_ns: Callable[[], UtcNs]) -> None:
        self._key = key
        self._link_id = link_id
        self._stamps = stamps
        self._utc_now_ns = utc_now_ns
        self._clock = StampClock(stamps.kept)
        self._gate = SigningGate(key)

    def verify(self, payload: bytes, now_ns: MonoNs) -> bytes:
        """The verified frames that these bytes complete, byte for byte; all else is counted and gone."""
        utc_ns = self._utc_now_ns()
        frames = self._gate.feed(payload, self._clock.current(now_ns, utc_ns))
        if frames:
            self._clock.hear(self._gate.newest, now_ns, utc_ns)
        return b"".join(frames)

    def sign(self, frame: bytes, now_ns: MonoNs) -> bytes | None:
        """One frame with its signature; None where the disk does not hold a reservation for its timestamp."""
        utc_ns = self._utc_now_ns()
        self._clock.reserve(self._stamps.kept)
        wanted = self._clock.wanted(now_ns, utc_ns)
        if wanted is not None:
            self._stamps.write_soon(wanted)
        stamp = self._clock.take(now_ns, utc_ns)
        return None if stamp is None else sign(frame, self._key, self._link_id, stamp)

    def close(self) -> None:
        """Keep the last timestamp."""
        self._stamps.close(self._clock.last)

    @property
    def status(self) -> SigningStatus:
        """Counters and trouble as one snapshot."""
        return SigningStatus(gate=self._gate.stats, trouble=self._stamps.trouble)
