"""
A session's record, followed while it grows: everything that link shows or publishes of it is derived here.
"""

from pathlib import Path

import msgspec

from controller.config import read_config
from controller.core.alarm_events import (
    AlarmAcknowledged,
    AlarmEnded,
    AlarmLocated,
    AlarmMarked,
    AlarmRaised,
    AlarmUnlocated,
)
from controller.core.check_events import HeadIdentified
from controller.core.effects import AnyEvent, PlaneSet, SessionEnded
from controller.core.fold import map_fold
from controller.core.geometry import Plane
from controller.link.live_map import LiveMap
from controller.profile_files import load_profile
from controller.store.chain import TILE, LedgerRecord, RecordFields, decode_event, decode_fields
from controller.store.ledger import LedgerReader, StoredTile, read_info
from controller.store.recorder import CONFIG_NAME
from firmware_bridge.errors import StoreError

BATCH = 500  # records read at once: 20 ms, so that the console stays alive while a long record is caught up with


class AlarmView(msgspec.Struct, frozen=True, kw_only=True):
    """
    An alarm as screens show it; positions in the plane.

    is_recorded : it stands in the ledger      is_unlocated : no position could be given: mark it by hand
    """

    alarm: int
    head: str
    channels: tuple[str, ...]
    value: float | None
    threshold: float | None
    check: int | None
    utc_ns: int | None
    east_dmm: int | None = None
    north_dmm: int | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    error_m: float | None = None
    is_unlocated: bool = False
    acknowledged_by: str | None = None
    marked_by: str | None = None
    tag: str | None = None
    is_recorded: bool = True


class Follower:
    """Reads a session directory's ledger in steps; raises `StoreError` where that cannot be read."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.info = read_info(directory)
        config = read_config(directory / CONFIG_NAME)
        self.profile = load_profile(config.machine.profile)
        self.task = None if config.task is None else config.task.id
        self.live_map = LiveMap(map_fold(self.profile, config.task))
        self.plane: Plane | None = None
        self.heads: dict[str, HeadIdentified] = {}
        self.alarms: dict[int, AlarmView] = {}
        self.origin = self.info.origin
        self.last_seq = -1
        self.is_ended = False
        self._reader = LedgerReader(directory)

    def read_new(self) -> bool:
        """Take the next records, at most a batch; True where there were any."""
        records = self._reader.records_after(self.last_seq, BATCH)
        for record in records:
            fields = self.fields(record)
            event = self._event(fields)
            self.origin = fields.origin
            self.last_seq = record.seq
            if event is not None:
                self.live_map.add(event)
                self._take(event)
        return bool(records)

    def fields(self, record: LedgerRecord) -> RecordFields:
        """A record's fields; raises `StoreError`."""
        try:
            return decode_fields(record.stored)
        except msgspec.DecodeError as error:
            raise StoreError(f"{self.directory}: record {record.seq} cannot be decoded: {error}") from error

    def tile(self, fields: RecordFields) -> StoredTile | None:
        """The newest cells of the tile that a tile's record is about."""
        return self._reader.tile(fields.body["block"], fields.body["tx"], fields.body["ty"])

    def newest_seq(self) -> int:
        """Number of the last record that the ledger holds by now."""
        return self._reader.last_seq()

    def close(self) -> None:
        """Let go of the ledger."""
        self._reader.close()

    def _event(self, fields: RecordFields) -> AnyEvent | None:
        """A record's event; a tile's with its newest cells."""
        try:
            if fields.kind != TILE:
                return decode_event(fields)
            tile = self.tile(fields)
            if tile is None:
                return None
            newest = msgspec.structs.replace(fields, body={**fields.body, "version": tile.version})
            return decode_event(newest, tile.cells)
        except (msgspec.ValidationError, KeyError) as error:
            raise StoreError(f"{self.directory}: record {fields.seq} cannot be decoded: {error}") from error

    def _take(self, event: AnyEvent) -> None:
        match event:
            case PlaneSet():
                self.plane = Plane(event.latitude_deg, event.longitude_deg, event.altitude_m)
            case HeadIdentified():
                self.heads[event.head] = event
            case SessionEnded():
                self.is_ended = True
            case AlarmRaised():
                self.alarms[event.alarm] = AlarmView(
                    alarm=event.alarm,
                    head=event.head,
                    channels=event.channels,
                    value=event.value,
                    threshold=event.threshold,
                    check=event.check,
                    utc_ns=event.utc_ns,
                )
            case AlarmEnded():
                self._change(event.alarm, channels=event.channels, value=event.peak)
            case AlarmLocated():
                self._change(
                    event.alarm,
                    east_dmm=event.east_dmm,
                    north_dmm=event.north_dmm,
                    latitude_deg=event.latitude_deg,
                    longitude_deg=event.longitude_deg,
                    error_m=event.error_m,
                )
            case AlarmUnlocated():
                self._change(event.alarm, is_unlocated=True)
            case AlarmAcknowledged():
                self._change(event.alarm, acknowledged_by=event.person)
            case AlarmMarked():
                self._change(event.alarm, marked_by=event.person, tag=event.tag)
            case _:
                pass

    def _change(self, alarm: int, **fields: object) -> None:
        if alarm in self.alarms:
            self.alarms[alarm] = msgspec.structs.replace(self.alarms[alarm], **fields)
