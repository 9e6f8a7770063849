"""
Corrections from an NTRIP caster to core, which hands them to the receiver; and the machine's place back to the caster.
"""

import asyncio
import contextlib
import random
import ssl
from pathlib import Path

from controller.channel import CorrectionFrame
from controller.config import Ntrip
from controller.core.geometry import Plane
from controller.core.shown import Snapshot
from controller.link.board import Board
from controller.link.core_client import CoreClient
from firmware_bridge.codec.nmea import encode_nmea
from firmware_bridge.codec.ntrip import NtripRequest
from firmware_bridge.errors import ConfigError
from firmware_bridge.io.ntrip import NtripClient, NtripStats, NtripTiming
from firmware_bridge.records import FixClass, GnssFix

FIX_AGE_NS_MAX = 5_000_000_000  # an older place is not reported: a network would compute for where the machine is not
DAY_NS = 86_400_000_000_000


class CorrectionService:
    """Runs until cancelled; `stats` says what became of the stream."""

    def __init__(self, settings: Ntrip, board: Board, core: CoreClient) -> None:
        self._settings = settings
        self._board = board
        self._core = core
        self._request = _request(settings)
        self._client: NtripClient | None = None

    @property
    def stats(self) -> NtripStats | None:
        """The client's counters; None before it runs."""
        return None if self._client is None else self._client.stats

    async def run(self) -> None:
        """Every good frame to core; with each the place, which the client reports when it is time."""
        self._client = NtripClient(
            self._request,
            clock=asyncio.get_running_loop().time,
            random=random.random,
            timing=NtripTiming(),
            context=ssl.create_default_context() if self._settings.has_tls else None,
        )
        reporting = asyncio.create_task(self._report())
        try:
            async with contextlib.aclosing(self._client.frames()) as frames:
                async for frame in frames:
                    self._core.tell(CorrectionFrame(payload=frame.data))
        finally:
            reporting.cancel()

    async def _report(self) -> None:
        while True:
            follower = self._board.follower
            plane = None if follower is None else follower.plane
            report = None if not self._board.is_connected else position_report(self._board.snapshot, plane)
            assert self._client is not None, "it is made before this task"
            self._client.report_position(report)
            await asyncio.sleep(1.0)


def position_report(snapshot: Snapshot | None, plane: Plane | None) -> bytes | None:
    """
    The machine's place as a GGA sentence, as a network of stations wants it; None where it is not known now.

    The place is that of the plane at its own altitude: exact to some metres, which is all that a network needs.
    """
    if snapshot is None or plane is None or snapshot.position_dmm is None or snapshot.utc_ns is None:
        return None
    if snapshot.fix_age_ns is None or snapshot.fix_age_ns > FIX_AGE_NS_MAX:
        return None
    latitude, longitude = plane.unproject(snapshot.position_dmm[0] / 10_000, snapshot.position_dmm[1] / 10_000)
    fix = GnssFix(
        utc_ns=snapshot.utc_ns,
        time_of_day_ns=int(snapshot.utc_ns) % DAY_NS,
        latitude_deg=float(latitude),
        longitude_deg=float(longitude),
        altitude_m=plane.altitude_m,
        fix_class=FixClass.SINGLE,
        horizontal_error_95_m=None,
        speed_m_s=None,
        course_deg=None,
        heading_deg=None,
        heading_error_95_deg=None,
        correction_age_s=None,
        reference_station=None,
    )
    return encode_nmea(fix).splitlines()[0]


def _request(settings: Ntrip) -> NtripRequest:
    """What to ask for; the password is read from its own file. Raises `ConfigError`."""
    password = None
    if settings.password_file is not None:
        try:
            password = Path(settings.password_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"[ntrip] password_file: {settings.password_file}: cannot be read: {error}") from error
    try:
        return NtripRequest(
            host=settings.host,
            port=settings.port,
            mountpoint=settings.mountpoint,
            username=settings.username,
            password=password,
            version=settings.version,
        )
    except ValueError as error:
        raise ConfigError(f"[ntrip]: {error}") from error
