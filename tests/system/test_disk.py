"""A running core on a disk that refuses or takes its time: alarms go on, credit does not, nothing is lost."""

import resource
import subprocess
import sys

import pytest

from controller.channel import Health
from controller.core.alarm_events import AlarmRaised
from controller.replay import replay
from controller.store.ledger import read_events
from controller.store.verify import verify
from sim.testing.waiting import eventually

# A disk whose every sync takes as long as the file in the first argument says.
SLOW_CORE = """
import os, sys, time
sync, switch = os.fsync, sys.argv.pop(1)
def slow(descriptor):
    with open(switch) as file:
        time.sleep(float(file.read()))
    sync(descriptor)
os.fsync = slow
from controller.cli.main import main
main()
"""


@pytest.fixture
def machine(firmground_machine):
    return firmground_machine()


def withheld(snapshot):
    return {value.reason for value in snapshot.heads[0].reasons or ()}


def test_a_full_disk_is_said_withholds_credit_and_is_made_good(machine):
    """Files may not grow: `record_backlog` within seconds; with room again all is written, and verifies and replays."""
    core = machine.start_core()
    machine.begin()
    client = machine.client()
    client.snapshot(lambda shown: shown.heads[0].channels and "record_backlog" not in withheld(shown))
    before = resource.prlimit(core.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(core.pid, resource.RLIMIT_FSIZE, (1_000, before[1]))
    client.snapshot(lambda shown: "record_backlog" in withheld(shown))
    assert "cannot be written" in client.next(Health, lambda health: health.record_trouble).record_trouble
    resource.prlimit(core.pid, resource.RLIMIT_FSIZE, before)
    client.next(Health, lambda health: health.record_trouble is None)
    client.snapshot(lambda shown: shown.heads[0].reasons is not None and "record_backlog" not in withheld(shown))
    assert machine.stop("core") == 0
    session = machine.session()
    assert verify(session).problems == ()
    assert replay(session).difference is None


def test_a_disk_that_takes_seconds_withholds_credit_and_delays_no_alarm(machine):
    """`record_backlog` while it does; the lamp is commanded by the loop, not by the disk; it catches up by itself."""
    switch = machine.rig_directory / "seconds"
    switch.write_text("0")
    arguments = [sys.executable, "-c", SLOW_CORE, str(switch), "core", "--config", str(machine.config)]
    machine.processes["core"] = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    eventually(machine.is_core_there)
    machine.begin()
    client = machine.client()
    client.snapshot(lambda shown: shown.heads[0].channels and "record_backlog" not in withheld(shown))
    switch.write_text("3")
    slow = client.snapshot(lambda shown: "record_backlog" in withheld(shown))
    assert slow.lateness_ns < 250_000_000
    client.snapshot(lambda shown: shown.sounding)
    eventually(lambda: machine.devices.head.lamp_on)
    switch.write_text("0")
    client.snapshot(lambda shown: shown.heads[0].reasons is not None and "record_backlog" not in withheld(shown))
    assert machine.stop("core") == 0
    assert any(isinstance(event, AlarmRaised) for event in read_events(machine.session()))
    assert replay(machine.session()).difference is None
