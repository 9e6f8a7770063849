"""
Which aim each search specification serves: the specifications of all sessions of a map, in any order of arrival.
"""

from controller.core.check_events import SpecSet
from controller.core.decisions import Aim


class Specs:
    """Specifications by hash."""

    def __init__(self) -> None:
        self._aims: dict[str, Aim] = {}
        self._latest: dict[Aim, tuple[int, int]] = {}

    def add(self, event: SpecSet) -> None:
        """Take one; the same again, at another time, is another use of it."""
        self._aims[event.spec] = event.aim
        when = (event.utc_ns or 0, event.mono_ns)
        self._latest[event.aim] = max(when, self._latest.get(event.aim, when))

    def aim(self, spec: str) -> Aim | None:
        """What is searched for under a specification; None where that was not said yet."""
        return self._aims.get(spec)

    @property
    def aims(self) -> tuple[Aim, ...]:
        """All aims, the latest used last; of one instant, in order of name."""
        return tuple(sorted(self._latest, key=lambda aim: (self._latest[aim], aim)))

    @property
    def latest(self) -> Aim | None:
        """The aim that was used last."""
        return self.aims[-1] if self._latest else None
