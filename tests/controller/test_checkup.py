"""What the doctor makes of bytes: every fault gets its own words, and what is good gets none."""

import msgspec
import pytest

from controller.checkup import Grade, judge_link, judge_timing
from controller.config import Link, parse_config
from controller.profile_files import load_profile
from firmware_bridge.codec.head import encode
from firmware_bridge.codec.mavlink import MavlinkEncoder
from firmware_bridge.codec.nmea import encode_nmea
from firmware_bridge.codec.ubx import encode_ubx
from firmware_bridge.io.listen import Heard
from firmware_bridge.records import AutopilotHeartbeat, FixClass, GnssFix, HeadStatus
from sim.head import dictionary_of
from sim.scenario import load_scenario
from tests.controller.test_config import GOOD

PROFILE = load_profile("ap-shallow")
SECOND = 1_000_000_000
FIX = GnssFix(
    utc_ns=1_790_000_000 * SECOND,
    time_of_day_ns=1_790_000_000 * SECOND % (86_400 * SECOND),
    latitude_deg=8.500000123,
    longitude_deg=39.250000457,
    altitude_m=1600.0,
    fix_class=FixClass.FIXED,
    horizontal_error_95_m=0.02,
    speed_m_s=0.0,
    course_deg=None,
    heading_deg=None,
    heading_error_95_deg=None,
    correction_age_s=1.0,
    reference_station="0001",
)


def fixes(encoder=encode_ubx, count=4, **changes):
    payload = b""
    for number in range(count):
        utc_ns = FIX.utc_ns + number * SECOND
        time_of_day_ns = utc_ns % (86_400 * SECOND)
        fix = msgspec.structs.replace(FIX, utc_ns=utc_ns, time_of_day_ns=time_of_day_ns, **changes)
        payload += encoder(fix)
    return payload


def look(protocol, payload, **link_changes):
    link = Link(**{"name": "it", "protocol": protocol, "port": "/dev/it", **link_changes})
    return judge_link(link, Heard(port="/dev/it", baud=115_200, payload=payload, seconds=2.0), PROFILE)


def problems(findings):
    return [finding.says for finding in findings if finding.grade is Grade.PROBLEM]


def test_a_good_receiver_has_nothing_to_mend():
    """Its rate, class and stated error are shown."""
    findings = look("gnss", fixes())
    assert [finding.grade for finding in findings] == [Grade.GOOD, Grade.GOOD]
    assert "messages a second, 0 damaged" in findings[0].says
    assert findings[1].says == "fixed, stated error 0.022 m", "the wire has whole millimetres of a sigma, rounded up"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fix_class": FixClass.FLOAT}, "its fixes are float"),
        ({"horizontal_error_95_m": 0.4}, "its stated error is 0.4"),
        ({"latitude_deg": None, "longitude_deg": None, "altitude_m": None, "fix_class": FixClass.NONE}, "no fix"),
    ],
)
def test_a_fix_that_earns_nothing_is_a_problem(changes, words):
    """Class, error and presence, each by its own words."""
    assert any(words in says for says in problems(look("gnss", fixes(**changes))))


def test_fixes_without_a_stated_error_are_a_problem():
    """An HDOP is none."""
    payload = b"".join(line for line in fixes(encode_nmea).splitlines(keepends=True) if b"GST" not in line)
    assert problems(look("gnss", payload)) == ["its fixes state no error, so none is credited"]


def test_coarse_positions_are_a_warning():
    """NAV-PVT alone steps by a centimetre."""
    findings = look("gnss", fixes(latitude_deg=8.5000001, longitude_deg=39.2500004))
    assert [finding.says for finding in findings if finding.grade is Grade.WARNING] == [
        "its positions step by a centimetre"
    ]


def test_a_head_that_answers_and_one_that_does_not():
    """Without its dictionary nothing that it sends can be used; a simulated one is warned of."""
    scenario = load_scenario("lanes")
    answer = encode(dictionary_of(scenario))
    status = encode(
        HeadStatus(uptime_ms=1, temperature_c=None, supply_v=None, is_faulty=False, lamp_on=False, buzzer_on=False)
    )
    assert look("head", status + answer)[-1].grade is Grade.WARNING
    assert problems(look("head", status)) == ["did not answer with its dictionary"]


def test_another_system_than_the_configured_one_is_a_problem():
    """Its frames are refused, so nothing is heard of the one that is waited for."""
    heartbeat = AutopilotHeartbeat(system_id=3, vehicle_type=10, autopilot=3, base_mode=0, system_status=4)
    payload = MavlinkEncoder(3, 1).encode(heartbeat)
    assert not problems(look("mavlink", payload, system_id=3))
    assert problems(look("mavlink", payload, system_id=1)) == ["no heartbeat of system 1; heard is 3"]


def test_noise_silence_and_damage_are_told_apart():
    """Wrong speed, no device, bad cable."""
    (noise,) = problems(look("gnss", bytes(range(128, 256))))
    assert "nothing of gnss in them" in noise
    assert problems(look("gnss", b"")) == ["is open and silent"]
    good = fixes(encode_nmea, count=20)
    damaged = good.replace(b"GNGST", b"GNGSX")
    assert damaged != good
    assert any("damaged of" in finding.says for finding in look("gnss", damaged) if finding.grade is Grade.WARNING)


def test_trouble_with_a_port_is_passed_on():
    """In the words of whoever opened it."""
    link = Link(name="it", protocol="gnss", port="/dev/it")
    (finding,) = judge_link(link, Heard(port="/dev/it", trouble="/dev/it: is not there"), PROFILE)
    assert finding.says == "/dev/it: is not there"


def test_a_latency_that_is_not_measured_is_a_problem_unless_a_pulse_shows_it():
    """Heads with a clock of their own need none."""
    config = parse_config(GOOD, "machine.toml")
    bare = tuple(msgspec.structs.replace(link, latency_ms=None, latency_error_ms=None) for link in config.link)
    position = msgspec.structs.replace(config.position, pulse_head=config.head[0].id)
    unmeasured = {finding.about for finding in judge_timing(msgspec.structs.replace(config, link=bare))}
    pulsed = {finding.about for finding in judge_timing(msgspec.structs.replace(config, link=bare, position=position))}
    assert unmeasured - pulsed == {f"link {config.position.link}"}
    assert not any(about == "link head" for about in unmeasured)
