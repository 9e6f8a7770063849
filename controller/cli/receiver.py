"""`firmground receiver`: a u-blox F9P shown, checked and set up, on request and never during a session."""

import errno
import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from controller.cli.output import json_option, print_json
from firmware_bridge.codec.f9p_settings import BAUDS, RATES_HZ, ReceiverPort, Role, settings_for, wire_bytes_per_s
from firmware_bridge.errors import FirmgroundError, PortError, ReceiverError
from firmware_bridge.io.ports import open_serial_port
from firmware_bridge.io.receiver import Receiver
from firmware_bridge.io.receiver_set_up import Report, SettingState, check, set_up, show

# 8 data bits travel as 10; a line that is fuller than this delays every fix, and loses some.
LINE_SHARE_MAX = 0.8
BITS_A_BYTE = 10

_choose_baud = functools.partial(click.option, type=click.Choice([str(baud) for baud in BAUDS]))
_options = (
    click.option("--port", required=True, help="Serial port, /dev/…; no session may be running on it."),
    _choose_baud("--baud", default="115200", show_default=True, help="Speed that the receiver speaks at now."),
    click.option(
        "--receiver-port",
        type=click.Choice([port.value for port in ReceiverPort]),
        help="The receiver's end of the cable.  [default: usb for ttyACM…, else uart1]",
    ),
    json_option,
)
_wishes = (
    click.option(
        "--role", type=click.Choice([role.value for role in Role]), default=Role.ROVER.value, show_default=True
    ),
    click.option(
        "--rate", type=click.Choice([str(rate) for rate in RATES_HZ]), default="5", show_default=True, help="Hz."
    ),
    click.option(
        "--save",
        type=click.Choice(["ram", "flash"]),
        default="ram",
        show_default=True,
        help="flash: outlasts power cuts.",
    ),
)


def _with(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda command: functools.reduce(lambda inner, option: option(inner), reversed(options), command)


@click.group()
def receiver() -> None:
    """A u-blox F9P receiver's settings; exits 1 where something is not as it must be."""


@receiver.command("show")
@_with(*_options)
def show_command(port: str, baud: str, receiver_port: str | None, as_json: bool) -> None:
    """What the receiver is, and how it is set in each of its memories."""
    end = _receiver_port(port, receiver_port)
    settings = settings_for(end, Role.MOVING_BASE_ROVER, RATES_HZ[0], int(baud))
    _run(port, int(baud), as_json, lambda talk: show(talk, settings), is_judged=False)


@receiver.command("check")
@_with(*_options, *_wishes)
def check_command(
    port: str, baud: str, receiver_port: str | None, as_json: bool, role: str, rate: str, save: str
) -> None:
    """Whether all that the controller needs is set and arrives; changes nothing.

    With --save flash, also whether it will be so after a power cut.
    """
    end = _receiver_port(port, receiver_port)
    settings = settings_for(end, Role(role), int(rate), int(baud))
    _run(port, int(baud), as_json, lambda talk: check(talk, end, settings, int(rate), is_saved=save == "flash"))


@receiver.command("set-up")
@_with(*_options, *_wishes)
@_choose_baud("--new-baud", help="Speed that it shall speak at from now on, uart1 only.  [default: as --baud]")
def set_up_command(
    port: str,
    baud: str,
    receiver_port: str | None,
    as_json: bool,
    role: str,
    rate: str,
    save: str,
    new_baud: str | None,
) -> None:
    """Set what differs from what the controller needs, read it back, and see that it arrives."""
    end = _receiver_port(port, receiver_port)
    if new_baud is not None and end is not ReceiverPort.UART1:
        raise click.UsageError("--new-baud is for uart1: a receiver on USB has no speed")
    speed = int(new_baud or baud)
    share = wire_bytes_per_s(int(rate)) * BITS_A_BYTE / speed
    if end is ReceiverPort.UART1 and share > LINE_SHARE_MAX:
        raise click.UsageError(
            f"{rate} Hz would fill {share:.0%} of a line at {speed} baud, at most {LINE_SHARE_MAX:.0%} may be; choose "
            "a lower --rate or a higher --new-baud"
        )
    settings = settings_for(end, Role(role), int(rate), speed)
    _run(port, int(baud), as_json, lambda talk: set_up(talk, end, settings, int(rate), is_saved=save == "flash"))


def _receiver_port(port: str, chosen: str | None) -> ReceiverPort:
    """The receiver's end as chosen, or by the driver: u-blox's own USB is a modem to Linux, adapters are not."""
    if chosen is not None:
        return ReceiverPort(chosen)
    is_usb = os.path.basename(os.path.realpath(port)).startswith("ttyACM")
    return ReceiverPort.USB if is_usb else ReceiverPort.UART1


def _run(port: str, baud: int, as_json: bool, work: Callable[[Receiver], Report], *, is_judged: bool = True) -> None:
    """Open, do the work, say what came of it; exit 1 where that is a problem."""
    try:
        line = open_serial_port(port, baud)
    except PortError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.EAGAIN, errno.EBUSY):
            raise PortError(f"{error}; during a session core holds it: end the session and stop core first") from error
        raise
    try:
        report = work(Receiver(line))
    except (PortError, ReceiverError) as error:
        _fail(error, as_json)
    finally:
        line.close()
    if as_json:
        print_json(_plain(report, is_judged))
    else:
        _print(report, is_judged, Console())
    sys.exit(1 if report.problems else 0)


def _fail(error: FirmgroundError, as_json: bool) -> None:
    if as_json:
        print_json({"receiver": None, "settings": [], "changed": [], "problems": [str(error)]})
    click.echo(f"firmground: {error}", err=True)
    sys.exit(1)


def _plain(report: Report, is_judged: bool) -> dict[str, Any]:
    return {
        "receiver": {
            "module": report.version.extension("MOD"),
            "firmware": report.version.extension("FWVER"),
            "protocol": report.version.extension("PROTVER"),
        },
        "settings": [_row(state, is_judged) for state in report.states],
        "changed": report.changed,
        "messages": report.messages,
        "period_ms": report.period_ms,
        "problems": report.problems,
    }


def _row(state: SettingState, is_judged: bool) -> dict[str, Any]:
    needed = {"needed": state.setting.value, "why": state.setting.why} if is_judged else {}
    return {"name": state.setting.name, "ram": state.ram, "bbr": state.bbr, "flash": state.flash, **needed}


def _print(report: Report, is_judged: bool, console: Console) -> None:
    version = report.version
    named = [text for text in map(version.extension, ("MOD", "FWVER")) if text]
    table = Table(title=", ".join(named) or version.software, title_justify="left")
    for heading in ("setting", *(("needed",) if is_judged else ()), "now", "battery-backed", "flash"):
        table.add_column(heading)
    for state in report.states:
        needed = [str(state.setting.value)] if is_judged else []
        values = ["–" if value is None else str(value) for value in (state.ram, state.bbr, state.flash)]
        mark = " (set)" if state.setting.name in report.changed else ""
        table.add_row(state.setting.name + mark, *needed, *values)
    if report.states:
        console.print(table)
    if report.messages is not None:
        every = "" if report.period_ms is None else f", an epoch every {report.period_ms} ms"
        console.print(f"arriving: {', '.join(report.messages) or 'nothing'}{every}")
    for problem in report.problems:
        console.print(f"problem: {problem}", markup=False)
