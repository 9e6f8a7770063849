"""The plugin as a stranger meets it: an installed package, a test file of their own, and pytest."""

import re

import pytest

from firmware_bridge.clock import now_ns
from firmware_bridge.errors import ServiceError
from sim.testing.broker import Broker
from tests.command import ROOT

pytest_plugins = ("pytester",)
FIXTURES = {"clock", "day", "machine", "oracle", "port", "broker"}


def test_every_fixture_is_listed_with_how_it_is_called(stranger):
    """`pytest --fixtures` shows each with the first line of its docstring."""
    listed = stranger("", "--fixtures").stdout.str()
    names = re.findall(r"^firmground_(\w+) -- \S+\n +\S+", listed, re.MULTILINE)
    assert set(names) == FIXTURES


def test_the_page_names_every_fixture():
    """`docs/TESTING.md` teaches all of them and no others."""
    page = (ROOT / "docs" / "TESTING.md").read_text()
    assert set(re.findall(r"^\| `firmground_(\w+)`", page, re.MULTILINE)) == FIXTURES


@pytest.mark.parametrize("how", [("-p", "sim.testing.plugin"), ("-p", "firmground"), ()])
def test_asking_for_the_plugin_again_is_no_error(stranger, pytester, how):
    """By module, by the entry point's name, and in a conftest, beside the installed package."""
    pytester.makeconftest('pytest_plugins = ("sim.testing.plugin",)')
    outcome = stranger("def test_it(firmground_port):\n    assert firmground_port().path.exists()", *how)
    outcome.assert_outcomes(passed=1)


def test_a_project_that_asks_for_nothing_loads_nothing(stranger):
    """The plugin is in every run of pytest: neither numpy nor the simulator comes with it."""
    text = """
        import sys

        def test_it():
            assert "sim.testing.plugin" in sys.modules
            assert not {"controller.session", "sim.inproc", "sim.oracle", "paho", "serial"} & set(sys.modules)
    """
    stranger(text).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('firmground_day("nowhere")', "there is no scenario 'nowhere'; there are "),
        ('firmground_day("first-lane", gnss={"whit_m": 1.0})', "*scenario.toml: *gnss* 'whit_m'*"),
        ('firmground_day("first-lane", gnss={"white_m": 5.0})', "*[[]gnss[]] white_m: 5.0 is not below*"),
        ('firmground_clock().send("heat", b"")', "there is no link 'heat' in this configuration; there are gnss, "),
        ('firmground_clock("absent.toml")', "absent.toml: cannot be read"),
        ('firmground_port().expect(b"ID?", 0.05)', "b'ID?' did not come at *tty within 0.05 s; 0 bytes came"),
        ("firmground_port().receive(0.05)", "nothing came at *tty within 0.05 s"),
        ('firmground_broker.expect("a/+", 2, 0.05)', "0 of 2 messages came under a/+ in 0.05 s; of *"),
        ("firmground_machine().devices", "the devices are off; call begin() or start_all() first"),
    ],
)
def test_what_goes_wrong_is_said_in_words(stranger, body, words):
    """A wrong name, a wrong key, something that never came: the failure says which, and what there is."""
    (fixture,) = set(re.findall(r"firmground_\w+", body))
    outcome = stranger(f"def test_it({fixture}):\n    {body}")
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines([f"E *{words}*"])


def test_a_core_that_cannot_start_fails_in_its_own_words(stranger):
    """What core printed is in the failure, not in a file that is gone."""
    text = """
        def test_it(firmground_machine):
            machine = firmground_machine()
            machine.config.write_text(machine.config.read_text().replace("[storage]", "[storing]"))
            machine.start_core()
    """
    outcome = stranger(text)
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["E *core ended with code 2: *unknown key 'storing'*"])


def test_a_test_that_fails_leaves_no_process_behind(stranger, tmp_path, alive):
    """Whatever the test has started, it is ended by its id."""
    text = f"""
        from pathlib import Path

        def test_it(firmground_machine, firmground_broker):
            machine = firmground_machine()
            machine.start_all()
            pids = [process.pid for process in machine.processes.values()]
            Path({str(tmp_path / "pids")!r}).write_text(" ".join(map(str, pids)))
            assert machine.rig_directory.exists() and sorted(machine.processes) == ["broker", "core", "link"]
            raise RuntimeError("in the midst of it")
    """
    outcome = stranger(text)
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["E *RuntimeError: in the midst of it"])
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == 3
    assert not [pid for pid in pids if alive(pid)]


def test_a_broker_comes_back_at_its_port_and_hears_again(firmground_broker):
    """A retained message is marked when it is kept from before; a stop forgets it, the messages that came stay."""
    port = firmground_broker.port
    firmground_broker.publish("site/a/live", b"1", is_retained=True)
    firmground_broker.expect("site/+/live")
    firmground_broker.stop()
    firmground_broker.start()
    assert firmground_broker.port == port
    firmground_broker.publish("site/b/live", b"2")
    assert [m.payload for m in firmground_broker.expect("site/#", count=2)] == [b"1", b"2"]
    assert firmground_broker.messages("site/b/+")[0].is_retained is False
    assert firmground_broker.messages("site/b") == []
    firmground_broker.forget()
    assert firmground_broker.messages() == []


def test_a_killed_broker_ends_at_once_and_its_messages_stay(firmground_broker):
    """As a power cut would; closing it afterwards is no error."""
    firmground_broker.publish("a", b"x")
    firmground_broker.expect("a")
    begun_ns = now_ns()
    firmground_broker.kill()
    assert now_ns() - begun_ns < 5_000_000_000
    assert [message.topic for message in firmground_broker.messages("#")] == ["a"]
    with pytest.raises(AssertionError, match=r"start\(\) it first"):
        firmground_broker.publish("a", b"y")


def test_no_broker_to_be_had_is_said_with_what_to_install(tmp_path, monkeypatch):
    """Neither Mosquitto nor amqtt."""
    monkeypatch.setattr("controller.cli.broker.shutil.which", lambda *_, **__: None)
    monkeypatch.setattr("controller.cli.broker.importlib.util.find_spec", lambda *_: None)
    with pytest.raises(ServiceError, match="install Mosquitto, or amqtt"):
        Broker(tmp_path / "broker").start()
