"""Commands to bytes: each link's own encoder, in order, and none that moves anything."""

import typing
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as dialect

from controller.config import parse_config, site_of
from controller.core.effects import Command
from controller.core.site import Autopilot
from controller.intake import Outgo
from firmware_bridge.autopilot_records import (
    AlertText,
    AutopilotBound,
    AutopilotMessage,
    CompanionHeartbeat,
    MessageIntervalRequest,
)
from firmware_bridge.codec import head as head_codec
from firmware_bridge.codec.mavlink import CompanionEncoder, MavlinkDecoder
from firmware_bridge.records import LeaseGrant, OutputCommand, Record
from sim.autopilot import SimulatedAutopilot
from sim.machine_config import config_text
from sim.scenario import load_scenario

CONFIG = config_text(load_scenario("demo"))
INTERVALS = st.builds(
    MessageIntervalRequest,
    system_id=st.just(7),
    message=st.sampled_from(AutopilotMessage),
    interval_us=st.integers(1, 10_000_000),
)
TEXTS = st.builds(
    AlertText,
    system_id=st.just(7),
    text=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=50),
)
BEATS = st.just(CompanionHeartbeat(system_id=7))


def parsed(payload):
    """What the library reads."""
    return dialect.MAVLink(None).parse_buffer(payload)


def all_record_types():
    pending, found = [Record], []
    while pending:
        pending += (more := pending.pop().__subclasses__())
        found += more
    return found


@given(st.lists(st.one_of(INTERVALS, TEXTS, BEATS), min_size=1, max_size=20))
def test_whatever_is_sent_to_an_autopilot_moves_nothing(records):
    """The one command is a message's interval; the rest are a heartbeat without a mode and a text (P7)."""
    encoder = CompanionEncoder(7)
    messages = parsed(b"".join(encoder.encode(record) for record in records))
    assert len(messages) == len(records)
    for number, message in enumerate(messages):
        header = message.get_header()
        assert (header.srcSystem, header.srcComponent, header.seq) == (7, 191, number)
        match message.get_type():
            case "COMMAND_LONG":
                assert message.command == dialect.MAV_CMD_SET_MESSAGE_INTERVAL
                assert (message.target_system, message.target_component, message.confirmation) == (7, 1, 0)
                assert message.param1 in list(AutopilotMessage)
                assert (message.param3, message.param4, message.param5, message.param6, message.param7) == (0,) * 5
            case "HEARTBEAT":
                assert (message.type, message.autopilot) == (18, 8)
                assert (message.base_mode, message.custom_mode) == (0, 0)
            case kind:
                assert kind == "STATUSTEXT"
                assert message.severity == dialect.MAV_SEVERITY_ALERT


def test_the_list_of_what_an_autopilot_can_be_told_is_closed():
    """Three records and no other of all there are; messages that may be asked for are three, all readings (P7)."""
    allowed = set(typing.get_args(AutopilotBound))
    assert allowed == {CompanionHeartbeat, MessageIntervalRequest, AlertText}
    assert {dialect.mavlink_map[message].msgname for message in AutopilotMessage} == {
        "ATTITUDE",
        "EKF_STATUS_REPORT",
        "GPS_RAW_INT",
    }
    for kind in set(all_record_types()) - allowed:
        with pytest.raises(AssertionError):
            CompanionEncoder(7).encode(Mock(spec=kind, system_id=7))


def test_nothing_is_said_in_the_name_of_another_system():
    """A record for another vehicle is a mistake of ours."""
    with pytest.raises(AssertionError):
        CompanionEncoder(7).encode(CompanionHeartbeat(system_id=8))


def test_our_own_heartbeat_does_not_pass_for_the_autopilots():
    """Echoed by a router with the vehicle's id, it is counted as unknown and gives no record."""
    decoder = MavlinkDecoder(7)
    assert decoder.feed(CompanionEncoder(7).encode(CompanionHeartbeat(system_id=7))) == []
    assert decoder.stats.unknown == 1


def test_each_link_speaks_its_own_protocol_and_the_order_is_kept():
    """Lamp and buzzer in the head's protocol, then the autopilot in its own."""
    lamp = OutputCommand(token=3, lamp_on=True, buzzer_on=True)
    ask = MessageIntervalRequest(system_id=1, message=AutopilotMessage.ATTITUDE, interval_us=50_000)
    commands = (Command(link="head", record=lamp), Command(link="autopilot", record=ask))
    first, second = Outgo(parse_config(CONFIG, "demo")).encode_commands(commands)
    assert (first.link, first.payload) == ("head", head_codec.encode(lamp))
    assert second.link == "autopilot"
    autopilot = SimulatedAutopilot()
    autopilot.hear(second.payload)
    assert autopilot.intervals_us == {30: 50_000.0}


def test_lamp_and_buzzer_leave_before_anything_behind_them_is_composed():
    """What cannot be written to an autopilot, by a mistake of ours, does not keep the alarm from the head (P2)."""
    lamp = OutputCommand(token=3, lamp_on=True, buzzer_on=True)
    wrong = Command(link="autopilot", record=LeaseGrant(sequence=1, duration_ms=1))
    outgoing = Outgo(parse_config(CONFIG, "demo")).encode_commands((Command(link="head", record=lamp), wrong))
    assert next(outgoing).payload == head_codec.encode(lamp)
    with pytest.raises(AssertionError):
        next(outgoing)


def test_only_used_autopilots_of_a_known_system_are_spoken_to():
    """A link that nothing is read from, or whose system is not named, is left alone."""
    attitude = Autopilot(
        link="autopilot", system_id=1, messages=(AutopilotMessage.ATTITUDE, AutopilotMessage.EKF_STATUS_REPORT)
    )
    assert site_of(parse_config(CONFIG, "demo")).autopilots == (attitude,)
    for changed in (CONFIG.replace("system_id = 1\n", ""), CONFIG.replace('attitude_link = "autopilot"\n', "")):
        assert changed != CONFIG
        assert site_of(parse_config(changed, "demo")).autopilots == ()
    both = CONFIG.replace('[position]\nlink = "gnss"', '[position]\nlink = "autopilot"').replace(
        'heading_link = "gnss"', 'heading_link = "autopilot"'
    )
    assert site_of(parse_config(both, "demo")).autopilots[0].messages == (
        AutopilotMessage.ATTITUDE,
        AutopilotMessage.EKF_STATUS_REPORT,
        AutopilotMessage.GPS_RAW_INT,
    )
