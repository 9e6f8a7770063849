"""A simulated session, made once, for tests of its record."""

import shutil
import subprocess
import sys

import pytest


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    """The smallest simulated day, as a session directory that nobody may change."""
    directory = tmp_path_factory.mktemp("simulated") / "session"
    subprocess.run(
        [sys.executable, "-m", "sim", "simulate", "--scenario", "first-lane", "--out", directory],
        check=True,
        capture_output=True,
    )
    return directory


@pytest.fixture
def session(simulated, tmp_path):
    """A copy of it to damage."""
    return shutil.copytree(simulated, tmp_path / "session")
