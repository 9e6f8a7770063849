"""
A scenario: one TOML file that says which world, which machine and which work to simulate.

Lengths in metres in the field's own frame: east and north of the task's origin. Every random choice follows from the
scenario and the seed.
"""

import importlib.resources
import math
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from controller.config import decode_toml
from controller.core.site import Identifier, Section
from firmware_bridge.errors import ConfigError

Positive = Annotated[float, Meta(gt=0.0)]
Range = tuple[float, float]
RADIUS_95 = math.sqrt(-2.0 * math.log(0.05))  # of a two-dimensional Gaussian, in sigmas an axis


class Target(Section, frozen=True, kw_only=True):
    """A buried item. `strength` 1.0 is the reference item."""

    east_m: float
    north_m: float
    depth_m: Annotated[float, Meta(ge=0.0, le=1.0)]
    strength: Positive


class Scatter(Section, frozen=True, kw_only=True):
    """
    Further items that the seed strews over a rectangle, each quantity uniform between its two ends.

    apart_m : least horizontal distance between any two items, the listed ones included
    """

    count: Annotated[int, Meta(ge=1, le=1000)]
    east_m: Range
    north_m: Range
    depth_m: tuple[Annotated[float, Meta(ge=0.0, le=1.0)], Annotated[float, Meta(ge=0.0, le=1.0)]]
    strength: tuple[Positive, Positive]
    apart_m: Annotated[float, Meta(ge=0.0, le=100.0)]


class World(Section, frozen=True, kw_only=True):
    """Where, and what lies there: the listed targets, and those that the seed strews."""

    latitude_deg: Annotated[float, Meta(ge=-85.0, le=85.0)]
    longitude_deg: Annotated[float, Meta(ge=-180.0, le=180.0)]
    altitude_m: float
    reference_depth_m: Annotated[float, Meta(ge=0.0, le=1.0)]
    targets: tuple[Target, ...]
    scatter: Scatter | None = None

    @property
    def origin(self) -> tuple[float, float, float]:
        """Latitude and longitude in degrees, altitude in metres."""
        return self.latitude_deg, self.longitude_deg, self.altitude_m


class Lanes(Section, frozen=True, kw_only=True):
    """
    Parallel lanes along north, beginning at the origin, the next one to the east of the last.

    pattern  : `northward`, each lane driven northward and back outside the field, west of it; `serpentine`, up one
               lane and down the next, with a half turn between them
    run_in_m : driven before and after each lane, outside the field
    """

    count: Annotated[int, Meta(ge=1, le=200)]
    length_m: Annotated[float, Meta(ge=2.0, le=2000.0)]
    spacing_m: Positive
    speed_m_s: Annotated[float, Meta(gt=0.0, le=3.0)]
    pattern: Literal["northward", "serpentine"] = "northward"
    run_in_m: Annotated[float, Meta(ge=0.0, le=20.0)] = 3.5


class Checks(Section, frozen=True, kw_only=True):
    """
    How long the people take over their checks; seconds.

    begin_s              : from switching on until the opening check; calibrated halfway there
    settle_opening_s, settle_closing_s : the background parts; the first longer than the profile's baseline and settling
    piece_on_s, piece_off_s : how long the check piece lies under each coil, and on its way to the next
    pause_s              : between check and driving
    """

    begin_s: Annotated[float, Meta(ge=1.0, le=600.0)] = 5.0
    settle_opening_s: Annotated[float, Meta(ge=1.0, le=60.0)] = 8.0
    settle_closing_s: Annotated[float, Meta(ge=1.0, le=60.0)] = 8.0
    piece_on_s: Annotated[float, Meta(ge=0.1, le=60.0)] = 0.5
    piece_off_s: Annotated[float, Meta(ge=0.1, le=60.0)] = 0.7
    pause_s: Annotated[float, Meta(ge=0.0, le=60.0)] = 2.0


class HeadModel(Section, frozen=True, kw_only=True):
    """
    A pulse-induction array across the direction of travel.

    height_m           : of the coils above ground          coil_radius_m : of each coil
    detection_radius_m : distance at which the calibration's reference item must still be seen
    reference_uv       : response of the reference item at its depth under a coil's centre
    """

    channels: Annotated[int, Meta(ge=1, le=64)]
    pitch_m: Positive
    height_m: Positive
    coil_radius_m: Positive
    rate_hz: Annotated[float, Meta(ge=5.0, le=1000.0)]
    samples_per_frame: Annotated[int, Meta(ge=1, le=50)]
    noise_uv: Positive
    reference_uv: Positive
    detection_radius_m: Positive


class GnssModel(Section, frozen=True, kw_only=True):
    """
    A two-antenna RTK receiver whose error has a slow and a white part.

    error_model   : `bounded`, never beyond the stated 95 % error; `honest`, Gaussian and beyond it in 5 of 100
    white_m       : of the white part, the amplitude where bounded, sigma of each axis where honest
    drift_m_s     : how fast the slow part may move; what the machine's configuration states
    correlation_s : time constant of the honest slow part
    """

    protocol: Literal["ubx", "nmea"]
    rate_hz: Annotated[float, Meta(ge=1.0, le=20.0)]
    stated_error_95_m: Positive
    white_m: Positive
    drift_m_s: Positive
    heading_error_95_deg: Positive
    error_model: Literal["bounded", "honest"] = "bounded"
    correlation_s: Annotated[float, Meta(ge=1.0, le=1000.0)] = 60.0
    latency_ms: Annotated[float, Meta(ge=5.0, le=500.0)]
    jitter_ms: Annotated[float, Meta(ge=0.0, le=200.0)]


class Scenario(Section, frozen=True, kw_only=True):
    """One simulated piece of work. `closing_check`: done well, with a dead channel, or not at all."""

    name: Identifier
    description: str
    profile: Identifier
    closing_check: Literal["good", "bad", "none"]
    world: World
    lanes: Lanes
    head: HeadModel
    gnss: GnssModel
    checks: Checks = Checks()


def load_scenario(name: str) -> Scenario:
    """A shipped scenario by name, or a file by its path; raises `ConfigError` with the names there are."""
    folder = importlib.resources.files("sim") / "scenarios"
    shipped = folder / f"{name}.toml"
    if "/" not in name and shipped.is_file():
        return _checked(decode_toml(shipped.read_text(encoding="utf-8"), Scenario, f"scenario {name}"), name)
    path = Path(name)
    if not path.is_file():
        names = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir())
        raise ConfigError(f"there is no scenario {name!r}; there are {', '.join(names)}, or name a file")
    try:
        return _checked(decode_toml(path.read_text(encoding="utf-8"), Scenario, name), name)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name}: cannot be read: {error}") from error


def slow_sigma_m(gnss: GnssModel) -> float:
    """Sigma of each axis of an honest receiver's slow error: what the white part leaves of the stated error."""
    return math.sqrt((gnss.stated_error_95_m / RADIUS_95) ** 2 - gnss.white_m**2)


def _checked(scenario: Scenario, source: str) -> Scenario:
    """What spans several keys; raises `ConfigError`."""
    gnss, scatter = scenario.gnss, scenario.world.scatter
    room_m = gnss.stated_error_95_m / (1.0 if gnss.error_model == "bounded" else RADIUS_95)
    if gnss.white_m >= room_m:
        raise ConfigError(
            f"{source}: [gnss] white_m: {gnss.white_m} is not below {room_m:.4f}, all of the stated error"
        )
    for key in () if scatter is None else ("east_m", "north_m", "depth_m", "strength"):
        low, high = getattr(scatter, key)
        if low > high:
            raise ConfigError(f"{source}: [world.scatter] {key}: {low} to {high} runs backwards")
    return scenario
