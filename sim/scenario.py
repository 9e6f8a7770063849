"""
A scenario: one TOML file that says which world, which machine and which work to simulate.

Lengths in metres in the field's own frame: east and north of the task's origin. Every random choice follows from the
scenario and the seed.
"""

import importlib.resources
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from controller.config import decode_toml
from controller.core.site import Identifier, Section
from firmware_bridge.errors import ConfigError

Positive = Annotated[float, Meta(gt=0.0)]


class Target(Section, frozen=True, kw_only=True):
    """A buried item. `strength` 1.0 is the reference item."""

    east_m: float
    north_m: float
    depth_m: Annotated[float, Meta(ge=0.0, le=1.0)]
    strength: Positive


class World(Section, frozen=True, kw_only=True):
    """Where, and what lies there."""

    latitude_deg: Annotated[float, Meta(ge=-85.0, le=85.0)]
    longitude_deg: Annotated[float, Meta(ge=-180.0, le=180.0)]
    altitude_m: float
    reference_depth_m: Annotated[float, Meta(ge=0.0, le=1.0)]
    targets: tuple[Target, ...]


class Lanes(Section, frozen=True, kw_only=True):
    """Parallel lanes along north, beginning at the origin, the next one to the east of the last."""

    count: Annotated[int, Meta(ge=1, le=200)]
    length_m: Annotated[float, Meta(ge=2.0, le=2000.0)]
    spacing_m: Positive
    speed_m_s: Annotated[float, Meta(gt=0.0, le=3.0)]


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
    A two-antenna RTK receiver whose error is bounded: a slow part and a white part within the stated 95 % error.

    white_m : amplitude of the white part       drift_m_s : how fast the slow part may move
    """

    protocol: Literal["ubx", "nmea"]
    rate_hz: Annotated[float, Meta(ge=1.0, le=20.0)]
    stated_error_95_m: Positive
    white_m: Positive
    drift_m_s: Positive
    heading_error_95_deg: Positive
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


def load_scenario(name: str) -> Scenario:
    """A shipped scenario by name, or a file by its path; raises `ConfigError` with the names there are."""
    folder = importlib.resources.files("sim") / "scenarios"
    shipped = folder / f"{name}.toml"
    if "/" not in name and shipped.is_file():
        return decode_toml(shipped.read_text(encoding="utf-8"), Scenario, f"scenario {name}")
    path = Path(name)
    if not path.is_file():
        names = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir())
        raise ConfigError(f"there is no scenario {name!r}; there are {', '.join(names)}, or name a file")
    try:
        return decode_toml(path.read_text(encoding="utf-8"), Scenario, name)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name}: cannot be read: {error}") from error
