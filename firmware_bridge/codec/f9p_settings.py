"""
What a u-blox ZED-F9P must be set to so that the controller has what it needs: each key with its value and the reason.

Keys after the interface description UBX-18010854, "Configuration reference". `gnss` says what the messages are for.
"""

import enum

import msgspec

NS_PER_S = 1_000_000_000
# RTK with four constellations: the receiver gives up to 20 Hz with fewer, and says nothing when it cannot keep up.
RATES_HZ = (1, 2, 4, 5, 8, 10, 20)
BAUDS = (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
FACTORY_BAUD = 38_400
# NAV-RELPOSNED in the version that is read here exists since protocol version 27.11 (firmware HPG 1.12).
PROTOCOL_MIN = (27, 11)
PROTOCOL_F9 = 27
FIRMWARE_F9P = "HPG"

_PEDESTRIAN = 3
_RTK_FIXED = 3


class ReceiverPort(enum.Enum):
    """The receiver's end of our cable. UART2, which speaks no UBX from the factory, is not served."""

    UART1 = "uart1"
    USB = "usb"


class Role(enum.Enum):
    """A rover, or the rover of a moving base: the one of two receivers on a vehicle that finds the heading."""

    ROVER = "rover"
    MOVING_BASE_ROVER = "moving-base-rover"


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One key as u-blox names it, what it must be, the group it is set with, and why."""

    name: str
    key: int
    value: int
    group: str
    why: str


# Base keys of CFG-MSGOUT, the one for I2C: UART1 is the next, then UART2 and USB.
_MESSAGES = (
    ("UBX_NAV_PVT", 0x20910006, "time, class, speed and course of every epoch"),
    ("UBX_NAV_HPPOSLLH", 0x20910033, "the position to a tenth of a millimetre, NAV-PVT has 11 mm steps"),
    ("UBX_NAV_RELPOSNED", 0x2091008D, "the base station's number, and the heading with a moving base"),
    ("UBX_TIM_TP", 0x2091017D, "what the next time pulse means"),
)
_MESSAGE_OFFSET = {ReceiverPort.UART1: 1, ReceiverPort.USB: 3}
# CFG-UART1INPROT and CFG-USBINPROT, CFG-UART1OUTPROT and CFG-USBOUTPROT: the base of UBX 1, NMEA 2, RTCM3X 4.
_IN_PROTOCOLS = {ReceiverPort.UART1: 0x10730000, ReceiverPort.USB: 0x10770000}
_OUT_PROTOCOLS = {ReceiverPort.UART1: 0x10740000, ReceiverPort.USB: 0x10780000}
UART1_BAUD = "CFG-UART1-BAUDRATE"


def settings_for(port: ReceiverPort, role: Role, rate_hz: int, baud: int) -> tuple[Setting, ...]:
    """
    All that must be set, in the order in which it is set: the speed of the line is last, since it ends the talk.

    rate_hz : one of `RATES_HZ`
    baud    : what UART1 shall speak at; USB has no speed
    """
    assert rate_hz in RATES_HZ, "a whole number of milliseconds"
    settings = [*_navigation(rate_hz), *_protocols(port)]
    for name, base, why in _MESSAGES:
        key = base + _MESSAGE_OFFSET[port]
        settings.append(Setting(name=f"CFG-MSGOUT-{name}_{port.name}", key=key, value=1, group="messages", why=why))
    if role is Role.MOVING_BASE_ROVER:
        why = "the other antenna's receiver sends its observations through UART2"
        settings.append(Setting(name="CFG-UART2INPROT-RTCM3X", key=0x10750004, value=1, group="moving base", why=why))
    if port is ReceiverPort.UART1:
        why = "as configured on this computer"
        settings.append(Setting(name=UART1_BAUD, key=0x40520001, value=baud, group="baud", why=why))
    return tuple(settings)


def wire_bytes_per_s(rate_hz: int) -> int:
    """What the messages need on the wire, frames included: NAV-PVT, NAV-HPPOSLLH and NAV-RELPOSNED, and one TIM-TP."""
    return rate_hz * (100 + 44 + 72) + 24


def _navigation(rate_hz: int) -> list[Setting]:
    rows = (
        ("CFG-RATE-MEAS", 0x30210001, 1000 // rate_hz, "rate", f"one epoch every {1000 // rate_hz} ms"),
        ("CFG-RATE-NAV", 0x30210002, 1, "rate", "a solution for every measurement"),
        ("CFG-NAVSPG-DYNMODEL", 0x20110021, _PEDESTRIAN, "navigation", "machines search at walking pace"),
        ("CFG-NAVHPG-DGNSSMODE", 0x20140011, _RTK_FIXED, "navigation", "carrier ambiguities are to be fixed"),
        ("CFG-MOT-GNSSSPEED_THRS", 0x20250038, 0, "navigation", "below it the position would be frozen"),
        ("CFG-MOT-GNSSDIST_THRS", 0x3025003B, 0, "navigation", "within it the position would stay frozen"),
        ("CFG-TMODE-MODE", 0x20030001, 0, "navigation", "a base station's receiver does not move"),
        ("CFG-TP-TIMEGRID_TP1", 0x2005000C, 0, "navigation", "the time pulse is UTC's, as is everything here"),
    )
    return [Setting(name=name, key=key, value=value, group=group, why=why) for name, key, value, group, why in rows]


def _protocols(port: ReceiverPort) -> list[Setting]:
    into, out = _IN_PROTOCOLS[port], _OUT_PROTOCOLS[port]
    rows = (
        (f"CFG-{port.name}INPROT-UBX", into + 1, 1, "it must go on listening to what is set here"),
        (f"CFG-{port.name}INPROT-RTCM3X", into + 4, 1, "corrections come through this port"),
        (f"CFG-{port.name}OUTPROT-UBX", out + 1, 1, "the messages below are UBX"),
        (f"CFG-{port.name}OUTPROT-NMEA", out + 2, 0, "the same again with coarser words, and it fills the line"),
    )
    return [Setting(name=name, key=key, value=value, group="protocols", why=why) for name, key, value, why in rows]
