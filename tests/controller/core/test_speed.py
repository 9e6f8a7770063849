"""How fast the machine may go, and what says so."""

import msgspec
import pytest
from core_machine import site
from hypothesis import given
from hypothesis import strategies as st

from controller.core.site import Metric
from controller.core.speed import alarm_s, lead_m, speed_advice, stopping_distance_m, stopping_share

PROFILE = site().profile
VEHICLE = msgspec.structs.replace(
    site().vehicle, contacts_m=((0.6, 0.5), (-0.6, 0.5)), stop_delay_s=0.5, braking_m_s2=2.0
)


def test_the_stopping_distance_is_the_way_in_the_delay_and_under_the_brakes():
    """1 m/s: half a metre before they act, a quarter metre under 2 m/s2, a tenth for the alarm."""
    assert stopping_distance_m(1.0, VEHICLE, 0.1) == pytest.approx(0.5 + 0.1 + 0.25)


def test_the_lead_is_on_the_foremost_contact_and_none_where_the_coils_are_behind_it():
    """A towed array has none: its wheels are there first."""
    assert lead_m(1.5, VEHICLE) == pytest.approx(0.9)
    assert lead_m(0.6, VEHICLE) is None
    assert lead_m(1.5, site().vehicle) is None


@pytest.mark.parametrize(
    ("lead", "changes"), [(None, {}), (0.9, {"stop_delay_s": None}), (0.9, {"braking_m_s2": None})]
)
def test_what_was_not_measured_gives_no_share_and_no_limit(lead, changes):
    """Unknown is never good: the rule is then broken, and no speed is said to be safe by it."""
    vehicle = msgspec.structs.replace(VEHICLE, **changes)
    assert stopping_share(0.1, lead, vehicle, 0.0) is None
    assert speed_advice(PROFILE, vehicle, ((100.0, lead),)).by == "profile"


@given(lead=st.floats(0.05, 5.0), delay=st.floats(0.0, 3.0), braking=st.floats(0.2, 8.0), rate_hz=st.floats(5.0, 1e3))
def test_at_the_advised_speed_the_stopping_rule_is_just_kept(lead, delay, braking, rate_hz):
    """Whichever of the three limits is the smallest, the other two are kept as well."""
    vehicle = msgspec.structs.replace(VEHICLE, stop_delay_s=delay, braking_m_s2=braking)
    advice = speed_advice(PROFILE, vehicle, ((rate_hz, lead),))
    share = stopping_share(advice.limit_m_s, lead, vehicle, alarm_s(PROFILE, rate_hz))
    limit = PROFILE.advised(Metric.STOPPING)
    assert share <= limit * (1.0 + 1e-9)
    assert advice.limit_m_s <= PROFILE.limit(Metric.SPEED)
    assert advice.limit_m_s / rate_hz <= PROFILE.limit(Metric.SAMPLE_SPACING) * (1.0 + 1e-9)
    if advice.by == "stopping_distance":
        assert share == pytest.approx(limit)


def test_the_slowest_head_sets_the_speed_for_all():
    """Ten samples a second, a tenth of a metre apart at most: one metre per second."""
    advice = speed_advice(PROFILE, site().vehicle, ((100.0, None), (10.0, None)))
    assert (advice.limit_m_s, advice.by) == (pytest.approx(1.0), "sample_rate")
