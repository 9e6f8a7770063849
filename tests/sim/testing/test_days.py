"""Days as a test states them: which scenario, what is different, and what they leave."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.alarm_events import AlarmRaised
from controller.core.check_events import BlockEnded, BlockOpened, Verdict
from firmware_bridge.errors import ConfigError
from sim.scenario import load_scenario
from sim.testing.scenarios import scenario_of

FIRST_LANE = load_scenario("first-lane")
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


def test_the_same_day_leaves_the_same_record_and_another_seed_another(firmground_day):
    """Each in a directory of its own; the events are the ledger's, in order."""
    first, again, other = firmground_day(seed=3), firmground_day(seed=3), firmground_day(seed=4)
    assert first.directory != again.directory
    assert first.summary == again.summary
    assert first.summary.ledger_hash != other.summary.ledger_hash
    assert len(first.events_of(AlarmRaised)) == first.summary.alarms > 0
    kinds = [type(event) for event in first.events if isinstance(event, BlockOpened | BlockEnded | Verdict)]
    assert kinds[:3] == [BlockOpened, BlockEnded, Verdict]
    assert first.verdict.over_claimed_m2 == first.verdict.targets_missed == 0
    assert repr(first.verdict) in repr(first)


def test_the_oracle_sees_what_a_record_claims_beyond_the_truth(firmground_day, firmground_oracle):
    """Judged by a day that ended earlier in the lane, the record claims ground that no coil reached."""
    good = firmground_day(seed=1)
    shorter = firmground_day(seed=1, lanes={"length_m": 4.0})
    assert firmground_oracle(good.directory, good).over_claimed_m2 == 0.0
    assert firmground_oracle(good.directory, shorter).over_claimed_m2 > 0.0


def test_changes_replace_what_they_name_and_nothing_else(tmp_path):
    """A section key by key, a list as a whole, a section that was not there, a record of our own."""
    assert scenario_of("first-lane", {}, tmp_path) == FIRST_LANE
    gnss = scenario_of("first-lane", {"gnss": {"white_m": 0.004}}, tmp_path)
    assert gnss == msgspec.structs.replace(FIRST_LANE, gnss=msgspec.structs.replace(FIRST_LANE.gnss, white_m=0.004))
    bare = scenario_of("first-lane", {"world": {"targets": []}, "closing_check": "none"}, tmp_path)
    assert (bare.world.targets, bare.closing_check) == ((), "none")
    assert bare.world.reference_depth_m == FIRST_LANE.world.reference_depth_m
    assert scenario_of("first-lane", {"soil": {"median_uv": 30.0}}, tmp_path).soil.median_uv == 30.0
    head = msgspec.structs.replace(FIRST_LANE.head, channels=3)
    assert scenario_of("first-lane", {"head": head}, tmp_path).head == head


def test_a_scenario_may_be_a_file_or_a_text(tmp_path):
    """The text of a file is as good as the file."""
    scenario_of("first-lane", {"name": "mine"}, tmp_path / "made")
    file = tmp_path / "made" / "scenario.toml"
    assert scenario_of(file, {}, tmp_path).name == "mine"
    assert scenario_of(file.read_text(), {"lanes": {"length_m": 7.0}}, tmp_path / "text").lanes.length_m == 7.0


@given(description=TEXTS, length_m=st.floats(2.0, 90.0), noise_uv=st.floats(1e-9, 1e3))
def test_every_value_survives_the_way_through_toml(tmp_path_factory, description, length_m, noise_uv):
    """Texts with quotes and line ends, and floats to the last bit."""
    changes = {"description": description, "lanes": {"length_m": length_m}, "head": {"noise_uv": noise_uv}}
    made = scenario_of("first-lane", changes, tmp_path_factory.mktemp("made"))
    assert (made.description, made.lanes.length_m, made.head.noise_uv) == (description, length_m, noise_uv)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gnss": {"rate_hz": 500.0}}, r"\[gnss\] rate_hz"),
        ({"gnss": 3}, r"gnss"),
        ({"lans": {"count": 2}}, "unknown key 'lans'"),
    ],
)
def test_a_change_that_cannot_be_is_refused_by_its_key(tmp_path, changes, words):
    """As in a file: the same checks, the same words."""
    with pytest.raises(ConfigError, match=words):
        scenario_of("first-lane", changes, tmp_path)
