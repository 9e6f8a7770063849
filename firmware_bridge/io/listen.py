"""
Listening to ports: what speaks there, at which speed. Nothing is sent but a head's request for its dictionary.
"""

import glob
import os
import select
from collections.abc import Callable

import msgspec

from firmware_bridge.clock import now_ns
from firmware_bridge.codec.decoders import guess_protocol
from firmware_bridge.codec.head import encode
from firmware_bridge.errors import PortError
from firmware_bridge.io.ports import Port, SerialPort, open_port, open_serial_port
from firmware_bridge.records import DictionaryRequest

BAUDS = (115_200, 38_400, 9_600, 921_600, 460_800, 57_600, 230_400, 19_200, 4_800)  # most usual first
HEAD_BAUDS = (115_200, 921_600, 460_800)
ANSWER_S = 0.4  # a dictionary of 4 kB takes as long at 115,200 baud
BYTES_MAX = 65_536
TEXT_SHARE_MIN = 0.98  # of printable bytes: at a wrong speed about half are


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a port said.

    baud     : the speed at which `payload` made sense; None where it never did, or the port is none that has a speed
    protocol : as `guess_protocol` names it; "line" for text that no protocol claims; None for nothing or noise
    trouble  : why it could not be listened to, in words
    """

    port: str
    baud: int | None = None
    protocol: str | None = None
    payload: bytes = b""
    seconds: float = 0.0
    trouble: str | None = None


def find_ports() -> list[str]:
    """Serial ports by their stable names; those without one as the kernel calls them. Built-in ttyS are left out."""
    named = sorted(glob.glob("/dev/serial/by-id/*"))
    reached = {os.path.realpath(path) for path in named}
    others = sorted(path for kind in ("ACM", "USB", "AMA") for path in glob.glob(f"/dev/tty{kind}*"))
    return named + [path for path in others if path not in reached]


def listen(name: str, seconds: float) -> Heard:
    """Find out the speed and the protocol of a serial port; `seconds` at each speed, at most. Never raises."""
    try:
        port = open_serial_port(name, BAUDS[0])
    except PortError as error:
        return Heard(port=name, trouble=str(error))
    try:
        return _try_speeds(name, port, seconds)
    except PortError as error:
        return Heard(port=name, trouble=str(error))
    finally:
        port.close()


def record_link(name: str, baud: int, seconds: float, ask: bytes = b"") -> Heard:
    """What a configured port says within `seconds`, after `ask` was sent. Never raises; `protocol` stays None."""
    try:
        port = open_port(name, baud)
    except PortError as error:
        return Heard(port=name, trouble=str(error))
    try:
        port.write(ask)
        payload, took_s = _gather(port, seconds, lambda _: False)
    except PortError as error:
        return Heard(port=name, trouble=str(error))
    finally:
        port.close()
    return Heard(port=name, baud=baud, payload=payload, seconds=took_s)


def _try_speeds(name: str, port: SerialPort, seconds: float) -> Heard:
    for baud in BAUDS:
        port.set_baud(baud)
        payload, _ = _gather(port, seconds, lambda heard: guess_protocol(heard) is not None)
        if not payload:  # at a wrong speed there is noise; silence is silence at any
            return _ask_for_dictionary(name, port)
        protocol = guess_protocol(payload)
        if protocol is not None or _is_text(payload):
            # Once more for as long: what comes once a second must be in it.
            ask = encode(DictionaryRequest()) if protocol == "head" else b""
            port.write(ask)
            more, took_s = _gather(port, seconds, lambda _: False)
            return Heard(port=name, baud=baud, protocol=protocol or "line", payload=payload + more, seconds=took_s)
    return Heard(port=name, payload=payload)


def _ask_for_dictionary(name: str, port: SerialPort) -> Heard:
    """A head may wait to be spoken to."""
    for baud in HEAD_BAUDS:
        port.set_baud(baud)
        port.write(encode(DictionaryRequest()))
        payload, took_s = _gather(port, ANSWER_S, lambda heard: guess_protocol(heard) == "head")
        if guess_protocol(payload) == "head":
            return Heard(port=name, baud=baud, protocol="head", payload=payload, seconds=took_s)
    return Heard(port=name)


def _is_text(payload: bytes) -> bool:
    """Whether bytes are lines of ASCII text."""
    printable = sum(32 <= byte < 127 or byte in b"\r\n\t" for byte in payload)
    return b"\n" in payload and printable >= TEXT_SHARE_MIN * len(payload)


def _gather(port: Port, seconds: float, is_enough: Callable[[bytes], bool]) -> tuple[bytes, float]:
    """Bytes until they are enough or time is up, and how long that took; raises `PortError` where the port goes."""
    begun_ns = now_ns()
    poll = select.poll()
    poll.register(port.fileno(), select.POLLIN)
    heard = b""
    while len(heard) < BYTES_MAX:
        left_s = seconds - (now_ns() - begun_ns) / 1e9
        if left_s <= 0.0 or not poll.poll(left_s * 1e3):
            break
        heard += port.read()
        if is_enough(heard):
            break
    return heard, (now_ns() - begun_ns) / 1e9
