"""
The decoders against the libraries that others read the same bytes with, and the head protocol against its load.

Recordings are read where there are any (FIRMGROUND_DATA), else what the encoders write. Each figure is the best of
`ROUNDS`, the rivals taken in turn, so that a busy machine slows both.
"""

import io
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymavlink import mavutil
from pynmeagps import NMEAReader
from pyubx2 import UBX_PROTOCOL, UBXReader
from rich.console import Console
from rich.table import Table

from firmware_bridge.codec.gnss import GnssDecoder
from firmware_bridge.codec.head import HeadDecoder, encode, encode_samples
from firmware_bridge.codec.mavlink import MavlinkDecoder
from firmware_bridge.codec.nmea import encode_nmea
from firmware_bridge.codec.ubx import encode_ubx
from tests import fuzz_seeds
from tests.firmware_bridge.head_records import dictionary
from tests.fuzz import recordings

ROUNDS = 3
READ_BYTES = 1_024  # what one read of a serial port or socket gives at most
STREAM_BYTES_MAX = 600_000
EPOCHS = 1_000
HEAD_CHANNELS = 16
HEAD_FRAMES = 2_000
HEAD_FRAMES_PER_S = 50  # 100 Hz in frames of two samples
_SENTENCE = re.compile(rb"\$G[A-Z]{4},[\x20-\x7e]{0,90}\*[0-9A-F]{2}\r\n")


def recorded(pattern: str, made: Callable[[], bytes]) -> tuple[bytes, str]:
    """The recordings that a pattern names, one behind the other, or what is made, and the word for it."""
    data = b"".join(path.read_bytes() for path in sorted(recordings().glob(pattern)))
    return (data, "recorded") if data else (made(), "encoder-made")


def best(*works: Callable[[], object]) -> list[float]:
    """The least seconds of each work."""
    times = [[0.0] * len(works) for _ in range(ROUNDS)]
    for row in times:
        for place, work in enumerate(works):
            begun = time.perf_counter()
            work()
            row[place] = time.perf_counter() - begun
    return [min(column) for column in zip(*times, strict=True)]


def fed(make: Callable[[], Any], data: bytes) -> Any:
    """A decoder that has read a stream as it would from a port."""
    decoder = make()
    for start in range(0, len(data), READ_BYTES):
        decoder.feed(data[start : start + READ_BYTES])
    decoder.finish()
    return decoder


def read_nmea(data: bytes) -> int:
    """How many sentences pynmeagps reads."""
    return sum(parsed is not None for _, parsed in NMEAReader(io.BytesIO(data), quitonerror=0))


def read_ubx(data: bytes) -> int:
    """How many messages pyubx2 reads."""
    reader = UBXReader(io.BytesIO(data), protfilter=UBX_PROTOCOL, quitonerror=0)
    return sum(parsed is not None for _, parsed in reader)


def read_mavlink(path: str) -> int:
    """How many good messages `recv_match` returns, as its users write the loop."""
    connection = mavutil.mavlink_connection(path, notimestamps=True, dialect="ardupilotmega")
    count = 0
    while (message := connection.recv_match()) is not None:
        count += message.get_type() != "BAD_DATA"
    connection.close()
    return count


def rows() -> list[tuple[str, str, int, int, float, float]]:
    """Stream, origin, messages that ours and the rival read, seconds of ours and of the rival."""
    nmea, nmea_from = recorded(
        "gnss/gpsd/*.log", lambda: b"".join(encode_nmea(fuzz_seeds.fix(number)) for number in range(EPOCHS))
    )
    nmea = b"".join(_SENTENCE.findall(nmea))[:STREAM_BYTES_MAX]
    ubx, ubx_from = recorded(
        "gnss/f9p_rigid_pole/Hello_RoverA.ubx",
        lambda: b"".join(encode_ubx(fuzz_seeds.fix(number)) for number in range(EPOCHS)),
    )
    ubx = ubx[:STREAM_BYTES_MAX]
    mavlink, mavlink_from = recorded(
        "mavlink/phoenix/*.rlog", lambda: b"".join(fuzz_seeds.mavlink(number) for number in range(EPOCHS))
    )
    found = []
    for name, origin, data, read in (
        ("NMEA / pynmeagps NMEAReader", nmea_from, nmea, read_nmea),
        ("UBX / pyubx2 UBXReader", ubx_from, ubx, read_ubx),
    ):
        ours, rival = best(lambda data=data: fed(GnssDecoder, data), lambda data=data, read=read: read(data))
        found.append((name, origin, fed(GnssDecoder, data).stats.frames, read(data), ours, rival))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stream.raw"
        path.write_bytes(mavlink)

        def read_file() -> Any:
            return fed(lambda: MavlinkDecoder(None), path.read_bytes())

        ours, rival = best(read_file, lambda: read_mavlink(str(path)))
        counts = read_file().stats.frames, read_mavlink(str(path))
        found.append(("MAVLink / pymavlink recv_match", mavlink_from, *counts, ours, rival))
    return found


def head_frames_per_s() -> float:
    """Frames of the head protocol that one decoder reads in a second: two samples of `HEAD_CHANNELS` channels each."""
    coils = dictionary(channels=HEAD_CHANNELS)
    frames = [encode_samples(fuzz_seeds.block(number, HEAD_CHANNELS), coils) for number in range(HEAD_FRAMES)]
    stream = encode(coils) + b"".join(frames)
    assert fed(HeadDecoder, stream).stats.records == HEAD_FRAMES + 1
    (seconds,) = best(lambda: fed(HeadDecoder, stream))
    return HEAD_FRAMES / seconds


def measure(console: Console) -> None:
    """Run all and print one table."""
    table = Table(title="Decoding, against the libraries (larger is better)", title_justify="left")
    for column in ("stream / rival", "bytes", "messages", "rival's", "messages/s", "ratio to the rival"):
        table.add_column(column, justify="left" if column in ("stream / rival", "bytes") else "right")
    for name, origin, count, rival_count, ours, rival in rows():
        table.add_row(name, origin, f"{count}", f"{rival_count}", f"{count / ours:.0f}", f"{rival / ours:.1f}")
    console.print(table)
    rate = head_frames_per_s()
    console.print(
        f"head protocol, {HEAD_CHANNELS} channels at 100 Hz: {rate:.0f} frames/s, "
        f"{rate / HEAD_FRAMES_PER_S:.0f} x the reference load\n"
    )
