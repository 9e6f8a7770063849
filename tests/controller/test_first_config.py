"""What devices say of themselves never becomes a key of the configuration."""

import tomllib

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from controller.first_config import Device, compose
from firmware_bridge.io.listen import Heard
from sim.head import dictionary_of
from sim.scenario import load_scenario

FOUND = dictionary_of(load_scenario("first-lane"))
KEYS = {"name", "protocol", "port", "baud"}


@given(
    said=st.text(max_size=40) | st.just("x\nlatency_ms = 0.0\nlatency_error_ms = 0.0\n#"), line=st.binary(max_size=60)
)
def test_no_text_of_a_device_becomes_a_key(said, line):
    """Whatever a head calls itself, a port is named or a line holds, the keys are ours and the text is TOML."""
    head = Heard(port=f"/dev/{said}", baud=115_200, protocol="head", payload=b"")
    lines = Heard(port="/dev/lines", baud=9600, protocol="line", payload=b"a\n" + line + b"\n")
    devices = [
        Device(
            heard=head, name="head", dictionary=msgspec.structs.replace(FOUND, model=said, firmware=said, serial=said)
        ),
        Device(heard=lines, name="mag"),
        Device(heard=Heard(port="/dev/none", trouble=said), name="port"),
    ]
    read = tomllib.loads(compose(devices).text)
    assert [set(link) for link in read["link"]] == [KEYS]
