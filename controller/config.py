"""
One TOML file per machine becomes one frozen `Config` before anything opens.

Every error names the file, the section, the key and what is allowed. `site_of` gives the pure core what it needs of
it, with the named profile filled in.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from controller.core.geometry import Plane
from controller.core.polygons import RingError, area_of
from controller.core.site import (
    Autopilot,
    Head,
    Identifier,
    LinkTiming,
    PositionSource,
    Section,
    Site,
    Task,
    Vehicle,
)
from controller.profile_files import load_profile
from controller.toml_records import decode_toml
from firmware_bridge.autopilot_records import AutopilotMessage
from firmware_bridge.codec import n38
from firmware_bridge.codec.instruments import LineTable
from firmware_bridge.errors import ConfigError


class Machine(Section, frozen=True, kw_only=True):
    """Which machine this is, where it works and to which quality limits."""

    id: Identifier
    site: Identifier
    profile: Identifier


class Link(Section, frozen=True, kw_only=True):
    """
    One port and what speaks on it. `latency_ms` and `latency_error_ms` as `LinkTiming` defines them.

    port      : `/dev/…`, best one of the stable names under `/dev/serial/by-id` or of a udev rule; a pattern with one
                match; `udp://ADDRESS:PORT` to listen on; `tcp://ADDRESS:PORT` to connect to
    baud      : of a serial port
    system_id : the MAVLink system to listen to; others are counted and refused. Without one, nothing is sent there
    line      : the format of a plain-line instrument, or its name where it is built in

    signing_key_file : holds the MAVLink key that frames must be signed with; None: signatures are not looked at. It is
                       read where ports are opened, so that a replay needs none
    signing_link_id  : of the frames that are signed here; None: 1
    """

    name: Identifier
    protocol: Literal["head", "gnss", "mavlink", "line", "n38"]
    port: str | None = None
    baud: Annotated[int, Meta(ge=300, le=4_000_000)] = 115_200
    timebase: Literal["host", "utc"] = "host"
    latency_ms: Annotated[float, Meta(ge=0.0, le=2000.0)] | None = None
    latency_error_ms: Annotated[float, Meta(ge=0.0, le=500.0)] | None = None
    heading_offset_deg: Annotated[float, Meta(ge=-180.0, le=180.0)] = 0.0
    system_id: Annotated[int, Meta(ge=1, le=255)] | None = None
    line: LineTable | None = None
    signing_key_file: str | None = None
    signing_link_id: Annotated[int, Meta(ge=0, le=255)] | None = None


class Storage(Section, frozen=True, kw_only=True):
    """
    Where the running system keeps its records, and where its two processes meet.

    directory : holds `sessions/`, one folder each
    link      : directory of link's own `link.sqlite`; None: `directory`
    socket    : the Unix socket between core and link
    """

    directory: str = "/var/lib/firmground"
    link: str | None = None
    socket: str = "/run/firmground/core.sock"


class Mqtt(Section, frozen=True, kw_only=True):
    """
    The broker that link publishes to.

    has_json : publish a JSON copy of every message under `…/json/` for tools without msgpack
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65_535)] = 1883
    has_json: bool = False


class Console(Section, frozen=True, kw_only=True):
    """Where link serves the console page. Only loopback: nobody is asked who they are there yet."""

    host: Literal["127.0.0.1", "::1", "localhost"] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65_535)] = 8080


class Ntrip(Section, frozen=True, kw_only=True):
    """
    The caster that corrections come from, and the receiver's link that they go to.

    link          : a GNSS link, whose port takes RTCM
    password_file : holds the password and nothing else, so that none stands in a configuration or a record
    has_tls       : without it the password travels readable
    """

    host: str
    mountpoint: str
    link: Identifier
    port: Annotated[int, Meta(ge=1, le=65_535)] = 2101
    username: str | None = None
    password_file: str | None = None
    version: Literal[1, 2] = 2
    has_tls: bool = False


class Config(Section, frozen=True, kw_only=True):
    """A machine's whole configuration."""

    format: Literal[1]
    machine: Machine
    vehicle: Vehicle
    position: PositionSource
    link: Annotated[tuple[Link, ...], Meta(min_length=1, max_length=32)]
    head: Annotated[tuple[Head, ...], Meta(max_length=8)]
    task: Task | None = None
    storage: Storage = Storage()
    mqtt: Mqtt = Mqtt()
    console: Console = Console()
    ntrip: Ntrip | None = None


def read_config(path: Path) -> Config:
    """Read and check a configuration file; raises `ConfigError`."""
    return parse_config(read_config_text(path), str(path))


def read_config_text(path: Path) -> str:
    """A configuration file's text, unchecked; raises `ConfigError`."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def parse_config(text: str, source: str) -> Config:
    """Check a configuration's text; `source` is what error messages call it. Raises `ConfigError`."""
    config = decode_toml(text, Config, source)
    _check_references(config, source)
    return config


def site_of(config: Config, utc_at_mono_zero_ns: int | None = None) -> Site:
    """What the core is told of a configuration; raises `ConfigError` for an unknown profile."""
    timings = tuple(
        LinkTiming(
            name=link.name,
            timebase=link.timebase,
            latency_ms=link.latency_ms,
            latency_error_ms=link.latency_error_ms,
            byte_ns=_byte_ns(link),
        )
        for link in config.link
    )
    return Site(
        machine=config.machine.id,
        site=config.machine.site,
        task=config.task,
        vehicle=config.vehicle,
        position=config.position,
        heads=config.head,
        links=timings,
        profile=load_profile(config.machine.profile),
        autopilots=_autopilots(config),
        utc_at_mono_zero_ns=utc_at_mono_zero_ns,
    )


def _byte_ns(link: Link) -> float:
    """A start bit, eight bits and a stop bit on a serial line; nothing where there is none, as in a recording."""
    is_serial = link.port is not None and not link.port.startswith(("udp://", "tcp://"))
    return 10e9 / link.baud if is_serial else 0.0


def _autopilots(config: Config) -> tuple[Autopilot, ...]:
    """The autopilots that may be spoken to: of a known system, on a link that position or attitude is read from."""
    needed = (
        (AutopilotMessage.ATTITUDE, config.position.attitude_link),
        (AutopilotMessage.EKF_STATUS_REPORT, config.position.attitude_link),
        (AutopilotMessage.GPS_RAW_INT, config.position.link),
    )
    autopilots = []
    for link in config.link:
        messages = tuple(message for message, name in needed if name == link.name)
        if link.protocol == "mavlink" and link.system_id is not None and messages:
            autopilots.append(Autopilot(link=link.name, system_id=link.system_id, messages=messages))
    return tuple(autopilots)


def _check_known_point(config: Config, source: str) -> None:
    task = config.task
    if task is not None and (task.known_point_latitude_deg is None) != (task.known_point_longitude_deg is None):
        raise ConfigError(
            f"{source}: [task] known_point_latitude_deg and known_point_longitude_deg belong together: "
            "write both or neither"
        )


def _check_boundary(config: Config, source: str) -> None:
    task = config.task
    if task is None or task.boundary is None:
        return
    try:
        area_of(Plane(task.origin_latitude_deg, task.origin_longitude_deg, task.origin_altitude_m), task.boundary)
    except RingError as error:
        raise ConfigError(f"{source}: [task] boundary: {error}") from error


def _check_references(config: Config, source: str) -> None:
    """What spans sections: names are unique, links exist and speak what is expected of them."""
    protocols: dict[str, str] = {}
    for link in config.link:
        if link.name in protocols:
            raise ConfigError(f"{source}: [[link]] name: {link.name!r} is used twice; names must differ")
        if (link.protocol == "line") != (link.line is not None):
            raise ConfigError(
                f'{source}: [[link]] {link.name}: a [link.line] table belongs to protocol "line" and to no other'
            )
        protocols[link.name] = link.protocol
    _check_signing(config, source)
    _check_known_point(config, source)
    _check_boundary(config, source)
    wanted: list[tuple[str, str, tuple[str, ...]]] = [
        ("[position] link", config.position.link, ("gnss", "mavlink", "n38"))
    ]
    if config.position.heading_link not in (None, config.position.link):
        raise ConfigError(
            f"{source}: [position] heading_link: heading is read from the fixes of the position link; "
            f"write {config.position.link!r} or leave it out"
        )
    if (config.position.second_link is None) != (config.vehicle.second_antenna_m is None):
        raise ConfigError(
            f"{source}: [position] second_link and [vehicle] second_antenna_m belong together: write both or neither"
        )
    if config.position.second_link is not None:
        wanted.append(("[position] second_link", config.position.second_link, ("gnss",)))
        if config.position.second_link == config.position.link:
            raise ConfigError(f"{source}: [position] second_link: a receiver cannot be checked with itself")
    if config.position.attitude_link is not None:
        wanted.append(("[position] attitude_link", config.position.attitude_link, ("mavlink",)))
    if config.ntrip is not None:
        wanted.append(("[ntrip] link", config.ntrip.link, ("gnss",)))
    wanted += [(f"[[head]] {head.id}: link", head.link, ("head", "line", "n38")) for head in config.head]
    for where, name, allowed in wanted:
        if name not in protocols:
            known = ", ".join(sorted(protocols))
            raise ConfigError(f"{source}: {where}: there is no link {name!r}; configured links are {known}")
        if protocols[name] not in allowed:
            raise ConfigError(
                f"{source}: {where}: link {name!r} speaks {protocols[name]}; needed is {' or '.join(allowed)}"
            )
    _check_heads(config, protocols, source)


def _check_signing(config: Config, source: str) -> None:
    streams: dict[tuple[str, int | None, int], str] = {}
    for link in config.link:
        where = f"{source}: [[link]] {link.name}"
        if link.protocol != "mavlink" and link.signing_key_file is not None:
            raise ConfigError(f'{where}: signing_key_file belongs to protocol "mavlink" and to no other')
        if link.signing_key_file is None:
            if link.signing_link_id is not None:
                raise ConfigError(f"{where}: signing_link_id has no meaning without signing_key_file")
            continue
        stream = link.signing_key_file, link.system_id, signing_link_id(link)
        if stream in streams:
            raise ConfigError(
                f"{where}: signing_link_id {stream[2]} is that of link {streams[stream]!r}, too; choose another, or "
                "the autopilot takes the frames of one for repetitions of the other's"
            )
        streams[stream] = link.name


def signing_link_id(link: Link) -> int:
    """The link id in the signatures of what is sent on a link."""
    return 1 if link.signing_link_id is None else link.signing_link_id


def _check_heads(config: Config, protocols: dict[str, str], source: str) -> None:
    speaking = [head.id for head in config.head if protocols[head.link] == "head"]
    if config.position.pulse_head not in (None, *speaking):
        raise ConfigError(
            f"{source}: [position] pulse_head: pulses come from a head with the head protocol; such heads are "
            f"{', '.join(speaking) or 'not configured'}"
        )
    links = [head.link for head in config.head]
    if len(set(links)) != len(links) or len({head.id for head in config.head}) != len(links):
        raise ConfigError(f"{source}: [[head]]: each head needs an id and a link of its own")
    for head in config.head:
        is_plain = protocols[head.link] != "head"
        if is_plain != bool(head.channels) or is_plain != (head.rate_hz is not None):
            raise ConfigError(
                f"{source}: [[head]] {head.id}: channels and rate_hz belong to heads on plain lines and to no others; "
                "a head with the head protocol states its own"
            )
        if not is_plain and (head.rate_error_ppm is not None or head.device_clock_error_ms is not None):
            raise ConfigError(
                f"{source}: [[head]] {head.id}: rate_error_ppm and device_clock_error_ms belong to heads on plain "
                "lines; a head with the head protocol is asked for its time"
            )
        names = _channel_names(next(link for link in config.link if link.name == head.link))
        if is_plain and names != [channel.name for channel in head.channels]:
            raise ConfigError(
                f"{source}: [[head]] {head.id}: its channels must be those of link {head.link!r}, in the same order: "
                f"{', '.join(names)}"
            )


def _channel_names(link: Link) -> list[str]:
    """The channels that a link gives by itself; none for a head with a dictionary."""
    if link.protocol == "n38":
        return [name for name, _ in n38.CHANNELS]
    return [] if link.line is None else [channel.name for channel in link.line.channels]
