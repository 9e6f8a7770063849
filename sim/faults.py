"""
The catalogue of faults: what goes wrong, what the system must do about it, and within what time.

A row's words stand in `docs/SAFETY.md`; its numbers are what the tests hold the system to.
"""

from typing import Literal

import msgspec

from firmware_bridge.errors import ConfigError
from sim.sections import Fault, FaultKind, Link
from sim.wire import SHARES, WIRE_FAULTS

SystemFault = Literal["broker_gone", "slow_disk", "full_disk", "process_killed"]
USUAL_FROM_S = 7.0  # by then the shipped vehicles are well within their first lane
SERIAL: tuple[Link, ...] = ("gnss", "head", "gnss2", "autopilot")
RECEIVERS: tuple[Link, ...] = ("gnss", "gnss2")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """
    One kind of fault.

    what     : what goes wrong, with `size` where it has one
    must     : what the system does about it
    links    : whose it may be, the usual one first; none where that goes without saying
    lasts_s  : how long it usually lasts
    reasons  : one of them withholds credit `within_s` after it has begun; none where credit rightly goes on
    within_s : see `reasons`
    back_s   : credit is earned again so long after its end; None: not before people have acted
    """

    kind: FaultKind
    what: str
    must: str
    links: tuple[Link, ...] = ()
    lasts_s: float = 4.0
    reasons: tuple[str, ...] = ()
    within_s: float = 0.0
    back_s: float | None = None


class SystemRow(msgspec.Struct, frozen=True, kw_only=True):
    """A fault of the computer that a simulated day cannot have. `shown_by`: the tests on running processes."""

    kind: SystemFault
    what: str
    must: str
    within_s: float
    shown_by: tuple[str, ...]


def usual(name: str) -> Fault:
    """
    A kind of fault as it usually is, some seconds within the first lane; `KIND` or `KIND:LINK`.

    Raises `ConfigError` for one that is not in the catalogue, or that a simulated day cannot have.
    """
    kind, _, link = name.partition(":")
    row = next((row for row in CATALOGUE if row.kind == kind), None)
    if row is None:
        if any(row.kind == kind for row in SYSTEM):
            raise ConfigError(f"fault {kind!r} needs running processes; it is shown by the system tests")
        names = ", ".join(row.kind for row in CATALOGUE)
        raise ConfigError(f"there is no fault {kind!r}; there are {names}, each also as KIND:LINK")
    if link and link not in row.links:
        raise ConfigError(f"fault {kind!r}: link {link!r} cannot have it; {_choices(row)}")
    chosen = next((known for known in row.links if known == link), row.links[0] if row.links else None)
    return Fault(kind=row.kind, link=chosen, from_s=USUAL_FROM_S, until_s=USUAL_FROM_S + row.lasts_s)


def check_faults(faults: tuple[Fault, ...], channels: int, source: str) -> None:
    """What a scenario says of its faults can be; raises `ConfigError` that names the fault."""
    rows = {row.kind: row for row in CATALOGUE}
    for number, fault in enumerate(faults, start=1):
        where, row = f"{source}: [[fault]] {number}, {fault.kind}", rows[fault.kind]
        if fault.link is None and fault.kind in (*WIRE_FAULTS, "clock_step"):
            raise ConfigError(f"{where}: say which link; {_choices(row)}")
        if fault.link is not None and fault.link not in row.links:
            raise ConfigError(f"{where}: link {fault.link!r} cannot have it; {_choices(row)}")
        if fault.until_s is not None and fault.until_s <= fault.from_s:
            raise ConfigError(f"{where}: from {fault.from_s} until {fault.until_s} runs backwards")
        if fault.size is None:
            continue
        if fault.kind in SHARES and not 0.0 < fault.size <= 1.0:
            raise ConfigError(f"{where}: size {fault.size} is a share of the payloads, above 0 and at most 1")
        if fault.kind in ("dead_channel", "stuck_channel") and fault.size not in range(1, channels + 1):
            raise ConfigError(f"{where}: size {fault.size:g} of {channels} channels")


def _choices(row: Row) -> str:
    return f"one of {', '.join(row.links)}" if row.links else "it takes none"


# By bytes.
_WIRE = (
    Row(
        kind="flip",
        what="One bit of a payload is flipped, in a share `size` (0.05) of them.",
        must="Count the frame and drop it; what it would have said is missing.",
        links=SERIAL,
    ),
    Row(
        kind="drop",
        what="A stretch of a payload is lost, in a share `size` (0.2) of them.",
        must="Find the next whole frame; samples that are missing leave a gap.",
        links=SERIAL,
    ),
    Row(
        kind="duplicate",
        what="A payload arrives twice, a share `size` (0.2) of them.",
        must="Take it once.",
        links=SERIAL,
    ),
    Row(
        kind="reorder",
        what="A payload arrives after the next one, a share `size` (0.2) of them.",
        must="Take nothing back in time.",
        links=SERIAL,
    ),
    Row(
        kind="stall",
        what="Nothing arrives, then all of it at once.",
        must="Withhold while nothing comes, and place what comes late by when it was measured, or not at all.",
        links=SERIAL,
    ),
    Row(
        kind="burst",
        what="64 bytes of line noise ahead of a payload, a share `size` (0.5) of them.",
        must="Count the noise and go on.",
        links=SERIAL,
    ),
    Row(
        kind="unplug",
        what="The plug is pulled in the middle of a payload, and put back.",
        must="Withhold, take the port again by its name, and go on.",
        links=SERIAL,
    ),
    Row(
        kind="wrong_baud",
        what="Every byte is another one, as at the wrong speed.",
        must="Withhold and count; nothing of it passes for a record.",
        links=SERIAL,
    ),
)
_CLOCKS = (
    Row(
        kind="clock_step",
        what="A device's clock leaps forward by `size` seconds (2.0).",
        must="Withhold until its time is known again.",
        links=("gnss", "head", "gnss2"),
    ),
    Row(
        kind="clock_drift",
        what="The head's crystal runs fast by `size` ppm (500).",
        must="Withhold or state a wider error; place no sample beyond it.",
        links=("head",),
    ),
)
_RECEIVERS = (
    Row(
        kind="receiver_freeze",
        what="The receiver repeats its last position, its time running on.",
        must="See that the position does not move as the vehicle does, or that it jumps when it comes back.",
        links=RECEIVERS,
    ),
    Row(
        kind="corrections_lost",
        what="No corrections: float after 5 s, worse after a minute.",
        must="Withhold from the first fix that is not fixed.",
        links=RECEIVERS,
        lasts_s=20.0,
    ),
    Row(
        kind="outage",
        what="No satellites: the receiver speaks and knows no place.",
        must="Withhold and store samples without a place; alarms go on.",
        links=RECEIVERS,
    ),
    Row(
        kind="false_fix",
        what="Fixed by its own word, `size` metres (0.3) off.",
        must="See the jump; nothing that was credited at the wrong place stands.",
        links=RECEIVERS,
        lasts_s=12.0,
    ),
    Row(
        kind="base_moved",
        what="The base stands `size` metres (0.5) from where it is believed to be; its id is the same.",
        must="See the jump; nothing that was credited at the wrong place stands.",
        links=RECEIVERS,
    ),
    Row(
        kind="base_switched",
        what="Corrections come from another base, `size` metres (0.5) off, with another id.",
        must="Withhold until people have proven the position; withdraw what was credited since the last proof.",
        links=RECEIVERS,
    ),
)
_VEHICLE = (
    Row(
        kind="ekf_failed",
        what="The autopilot's attitude wanders by degrees, and it says that its estimate is bad.",
        must="Withhold.",
        links=("autopilot",),
    ),
    Row(
        kind="autopilot_reboot",
        what="The autopilot restarts: silent, its clock anew, its streams forgotten.",
        must="Withhold, ask for the streams again, and go on.",
        links=("autopilot",),
    ),
)
_HEADS = (
    Row(
        kind="head_reset",
        what="The head restarts: silent for 3 s, its clock and its count anew.",
        must="End the block; nothing counts before a function check.",
        lasts_s=3.0,
    ),
    Row(
        kind="head_swapped",
        what="Another head of the same make is mounted.",
        must="End the block; nothing counts before it is calibrated.",
        lasts_s=3.0,
    ),
    Row(
        kind="stuck_channel",
        what="Channel `size` repeats its last reading.",
        must="Withhold under this channel at once; the closing check fails.",
    ),
    Row(
        kind="dead_channel",
        what="Channel `size` hears its own noise alone.",
        must="Withdraw by the closing check what was credited since the last one.",
    ),
    Row(
        kind="lamp_silent",
        what="The head does not answer that lamp and buzzer are on, and they are not.",
        must="Withhold from the first alarm that is not answered.",
    ),
)

CATALOGUE: tuple[Row, ...] = (*_WIRE, *_CLOCKS, *_RECEIVERS, *_VEHICLE, *_HEADS)
SYSTEM: tuple[SystemRow, ...] = ()
