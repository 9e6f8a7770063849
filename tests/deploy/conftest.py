"""Where the installed files stand in the repository, and how a unit is read."""

from pathlib import Path

import pytest

DEPLOY = Path(__file__).parent.parent.parent / "deploy"

Unit = dict[str, dict[str, list[str]]]


def read_unit(path: Path) -> Unit:
    """Section and key to every value given, in order: systemd's INI allows a key more than once."""
    unit: Unit = {}
    section: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = unit.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, separator, value = line.partition("=")
            assert separator, f"{path.name}: {line!r} is neither section, comment nor setting"
            section.setdefault(key, []).append(value)
    return unit


@pytest.fixture(scope="session")
def deploy() -> Path:
    """The folder of files that are installed on a machine."""
    return DEPLOY


@pytest.fixture(scope="session")
def core(deploy) -> Unit:
    """The core's unit."""
    return read_unit(deploy / "systemd" / "firmground-core.service")


@pytest.fixture(scope="session")
def link(deploy) -> Unit:
    """The link's unit."""
    return read_unit(deploy / "systemd" / "firmground-link.service")


@pytest.fixture(scope="session")
def target(deploy) -> Unit:
    """The target that wants both."""
    return read_unit(deploy / "systemd" / "firmground.target")


@pytest.fixture(scope="session")
def mosquitto_drop_in(deploy) -> Unit:
    """What is changed of Debian's unit for the broker."""
    return read_unit(deploy / "systemd" / "mosquitto.service.d" / "firmground.conf")
