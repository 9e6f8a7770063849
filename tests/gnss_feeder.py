"""
A receiver's log written to standard output at the speed at which the receiver sent it; socat puts it on a pty.

Paced by the epochs in the log: whatever stands from one epoch's first message to the next one's is sent at once when
that epoch is due. It then waits, silent, until its other end is closed.
"""

import select
import sys
from pathlib import Path

from firmware_bridge.clock import now_ns
from firmware_bridge.codec.fix_part import DAY_NS, GPS_UTC_LEAP_S, NS_PER_MS, NS_PER_S, FixPart
from firmware_bridge.codec.gnss_frames import FrameKind, GnssFrame, GnssFramer
from firmware_bridge.codec.nmea import decode_nmea
from firmware_bridge.codec.ubx import decode_ubx

STEP_NS = 10 * NS_PER_MS  # messages of one epoch print its time with two digits or more


def by_epoch(log: bytes) -> list[tuple[int, bytes]]:
    """The log in pieces, every byte once: (nanoseconds since the first epoch, bytes)."""
    framer = GnssFramer()
    begun, times = [0], []
    at = 0
    for frame in framer.feed(log) + framer.finish():
        at = log.index(frame.data, at)
        time_ns = epoch_of(frame)
        if time_ns is not None and (not times or time_ns != times[-1]):
            if times:
                begun.append(at)
            times.append(time_ns)
        at += len(frame.data)
    ends = [*begun[1:], len(log)]
    return [
        ((time_ns - times[0]) % DAY_NS, log[begin:end]) for time_ns, begin, end in zip(times, begun, ends, strict=True)
    ]


def epoch_of(frame: GnssFrame) -> int | None:
    """The UTC time of day that a message carries, in steps; None where it carries none."""
    if frame.kind is FrameKind.RTCM3:
        return None
    part = decode_nmea(frame.data) if frame.kind is FrameKind.NMEA else decode_ubx(frame.data)
    if not isinstance(part, FixPart):
        return None
    time_ns = part.time_of_day_ns
    if time_ns is None and part.itow_ms is not None:
        time_ns = (part.itow_ms * NS_PER_MS - GPS_UTC_LEAP_S * NS_PER_S) % DAY_NS
    return None if time_ns is None else round(time_ns / STEP_NS) * STEP_NS % DAY_NS


def main(path: str) -> None:
    """Feed a log; ends early when nobody is there any more."""
    begun_ns = now_ns()
    for due_ns, piece in by_epoch(Path(path).read_bytes()):
        while (left_ns := begun_ns + due_ns - now_ns()) > 0:
            if select.select([sys.stdin.buffer], [], [], left_ns / 1e9)[0] and not sys.stdin.buffer.read1(4_096):
                return
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    while sys.stdin.buffer.read1(4_096):
        pass


if __name__ == "__main__":
    main(sys.argv[1])
