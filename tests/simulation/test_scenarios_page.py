"""The page that teaches writing a scenario is enough to write one: its own example does what it says."""

import json
import re
from importlib.resources import files
from pathlib import Path

from sim.faults import CATALOGUE
from tests.command import run_firmground

PAGE = (Path(__file__).parents[2] / "docs" / "SCENARIOS.md").read_text(encoding="utf-8")


def test_the_pages_example_is_played_as_the_page_says(tmp_path):
    """Its text, its command; exit 0, one target in the outage, two found."""
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "mine.toml"
    path.write_text(example, encoding="utf-8")
    done = run_firmground("simulate", "--scenario", path, "--seed", 1, "--out", tmp_path / "mine-1", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    oracle = summary["oracle"]
    assert oracle["over_claimed_m2"] == 0.0
    assert (oracle["targets_found"], oracle["targets_missed"], oracle["targets_not_searched"]) == (2, 0, 1)
    assert oracle["alarms_without_target"] >= 1
    assert summary["searched_m2"] > 50.0
    assert run_firmground("verify", tmp_path / "mine-1").returncode == 0


def test_every_shipped_scenario_is_named_and_every_named_fault_exists():
    """Nothing in the page that is not there, nothing there that the page does not name."""
    shipped = {path.name.removesuffix(".toml") for path in (files("sim") / "scenarios").iterdir()}
    assert shipped == {name for name in shipped if f"`{name}`" in PAGE}
    named = set(re.findall(r'kind = "(\w+)"', PAGE)) | {"false_fix", "unplug"}
    assert named <= {row.kind for row in CATALOGUE}
