"""
RTCM 3: whole frames out of a byte stream, and where the reference station says it stands.

Framing after RTCM 10403.3, section 4 ("Transport Layer"): d3, six zero bits, ten bits of length, payload, CRC-24Q over
all before it. The message number is the payload's first 12 bits (DF002). After a false preamble one byte is skipped,
because a real frame may begin inside what the header claimed; the result does not depend on how bytes were chunked.

Messages 1005 and 1006 (section 3.5.5, "Stationary RTK Reference Station ARP") are read through the library, lengths
checked first. A base that was moved, or a stream that was switched, is still "fixed" on the rover and metres wrong:
these two messages are how it shows.
"""

import math
from typing import Any

import msgspec
from pyrtcm import RTCMMessageError, RTCMParseError, RTCMReader, RTCMTypeError

from firmware_bridge.codec.fix_part import Refusal
from firmware_bridge.codec.gnss_frames import RTCM_OVERHEAD, crc24q
from firmware_bridge.records import ReferenceStation

PREAMBLE = b"\xd3"
HEADER_BYTES = 3
FRAME_BYTES_MAX = 0x3FF + RTCM_OVERHEAD  # ten bits of length

STATION_PAYLOAD_BYTES = {1005: 19, 1006: 21}  # 152 and 168 bits

# WGS 84 (NIMA TR8350.2, table 3.1): semi-major axis and flattening.
_AXIS_M = 6_378_137.0
_FLATTENING = 1.0 / 298.257223563
_ECCENTRICITY_2 = _FLATTENING * (2.0 - _FLATTENING)
# The ground lies between 6,345 km (an ocean floor at a pole) and 6,388 km (a mountain at the equator) from the centre.
# A base that has not surveyed itself in yet sends zeros.
_FROM_CENTRE_M = 6.3e6, 6.5e6


class RtcmFrame(msgspec.Struct, frozen=True, kw_only=True):
    """One whole frame with a good CRC; `data` is all of it, preamble and CRC included."""

    number: int
    data: bytes


class RtcmCounts(msgspec.Struct, frozen=True, kw_only=True):
    """
    Counters since the start.

    bad_crc       : whole frames, by their header, whose CRC failed
    fillers       : good frames too short for a message number, which some encoders send to keep a line busy
    bytes_skipped : bytes of no frame
    """

    bytes: int
    frames: int
    bad_crc: int
    fillers: int
    bytes_skipped: int


class RtcmFramer:
    """Feed it chunks of any size; it returns the frames that they completed and holds back less than one frame."""

    def __init__(self) -> None:
        self._pending = b""
        self._bytes = 0
        self._frames = 0
        self._bad_crc = 0
        self._fillers = 0
        self._bytes_skipped = 0

    @property
    def counts(self) -> RtcmCounts:
        """The counters as one snapshot."""
        return RtcmCounts(
            bytes=self._bytes,
            frames=self._frames,
            bad_crc=self._bad_crc,
            fillers=self._fillers,
            bytes_skipped=self._bytes_skipped,
        )

    def feed(self, data: bytes) -> list[RtcmFrame]:
        """The frames that `data` completes."""
        self._bytes += len(data)
        return self._split(self._pending + data, is_last=False)

    def finish(self) -> list[RtcmFrame]:
        """The frames inside what was held back: no more bytes will come, so what is unfinished was a false preamble."""
        return self._split(self._pending, is_last=True)

    def _split(self, buffer: bytes, *, is_last: bool) -> list[RtcmFrame]:
        frames: list[RtcmFrame] = []
        position = 0
        while (start := buffer.find(PREAMBLE, position)) >= 0:
            self._bytes_skipped += start - position
            position = start
            end = _frame_end(buffer, start)
            if end is None and not is_last:
                break
            if end is None or not self._has_good_crc(buffer[start:end]):
                self._bytes_skipped += 1
                position += 1
                continue
            self._take(buffer[start:end], frames)
            position = end
        else:
            self._bytes_skipped += len(buffer) - position
            position = len(buffer)
        self._pending = buffer[position:]
        return frames

    def _has_good_crc(self, data: bytes) -> bool:
        if not data:  # the header was false already
            return False
        is_good = crc24q(data[:-3]) == int.from_bytes(data[-3:], "big")
        self._bad_crc += not is_good
        return is_good

    def _take(self, data: bytes, frames: list[RtcmFrame]) -> None:
        if len(data) < RTCM_OVERHEAD + 2:
            self._fillers += 1
            return
        self._frames += 1
        number = int.from_bytes(data[HEADER_BYTES : HEADER_BYTES + 2], "big") >> 4
        frames.append(RtcmFrame(number=number, data=data))


def _frame_end(buffer: bytes, start: int) -> int | None:
    """Where the frame at `start` ends; `start` itself for a false header, None when more bytes must decide."""
    available = len(buffer) - start
    if available >= 2 and buffer[start + 1] & 0xFC:
        return start
    if available < HEADER_BYTES:
        return None
    length = int.from_bytes(buffer[start + 1 : start + HEADER_BYTES], "big") + RTCM_OVERHEAD
    return None if available < length else start + length


def decode_station(frame: RtcmFrame) -> ReferenceStation | Refusal:
    """Where the station of a 1005 or 1006 stands; other messages are unknown."""
    if frame.number not in STATION_PAYLOAD_BYTES:
        return Refusal.UNKNOWN
    if len(frame.data) - RTCM_OVERHEAD != STATION_PAYLOAD_BYTES[frame.number]:
        return Refusal.MALFORMED
    try:
        message: Any = RTCMReader.parse(frame.data)
    except (RTCMParseError, RTCMMessageError, RTCMTypeError):
        return Refusal.MALFORMED
    # The wire's step is 0.1 mm; the library's product with it leaves a few units of the float's last place.
    x_m, y_m, z_m = (round(value, 4) for value in (message.DF025, message.DF026, message.DF027))
    if not _FROM_CENTRE_M[0] <= math.hypot(x_m, y_m, z_m) <= _FROM_CENTRE_M[1]:
        return Refusal.MALFORMED
    latitude_deg, longitude_deg, height_m = geodetic(x_m, y_m, z_m)
    return ReferenceStation(
        station_id=message.DF003,
        is_virtual=bool(message.DF141),
        x_m=x_m,
        y_m=y_m,
        z_m=z_m,
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
        ellipsoidal_height_m=height_m,
        antenna_height_m=round(message.DF028, 4) if frame.number == 1006 else None,
    )


def geodetic(x_m: float, y_m: float, z_m: float) -> tuple[float, float, float]:
    """
    Latitude and longitude in degrees and height above the WGS 84 ellipsoid in metres, of a point near the ground.

    A fixed-point iteration that gains a factor of at least 140 a step near the ground: six steps are beyond a float's
    resolution from any start. The height's formula holds at the poles too.
    """
    from_axis_m = math.hypot(x_m, y_m)
    latitude = math.atan2(z_m, from_axis_m * (1.0 - _ECCENTRICITY_2))
    for _ in range(6):
        normal_m = _AXIS_M / math.sqrt(1.0 - _ECCENTRICITY_2 * math.sin(latitude) ** 2)
        latitude = math.atan2(z_m + _ECCENTRICITY_2 * normal_m * math.sin(latitude), from_axis_m)
    curvature = math.sqrt(1.0 - _ECCENTRICITY_2 * math.sin(latitude) ** 2)
    height_m = from_axis_m * math.cos(latitude) + z_m * math.sin(latitude) - _AXIS_M * curvature
    return math.degrees(latitude), math.degrees(math.atan2(y_m, x_m)), height_m
