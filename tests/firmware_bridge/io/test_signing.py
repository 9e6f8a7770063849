"""Keys, timestamps on the disk, and one port's frames verified and signed with them."""

import shlex
import subprocess
import threading

import pytest

from firmware_bridge.autopilot_records import CompanionHeartbeat
from firmware_bridge.codec.mavlink import CompanionEncoder
from firmware_bridge.codec.mavlink_stamps import RESERVE
from firmware_bridge.errors import ConfigError
from firmware_bridge.io.signing import Signing, StampFile, read_signing_key
from sim.testing.waiting import eventually
from tests.firmware_bridge.mavlink_peer import KEY, SECOND, STAMP, frames_of, new_peer

UTC_NS = 1_767_225_600_000_000_000  # the instant of STAMP
BEAT = CompanionEncoder(1).encode(CompanionHeartbeat(system_id=1))


@pytest.fixture
def key_file(tmp_path):
    """Writes a key file of a given content and mode."""

    def write(content, mode=0o640):
        path = tmp_path / "key"
        path.write_bytes(content)
        path.chmod(mode)
        return path

    return write


class Clock:
    """A wall clock that is set by hand."""

    def __init__(self):
        self.utc_ns = UTC_NS

    def __call__(self):
        return self.utc_ns


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def restart(tmp_path, clock):
    """A `Signing` as a new process makes it, from what the disk holds."""
    made = []

    def make():
        stamps = StampFile(tmp_path / "data" / "mavlink-stamp-autopilot")
        stamps.read()
        made.append((Signing(KEY, 1, stamps, clock), stamps))
        return made[-1]

    yield make
    for signing, _ in made:
        signing.close()


def settle(stamps):
    """Wait for the thread to finish what it was given."""
    eventually(lambda: not stamps._is_writing)


def sign_first(signing, stamps):
    """The first frame that a new process may send: one is refused, until its reservation is on the disk."""
    assert signing.sign(BEAT, 0) is None
    settle(stamps)
    return signing.sign(BEAT, 0)


def stamp_of(frame):
    return int.from_bytes(frame[-12:-6], "little")


@pytest.mark.parametrize("content", [KEY, KEY.hex().encode(), KEY.hex().upper().encode() + b"\r\n"])
def test_a_key_is_bytes_or_hex_digits(key_file, content):
    """As a program writes it, or a person."""
    assert read_signing_key(key_file(content)) == KEY


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no key"),
        (KEY[:31], "holds no key"),
        (KEY + b"\n", "holds no key"),
        (KEY.hex().encode()[:63], "holds no key"),
        (b"\xff" * 64, "holds no key"),
        (KEY.hex().encode() * 1000, "holds no key"),
        (bytes(32), "nothing is signed"),
        (b"0" * 64, "nothing is signed"),
    ],
)
def test_what_is_no_key_is_refused_without_showing_it(key_file, content, words):
    """The message says what is needed, and nothing of what is there."""
    path = key_file(content)
    with pytest.raises(ConfigError, match=words) as error:
        read_signing_key(path)
    assert str(path) in str(error.value)
    assert KEY.hex()[:8] not in str(error.value)


@pytest.mark.parametrize("mode", [0o644, 0o602, 0o601])
def test_a_key_that_everybody_may_use_is_refused(key_file, mode):
    """With the command that puts it right."""
    path = key_file(KEY, mode)
    with pytest.raises(ConfigError, match="chmod o= ") as error:
        read_signing_key(path)
    subprocess.run(shlex.split(str(error.value).rpartition("with: ")[2]), check=True)
    assert read_signing_key(path) == KEY


def test_a_key_that_is_not_there_is_said_with_its_path(tmp_path):
    """As every file that cannot be read."""
    with pytest.raises(ConfigError, match=r"missing: cannot be read: No such file"):
        read_signing_key(tmp_path / "missing")


def test_what_is_signed_here_the_library_accepts(restart):
    """From the second frame on: the first waits for nothing and is not sent without a reservation."""
    signing, stamps = restart()
    frame = sign_first(signing, stamps)
    assert new_peer(KEY).parse_buffer(frame)[0].get_type() == "HEARTBEAT"
    assert stamp_of(frame) == STAMP
    assert stamps.kept == STAMP + RESERVE


def test_only_verified_frames_come_out(restart):
    """In one piece, and counted."""
    signing, _ = restart()
    good, other = frames_of(new_peer(KEY), 3), frames_of(new_peer(), 2)
    assert signing.verify(b"".join(good[:2] + other + good[2:]), 0) == b"".join(good)
    assert (signing.status.gate.verified, signing.status.gate.unsigned, signing.status.trouble) == (3, 2, None)


def test_after_a_crash_timestamps_go_on_beyond_the_last(restart, clock):
    """Even where the computer woke up in 1970."""
    signing, stamps = restart()
    before = stamp_of(sign_first(signing, stamps))
    clock.utc_ns = 0
    assert stamp_of(sign_first(*restart())) > before + RESERVE


def test_after_an_end_in_order_timestamps_go_on_from_the_very_last(restart, clock):
    """No reservation is left over."""
    signing, stamps = restart()
    before = stamp_of(sign_first(signing, stamps))
    signing.close()
    clock.utc_ns = 0
    assert stamp_of(sign_first(*restart())) == before + 1


def test_a_recording_is_refused_after_a_restart_without_a_clock(restart, clock):
    """The disk says how late it was; the autopilot's next frame passes."""
    signing, _ = restart()
    peer = new_peer(KEY)
    recorded = b"".join(frames_of(peer, 5))
    peer.signing.timestamp += 61 * SECOND
    assert signing.verify(recorded + frames_of(peer, 1)[0], 0)
    signing.close()
    clock.utc_ns = 0
    signing, _ = restart()
    assert signing.verify(recorded, 0) == b""
    assert signing.status.gate.old_timestamp == 5
    (later,) = frames_of(peer, 1)
    assert signing.verify(later, 0) == later


def test_a_disk_that_refuses_is_said_and_nothing_more_is_signed(restart, tmp_path):
    """Until it takes the reservation; what arrives is verified all along."""
    signing, stamps = restart()
    (tmp_path / "data").write_text("in the way")
    assert signing.sign(BEAT, 0) is None
    settle(stamps)
    assert signing.sign(BEAT, 0) is None
    assert "cannot be written, so nothing more may be signed" in signing.status.trouble
    (frame,) = frames_of(new_peer(KEY), 1)
    assert signing.verify(frame, 0) == frame
    settle(stamps)
    (tmp_path / "data").unlink()
    assert signing.sign(BEAT, 0) is None
    settle(stamps)
    assert signing.sign(BEAT, 0) is not None
    assert signing.status.trouble is None


def test_a_disk_that_hangs_holds_nobody_up(restart):
    """The loop's thread hands over one value and goes on; the next one waits until that is written."""
    signing, stamps = restart()
    assert sign_first(signing, stamps) is not None
    is_hanging, may_go_on = threading.Event(), threading.Event()
    write, written = stamps.write, []

    def hang(stamp):
        is_hanging.set()
        assert may_go_on.wait(10.0)
        written.append(stamp)
        write(stamp)

    stamps.write = hang
    signing._clock.hear(STAMP + 10 * RESERVE, 0, UTC_NS)
    for _ in range(5):
        assert signing.sign(BEAT, 0) is None
    assert is_hanging.wait(10.0)
    may_go_on.set()
    stamps.write = write
    settle(stamps)
    assert len(written) == 1
    assert stamp_of(signing.sign(BEAT, 0)) == STAMP + 10 * RESERVE + 1


@pytest.mark.parametrize("content", ["", "soon", "-1", str(2**48), "\xff"])
def test_a_file_that_is_no_timestamp_is_said_and_replaced(restart, tmp_path, content):
    """The alarms must not wait for a person who repairs it: the computer's clock has to do."""
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "mavlink-stamp-autopilot"
    path.write_text(content, encoding="latin-1")
    signing, stamps = restart()
    assert f"{path}: is not a timestamp" in signing.status.trouble
    assert stamp_of(sign_first(signing, stamps)) == STAMP
    assert signing.status.trouble is None
    assert int(path.read_text()) == STAMP + RESERVE


def test_the_file_is_whole_whenever_the_power_goes(restart, tmp_path, monkeypatch):
    """It is replaced, never written over: a crash before that leaves the old one."""
    signing, stamps = restart()
    sign_first(signing, stamps)
    held = (tmp_path / "data" / "mavlink-stamp-autopilot").read_text()

    def cut(*_):
        raise OSError(5, "power cut")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", cut)
        stamps.write(STAMP + 10 * RESERVE)
    assert (tmp_path / "data" / "mavlink-stamp-autopilot").read_text() == held
    assert stamps.kept == int(held)
