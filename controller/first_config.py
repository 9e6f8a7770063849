"""
From what ports said to a first configuration: what was found is written down, what must be measured is left open.

Pure text. Nothing is invented that could earn credit: latencies are left out, error bounds are as wide as they can be.
"""

from collections.abc import Sequence

import msgspec

from firmware_bridge.codec.decoders import make_decoder
from firmware_bridge.codec.instruments import INSTRUMENTS, LineTable, named_format
from firmware_bridge.codec.line import LineDecoder
from firmware_bridge.io.listen import Heard
from firmware_bridge.records import AutopilotHeartbeat, GnssFix, HeadDictionary, Record

COUNTERS_MAX = 4  # of a daisy chain that is looked for
LINES_SHARE_MIN = 0.8  # of a text's lines that a format must read: the first and the last may be cut
TODO = "# FILL IN"


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """
    What stands behind a port, as far as it said.

    system_id  : of an autopilot            dictionary : of a head that answered
    instrument : of lines that a built-in format reads, with its counters; rate_hz of these lines
    is_fixing  : fixes came; has_heading: with a heading of two antennas
    """

    heard: Heard
    name: str
    system_id: int | None = None
    dictionary: HeadDictionary | None = None
    instrument: str | None = None
    counters: int | None = None
    rate_hz: float | None = None
    is_fixing: bool = False
    has_heading: bool = False

    @property
    def label(self) -> str:
        """In a few words."""
        protocol = self.heard.protocol
        if protocol is None:
            return self.heard.trouble or ("nothing arrives" if not self.heard.payload else "noise at every speed")
        told = f"{protocol} at {self.heard.baud} baud"
        if self.dictionary is not None:
            told += f": {self.dictionary.model}, {len(self.dictionary.channels)} channels"
        if self.system_id is not None:
            told += f": system {self.system_id}"
        if self.instrument is not None:
            told += f": {self.instrument}"
        return told

    @property
    def channels(self) -> list[tuple[str, str]]:
        """Names and units of a plain-line instrument's channels."""
        if self.instrument is None:
            return []
        table = LineTable(instrument=self.instrument, counters=self.counters)
        return [(channel.name, channel.unit) for channel in table.channels]


class FirstConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`missing`: what a machine needs and nothing here is; the text then holds that section as a comment."""

    text: str
    missing: tuple[str, ...]


def recognise(heard: Sequence[Heard]) -> list[Device]:
    """What each port's bytes tell, with a name for its link."""
    devices: list[Device] = []
    counts: dict[str, int] = {}
    for one in heard:
        kind = {"mavlink": "autopilot", "line": "mag", None: "port"}.get(one.protocol, one.protocol or "port")
        counts[kind] = counts.get(kind, 0) + 1
        name = kind if counts[kind] == 1 else f"{kind}{counts[kind]}"
        if one.protocol == "line":
            devices.append(_recognise_lines(one, name))
        elif one.protocol is None:
            devices.append(Device(heard=one, name=name))
        else:
            decoder = make_decoder(one.protocol)
            devices.append(_recognise_records(one, name, [*decoder.feed(one.payload), *decoder.finish()]))
    return devices


def _recognise_records(heard: Heard, name: str, records: list[Record]) -> Device:
    fixes = [record for record in records if isinstance(record, GnssFix) and record.latitude_deg is not None]
    return Device(
        heard=heard,
        name=name,
        system_id=next((r.system_id for r in records if isinstance(r, AutopilotHeartbeat)), None),
        dictionary=next((r for r in records if isinstance(r, HeadDictionary)), None),
        is_fixing=bool(fixes),
        has_heading=any(fix.heading_deg is not None for fix in fixes),
    )


def _recognise_lines(heard: Heard, name: str) -> Device:
    """The built-in format that reads the most lines, if it reads nearly all."""
    lines = heard.payload.count(b"\n")
    rate_hz = round(lines / heard.seconds, 1) if heard.seconds else None
    trials = [(i, c) for i in INSTRUMENTS for c in (range(1, COUNTERS_MAX + 1) if i == "g823" else (None,))]
    best = max(trials, key=lambda trial: _frames(heard.payload, *trial))
    if _frames(heard.payload, *best) < LINES_SHARE_MIN * lines:
        return Device(heard=heard, name=name, rate_hz=rate_hz)
    return Device(heard=heard, name=name, instrument=best[0], counters=best[1], rate_hz=rate_hz)


def _frames(payload: bytes, instrument: str, counters: int | None) -> int:
    decoder = LineDecoder(named_format(instrument, counters))
    decoder.feed(payload)
    return decoder.stats.frames - decoder.stats.malformed


def compose(devices: Sequence[Device]) -> FirstConfig:
    """A configuration's text; it parses where nothing is missing."""
    receivers = [d for d in devices if d.heard.protocol == "gnss"]
    receivers.sort(key=lambda device: (not device.has_heading, not device.is_fixing))
    autopilots = [d for d in devices if d.heard.protocol == "mavlink"]
    heads = [d for d in devices if d.heard.protocol == "head" or d.instrument is not None]
    missing = []
    if not receivers:
        missing.append("a GNSS receiver")
    if not heads:
        missing.append("a detector head or instrument")
    parts = [_HEADER, _position(receivers, autopilots)]
    parts += [_link(device) for device in devices if device.heard.protocol is not None]
    parts += [_unknown(device) for device in devices if device.heard.protocol is None]
    parts += [_head(device) for device in heads] or [_NO_HEAD]
    return FirstConfig(text="\n".join(parts), missing=tuple(missing))


_HEADER = f"""\
# Written by `firmground init` from what was plugged in. It is a beginning: nothing is credited until what is marked
# FILL IN is measured. Every key, with its range and how to find it: deploy/controller.toml.
format = 1

[machine]
id = "machine-1"  {TODO}: no two machines share a name
site = "site-1"  {TODO}
profile = "ap-shallow"

[vehicle]
antenna_m = [0.0, 0.0, 2.0]  {TODO}: of the position antenna; x forward, y left, z up from the reference point
slope_deg_max = 10.0  {TODO}: the steepest ground
"""
_NO_HEAD = "# MISSING: no detector was heard. A [[head]] and its [[link]] belong here.\n# [[head]]\n"


def _position(receivers: list[Device], autopilots: list[Device]) -> str:
    if not receivers:
        return '# MISSING: no GNSS receiver was heard. [position] needs its link.\n# [position]\n# link = "gnss"\n'
    first = receivers[0]
    lines = [
        "[position]",
        f'link = "{first.name}"',
        f"relative_error_m = 1.0  {TODO}: twice the noise of the receiver standing still; so wide, nothing is credited",
        f"drift_m_s = 0.1  {TODO}: how fast its error wanders; from an hour of standing still",
    ]
    if first.has_heading:
        lines.append(f'heading_link = "{first.name}"')
    if autopilots:
        lines.append(f'attitude_link = "{autopilots[0].name}"')
    return "\n".join(lines) + "\n"


def _link(device: Device) -> str:
    heard = device.heard
    lines = []
    is_unread = heard.protocol == "line" and device.instrument is None
    if is_unread:
        first = heard.payload.split(b"\n")[1:2] or [heard.payload]
        text = _plain(first[0][:80].decode("ascii", "replace").strip())
        lines.append(f"# Lines that no built-in format reads, such as: {text}")
        lines.append("# Describe them in a [link.line] table: docs/INSTRUMENTS.md.")
    lines += ["[[link]]", f'name = "{device.name}"', f'protocol = "{heard.protocol}"', f"port = {_quoted(heard.port)}"]
    lines.append(f"baud = {heard.baud}")
    if device.system_id is not None:
        lines.append(f"system_id = {device.system_id}")
    if heard.protocol != "head":
        lines.append("# latency_ms, latency_error_ms: from the latency check. Without them nothing is credited.")
    if device.instrument is not None:
        lines += ["[link.line]", f'instrument = "{device.instrument}"']
        lines += [f"counters = {device.counters}"] if device.counters is not None else []
    return "\n".join(f"# {line}" if is_unread and not line.startswith("#") else line for line in lines) + "\n"


def _unknown(device: Device) -> str:
    return f"# {_plain(device.heard.port)}: {_plain(device.label)}\n"


def _head(device: Device) -> str:
    lines = ["[[head]]", f'id = "{device.name}"', f'link = "{device.name}"']
    if device.dictionary is not None:
        found = device.dictionary
        lines[0:0] = [f"# {_plain(found.model)}, firmware {_plain(found.firmware)}, serial {_plain(found.serial)}"]
        lines[1:1] = [
            f"# Channels: {', '.join(_plain(channel.name) for channel in found.channels)}, {found.rate_hz:g} Hz"
        ]
        lines[2:2] = ["# SIMULATED: no ground that it passes is ever real"] if found.is_simulated else []
    lines.append(f"mount_m = [0.0, 0.0, 0.0]  {TODO}: the head's origin in the vehicle's frame")
    lines.append(f"nominal_radius_m = 0.1  {TODO}: drawn for ground that was passed without credit")
    lines.append(f"alarm_floor = 1.0  {TODO}: smallest alarm threshold, in the channels' unit")
    if device.channels:
        lines.append(f"rate_hz = {device.rate_hz}  # as heard; {TODO.lstrip('# ')}: as the maker states it")
        lines.append(f"channels = [  {TODO}: places")
        for name, unit in device.channels:
            lines.append(f'  {{ name = "{name}", unit = "{unit}", position_m = [0.0, 0.0, 0.0] }},')
        lines.append("]")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Text of a device for a comment: a line end in it must not begin a key of the configuration."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _quoted(text: str) -> str:
    """A TOML string."""
    return '"' + _plain(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
