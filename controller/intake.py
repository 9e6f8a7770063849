"""
Logged inputs to records, and commands back to bytes: where codecs and core meet. Pure: no I/O, no clock.
"""

from collections.abc import Iterator

import msgspec

from controller.config import Config
from controller.core.effects import Command
from controller.core.inputs import Arrival, EndSession, Inputs, RawInputs
from firmware_bridge.codec import head as head_codec
from firmware_bridge.codec.decoders import Decoder, make_decoder
from firmware_bridge.codec.mavlink import CompanionEncoder
from firmware_bridge.records import LinkStats


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes to write to a link."""

    link: str
    payload: bytes


class Intake:
    """One decoder a link; the decoders' buffers are all its state."""

    def __init__(self, config: Config) -> None:
        self._decoders: dict[str, Decoder] = {
            link.name: make_decoder(
                link.protocol,
                line_format=link.line,
                antenna_heading_offset_deg=link.heading_offset_deg,
                system_id=link.system_id,
            )
            for link in config.link
        }

    def decode(self, raw: RawInputs) -> Inputs:
        """Decode one turn's chunks in their order; at a session's end, what the decoders still hold comes along."""
        arrivals = []
        for chunk in raw.chunks:
            for record in self._decoders[chunk.link].feed(chunk.payload):
                arrivals.append(Arrival(link=chunk.link, arrival_ns=chunk.arrival_ns, record=record))
        if any(isinstance(request, EndSession) for request in raw.requests):
            for link, decoder in self._decoders.items():
                for record in decoder.finish():
                    arrivals.append(Arrival(link=link, arrival_ns=raw.now_ns, record=record))
        return Inputs(
            now_ns=raw.now_ns,
            arrivals=tuple(arrivals),
            requests=raw.requests,
            lateness_ns=raw.lateness_ns,
            backlog_ns=raw.backlog_ns,
        )

    def stats(self) -> dict[str, LinkStats]:
        """Every link's counters."""
        return {link: decoder.stats for link, decoder in self._decoders.items()}


class Outgo:
    """Commands to bytes; all its state is one frame counter for each autopilot."""

    def __init__(self, config: Config) -> None:
        self._autopilots = {
            link.name: CompanionEncoder(link.system_id)
            for link in config.link
            if link.protocol == "mavlink" and link.system_id is not None
        }

    def encode_commands(self, commands: tuple[Command, ...]) -> Iterator[Outgoing]:
        """
        Commands to heads and autopilots as bytes, in the order in which they must go out.

        Each is made when it is asked for: lamp and buzzer are on their way before anything after them is composed.
        """
        for command in commands:
            yield Outgoing(link=command.link, payload=self._encode(command))

    def _encode(self, command: Command) -> bytes:
        autopilot = self._autopilots.get(command.link)
        return head_codec.encode(command.record) if autopilot is None else autopilot.encode(command.record)
