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
USUAL_FROM_S = 12.0  # the vehicle of `first-lane` is then about to meet its first target
LINES: tuple[Link, ...] = ("gnss", "head", "gnss2", "autopilot")
RECEIVERS: tuple[Link, ...] = ("gnss", "gnss2")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """
    One kind of fault.

    what     : what goes wrong, with `size` where it has one, its usual value in brackets
    must     : what the system does about it
    links    : whose it may be, the usual one first
    lasts_s  : how long it usually lasts; None: to the day's end
    withheld : by link, the reasons of which at least one withholds credit `within_s` after it has begun; a link that
               is not there may go on counting
    back_s   : credit is earned again so long after its end; None: not before people have acted
    """

    kind: FaultKind
    what: str
    must: str
    links: tuple[Link, ...]
    lasts_s: float | None = 4.0
    withheld: dict[Link, tuple[str, ...]] = {}
    within_s: float = 2.0
    back_s: float | None = 3.0


class SystemRow(msgspec.Struct, frozen=True, kw_only=True):
    """A fault of the computer or the network, which a simulated day cannot have. `shown_by`: tests of processes."""

    kind: SystemFault
    what: str
    must: str
    within: str
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
    chosen = next((known for known in row.links if known == link), row.links[0])
    until_s = None if row.lasts_s is None else USUAL_FROM_S + row.lasts_s
    return Fault(kind=row.kind, link=chosen, from_s=USUAL_FROM_S, until_s=until_s)


def table() -> str:
    """The catalogue as the Markdown table of `docs/SAFETY.md`."""
    lines = [
        "| fault | what goes wrong | what the system does | withheld, by link | within | counts again after |",
        "|---|---|---|---|---|---|",
    ]
    for row in CATALOGUE:
        withheld = "; ".join(
            f"{link}: {' or '.join(f'`{reason}`' for reason in row.withheld[link])}" if link in row.withheld else link
            for link in row.links
            if link != "gnss2"
        )
        within = f"{row.within_s:g} s" if row.withheld else "–"
        back = "a person's act" if row.back_s is None else f"{row.back_s:g} s" if row.withheld else "–"
        lines.append(f"| `{row.kind}` | {row.what} | {row.must} | {withheld} | {within} | {back} |")
    for system in SYSTEM:
        lines.append(f"| `{system.kind}` | {system.what} | {system.must} | – | {system.within} | – |")
    return "\n".join(lines) + "\n"


def check_faults(faults: tuple[Fault, ...], channels: int, source: str) -> None:
    """What a scenario says of its faults can be; raises `ConfigError` that names the fault."""
    rows = {row.kind: row for row in CATALOGUE}
    for number, fault in enumerate(faults, start=1):
        where, row = f"{source}: [[fault]] {number}, {fault.kind}", rows[fault.kind]
        if fault.link is None and fault.kind in WIRE_FAULTS:
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
    return f"one of {', '.join(row.links)}"


_SERIAL_GAP: dict[Link, tuple[str, ...]] = {"head": ("sample_gap",)}
_NOTHING_COMES: dict[Link, tuple[str, ...]] = {
    "gnss": ("no_fix", "fix_stale"),
    "head": ("head_silent",),
    "autopilot": ("attitude_unknown",),
}
_WIRE = (
    Row(
        kind="flip",
        what="One bit of a payload is flipped, in a share `size` (0.05) of them.",
        must="Counts the frame and drops it; what it would have said is missing.",
        links=LINES,
    ),
    Row(
        kind="drop",
        what="A stretch of a payload is lost, in a share `size` (0.2) of them.",
        must="Finds the next whole frame; samples that are missing leave a gap.",
        links=LINES,
        withheld=_SERIAL_GAP,
    ),
    Row(
        kind="duplicate",
        what="A payload arrives twice, a share `size` (0.2) of them.",
        must="Takes it once and counts the other.",
        links=LINES,
    ),
    Row(
        kind="reorder",
        what="A payload arrives after the next one, a share `size` (0.2) of them.",
        must="Takes nothing back in time; what came too late is missing.",
        links=LINES,
        withheld=_SERIAL_GAP,
    ),
    Row(
        kind="stall",
        what="Nothing arrives, then all of it at once.",
        must="Places what comes late where it was measured, or not at all.",
        links=LINES,
        withheld=_NOTHING_COMES,
    ),
    Row(
        kind="burst",
        what="64 bytes of line noise ahead of a payload, a share `size` (0.2) of them.",
        must="Counts the noise and goes on.",
        links=LINES,
        withheld=_SERIAL_GAP,
    ),
    Row(
        kind="unplug",
        what="The plug is pulled in the middle of a payload, and put back.",
        must="Takes the port again by its name, and goes on.",
        links=LINES,
        withheld=_NOTHING_COMES,
    ),
    Row(
        kind="wrong_baud",
        what="Every byte is another one, as at the wrong speed.",
        must="Counts them; nothing of it passes for a record.",
        links=LINES,
        withheld=_NOTHING_COMES,
    ),
)
_CLOCKS = (
    Row(
        kind="head_clock_step",
        what="The head's clock leaps forward by `size` seconds (2.0).",
        must="Places nothing by it until it is known again. A head whose clock leaps may be another one: it is asked, "
        "its block ends, and a function check begins the next.",
        links=("head",),
        withheld={"head": ("clock_unsynced", "not_checked")},
        back_s=None,
    ),
    Row(
        kind="head_clock_drift",
        what="The head's crystal runs fast by `size` ppm (500).",
        must="States a wider error of its samples' times, and withholds where that is beyond the profile's limit.",
        links=("head",),
        lasts_s=30.0,
    ),
    Row(
        kind="receiver_clock_step",
        what="The receiver's UTC leaps forward by `size` seconds (2.0), and back at its end.",
        must="Places nothing by it until recent arrivals bear its time out again.",
        links=RECEIVERS,
        withheld={"gnss": ("clock_unsynced", "no_fix", "fix_stale")},
        back_s=13.0,
    ),
)
_RECEIVERS = (
    Row(
        kind="receiver_freeze",
        what="The receiver repeats its last position, its time running on.",
        must="Sees within a second or two that the place does not keep up with the stated speed; as a jump.",
        links=RECEIVERS,
        withheld={"gnss": ("position_jump",)},
        within_s=3.0,
        back_s=None,
    ),
    Row(
        kind="corrections_lost",
        what="No corrections: float after 5 s, worse after a minute.",
        must="Withholds from the first fix whose class the profile does not take.",
        links=RECEIVERS,
        lasts_s=10.0,
        withheld={"gnss": ("fix_class", "position_error")},
        within_s=8.0,
        back_s=10.0,
    ),
    Row(
        kind="outage",
        what="No satellites: the receiver speaks and knows no place.",
        must="Stores samples without a place; alarms go on.",
        links=RECEIVERS,
        withheld={"gnss": ("no_fix", "fix_class", "fix_stale")},
    ),
    Row(
        kind="false_fix",
        what="Fixed by its own word, `size` metres (0.3) off.",
        must="Sees the jump; nothing that was credited since the last proof of the position stands.",
        links=RECEIVERS,
        lasts_s=12.0,
        withheld={"gnss": ("position_jump",)},
        back_s=None,
    ),
    Row(
        kind="base_moved",
        what="The base stands `size` metres (0.5) from where it is believed to be; its id is the same.",
        must="Sees the jump; nothing that was credited since the last proof of the position stands.",
        links=RECEIVERS,
        lasts_s=None,
        withheld={"gnss": ("position_jump",)},
        back_s=None,
    ),
    Row(
        kind="base_switched",
        what="Corrections come from another base, `size` metres (0.5) off, with another id.",
        must="Withholds until people have proven the position; withdraws what was credited since the last proof.",
        links=RECEIVERS,
        lasts_s=None,
        withheld={"gnss": ("base_changed", "position_jump")},
        back_s=None,
    ),
)
_VEHICLE = (
    Row(
        kind="ekf_failed",
        what="The autopilot's attitude wanders by degrees, and it says that its estimate is bad.",
        must="Takes no attitude from it meanwhile.",
        links=("autopilot",),
        withheld={"autopilot": ("attitude_unknown",)},
    ),
    Row(
        kind="autopilot_reboot",
        what="The autopilot restarts: silent for 8 s, its clock anew, its streams forgotten.",
        must="Asks for the streams again, and goes on.",
        links=("autopilot",),
        lasts_s=8.0,
        withheld={"autopilot": ("attitude_unknown",)},
        back_s=15.0,
    ),
)
_HEADS = (
    Row(
        kind="head_reset",
        what="The head restarts: silent for 3 s, its clock and its count anew.",
        must="Ends the block; nothing counts before a function check.",
        links=("head",),
        lasts_s=3.0,
        withheld={"head": ("head_silent", "not_checked")},
        back_s=None,
    ),
    Row(
        kind="head_swapped",
        what="Another head of the same make is mounted.",
        must="Asks who it is and ends the block; alarms go on by the configured floor, nothing counts before it is "
        "calibrated.",
        links=("head",),
        lasts_s=3.0,
        withheld={"head": ("head_silent", "not_checked")},
        back_s=None,
    ),
    Row(
        kind="stuck_channel",
        what="Channel `size` (the middle one) repeats its last reading.",
        must="Withholds under it from the first repeated reading on.",
        links=("head",),
        withheld={"head": ("head_fault",)},
        back_s=4.0,
    ),
    Row(
        kind="dead_channel",
        what="Channel `size` (the middle one) hears its own noise alone.",
        must="The next function check fails, and what was credited since the last one is withdrawn.",
        links=("head",),
        lasts_s=None,
    ),
    Row(
        kind="lamp_silent",
        what="The head does not answer that lamp and buzzer are on, and they are not.",
        must="Repeats the command; from the third on nothing counts before a function check has proven the alarm path.",
        links=("head",),
        withheld={"head": ("alarm_path_unproven",)},
        within_s=3.0,
        back_s=None,
    ),
)

CATALOGUE: tuple[Row, ...] = (*_WIRE, *_CLOCKS, *_RECEIVERS, *_VEHICLE, *_HEADS)
SYSTEM: tuple[SystemRow, ...] = (
    SystemRow(
        kind="broker_gone",
        what="The broker is killed and comes back.",
        must="Core does not notice; link says that it is not connected, comes back by itself, and sends every record.",
        within="2 s after its return",
        shown_by=(
            "tests/system/test_running_system.py::test_a_broker_that_comes_late_goes_and_returns_gets_everything",
        ),
    ),
    SystemRow(
        kind="slow_disk",
        what="Writing takes seconds.",
        must="The loop goes on, alarms with it; what the record does not hold after 1 s does not count "
        "(`record_backlog`), until it has caught up.",
        within="1 s",
        shown_by=("tests/system/test_disk.py::test_a_disk_that_takes_seconds_withholds_credit_and_delays_no_alarm",),
    ),
    SystemRow(
        kind="full_disk",
        what="Nothing can be written any more, then there is room again.",
        must="It is said; nothing counts (`record_backlog`); with room every turn is written, in order, none twice.",
        within="1 s",
        shown_by=(
            "tests/system/test_disk.py::test_a_full_disk_is_said_withholds_credit_and_is_made_good",
            "tests/controller/daemon/test_store_thread.py::"
            "test_an_overflowing_queue_ends_the_record_whole_and_never_blocks",
        ),
    ),
    SystemRow(
        kind="process_killed",
        what="Core or link is killed (`kill -9`).",
        must="Of core at most the last second is lost, and what it recorded is whole; the supervisor is told blind. "
        "Core does not notice the end of link, which sends what is missing when it is back. Either is started again.",
        within="1 s",
        shown_by=(
            "tests/system/test_running_system.py::test_killing_link_leaves_core_untouched_and_loses_no_record",
            "tests/system/test_running_system.py::test_killing_core_makes_the_status_blind_within_a_second",
            "tests/system/test_demo.py::test_run_starts_core_and_link_again_when_they_are_killed",
        ),
    ),
)
