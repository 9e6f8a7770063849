"""`firmground init` and `firmground doctor` on real ttys: what is plugged in is found, and what is wrong is named."""

import json
import socket
import threading

import pytest

from controller.config import read_config
from firmware_bridge.codec.instruments import encode_g823
from firmware_bridge.codec.mavlink import MavlinkEncoder
from firmware_bridge.io.ports import open_port
from firmware_bridge.records import AutopilotHeartbeat
from sim.pty import SerialDevice
from tests.command import run_firmground

HEARTBEAT = AutopilotHeartbeat(system_id=3, vehicle_type=10, autopilot=3, base_mode=0, system_status=4)


@pytest.fixture
def machine(firmground_machine):
    machine = firmground_machine()
    machine.data.mkdir()
    return machine


@pytest.fixture
def speak(tmp_path):
    """Plug in a device that says the same again and again."""
    devices, is_over = [], threading.Event()

    def plug(name, payload, every_s=0.1):
        device = SerialDevice(tmp_path / name)

        def say():
            while not is_over.wait(every_s):
                if payload:
                    device.send(payload())

        thread = threading.Thread(target=say)
        thread.start()
        devices.append((device, thread))
        return str(tmp_path / name)

    yield plug
    is_over.set()
    for device, thread in devices:
        thread.join()
        device.unplug()


def one_object(done):
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout + done.stderr
    return json.loads(lines[0])


def ports_of(*names):
    return [word for name in names for word in ("--port", name)]


def test_a_plugged_machine_becomes_a_configuration_that_core_can_read(machine, speak, tmp_path):
    """Receiver, head and autopilot are found by listening; nothing measured is invented; a doctor reads it."""
    machine.begin()
    autopilot = speak("autopilot", lambda: MavlinkEncoder(3, 1).encode(HEARTBEAT))
    out = tmp_path / "controller.toml"
    names = ports_of(machine.rig.gnss, machine.rig.head, autopilot)
    done = run_firmground("init", "--out", out, *names, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = one_object(done)
    assert found["missing"] == []
    assert found["ports"][machine.rig.head] == "head at 115200 baud: simulated pulse induction array, 12 channels"
    config = read_config(out)
    links = {link.name: link for link in config.link}
    assert {name: link.protocol for name, link in links.items()} == {
        "gnss": "gnss",
        "head": "head",
        "autopilot": "mavlink",
    }
    assert links["gnss"].port == machine.rig.gnss
    assert links["autopilot"].system_id == 3
    assert (config.position.link, config.position.heading_link) == ("gnss", "gnss")
    assert config.position.attitude_link == "autopilot"
    assert all(link.latency_ms is None for link in config.link)
    assert [head.link for head in config.head] == ["head"]
    looked = run_firmground("doctor", "--config", out, "--seconds", 1)
    assert looked.returncode == 1
    assert "link gnss: its latency is not measured" in looked.stdout
    assert "link autopilot: " in looked.stdout


def test_what_is_missing_is_said_and_the_rest_is_written(speak, tmp_path):
    """A silent port, an instrument that is built in, lines of nobody, no receiver: exit 1."""
    quiet = speak("quiet", None)
    magnetometer = speak("mag", lambda: encode_g823([49_895.131, 49_901.2], [1249, 1250]))
    strange = speak("strange", lambda: b"hello from afar\r\n")
    out = tmp_path / "first.toml"
    names = ports_of(quiet, magnetometer, strange, str(tmp_path / "absent"))
    done = run_firmground("init", "--out", out, *names, "--seconds", 0.5)
    assert done.returncode == 1, done.stderr
    assert "missing: a GNSS receiver" in done.stdout
    assert f"{magnetometer}: line at 115200 baud: g823" in done.stdout
    text = out.read_text()
    assert "counters = 2" in text
    assert "nothing arrives" in text
    assert "such as: hello from afar" in text
    assert "is not there" in text


def test_a_file_that_is_there_is_not_overwritten(tmp_path):
    """Exit 2, before any port is touched."""
    out = tmp_path / "controller.toml"
    out.write_text("mine")
    done = run_firmground("init", "--out", out, "--port", tmp_path / "absent")
    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert out.read_text() == "mine"


def test_a_port_that_another_process_holds_is_left_alone(speak, tmp_path):
    """Core's own lock keeps us out, and the words say so."""
    name = speak("held", lambda: b"x")
    holder = open_port(name, 115_200)
    done = run_firmground("init", "--out", tmp_path / "first.toml", "--port", name, "--json")
    holder.close()
    assert done.returncode == 1
    assert "another program" in one_object(done)["ports"][name]


def test_a_machine_in_order_is_ready_for_work(machine):
    """Every device speaks as configured, records can be written, broker and console are as they should be."""
    machine.start_broker()
    machine.begin()
    done = run_firmground("doctor", "--config", machine.config, "--seconds", 2.5, "--json")
    report = one_object(done)
    about = {finding["about"]: finding for finding in report["findings"] if finding["grade"] != "problem"}
    assert done.returncode == 0, report
    assert report["problems"] == 0
    assert {"configuration", "latencies", "link gnss", "link head", "link autopilot", "records", "broker"} <= set(about)
    assert about["broker"]["grade"] == about["records"]["grade"] == "good"
    spoken = [finding["says"] for finding in report["findings"]]
    assert any("simulated pulse induction array" in says for says in spoken)
    assert any(says.startswith("fixed, stated error 0.02") for says in spoken)


def test_what_is_wrong_is_named_with_what_to_do(machine, tmp_path):
    """No device is plugged in, no folder for records, no broker; the console's port is free."""
    machine.data.rmdir()
    done = run_firmground("doctor", "--config", machine.config, "--seconds", 0.5)
    assert done.returncode == 1
    assert done.stdout.count("is not there") == 2
    assert "link autopilot: is open and silent" in done.stdout
    assert "cannot be written: No such file or directory" in done.stdout
    assert "-> start it: systemctl start mosquitto" in done.stdout
    assert f"127.0.0.1:{machine.console_port} is free" in done.stdout
    assert "4 to mend before work" in done.stdout


def test_a_console_port_that_is_taken_is_a_warning(machine):
    """It may be link's own."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", machine.console_port))
        taken.listen()
        done = run_firmground("doctor", "--config", machine.config, "--seconds", 0.2, "--json")
    (console,) = [finding for finding in one_object(done)["findings"] if finding["about"] == "console"]
    assert console["grade"] == "warning"
    assert "in use" in console["says"]


def test_a_place_that_cannot_be_written_is_wrong_use(tmp_path):
    """Exit 2 with the path, after listening."""
    out = tmp_path / "absent" / "controller.toml"
    done = run_firmground("init", "--out", out, "--port", tmp_path / "nothing")
    assert done.returncode == 2
    assert f"{out}: cannot be written" in done.stderr


def test_a_configuration_that_is_wrong_is_wrong_use(tmp_path):
    """Exit 2 with the place, as everywhere."""
    path = tmp_path / "bad.toml"
    path.write_text("format = 2\n")
    done = run_firmground("doctor", "--config", path)
    assert done.returncode == 2
    assert "bad.toml" in done.stderr
