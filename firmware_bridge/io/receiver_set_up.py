"""
A receiver's settings compared with what they must be, and made so: read, change what differs, read again.

Whatever is wrong with the receiver becomes a sentence in `Report.problems`; one that does not answer, or whose cable is
pulled, raises.
"""

import itertools
from collections.abc import Iterable

import msgspec

from firmware_bridge.codec.f9p_settings import (
    FIRMWARE_F9P,
    PROTOCOL_F9,
    PROTOCOL_MIN,
    UART1_BAUD,
    ReceiverPort,
    Setting,
)
from firmware_bridge.codec.ubx_config import Layer, ReceiverVersion
from firmware_bridge.io.receiver import Receiver

# NAV-RELPOSNED comes without corrections too, and then says that it knows nothing.
NEEDED_MESSAGES = frozenset({"NAV-PVT", "NAV-HPPOSLLH", "NAV-RELPOSNED"})


class SettingState(msgspec.Struct, frozen=True, kw_only=True):
    """
    One setting as it was found.

    ram, bbr, flash : its value in each layer; None where the layer has none. Without one in RAM the receiver does not
                      know it. After a power cut battery-backed RAM stands above flash.
    """

    setting: Setting
    ram: int | None
    bbr: int | None
    flash: int | None

    def is_good(self, *, is_saved: bool) -> bool:
        """Whether it is in force and, where asked, stays so after a power cut."""
        value = self.setting.value
        if self.ram != value:
            return False
        return not is_saved or (self.flash == value and self.bbr in (None, value))


class Report(msgspec.Struct, kw_only=True):
    """
    What was found, and what was done; `problems` is empty where all is well.

    states    : as they are now, after whatever was set
    changed   : names of settings that were set and read back
    messages  : which message types arrived; None where nobody listened
    period_ms : from one epoch to the next, the longest of the last few; None where none followed
    """

    version: ReceiverVersion
    states: list[SettingState] = []
    changed: list[str] = []
    problems: list[str] = []
    messages: list[str] | None = None
    period_ms: int | None = None


def show(receiver: Receiver, settings: Iterable[Setting]) -> Report:
    """What the receiver is and has, judging nothing."""
    return Report(version=receiver.version(), states=_read(receiver, settings))


def check(
    receiver: Receiver, port: ReceiverPort, settings: Iterable[Setting], rate_hz: int, *, is_saved: bool
) -> Report:
    """Whether everything is set as it must be, and what must arrive does; changes nothing."""
    report = _identify(receiver)
    if not report.problems:
        report.states = _read(receiver, settings)
        _judge(report, is_saved=is_saved)
        _listen(receiver, port, rate_hz, report)
    return report


def set_up(
    receiver: Receiver, port: ReceiverPort, settings: Iterable[Setting], rate_hz: int, *, is_saved: bool
) -> Report:
    """Set what differs and nothing else, then check; nothing is set where the receiver is not one that we know."""
    report = _identify(receiver)
    if report.problems:
        return report
    settings = list(settings)
    found = _read(receiver, settings)
    report.states = found
    unknown = [state.setting.name for state in found if state.ram is None]
    if unknown:
        report.problems.append(f"the receiver does not know {', '.join(unknown)}; nothing was set")
        return report
    differing = [state.setting for state in found if not state.is_good(is_saved=is_saved)]
    refused = _write(receiver, differing, tuple(Layer) if is_saved else (Layer.RAM,))
    report.states = _read(receiver, settings)
    good = {state.setting.name for state in report.states if state.is_good(is_saved=is_saved)}
    report.changed = [setting.name for setting in differing if setting.name in good]
    report.problems += refused
    _judge(report, is_saved=is_saved)
    _listen(receiver, port, rate_hz, report)
    return report


def _identify(receiver: Receiver) -> Report:
    version = receiver.version()
    report = Report(version=version)
    firmware, protocol = version.extension("FWVER"), _protocol(version)
    name = f"{version.extension('MOD') or 'unnamed receiver'}, firmware {firmware or version.software}"
    is_f9p = firmware is not None and firmware.startswith(FIRMWARE_F9P) and protocol is not None
    if not is_f9p or protocol is None or protocol[0] != PROTOCOL_F9:
        report.problems.append(f"this is {name}, and no u-blox F9 with RTK; nothing is set")
    elif protocol < PROTOCOL_MIN:
        report.problems.append(
            f"this is {name}, and too old: protocol {PROTOCOL_MIN[0]}.{PROTOCOL_MIN[1]} is needed, it speaks "
            f"{protocol[0]}.{protocol[1]:02d}; update its firmware with u-blox's u-center; nothing is set"
        )
    return report


def _protocol(version: ReceiverVersion) -> tuple[int, int] | None:
    major, point, minor = (version.extension("PROTVER") or "").partition(".")
    return (int(major), int(minor)) if point and major.isdecimal() and minor.isdecimal() else None


def _read(receiver: Receiver, settings: Iterable[Setting]) -> list[SettingState]:
    settings = list(settings)
    keys = [setting.key for setting in settings]
    ram, bbr, flash = (receiver.read(layer, keys) for layer in Layer)
    return [
        SettingState(setting=setting, ram=ram.get(setting.key), bbr=bbr.get(setting.key), flash=flash.get(setting.key))
        for setting in settings
    ]


def _write(receiver: Receiver, settings: list[Setting], layers: tuple[Layer, ...]) -> list[str]:
    """Set group by group; what was refused, in words. The line's speed only once all the rest is set."""
    problems: list[str] = []
    for group, members in itertools.groupby(settings, key=lambda setting: setting.group):
        chosen = list(members)
        if chosen[0].name == UART1_BAUD:
            continue
        if not receiver.write(layers, {setting.key: setting.value for setting in chosen}):
            # Refused as a whole: one by one shows which it was, and sets the others.
            refused = [one for one in chosen if len(chosen) == 1 or not receiver.write(layers, {one.key: one.value})]
            names = ", ".join(f"{one.name} = {one.value}" for one in refused) or "it, and then took its parts"
            problems.append(f"the receiver refused, of the group {group}: {names}")
    for setting in settings:
        if setting.name == UART1_BAUD and problems:
            problems.append(f"{UART1_BAUD} was left as it is, because of what was refused")
        elif setting.name == UART1_BAUD and not receiver.write_baud(layers, setting.key, setting.value):
            problems.append(
                f"the receiver did not take, of the group {setting.group}: {setting.name} = {setting.value}"
            )
    return problems


def _judge(report: Report, *, is_saved: bool) -> None:
    for state in report.states:
        if not state.is_good(is_saved=is_saved):
            report.problems.append(_difference(state))


def _difference(state: SettingState) -> str:
    name, value = state.setting.name, state.setting.value
    if state.ram is None:
        return f"the receiver does not know {name}"
    if state.ram != value:
        return f"{name} is {state.ram}, and must be {value}: {state.setting.why}"
    if state.bbr not in (None, value):
        return f"{name} is {value} now, but will be {state.bbr} after a restart (battery-backed RAM)"
    stored = "nothing" if state.flash is None else str(state.flash)
    return f"{name} is {value} now, but is not kept: flash has {stored}"


def _listen(receiver: Receiver, port: ReceiverPort, rate_hz: int, report: Report) -> None:
    """Settings can be right for a port that our cable does not lead to: what arrives is the proof."""
    arrived, report.period_ms = receiver.flow(rate_hz, NEEDED_MESSAGES)
    report.messages = sorted(arrived)
    missing = sorted(NEEDED_MESSAGES - arrived)
    if missing:
        report.problems.append(
            f"{', '.join(missing)} did not arrive: if they are set, the cable does not lead to the receiver's "
            f"{port.value}; name the right one with --receiver-port"
        )
    wanted_ms = 1000 // rate_hz
    if report.period_ms is not None and not 0.9 * wanted_ms <= report.period_ms <= 1.1 * wanted_ms:
        report.problems.append(
            f"an epoch comes every {report.period_ms} ms, not every {wanted_ms} ms: the receiver is set otherwise or "
            "cannot keep up; choose a lower --rate"
        )
