"""
What link knows right now: the newest snapshot with its age, the record as followed, and whether core is heard at all.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from controller.channel import AnyToLink, Health, Live, Recorded, Welcome
from controller.core.guidance import Guidance
from controller.core.shown import Snapshot
from controller.core.timebase import MS
from controller.link.driver import Driver, NearGap, nearest_gap
from controller.link.follower import AlarmView, Follower
from controller.link.messages import Context
from firmware_bridge.errors import FirmgroundError
from firmware_bridge.records import MonoNs

SILENCE_NS_MAX = 700 * MS  # core speaks every 50 ms; a status must say blind within a second

GAPS_S = 2.0

_log = logging.getLogger(__name__)


class Board:
    """One for the process; `now_ns` reads the clock that core's snapshots are stamped with."""

    def __init__(self, now_ns: Callable[[], MonoNs]) -> None:
        self._now_ns = now_ns
        self.welcome: Welcome | None = None
        self.snapshot: Snapshot | None = None
        self.health: Health | None = None
        self.follower: Follower | None = None
        self.is_connected = False
        self.map_version = 0
        self.alarms_version = 0
        self.recorded = asyncio.Event()
        self.trouble: str | None = None
        self.guidance: tuple[Guidance, ...] = ()
        self.gap: NearGap | None = None
        self._driver = Driver()
        self._fresh = asyncio.Event()

    def hear(self, message: AnyToLink) -> None:
        """Take what core says."""
        match message:
            case Welcome():
                self.welcome, self.is_connected = message, True
                self.snapshot = self.health = None
                self.recorded.set()
            case Live():
                self.snapshot = message.snapshot
                if message.snapshot is not None:
                    self._driver.hear(message.snapshot)
                self._tell()
            case Health():
                self.health = message
            case Recorded():
                self.recorded.set()
            case _:
                pass

    def lose(self) -> None:
        """The connection to core has ended; what was known stays, and grows old."""
        self.is_connected = False
        self._tell()

    async def fresh(self, timeout_s: float) -> None:
        """Wait for the next snapshot or a change of the connection, or for a while."""
        event = self._fresh
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            pass

    @property
    def age_ns(self) -> int | None:
        """Age of the newest snapshot; None before any."""
        return None if self.snapshot is None else self._now_ns() - self.snapshot.now_ns

    @property
    def state(self) -> tuple[str, str]:
        """`online` or `blind`, and why."""
        age_ns = self.age_ns
        if not self.is_connected:
            return "blind", "core is not running" if self.welcome is None else "core has gone"
        if age_ns is None or age_ns > SILENCE_NS_MAX:
            return "blind", "core is silent"
        return "online", f"session {self.welcome.session if self.welcome else None}"

    @property
    def context(self) -> Context:
        """What messages of this moment say of their session."""
        if self.welcome is None:
            return Context()
        origin = self.welcome.origin if self.snapshot is None else self.snapshot.origin
        utc_ns = None if self.snapshot is None else self.snapshot.utc_ns
        return Context(session=self.welcome.session, origin=origin, utc_ns=utc_ns, age_ns=self.age_ns or 0)

    @property
    def alarms(self) -> list[AlarmView]:
        """Every alarm of the session; one that is not in the record yet says so."""
        known = {} if self.follower is None else dict(self.follower.alarms)
        for number in () if self.snapshot is None else self.snapshot.sounding:
            if number not in known:
                known[number] = AlarmView(
                    alarm=number,
                    head="",
                    channels=(),
                    value=None,
                    threshold=None,
                    check=None,
                    utc_ns=None,
                    is_recorded=False,
                )
        return [known[number] for number in sorted(known)]

    def follow(self) -> bool:
        """Read on in the record of core's session; True where there may be more at once."""
        if self.welcome is None:
            return False
        directory = Path(self.welcome.directory)
        try:
            if self.follower is None or self.follower.directory != directory:
                if self.follower is not None:
                    self.follower.close()
                self.follower = Follower(directory)
                self.map_version += 1
            is_more = self.follower.read_new()
            if is_more:
                self.alarms_version += 1
            if self.follower.live_map.refresh(None if self.snapshot is None else self.snapshot.utc_ns):
                self.map_version += 1
        except FirmgroundError as error:
            if str(error) != self.trouble:  # asked again four times a second, said once
                _log.error("%s", error)
            self.trouble = str(error)
            return False
        self.trouble = None
        self.guidance = self._driver.guidance(self.follower.live_map)
        return is_more

    async def look_for_gaps(self) -> None:
        """Find the nearest gap anew every so often, beside the loop: it may take a tenth of a second."""
        while True:
            around = None if self.follower is None else self._driver.around(self.follower.live_map)
            self.gap = None if around is None else await asyncio.to_thread(nearest_gap, *around)
            await asyncio.sleep(GAPS_S)

    def _tell(self) -> None:
        self._fresh.set()
        self._fresh = asyncio.Event()
