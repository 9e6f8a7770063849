"""Core and link as processes on ttys, UDP and a real broker: kill one, and see what the others do."""

import signal
import threading

import msgspec
import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from controller.replay import replay
from controller.store.ledger import read_records
from controller.store.verify import verify
from firmware_bridge.clock import now_ns
from sim.testing.waiting import eventually

PREFIX = "firmground/v1/demo/simulated"


class Supervisor:
    """A client of the broker that keeps everything, as paho's own users write one."""

    def __init__(self, port):
        self.messages = []
        self.lock = threading.Lock()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self.client.reconnect_delay_set(1, 1)
        self.subscriptions = 0
        self.client.on_connect = lambda client, *_: client.subscribe(f"{PREFIX}/#", qos=1)
        self.client.on_subscribe = self._note
        self.client.on_message = self._take
        self.client.connect_async("127.0.0.1", port)
        self.client.loop_start()

    def _note(self, *_):
        self.subscriptions += 1

    def _take(self, _client, _data, message):
        if "/json/" not in message.topic:
            with self.lock:
                topic = message.topic.removeprefix(f"{PREFIX}/")
                self.messages.append((now_ns(), topic, msgspec.msgpack.decode(message.payload)))

    def of(self, prefix, since_ns=0):
        with self.lock:
            return [entry for entry in self.messages if entry[1].startswith(prefix) and entry[0] >= since_ns]

    def state(self):
        said = self.of("status")
        return said[-1][2]["state"] if said else None

    def sequences(self, session):
        return {message["ledger_seq"] for _, _, message in self.of("event/") if message["session"] == session}

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def machine(firmground_machine):
    return firmground_machine()


@pytest.fixture
def supervisor(machine):
    supervisor = Supervisor(machine.broker_port)
    yield supervisor
    supervisor.close()


@pytest.fixture
def running(machine, supervisor):
    """Everything up, and seen by the supervisor."""
    machine.start_broker()
    eventually(lambda: supervisor.subscriptions)  # events are not kept by the broker: whoever comes later asks for them
    machine.start_core()
    machine.start("link")
    machine.begin()
    eventually(lambda: supervisor.of("live/state") and supervisor.state() == "online", why=lambda: machine.log("link"))
    return machine


def ledger(session):
    return {record.seq: record for record in read_records(session)}


def test_every_record_reaches_the_broker_with_its_hash(running, supervisor):
    """What the ledger holds after the end is what the supervisor has, byte for byte; totals and tiles are kept."""
    eventually(lambda: supervisor.of("event/alarm_raised"))
    eventually(lambda: supervisor.of("coverage/demo/0/"))
    assert running.stop("core") == 0
    records = ledger(running.session())
    name = running.session().name
    eventually(lambda: supervisor.sequences(name) == set(records), why=lambda: running.log("link"))
    for _, topic, message in supervisor.of("event/"):
        record = records[message["ledger_seq"]]
        assert (message["record"], message["hash"], topic) == (record.stored, record.hash, f"event/{record.kind}")
        assert message["origin"] in ("live", "simulated")
    (birth, *_) = supervisor.of("birth")[-1:]
    assert birth[2]["heads"][0]["channels"][0] == "c1"
    assert supervisor.of("summary")
    assert verify(running.session()).problems == ()
    assert replay(running.session()).difference is None


def test_live_messages_say_their_age_and_how_long_they_hold(running, supervisor):
    """A state of now, valid for a second; numbers rise."""
    eventually(lambda: len(supervisor.of("live/state")) > 5)
    states = [message for _, _, message in supervisor.of("live/state")]
    assert all(state["age_ms"] < 700 and state["valid_for_ms"] == 1000 for state in states)
    assert [state["live_seq"] for state in states] == sorted({state["live_seq"] for state in states})
    eventually(lambda: supervisor.of("live/signal")[-1][2]["heads"][0]["channels"])


def test_killing_link_leaves_core_untouched_and_loses_no_record(running, supervisor):
    """The loop goes on; the broker says offline by the last will; a new link sends what was missed (P2, P5)."""
    client = running.client()
    before = client.snapshot()
    running.kill("link")
    eventually(lambda: supervisor.state() == "offline")
    assert supervisor.of("status")[-1][2]["reason"] == "link is gone"
    latest = before
    while latest.now_ns - before.now_ns < 2_000_000_000:
        following = client.snapshot()
        assert following.now_ns - latest.now_ns < 500_000_000
        assert following.heads[0].age_ns is None or following.heads[0].age_ns < 500_000_000
        latest = following
    eventually(lambda: client.snapshot().alarms > before.alarms or client.snapshot().alarms > 0)
    running.start("link")
    eventually(lambda: supervisor.state() == "online", why=lambda: running.log("link"))
    eventually(lambda: supervisor.of("event/alarm_raised"))
    assert running.stop("core") == 0
    name = running.session().name
    eventually(lambda: supervisor.sequences(name) == set(ledger(running.session())))


def test_killing_core_makes_the_status_blind_within_a_second(running, supervisor):
    """Nobody takes the last picture for the present (P3); a new core is seen, its session followed."""
    running.kill("core")
    killed_ns = now_ns()
    eventually(lambda: supervisor.state() == "blind")
    blind_ns = supervisor.of("status")[-1][0]
    assert blind_ns - killed_ns < 1_000_000_000
    assert running.console.state()["state"] == "blind"
    first = running.session()
    running.start_core()
    eventually(lambda: supervisor.state() == "online")
    second = running.session()
    assert second != first
    eventually(lambda: supervisor.sequences(second.name))
    eventually(lambda: supervisor.sequences(first.name) == set(ledger(first)), why="the killed session's records")


def test_a_core_that_hangs_makes_the_status_blind_too(running, supervisor):
    """Stopped, not ended: the socket is open and silent."""
    running.processes["core"].send_signal(signal.SIGSTOP)
    eventually(lambda: supervisor.state() == "blind")
    assert supervisor.of("status")[-1][2]["reason"] == "core is silent"
    running.processes["core"].send_signal(signal.SIGCONT)
    eventually(lambda: supervisor.state() == "online")


def test_a_broker_that_comes_late_goes_and_returns_gets_everything(machine, supervisor):
    """Absent at the start, killed in between: shown on the console, and no record is missing at the end."""
    machine.start_core()
    machine.start("link")
    machine.begin()
    eventually(machine.console.is_online, why=lambda: machine.log("link"))
    eventually(
        lambda: "Connection refused" in (machine.console.state()["broker"] or ""), why=lambda: machine.log("link")
    )
    _start_broker_for(machine, supervisor)
    eventually(lambda: supervisor.of("event/genesis"), why=lambda: machine.log("link"))
    eventually(lambda: machine.console.state()["broker"] is None)
    machine.kill("broker")
    eventually(lambda: machine.console.state()["broker"] is not None)
    _start_broker_for(machine, supervisor)
    returned_ns = now_ns()
    eventually(lambda: supervisor.of("live/state", returned_ns), why=lambda: machine.log("link"))
    assert machine.stop("core") == 0
    name = machine.session().name
    eventually(lambda: supervisor.sequences(name) == set(ledger(machine.session())))


def _start_broker_for(machine, supervisor):
    """A broker whose supervisor is there before link: link is held back so long."""
    before = supervisor.subscriptions
    machine.processes["link"].send_signal(signal.SIGSTOP)
    machine.start_broker()
    eventually(lambda: supervisor.subscriptions > before)
    machine.processes["link"].send_signal(signal.SIGCONT)


def test_a_link_that_is_stopped_in_order_says_so(running, supervisor):
    """Not a loss: somebody stopped it."""
    assert running.stop("link") == 0
    eventually(lambda: supervisor.of("status")[-1][2]["reason"] == "link stopped")
    assert supervisor.state() == "offline"
