"""
The decoders by the names that configurations and captures use, and a guess for bytes that came without a name.

    gnss     NMEA 0183 and UBX, mixed
    mavlink  MAVLink 1 and 2
    head     the detector head protocol
    line     text lines of an instrument, described by a `LineFormat`
    n38      the stream of a Geonics EM38-MK2 logger: readings and NMEA
"""

from typing import Protocol

from firmware_bridge.codec.gnss import GnssDecoder
from firmware_bridge.codec.head import HeadDecoder
from firmware_bridge.codec.line import LineDecoder
from firmware_bridge.codec.line_format import LineFormat
from firmware_bridge.codec.mavlink import MavlinkDecoder
from firmware_bridge.codec.n38 import N38Decoder
from firmware_bridge.records import LinkStats, Record

PROTOCOLS = ("gnss", "mavlink", "head", "line", "n38")

# 64 KiB is 6 s of a full 115,200 baud line: several epochs or status messages of any device at 1 Hz.
GUESS_BYTES = 65_536


class Decoder(Protocol):
    """
    Bytes in, records out.

    The records depend on the bytes alone, never on how they were chunked. No bytes raise: the unusable is counted.
    """

    @property
    def stats(self) -> LinkStats:
        """The link's counters as one snapshot."""

    def feed(self, data: bytes) -> list[Record]:
        """The records that `data` completes."""

    def finish(self) -> list[Record]:
        """The records that were still held back; no more bytes will come."""


def make_decoder(
    protocol: str,
    *,
    system_id: int | None = None,
    antenna_heading_offset_deg: float = 0.0,
    line_format: LineFormat | None = None,
) -> Decoder:
    """
    A fresh decoder for one link.

    system_id                  : "mavlink" only, see `MavlinkDecoder`
    antenna_heading_offset_deg : "gnss" only, see `GnssDecoder`
    line_format                : "line" only, and needed there

    Raises ValueError for a name that is not in `PROTOCOLS`, and for "line" without its format.
    """
    if protocol == "gnss":
        return GnssDecoder(antenna_heading_offset_deg)
    if protocol == "mavlink":
        return MavlinkDecoder(system_id)
    if protocol == "head":
        return HeadDecoder()
    if protocol == "n38":
        return N38Decoder()
    if protocol == "line":
        if line_format is None:
            raise ValueError('protocol "line" needs a line format: which column means what')
        return LineDecoder(line_format)
    raise ValueError(f'protocol "{protocol}" is none of {", ".join(PROTOCOLS)}')


def guess_protocol(data: bytes) -> str | None:
    """
    The protocol with the most good frames in the first `GUESS_BYTES`; None when no decoder finds any.

    "line" is never guessed: any text would do, and what its columns mean must be said by somebody.
    """
    frames = {}
    for protocol in ("gnss", "mavlink", "head", "n38"):
        decoder = make_decoder(protocol)
        decoder.feed(data[:GUESS_BYTES])
        decoder.finish()
        frames[protocol] = decoder.stats.frames
    best = max(frames, key=frames.__getitem__)
    return best if frames[best] > 0 else None
