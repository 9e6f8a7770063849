"""The shipped profiles are whole, and one that would let anything count is refused by name."""

from importlib.resources import files
from pathlib import Path

import pytest

from controller.core.rulebook import REASONS
from controller.core.site import ADVISED, Metric
from controller.profile_files import load_profile, parse_profile
from firmware_bridge.errors import ConfigError

TEXT = (files("controller") / "profiles" / "ap-shallow.toml").read_text()
SPEED = '[[rule]]\nid = "speed"\nmetric = "speed_m_s"\nlimit = 1.2\n'


def test_an_unknown_profile_names_the_ones_there_are():
    """The message lists them."""
    with pytest.raises(ConfigError, match=r"'ap-deep'.*ap-shallow.*training"):
        load_profile("ap-deep")


@pytest.mark.parametrize("name", ["ap-shallow", "eo-towed", "magnetometer-walk", "training"])
def test_a_shipped_profile_loads(name):
    """Each profile file is whole and says what it is for."""
    assert load_profile(name).description


def test_training_is_never_stricter_than_the_real_thing():
    """Learners see ground turn to searched where the operational profile would withhold it, never the reverse."""
    real, training = load_profile("ap-shallow"), load_profile("training")
    assert set(real.fix_classes) <= set(training.fix_classes)
    assert training.known_point_m_max >= real.known_point_m_max
    assert all(training.limit(metric) >= real.limit(metric) for metric in Metric if metric not in ADVISED)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (SPEED + 'action = "advise"\n', r'ap: no \[\[rule\]\] with action "withhold" limits speed_m_s'),
        (SPEED.replace('"speed"', '"fix-gap"'), r"ap: \[\[rule\]\] id: each rule needs an id of its own"),
        (SPEED.replace("speed_m_s", "speed"), r"ap: \[rule 4\] metric: invalid enum value 'speed'"),
        (SPEED.replace("1.2", "-1.2"), r"ap: \[rule 4\] limit: "),
        (
            SPEED.replace("1.2", "5.1"),
            r"ap: \[\[rule\]\] speed: limit: speed_m_s .* 5.0 at most, not to 5.1",
        ),
        (SPEED.replace("1.2", "inf"), r"speed_m_s may be limited to 5.0 at most, not to inf"),
        (SPEED.replace("1.2", "nan"), r"limit"),
        (SPEED + 'action = "ignore"\n', r"ap: \[rule 4\] action: invalid enum value 'ignore'"),
    ],
)
def test_a_profile_that_could_let_anything_count_is_refused(changed, message):
    """Each metric must be limited by a rule that withholds, each rule has a name, and the error says which is wrong."""
    assert SPEED in TEXT
    with pytest.raises(ConfigError, match=message):
        parse_profile(TEXT.replace(SPEED, changed), "ap")


def test_the_smallest_limit_that_withholds_is_the_metrics_limit():
    """One that only advises is none."""
    rows = SPEED.replace('"speed"', '"speed-advice"').replace("1.2", "0.9") + 'action = "advise"\n'
    profile = parse_profile(TEXT + "\n" + rows + SPEED.replace('"speed"', '"speed-slope"').replace("1.2", "1.0"), "ap")
    assert profile.limit(Metric.SPEED) == 1.0


def test_the_page_on_profiles_states_the_limits_in_force():
    """Each row of its table, for each profile, and the reason that the record will name."""
    page = (Path(__file__).parents[2] / "docs" / "PROFILES.md").read_text()
    names = ["ap-shallow", "eo-towed", "magnetometer-walk", "training"]
    assert sorted(names) == sorted(
        file.name.removesuffix(".toml") for file in (files("controller") / "profiles").iterdir()
    )
    profiles = [load_profile(name) for name in names]
    for metric in Metric:
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `{metric.value}`"))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        limits = [profile.advised(metric) for profile in profiles]
        assert cells[2:] == [
            f"`{REASONS[metric].label}`",
            *("none" if limit is None else str(limit) for limit in limits),
        ]
