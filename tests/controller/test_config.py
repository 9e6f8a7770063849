"""One TOML, one frozen record, and messages that name section, key and what is allowed."""

import pytest

from controller.config import parse_config, read_config, signing_link_id, site_of
from controller.profile_files import load_profile
from firmware_bridge.errors import ConfigError

GOOD = """
format = 1

[machine]
id = "machine-7"
site = "north-field"
profile = "ap-shallow"

[vehicle]
antenna_m = [0.0, 0.0, 2.0]
slope_deg_max = 10.0

[position]
link = "gnss"
relative_error_m = 0.01
drift_m_s = 0.001
heading_link = "gnss"
attitude_link = "autopilot"

[[link]]
name = "gnss"
protocol = "gnss"
latency_ms = 80.0
latency_error_ms = 5.0

[[link]]
name = "head"
protocol = "head"

[[link]]
name = "autopilot"
protocol = "mavlink"
system_id = 1

[[head]]
id = "front"
link = "head"
mount_m = [1.5, 0.0, 0.1]
nominal_radius_m = 0.2
alarm_floor = 5.0
"""


def test_a_good_file_becomes_a_site_with_its_profile():
    """Links, heads and the named profile reach the core."""
    site = site_of(parse_config(GOOD, "machine.toml"))
    assert site.machine == "machine-7"
    assert site.profile == load_profile("ap-shallow")
    assert site.timing("gnss").latency_ms == 80.0
    assert site.timing("head").latency_error_ms is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("slope_deg_max = 10.0", "slope_degrees_max = 10.0", ("vehicle", "slope_degrees_max", "'slope_deg_max'")),
        ("slope_deg_max = 10.0", "slope_deg_max = 95.0", ("[vehicle] slope_deg_max", "<= 30.0")),
        ("slope_deg_max = 10.0", 'slope_deg_max = "10 deg"', ("[vehicle] slope_deg_max", "float", "str")),
        ("latency_ms = 80.0", "latency_s = 0.08", ("link", "latency_s", "'latency_ms'")),
        ("latency_ms = 80.0", "latency_ms = 80000.0", ("[link 1] latency_ms", "<= 2000.0")),
        ("antenna_m = [0.0, 0.0, 2.0]", "antenna_m = [0.0, 0.0]", ("[vehicle] antenna_m", "length 3")),
        ("antenna_m = [0.0, 0.0, 2.0]", "antenna_m = [0.0, 0.0, 2000.0]", ("[vehicle] antenna_m", "<= 20.0")),
        ('id = "machine-7"', 'id = "Machine 7!"', ("[machine] id", "regex")),
        ('protocol = "mavlink"', 'protocol = "can"', ("[link 3] protocol", "'can'")),
        ("format = 1", "format = 2", ("format", "2")),
        ("format = 1", "", ("format",)),
        ('link = "head"', 'link = "nose"', ("[[head]] front: link", "'nose'", "autopilot, gnss, head")),
        ('link = "head"', 'link = "gnss"', ("[[head]] front: link", "speaks gnss", "head or line")),
        ('attitude_link = "autopilot"', 'attitude_link = "gnss"', ("attitude_link", "speaks gnss", "mavlink")),
        ('attitude_link = "autopilot"', 'second_link = "gnss"', ("second_link", "second_antenna_m", "both or neither")),
        (
            "slope_deg_max = 10.0\n\n[position]",
            'slope_deg_max = 10.0\nsecond_antenna_m = [1.0, 0.0, 2.0]\n\n[position]\nsecond_link = "gnss"',
            ("second_link", "cannot be checked with itself"),
        ),
        (
            "slope_deg_max = 10.0\n\n[position]",
            'slope_deg_max = 10.0\nsecond_antenna_m = [1.0, 0.0, 2.0]\n\n[position]\nsecond_link = "head"',
            ("second_link", "speaks head", "gnss"),
        ),
        ('heading_link = "gnss"', 'heading_link = "autopilot"', ("heading_link", "'gnss'")),
        ('name = "head"', 'name = "gnss"', ("[[link]] name", "'gnss'", "twice")),
        ('protocol = "head"', 'protocol = "line"', ("[[link]] head", "[link.line]")),
        ("system_id = 1", 'signing_key_file = "k"\nsigning_link_id = 256', ("[link 3] signing_link_id", "<= 255")),
        ("system_id = 1", "signing_link_id = 1", ("[[link]] autopilot", "without signing_key_file")),
        (
            'protocol = "head"',
            'protocol = "head"\nsigning_key_file = "k"',
            ("[[link]] head", '"mavlink" and to no other'),
        ),
        (
            "system_id = 1",
            'system_id = 1\nsigning_key_file = "k"\n\n[[link]]\nname = "radio"\nprotocol = "mavlink"\n'
            'system_id = 1\nsigning_key_file = "k"\nsigning_link_id = 1',
            ("[[link]] radio: signing_link_id 1", "'autopilot'", "choose another"),
        ),
        ("alarm_floor = 5.0", "alarm_floor = 5.0\nrate_hz = 10.0", ("[[head]] front", "rate_hz")),
        ("alarm_floor = 5.0", "alarm_floor = 5.0\nrate_error_ppm = 50.0", ("[[head]] front", "plain lines")),
        ("alarm_floor = 5.0", "alarm_floor = 5.0\nrate_error_ppm = -1.0", ("[head 1] rate_error_ppm", ">= 0")),
        ("[position]", '[position]\npulse_head = "rear"', ("[position] pulse_head", "such heads are front")),
        (
            "[vehicle]",
            '[task]\nid = "t"\norigin_latitude_deg = 1.0\norigin_longitude_deg = 1.0\norigin_altitude_m = 1.0\n'
            "known_point_latitude_deg = 1.0\n\n[vehicle]",
            ("known_point_longitude_deg", "both or neither"),
        ),
        ("[vehicle]", "[vehicle", ("not valid TOML",)),
    ],
)
def test_a_mistake_is_named_with_its_place(old, new, words):
    """Section, key, and the allowed range, alternatives or nearest spelling."""
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        parse_config(GOOD.replace(old, new, 1), "machine.toml")
    message = str(caught.value)
    assert message.startswith("machine.toml: ")
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_a_key_is_not_looked_for_where_a_configuration_is_read():
    """A replay, an export or another machine has none."""
    config = parse_config(GOOD.replace("system_id = 1", 'signing_key_file = "/nowhere/key"'), "machine.toml")
    assert signing_link_id(config.link[2]) == 1


def test_a_missing_file_is_named(tmp_path):
    """One line with the path."""
    with pytest.raises(ConfigError, match=r"absent\.toml: cannot be read"):
        read_config(tmp_path / "absent.toml")


def test_a_file_that_is_not_text_is_named(tmp_path):
    """Bytes that are not UTF-8 are no configuration."""
    path = tmp_path / "noise.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"noise\.toml"):
        read_config(path)
