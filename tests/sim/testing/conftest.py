"""A stranger's project: test files of its own, and Firmground as pip would have installed it."""

import os
import tomllib
from pathlib import Path

import pytest

from tests.command import ROOT


@pytest.fixture
def stranger(pytester, monkeypatch):
    """Runs pytest in another project; the plugin comes from the package's entry points, and from nothing else."""
    installed = pytester.mkdir("installed")
    information = installed / "firmground_in_test-1.dist-info"
    information.mkdir()
    entries = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    lines = [f"{name} = {module}" for name, module in entries.items()]
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: firmground-in-test\nVersion: 1\n")
    (information / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines, ""]))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(installed)]))

    def run(text, *options):
        """The outcome of one test file; its output is kept in `outlines`."""
        pytester.makepyfile(test_stranger=text)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *options, timeout=120)

    return run


@pytest.fixture
def alive():
    """Whether a process of this id is there and is not a zombie."""

    def is_alive(pid):
        try:
            return " Z " not in Path(f"/proc/{pid}/stat").read_text()
        except FileNotFoundError:
            return False

    return is_alive
