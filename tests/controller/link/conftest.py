"""Brokers for the tests of link, real ones, on loopback."""

import shutil
import socket

import pytest

from controller.cli import broker as broker_command
from controller.cli.broker import MOSQUITTO_FOLDERS, start_broker
from controller.cli.process import free_port, stop_all


def has_mosquitto():
    return bool(shutil.which("mosquitto") or shutil.which("mosquitto", path=MOSQUITTO_FOLDERS))


@pytest.fixture(params=["mosquitto", "embedded"])
def broker_port(request, tmp_path, monkeypatch):
    """A running broker's port: MQTT 5 with Mosquitto, 3.1.1 with the embedded one."""
    if request.param == "mosquitto" and not has_mosquitto():
        pytest.skip("Mosquitto is not installed; make setup installs it where it can")
    if request.param == "embedded":
        monkeypatch.setattr(broker_command.shutil, "which", lambda *_, **__: None)
    port = free_port()
    name, process = start_broker(tmp_path, port)
    assert ("Mosquitto" in name) == (request.param == "mosquitto")
    yield port
    stop_all(process)


@pytest.fixture
def silent_port():
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
