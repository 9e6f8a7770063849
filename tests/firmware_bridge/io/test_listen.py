"""Listening to ports: what goes away while it is listened to is said, and never raised."""

import threading

import pytest

from firmware_bridge.io.listen import listen, record_link
from sim.pty import SerialDevice
from sim.testing.waiting import eventually


@pytest.mark.parametrize(
    "hear", [lambda name: listen(name, 0.1), lambda name: record_link(name, 115_200, 10.0, ask=b"who?")]
)
def test_a_device_that_is_unplugged_while_it_is_heard_is_told_apart_from_silence(hear, tmp_path):
    """Both have asked it something, and wait for the answer when it goes."""
    device, heard = SerialDevice(tmp_path / "device"), []
    listener = threading.Thread(target=lambda: heard.append(hear(str(tmp_path / "device"))))
    listener.start()
    eventually(device.receive)
    device.unplug()
    listener.join(5.0)
    (found,) = heard
    assert "has gone" in found.trouble
    assert found.protocol is None
