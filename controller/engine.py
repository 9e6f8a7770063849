"""
Decoders and core as one pure machine: logged inputs in, effects out. Live running, replay and export all use this.
"""

from controller.config import Config, site_of
from controller.core.effects import Effects
from controller.core.inputs import Origin, RawInputs
from controller.core.state import begin
from controller.core.step import step
from controller.intake import Intake, Outgo


class Engine:
    """One session's decoding and deciding, from its first input on."""

    def __init__(self, config: Config, origin: Origin, utc_at_mono_zero_ns: int | None = None) -> None:
        self.intake = Intake(config)
        self.outgo = Outgo(config)
        self._state = begin(site_of(config, utc_at_mono_zero_ns), origin)

    @property
    def origin(self) -> Origin:
        """The session's origin as it stands now."""
        return self._state.origin

    def turn(self, raw: RawInputs) -> Effects:
        """Decode and step one turn's inputs."""
        self._state, effects = step(self._state, self.intake.decode(raw))
        return effects
