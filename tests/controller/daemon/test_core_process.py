"""Core as a process on real ttys and UDP: what comes and goes, and what it says of it."""

import os
import signal

import pytest

from controller.channel import VERSION, Ask, Health, Hello, Refused, Welcome, encode
from controller.core.alarm_events import AlarmRaised
from controller.core.effects import OriginLatched, SessionEnded
from controller.core.inputs import AcknowledgeAlarm, BeginCheck, EndSession, SetPaused
from controller.replay import replay
from controller.store.ledger import read_events, read_info, read_ledger_hash
from controller.store.verify import verify
from firmware_bridge.codec.head import encode as encode_head
from firmware_bridge.records import OutputCommand
from sim.testing.core_client import CoreClient
from sim.testing.waiting import PATIENCE_S, eventually
from tests.command import run_firmground


def trouble_of(health, link):
    return next(entry.port.trouble for entry in health.links if entry.port.link == link)


def test_a_core_without_devices_says_which_are_missing_and_takes_them_when_they_come(machine):
    """Ports missing at the start: a shown state, no credit, and everything else running."""
    machine.start_core()
    client = machine.client()
    health = client.next(Health)
    assert "is not there" in trouble_of(health, "head")
    assert "is not there" in trouble_of(health, "gnss")
    assert trouble_of(health, "autopilot") is None
    assert client.snapshot().fix_class is None
    machine.begin()
    snapshot = client.snapshot(lambda shown: shown.fix_class and shown.heads[0].channels)
    assert len(snapshot.heads[0].channels) == 12
    assert client.next(Health, lambda health: all(entry.port.is_open for entry in health.links))


def test_a_simulated_head_makes_the_session_simulated_whatever_the_launcher_said(machine):
    """Started as live: the head's dictionary latches it (P8)."""
    machine.start_core()
    machine.begin()
    client = machine.client()
    assert client.welcome.origin == "live"
    client.snapshot(lambda shown: shown.origin == "simulated")
    assert machine.stop("core") == 0
    assert any(isinstance(event, OriginLatched) for event in read_events(machine.session()))


def test_an_unplugged_head_is_silent_and_counts_again_as_another_tty(machine):
    """Unplug: its age grows, the reason is `head_silent`; back as another tty, samples go on."""
    machine.start_core()
    machine.begin()
    client = machine.client()
    client.snapshot(lambda shown: any(value is not None for value in shown.heads[0].signal))
    machine.unplug("head")
    silent = client.snapshot(lambda shown: shown.heads[0].age_ns > 1_200_000_000)
    assert [reason.reason for reason in silent.heads[0].reasons if reason.reason == "head_silent"]
    assert "is not there" in trouble_of(client.next(Health, lambda h: trouble_of(h, "head")), "head")
    machine.plug("head")
    client.snapshot(lambda shown: shown.heads[0].age_ns < 200_000_000)
    assert client.next(Health, lambda health: trouble_of(health, "head") is None)


def test_a_stream_of_noise_is_counted_and_nothing_else_suffers(machine):
    """Line noise on the GNSS port: skipped bytes are counted, the head goes on."""
    machine.start_core()
    machine.begin()
    client = machine.client()
    client.snapshot(lambda shown: shown.heads[0].channels)
    for _ in range(20):
        machine.devices.serial["gnss"].send(os.urandom(2000))
    health = client.next(
        Health, lambda h: next(e.stats.bytes_skipped for e in h.links if e.port.link == "gnss") > 10_000
    )
    assert all(entry.port.is_open for entry in health.links)
    assert client.snapshot().heads[0].age_ns < 500_000_000
    assert machine.processes["core"].poll() is None


def test_lamp_and_buzzer_are_commanded_and_the_alarm_is_durable(machine):
    """The check piece under a coil: the head hears the command, the ledger has the alarm, a kill loses neither."""
    machine.start_core()
    machine.begin()
    client = machine.client()
    snapshot = client.snapshot(lambda shown: shown.sounding)
    eventually(lambda: machine.devices.head.lamp_on and machine.devices.head.buzzer_on)
    eventually(lambda: any(isinstance(event, AlarmRaised) for event in read_events(machine.session())))
    machine.kill("core")
    raised = [event.alarm for event in read_events(machine.session()) if isinstance(event, AlarmRaised)]
    assert snapshot.sounding[0] in raised
    report = verify(machine.session())
    assert report.problems == () or all(
        "cut" in p.what or "ends" in p.what or "early" in p.what for p in report.problems
    )


def test_a_session_ends_in_order_on_sigterm_and_replays(machine):
    """SIGTERM: the session is closed by the system, its record is whole and derived again byte for byte."""
    machine.start_core()
    machine.begin()
    client = machine.client()
    client.snapshot(lambda shown: shown.sounding)
    assert machine.stop("core") == 0
    assert any(isinstance(event, SessionEnded) for event in read_events(machine.session()))
    assert verify(machine.session()).problems == ()
    assert replay(machine.session()).difference is None


def test_the_next_session_follows_the_one_before(machine):
    """Numbers rise; the genesis record names the last head of the session before it."""
    machine.start_core()
    assert machine.stop("core") == 0
    first = machine.session()
    machine.start_core()
    assert machine.stop("core") == 0
    second = machine.session()
    assert (first.name, second.name) == ("simulated-000001", "simulated-000002")
    assert read_info(second).previous_head == read_ledger_hash(first)


def test_requests_are_answered_accepted_and_then_durable_or_refused(machine):
    """Every request has an answer; what the core cannot do is refused in words."""
    machine.start_core()
    client = machine.client()
    assert client.ask(SetPaused(person="op-1", is_paused=True)).state == "accepted"
    assert client.next(type(client.ask(SetPaused(person="op-1", is_paused=True)))).state == "durable"
    assert client.snapshot().is_paused
    refused = client.ask(AcknowledgeAlarm(person="op-1", alarm=99))
    assert (refused.state, refused.why) == ("refused", "there is no alarm 99")
    assert client.ask(BeginCheck(person="op-1", head="array")).state == "refused"
    assert client.ask(EndSession(person="op-1")).state == "accepted"
    assert machine.processes["core"].wait(PATIENCE_S) == 0


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (b"\x93\x01\x02\x03", "not a message this core knows"),
        (encode_head(OutputCommand(token=1, lamp_on=True, buzzer_on=True)), "not a message this core knows"),
        (encode(Hello(version=VERSION + 1, client="new")), "speaks version 2"),
        (encode(Ask(number=1, request=SetPaused(person="x", is_paused=True))), "must be a hello"),
        (b"x" * 70_000, "longer than"),
    ],
)
def test_whoever_says_something_else_is_cut_off_and_the_core_goes_on(machine, packet, words):
    """A closed list: no device command, no other version, nothing before the hello, nothing long (P7)."""
    machine.start_core()
    good, bad = machine.client(), CoreClient(machine.rig.socket, has_hello=False)
    bad.connection.send(packet)
    assert words in bad.next(Refused).why
    assert bad.next_or_end(Welcome) is None
    assert good.snapshot() is not None


def test_a_second_core_on_the_same_machine_is_refused_and_a_dead_one_replaced(machine):
    """A socket in use is not taken over; one left behind by a killed core is."""
    machine.start_core()
    second = run_firmground("core", "--config", machine.config)
    assert second.returncode == 2
    assert "another core is running" in second.stderr
    machine.kill("core")
    assert os.path.exists(machine.rig.socket)
    machine.start_core()


def test_a_client_that_does_not_read_is_cut_off_and_costs_the_loop_nothing(machine):
    """What it does not take is bounded; another client goes on getting every snapshot on time."""
    machine.start_core()
    machine.begin()
    lazy, good = machine.client(), machine.client()
    eventually(lambda: good.snapshot() and "client test: does not read" in machine.log("core"))
    assert lazy.next_or_end(Refused) is None
    assert good.snapshot().lateness_ns < 250_000_000


def test_ctrl_c_ends_a_core_in_order(machine):
    """SIGINT is as good as SIGTERM."""
    process = machine.start_core()
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0
    assert "session kept in" in machine.log("core")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('port = "udp://', 'prt = "udp://'), "unknown key 'prt'"),
        (('[storage]\ndirectory = "', '[storage]\ndirectory = "/proc/nowhere'), "cannot be used"),
        (('socket = "', 'socket = "/proc/nowhere'), "cannot be listened on"),
    ],
)
def test_a_core_that_cannot_start_says_why_in_one_line(machine, change, words):
    """Wrong configuration, a data directory or a socket that cannot be made: exit 2 and a sentence."""
    text = machine.config.read_text()
    assert change[0] in text
    machine.config.write_text(text.replace(*change))
    done = run_firmground("core", "--config", machine.config)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_link_without_a_port_is_refused_before_anything_is_written(machine):
    """A configuration made for recordings cannot be run live."""
    machine.config.write_text(
        "\n".join(line for line in machine.config.read_text().splitlines() if "udp://" not in line)
    )
    done = run_firmground("core", "--config", machine.config)
    assert done.returncode == 2
    assert "[[link]] autopilot: port is missing" in done.stderr
    assert not machine.data.exists()
