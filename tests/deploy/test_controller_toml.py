"""The configuration that is installed: it loads, its comments state the ranges, its paths are those of the units."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from controller.config import Config, parse_config, read_config, site_of

OPTIONAL = re.compile(r"^#\|", flags=re.MULTILINE)


@pytest.fixture
def path(deploy) -> Path:
    """The file as it is installed."""
    return deploy / "controller.toml"


@pytest.fixture
def full(path) -> str:
    """Its text with every optional line switched on."""
    return OPTIONAL.sub("", path.read_text())


def test_it_loads(path):
    """Core would start with it, and knows the profile it names."""
    site = site_of(read_config(path))
    assert site.profile.name == "ap-shallow"


def test_it_loads_with_every_optional_line(full):
    """The examples in comments are no worse than the rest."""
    config = parse_config(full, "controller.toml")
    assert config.task is not None
    assert {link.protocol for link in config.link} == {"head", "gnss", "mavlink", "line"}
    assert {link.port.split("/")[0] for link in config.link if link.port is not None} == {"", "udp:", "tcp:"}


def test_nothing_in_it_earns_credit_before_it_was_measured(path):
    """Latencies are left out until a check has measured them: unknown withholds credit (P3)."""
    for link in tomllib.loads(path.read_text())["link"]:
        assert "latency_ms" not in link
        assert "latency_error_ms" not in link


def _comments(text: str) -> dict[str, str]:
    """`table.key` to the comment above the first place it stands; what follows without a blank line shares it."""
    comments: dict[str, str] = {}
    table, comment, is_open = "", "", False
    for line in text.splitlines():
        bare = line.removeprefix("#|")
        key = re.match(r"([a-z0-9_]+) = ", bare)
        if line.startswith("# "):
            comment = f"{comment} {line}" if is_open else line
        elif bare.startswith("["):
            table = bare.strip("[]")
        elif key:
            comments.setdefault(f"{table}.{key[1]}".lstrip("."), comment)
        else:
            comment = ""
        is_open = line.startswith("# ")
    return comments


def test_every_key_is_explained(path, full):
    """Where a key of a kind of table stands for the first time, a comment says what it is."""
    comments = _comments(path.read_text())
    assert {key.split(".")[-1] for key in comments} == set(re.findall(r"^([a-z0-9_]+) = ", full, flags=re.MULTILINE))
    for key, comment in comments.items():
        assert len(comment) > 20, f"{key} has no comment"


def _bounds(kind: object, table: str = "") -> dict[str, tuple[float, float]]:
    """`table.key` of every number of the schema that has a lower and an upper bound, and both."""
    found: dict[str, tuple[float, float]] = {}
    match kind:
        case msgspec.inspect.VarTupleType():
            found |= _bounds(kind.item_type, table)
        case msgspec.inspect.UnionType():
            for part in kind.types:
                found |= _bounds(part, table)
        case msgspec.inspect.StructType():
            for field in kind.fields:
                found |= _bounds(field.type, f"{table}.{field.encode_name}".lstrip("."))
        case msgspec.inspect.FloatType() | msgspec.inspect.IntType():
            low = kind.gt if kind.ge is None else kind.ge
            high = kind.lt if kind.le is None else kind.le
            if low is not None and high is not None:
                found[table] = (low, high)
    return found


def test_every_range_in_a_comment_is_the_schemas(path):
    """Each number with bounds is in the file, and its comment states both as the program checks them."""
    bounds = _bounds(msgspec.inspect.type_info(Config))
    assert {"vehicle.slope_deg_max", "link.latency_ms", "link.system_id", "head.rate_hz"} <= set(bounds)
    comments = _comments(path.read_text())
    for key, expected in bounds.items():
        assert key in comments, f"{key} is missing"
        stated = {float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", comments[key])}
        assert set(expected) <= stated, f"{key}: {expected} is not in {comments[key]!r}"


def test_its_paths_are_those_of_the_units(path, core, link):
    """Both processes are allowed exactly the directories that the configuration sends them to."""
    storage = tomllib.loads(path.read_text())["storage"]
    assert storage["directory"] == f"/var/lib/{core['Service']['StateDirectory'][0]}"
    assert storage["link"] == f"/var/lib/{link['Service']['StateDirectory'][0]}"
    assert storage["socket"] == f"/run/{core['Service']['RuntimeDirectory'][0]}/core.sock"


def test_its_broker_is_the_one_we_configure(path, deploy):
    """Host and port of [mqtt] are Mosquitto's listener; the console is on loopback too."""
    config = tomllib.loads(path.read_text())
    listener = f"listener {config['mqtt']['port']} {config['mqtt']['host']}"
    assert listener in (deploy / "mosquitto" / "firmground.conf").read_text().splitlines()
    assert config["console"]["host"] == "127.0.0.1"


def test_its_devices_are_those_that_udev_names(path, deploy):
    """Every /dev path in it is a name that a udev rule gives."""
    rules = (deploy / "udev" / "70-firmground.rules").read_text()
    names = re.findall(r'"/dev/([^"]+)"', path.read_text())
    assert set(names) >= {"firmground/head", "firmground/gnss", "firmground/autopilot"}
    for name in names:
        assert f'SYMLINK+="{name}"' in rules
