"""
Corrections on their way through core: checked again, handed to the receiver, and watched for where they come from.

A base station that moved, or another one, is still "fixed", smooth and metres wrong: so the station's place in message
1005 or 1006 is an input of the core, logged and replayed like any other.
"""

from collections import deque

from controller.core.inputs import StationSeen
from firmware_bridge.codec.rtcm import RtcmFrame, RtcmFramer, decode_station
from firmware_bridge.records import ReferenceStation

STATION = "corrections"  # who says where the station stands, in place of a person's id code
WAITING_MAX = 64  # frames: two seconds of every constellation; older ones are worth nothing, the oldest is dropped


class CorrectionQueue:
    """Frames that link has brought, until the next turn."""

    def __init__(self) -> None:
        self._waiting: deque[RtcmFrame] = deque(maxlen=WAITING_MAX)
        self._station: ReferenceStation | None = None
        self.refused = 0

    def add(self, payload: bytes) -> None:
        """One frame from link; anything but one whole frame with a good CRC is counted and dropped."""
        framer = RtcmFramer()
        frames = [*framer.feed(payload), *framer.finish()]
        if len(frames) == 1 and frames[0].data == payload:
            self._waiting.append(frames[0])
        else:
            self.refused += 1

    def take(self) -> tuple[list[bytes], tuple[StationSeen, ...]]:
        """Frames for the receiver, and what the core must know: a station that is new or stands elsewhere."""
        payloads, seen = [], []
        while self._waiting:
            frame = self._waiting.popleft()
            payloads.append(frame.data)
            station = decode_station(frame)
            if isinstance(station, ReferenceStation) and station != self._station:
                self._station = station
                seen.append(
                    StationSeen(
                        person=STATION,
                        station_id=station.station_id,
                        is_virtual=station.is_virtual,
                        x_m=station.x_m,
                        y_m=station.y_m,
                        z_m=station.z_m,
                    )
                )
        return payloads, tuple(seen)
