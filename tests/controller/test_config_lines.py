"""Plain-line instruments in a machine's configuration: by name, in full, and what is said of a mistake."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from controller.config import parse_config, site_of
from controller.intake import Intake
from firmware_bridge.codec.instruments import INSTRUMENTS, LineTable
from firmware_bridge.codec.line import LineDecoder
from firmware_bridge.errors import ConfigError

PAGE = Path(__file__).parent.parent.parent / "docs" / "INSTRUMENTS.md"

MACHINE = """
format = 1
machine = { id = "machine-7", site = "north-field", profile = "ap-shallow" }
vehicle = { antenna_m = [0.0, 0.0, 2.0], slope_deg_max = 10.0 }
position = { link = "gnss", relative_error_m = 0.01, drift_m_s = 0.001 }

[[link]]
name = "gnss"
protocol = "gnss"

[[link]]
name = "front"
protocol = "line"
baud = 9600
latency_ms = 30.0
latency_error_ms = 5.0
[link.line]
LINE

[[head]]
id = "front"
link = "front"
mount_m = [1.5, 0.0, 0.1]
nominal_radius_m = 0.5
alarm_floor = 5.0
rate_hz = 10.0
channels = [CHANNELS]
"""
CUSTOM = """
pattern = 'S(?P<raw>-?\\d+) Q(?P<quality>\\d)'
comments = ["#"]
[[link.line.channels]]
name = "coil"
unit = "mV"
column = "raw"
scale = 0.1
offset = -2.0
[[link.line.valid]]
column = "quality"
at_least = 3
"""


def configure(line, *names):
    channels = ", ".join(f'{{ name = "{name}", unit = "nT", position_m = [0.0, 0.0, 0.0] }}' for name in names)
    return parse_config(MACHINE.replace("LINE", line).replace("CHANNELS", channels), "machine.toml")


@pytest.mark.parametrize(
    ("line", "names", "wire", "expected"),
    [
        ('instrument = "g823"', ["mag0"], b"$ 49895.131,1249\r\n", [49895.131]),
        ('instrument = "g823"\ncounters = 2', ["mag0", "mag1"], b"$ 1.000,1, 2.000,2\r\n", None),
        ('instrument = "qtfm2"', ["mag"], b"!52926.706_Y53998.412=@094>86341532s139v107\r\n", [52926.706]),
        ('instrument = "fga"\nuse = ["b2x"]', ["b2x"], b"5,1,1,1,1,2.5,1,1,1,,,,,0,\r\n", [2.5]),
        (CUSTOM, ["coil"], b"S120 Q3\n", [10.0]),
    ],
)
def test_an_instrument_is_plugged_in_by_its_table(line, names, wire, expected):
    """The configuration alone makes the decoder that reads its lines."""
    intake = Intake(configure(line, *names))
    decoder = intake._decoders["front"]
    blocks = decoder.feed(wire)
    if expected is None:
        assert decoder.stats.malformed == 1
    else:
        assert blocks[0].values[0].tolist() == expected


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('instrument = "g828"', ("[link 2] line: instrument: 'g828'", "g823, qtfm1, qtfm2, fga, two-coil")),
        ('instrument = "g823"\ncounters = 40', ("[link 2] line: counters", "1 to 20")),
        ('instrument = "g823"\ncounter = 2', ("[link 2] line", "'counters'")),
        (CUSTOM.replace("scale = 0.1", "scale = 0"), ("[link 2] line: channels: coil: scale",)),
        (CUSTOM.replace('column = "raw"', 'column = "row"'), ("[link 2] line: column: 'row'", "quality, raw")),
        (CUSTOM.replace("at_least = 3", ""), ("[link 2.line] valid 1: a rule needs equals",)),
        (CUSTOM.replace("at_least = 3", 'at_least = "3"'), ("[link 2.line.valid 1] at_least", "float")),
        (CUSTOM.replace("Q(", "(Q("), ("[link 2] line: pattern: is no regular expression",)),
        (CUSTOM.replace(r"\d)'", r"\d)(?=x)'"), ("[link 2] line: pattern: is no regular expression", "(?=")),
        (CUSTOM.replace(r"\d)'", r"\d) {900}'"), ("[link 2] line: pattern: would take too long", "at most 500")),
        ('instrument = "g823"\nlength_max = 9999', ("[link 2] line: length_max: 9999", "1 to 4096")),
    ],
)
def test_a_mistake_in_a_line_is_named_with_its_place(line, words):
    """Section, key, and what is allowed, before anything opens."""
    with pytest.raises(ConfigError) as caught:
        configure(line, "coil")
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_a_head_must_name_the_channels_of_its_link():
    """The message lists them."""
    with pytest.raises(ConfigError, match=r"\[\[head\]\] front: .* same order: mag0, mag1"):
        configure('instrument = "g823"\ncounters = 2', "mag0")


def test_the_em38_s_logger_is_position_and_head_at_once():
    """One link with protocol n38 serves both, and its head names the logger's channels."""
    text = MACHINE.replace('link = "gnss"', 'link = "front"').replace('protocol = "line"', 'protocol = "n38"')
    text = text.replace("[link.line]\nLINE", "")
    names = ("cond50", "inphase50", "cond100", "inphase100")
    channels = ", ".join(f'{{ name = "{name}", unit = "x", position_m = [0.0, 0.0, 0.0] }}' for name in names)
    assert parse_config(text.replace("CHANNELS", channels), "em38.toml").link[1].protocol == "n38"
    with pytest.raises(ConfigError, match="cond50, inphase50, cond100, inphase100"):
        parse_config(text.replace("CHANNELS", channels.replace("cond50", "cond")), "em38.toml")


def test_the_page_for_users_shows_what_works():
    """Its configurations load, its examples of lines are read by them, and it names every instrument there is."""
    text = PAGE.read_text()
    built_in, columns, pattern = (tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL))
    machine = MACHINE[: MACHINE.index('[[link]]\nname = "front"')]
    page = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)[0]
    assert len(parse_config(machine + page, "page").head[0].channels) == len(built_in["head"][0]["channels"]) == 2
    by_columns = LineDecoder(msgspec.convert(columns["link"]["line"], LineTable))
    assert by_columns.feed(b"17:03:22.10;1042;-12.5;A\n")[0].values.tolist() == [[-1.25]]
    by_pattern = LineDecoder(msgspec.convert(pattern["link"]["line"], LineTable))
    assert by_pattern.feed(b"S120 Q3 N7\n")[0].values.tolist() == [[120.0]]
    rows = dict(re.findall(r'^\|[^|]*\| `"([a-z0-9-]+)"`.*\| `([^`]+)` \|$', text, re.MULTILINE))
    assert {*rows, "fga"} == set(INSTRUMENTS), "the FGA's line is too long for the table"
    for name, line in rows.items():
        sequence = {"sequence_step": 2, "sequence_wrap": 500} if name == "qtfm2" else {}
        decoder = LineDecoder(LineTable(instrument=name, **sequence))
        assert len(decoder.feed(line.encode() + b"\n")) == 1, line


def test_a_line_takes_its_time_on_a_serial_wire_and_nowhere_else():
    """Ten bits a byte at the configured speed; a network and a recording have no wire."""
    line, wire_ns = 'instrument = "g823"', {}
    for port in ("/dev/ttyUSB0", "tcp://127.0.0.1:4001", None):
        text = MACHINE if port is None else MACHINE.replace("baud = 9600", f'baud = 9600\nport = "{port}"')
        channels = '{ name = "mag0", unit = "nT", position_m = [0.0, 0.0, 0.0] }'
        config = parse_config(text.replace("LINE", line).replace("CHANNELS", channels), "machine.toml")
        wire_ns[port] = site_of(config).timing("front").byte_ns
    assert wire_ns["/dev/ttyUSB0"] == pytest.approx(10e9 / 9600)
    assert wire_ns["tcp://127.0.0.1:4001"] == wire_ns[None] == 0.0
