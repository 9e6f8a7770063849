"""Scenarios as a test states them: a shipped one, a file or a text, with some of its fields replaced."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from sim.scenario import Scenario, load_scenario

FILE_NAME = "scenario.toml"


def scenario_of(source: str | Path, changes: Mapping[str, Any], directory: Path) -> Scenario:
    """
    The scenario that `source` names (shipped, or a TOML file's path) or is (TOML text), with fields replaced.

    changes   : values of the scenario's keys; a mapping replaces only the keys of that section that it names
    directory : where what is not a file yet is written as `scenario.toml`, to be read and checked like any other

    Raises `ConfigError` that names section, key and what is allowed.
    """
    file = directory / FILE_NAME
    if isinstance(source, str) and "\n" in source:
        directory.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
        source = file
    scenario = load_scenario(str(source))
    if not changes:
        return scenario
    directory.mkdir(parents=True, exist_ok=True)
    changed = _merged(msgspec.to_builtins(scenario), msgspec.to_builtins(dict(changes)))
    text = "".join(f"{key} = {_toml(value)}\n" for key, value in changed.items() if value is not None)
    file.write_text(text, encoding="utf-8")
    return load_scenario(str(file))


def _merged(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Fields with the changed ones replaced, mappings key by key."""
    merged = dict(fields)
    for key, value in changes.items():
        before = merged.get(key)
        is_section = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(before, value) if is_section else value  # type: ignore[arg-type]
    return merged


def _toml(value: Any) -> str:
    """A value in one line of TOML, whose scalars are written as JSON's are; what is None is left out."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(part)}" for key, part in value.items() if part is not None) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")  # the one character that only TOML refuses
