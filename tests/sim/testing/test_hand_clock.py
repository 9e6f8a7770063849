"""The controller on a clock that is moved by hand: its time, its bytes, its record."""

import pytest

from controller.core.alarm_events import AlarmRaised
from controller.core.effects import RequestRefused, SessionEnded
from controller.core.inputs import AcknowledgeAlarm, EndSession, SetPaused
from controller.replay import replay
from controller.store.ledger import read_events
from controller.store.verify import verify
from firmware_bridge.codec.head import HostCommandDecoder, encode
from firmware_bridge.errors import ConfigError, SimulatorError
from firmware_bridge.records import DictionaryRequest, OutputCommand
from sim.head import dictionary_of
from sim.machine_config import config_text
from sim.scenario import load_scenario
from sim.testing.days import planned_day


def test_time_stands_still_until_it_is_moved(firmground_clock):
    """Only `advance` moves it, by exactly what it is told; it never goes back."""
    clock = firmground_clock()
    clock.send("gnss", b"noise")
    clock.ask(SetPaused(person="op-1", is_paused=True))
    assert clock.seconds == 0.0
    clock.advance(1.234567891)
    assert clock.seconds == 1.234567891
    clock.advance(0.0)
    assert clock.seconds == 1.234567891
    with pytest.raises(AssertionError, match="time runs forward"):
        clock.advance(-0.1)


def test_what_the_controller_sends_is_handed_out_once(firmground_clock):
    """A head that says nothing is asked for its dictionary, again and again; the commands are there as records, too."""
    clock = firmground_clock()
    clock.advance(2.5)
    asked = list(HostCommandDecoder().feed(clock.received("head")))
    assert sum(isinstance(command, DictionaryRequest) for command in asked) >= 2
    assert clock.received("head") == b""
    assert asked == [command.record for command in clock.commands if command.link == "head"]


def test_a_refusal_is_an_event_of_the_same_instant(firmground_clock):
    """What the core cannot do is said at once, in words."""
    events = firmground_clock().ask(AcknowledgeAlarm(person="op-1", alarm=9))
    assert [event.why for event in events if isinstance(event, RequestRefused)] == ["there is no alarm 9"]


def test_bytes_of_a_simulated_day_raise_an_alarm_and_light_the_lamp(firmground_clock):
    """The bytes that the simulator's own clock would bring, one chunk at a time; the session is whole and replays."""
    clock, day = firmground_clock(), planned_day(load_scenario("first-lane"), 1)
    clock.send("head", encode(dictionary_of(day.scenario)))
    arrivals = day.arrivals()
    for at_ns, link, payload in arrivals:
        clock.advance(max(0.0, at_ns / 1e9 - clock.seconds))
        raised = [event for event in clock.send(link, payload) if isinstance(event, AlarmRaised)]
        if raised:
            break
    assert raised
    lit = [command.record for command in clock.commands if isinstance(command.record, OutputCommand)]
    assert lit[-1].lamp_on
    assert lit[-1].buzzer_on
    clock.ask(EndSession(person="op-1"))
    clock.close()
    with pytest.raises(AssertionError, match="its session has ended"):
        clock.advance(1.0)
    assert isinstance(list(read_events(clock.directory))[-1], SessionEnded)
    assert verify(clock.directory).problems == ()
    assert replay(clock.directory).difference is None


def test_a_configuration_may_be_text_or_a_file_and_is_checked(firmground_clock, tmp_path):
    """The links are those of the configuration."""
    text = config_text(load_scenario("first-lane"))
    file = tmp_path / "mine.toml"
    file.write_text(text)
    assert firmground_clock(text).links == firmground_clock(file).links == ("gnss", "autopilot", "head")
    with pytest.raises(ConfigError, match="unknown key 'formed'"):
        firmground_clock(text.replace("format =", "formed ="))
    with pytest.raises(SimulatorError, match="there is no link 'gps'"):
        firmground_clock(text).stats("gps")
