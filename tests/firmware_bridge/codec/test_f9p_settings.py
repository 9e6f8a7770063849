"""What a receiver must be set to, against the library's database of keys and what the decoder needs."""

import pytest
from pyubx2 import UBX_CONFIG_DATABASE

from firmware_bridge.codec.f9p_settings import (
    BAUDS,
    FACTORY_BAUD,
    RATES_HZ,
    UART1_BAUD,
    ReceiverPort,
    Role,
    settings_for,
    wire_bytes_per_s,
)
from firmware_bridge.codec.ubx import encode_ubx
from firmware_bridge.codec.ubx_config import ITEMS_MAX, value_bytes
from firmware_bridge.records import FixClass, GnssFix

ALL = [
    (port, role, rate, settings_for(port, role, rate, 115_200))
    for port in ReceiverPort for role in Role for rate in RATES_HZ
]  # fmt: skip


@pytest.mark.parametrize(("port", "role", "rate", "settings"), ALL)
def test_every_key_is_the_one_of_its_name(port, role, rate, settings):
    """As another hand has it; each once, of the right size, and few enough for one message."""
    for setting in settings:
        key, _ = UBX_CONFIG_DATABASE[setting.name.replace("-", "_")]
        assert setting.key == key
        assert setting.value < 256 ** value_bytes(key)
        assert setting.why
    assert len({setting.key for setting in settings}) == len(settings) <= ITEMS_MAX


@pytest.mark.parametrize(("port", "role", "rate", "settings"), ALL)
def test_the_keys_are_those_of_the_port_that_we_talk_through(port, role, rate, settings):
    """Nothing of the other port is touched; UART2 hears the moving base, and nothing else."""
    other = ({"UART1", "USB"} - {port.name}).pop()
    assert not [setting.name for setting in settings if other in setting.name]
    of_uart2 = [setting.name for setting in settings if "UART2" in setting.name]
    assert of_uart2 == (["CFG-UART2INPROT-RTCM3X"] if role is Role.MOVING_BASE_ROVER else [])


@pytest.mark.parametrize("rate", RATES_HZ)
def test_a_rate_is_a_whole_number_of_milliseconds(rate):
    """And is what is set."""
    (period,) = [s.value for s in settings_for(ReceiverPort.USB, Role.ROVER, rate, 9600) if s.name == "CFG-RATE-MEAS"]
    assert period * rate == 1000


def test_the_speed_of_the_line_is_the_last_thing_set():
    """What follows it would be said at another speed; USB has none."""
    settings = settings_for(ReceiverPort.UART1, Role.MOVING_BASE_ROVER, 5, 230_400)
    assert (settings[-1].name, settings[-1].value, settings[-1].group) == (UART1_BAUD, 230_400, "baud")
    names = [setting.name for setting in settings_for(ReceiverPort.USB, Role.ROVER, 5, 230_400)]
    assert UART1_BAUD not in names
    assert FACTORY_BAUD in BAUDS


def test_groups_stand_together():
    """A group is set with one message."""
    groups = [setting.group for setting in settings_for(ReceiverPort.UART1, Role.MOVING_BASE_ROVER, 5, 115_200)]
    changes = [a for a, b in zip(groups, [*groups[1:], ""], strict=True) if a != b]
    assert len(changes) == len(set(groups))


def test_the_load_of_the_line_is_that_of_the_frames():
    """The three messages of an epoch as they are encoded, and a TIM-TP each second."""
    fix = GnssFix(
        utc_ns=None, time_of_day_ns=0, latitude_deg=1.0, longitude_deg=2.0, altitude_m=3.0, fix_class=FixClass.FIXED,
        horizontal_error_95_m=0.02, speed_m_s=0.0, course_deg=0.0, heading_deg=90.0, heading_error_95_deg=0.5,
        correction_age_s=1.0, reference_station=None,
    )  # fmt: skip
    assert wire_bytes_per_s(10) == 10 * len(encode_ubx(fix)) + 16 + 8
