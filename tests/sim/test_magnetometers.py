"""An array of magnetometers: the Earth's field, iron, the day and the vehicle, as each kind reads them."""

import msgspec
import numpy as np
import pytest

from sim.earth import offsets_enu
from sim.fields import MU0, dipole_field_t, earth_field_t, sphere_moment_am2
from sim.items import items_of
from sim.magnetics import Daily
from sim.magnetometers import earth_of, items_t, magnetic_nt, unit_am2
from sim.scenario import load_scenario
from sim.sections import Magnetometer, Target

PLAIN = load_scenario("lanes")
MODEL = Magnetometer(noise_nt=0.05, reference_nt=40.0, intensity_nt=36_000.0, inclination_deg=5.0, declination_deg=2.0)
NO_DAY = Daily(span_t=0.0, phases_rad=(0.0,))
READINGS = ["total_field", "total_gradient", "vertical_gradient"]


def scenario_of(**changes):
    head = msgspec.structs.replace(PLAIN.head, noise_uv=None, reference_uv=None, height_m=0.3)
    return msgspec.structs.replace(PLAIN, head=head, magnetometer=msgspec.structs.replace(MODEL, **changes))


def read(scenario, sensors, *targets, headings_deg=0.0, pitch_deg=0.0, day=NO_DAY, time_s=0.0):
    sensors = np.atleast_2d(np.asarray(sensors, dtype=float))[:, None]
    count = len(sensors)
    headings = np.broadcast_to(np.radians(headings_deg), count)
    axes = offsets_enu(np.eye(3), headings, np.zeros(count), np.full(count, np.radians(pitch_deg)))
    items = items_of(targets, scenario.world, 80e-6, earth_of(scenario.magnetometer), np.zeros(len(targets)))
    return magnetic_nt(scenario, sensors, axes, items, day, np.full(count, time_s))[:, 0]


def ball(**changes):
    return Target(**{"east_m": 0.0, "north_m": 0.0, "depth_m": 0.13, "strength": 1.0, **changes})


@pytest.mark.parametrize(("reading", "expected"), [("total_field", 36_000.0), ("total_gradient", 0.0)])
def test_over_empty_ground_there_is_the_earths_field(reading, expected):
    """At any heading and tilt; a pair takes it away."""
    headings = np.arange(0.0, 360.0, 45.0)
    found = read(scenario_of(reading=reading), np.zeros((8, 3)), headings_deg=headings, pitch_deg=3.0)
    assert found == pytest.approx([expected] * 8)


@pytest.mark.parametrize("inclination", [-60.0, 0.0, 5.0, 35.0, 70.0])
def test_the_reference_balls_moment_gives_its_figure_on_its_axis(inclination):
    """At the distance of its depth below a sensor, in every latitude's field."""
    scenario = scenario_of(inclination_deg=inclination)
    earth = earth_of(scenario.magnetometer)
    place = 0.43 * earth / np.linalg.norm(earth) + np.array([0.0, 0.0, -0.13])
    assert read(scenario, place, ball())[0] - 36_000.0 == pytest.approx(40.0, rel=1e-3)


def test_a_steel_ball_of_known_size_is_a_strength():
    """R = 20 mm in 50 uT has 30 nT at 0.3 m: so has the array that is told so."""
    scenario = scenario_of(intensity_nt=50_000.0, inclination_deg=90.0, reference_nt=29.63 * (0.3 / 0.43) ** 3)
    earth = earth_field_t(50e-6, 90.0, 0.0)
    assert unit_am2(scenario) == pytest.approx(float(np.linalg.norm(sphere_moment_am2(0.02, earth))), rel=1e-3)
    assert read(scenario, (0.0, 0.0, 0.17), ball())[0] - 50_000.0 == pytest.approx(30.0, rel=0.02)


def test_an_array_is_the_sum_of_dipoles():
    """Items without any windows or culling, to what is negligible."""
    scenario = scenario_of()
    places = ((0.0, 1.0, 0.0), (2.0, -1.0, 5.0), (-9.0, 0.0, -2.0), (0.0, 25.0, 0.0))
    targets = [ball(east_m=east, north_m=north, remanent=kept) for east, north, kept in places]
    sensors = np.random.default_rng(1).uniform([-5.0, -5.0, 0.2], [5.0, 5.0, 0.5], (600, 2, 3))
    items = items_of(targets, scenario.world, 80e-6, earth_of(MODEL), np.zeros(4))
    unit = unit_am2(scenario)
    expected = sum(
        dipole_field_t(unit * moment, sensors - place)
        for moment, place in zip(items.moments, items.places_m, strict=True)
    )
    assert np.abs(items_t(scenario, sensors, items) - expected).max() <= 4 * 1e-3 * 0.05e-9
    assert np.abs(expected).max() > 1e-9


def test_pairs_hear_near_iron_and_less_of_what_is_far():
    """The difference keeps most of a ball at 0.4 m and next to nothing of a hundred times as much at ten."""
    total, pair = scenario_of(), scenario_of(reading="total_gradient")
    near = [read(s, (0.0, 0.0, 0.3), ball())[0] - read(s, (0.0, 0.0, 0.3))[0] for s in (total, pair)]
    far = [
        read(s, (0.0, 0.0, 0.3), ball(north_m=10.0, strength=1e3))[0] - read(s, (0.0, 0.0, 0.3))[0]
        for s in (total, pair)
    ]
    assert near[1] == pytest.approx(near[0], rel=0.15)
    assert abs(far[1]) < 0.05 * abs(far[0])


def test_an_upright_pair_reads_the_component_along_itself():
    """Level: the vertical part of the dipole, lower less upper, by hand."""
    scenario = scenario_of(reading="vertical_gradient", inclination_deg=90.0)
    unit = unit_am2(scenario) * MU0 / (4.0 * np.pi)
    expected = -2.0 * unit * (1.0 / 0.43**3 - 1.0 / 0.93**3) * 1e9
    assert read(scenario, (0.0, 0.0, 0.3), ball())[0] == pytest.approx(expected, rel=1e-4)


def test_the_day_moves_a_total_field_and_no_pair():
    """Common to both of a pair, it goes away."""
    day = Daily(span_t=30e-9, phases_rad=(np.pi / 2,))
    for reading, moved in (("total_field", 15.0), ("total_gradient", 0.0), ("vertical_gradient", 0.0)):
        scenario = scenario_of(reading=reading)
        still, found = read(scenario, (0, 0, 0.3)), read(scenario, (0, 0, 0.3), day=day)
        assert found - still == pytest.approx([moved], abs=1e-6)


def test_a_vehicle_shows_by_heading():
    """What it keeps: once a turn, as much as configured; what is induced: twice."""
    headings = np.arange(0.0, 360.0, 10.0)
    level = {"inclination_deg": 0.0, "declination_deg": 0.0}
    kept = read(scenario_of(permanent_nt=(20.0, 0.0, 0.0), **level), np.zeros((36, 3)), headings_deg=headings)
    assert kept - 36_000.0 == pytest.approx(20.0 * np.cos(np.radians(headings)), abs=0.02)
    iron = read(scenario_of(induced_nt=30.0, **level), np.zeros((36, 3)), headings_deg=headings)
    assert iron - 36_000.0 == pytest.approx(30.0 * np.cos(np.radians(headings)) ** 2, abs=0.02)
