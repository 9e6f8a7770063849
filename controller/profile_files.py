"""
The profiles that ship with the package: quality limits by kind of search.
"""

import importlib.resources

from controller.core.site import ADVISED, LIMIT_MAX, Metric, Profile
from controller.toml_records import decode_toml
from firmware_bridge.errors import ConfigError


def load_profile(name: str) -> Profile:
    """One of the profiles that ship with the package; raises `ConfigError` with the names there are."""
    folder = importlib.resources.files("controller") / "profiles"
    file = folder / f"{name}.toml"
    if not file.is_file():
        names = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir())
        raise ConfigError(f"[machine] profile: there is no profile {name!r}; there are {', '.join(names)}")
    return parse_profile(file.read_text(encoding="utf-8"), f"profile {name}")


def parse_profile(text: str, source: str) -> Profile:
    """Check a profile's text; `source` is what error messages call it. Raises `ConfigError`."""
    profile = decode_toml(text, Profile, source)
    _check_rules(profile, source)
    return profile


def _check_rules(profile: Profile, source: str) -> None:
    """Rules have names of their own and sane limits, and none may be missing that soundness hangs on."""
    names = [rule.id for rule in profile.rule]
    if len(set(names)) != len(names):
        raise ConfigError(f"{source}: [[rule]] id: each rule needs an id of its own")
    for rule in profile.rule:
        largest = LIMIT_MAX[rule.metric]
        if not rule.limit <= largest:  # what is no number is refused, too
            raise ConfigError(
                f"{source}: [[rule]] {rule.id}: limit: {rule.metric.value} may be limited to {largest} at most, not to "
                f"{rule.limit}"
            )
    withheld = {rule.metric for rule in profile.rule if rule.action == "withhold"}
    missing = [metric.value for metric in Metric if metric not in withheld and metric not in ADVISED]
    if missing:
        raise ConfigError(
            f'{source}: no [[rule]] with action "withhold" limits {", ".join(missing)}: what is not '
            "limited would count whatever it was"
        )
