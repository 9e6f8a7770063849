"""
The record to the broker, and the present beside it: two lanes over one connection, and one after another connections.

Records go out in their order, a bounded number at a time; a cursor moves when the broker has acknowledged all of a
record's messages. The present is sent a few times a second and never queued. The session that runs comes first; what
is left of earlier ones follows when it has nothing to send.
"""

import asyncio
import hashlib
import logging
import random
from collections import OrderedDict

import msgspec

from controller.config import Config
from controller.link import messages
from controller.link.board import Board
from controller.link.broker import BrokerConnection, Will
from controller.link.follower import Follower
from controller.link.messages import ROOT, Context, Envelope
from controller.store.chain import TILE, LedgerRecord, RecordFields
from controller.store.compression import compress
from controller.store.cursors import Cursors
from controller.store.ledger import LedgerReader
from firmware_bridge.errors import FirmgroundError, ServiceError, StoreError

LIVE_S = 0.2
SUMMARY_S = 5.0
RECONNECT_S = 0.7  # and up to as much again: back within 2 s of the broker's return
IN_FLIGHT_MAX = 64  # messages that the broker has not acknowledged
ACKNOWLEDGE_S_MAX = 10.0  # a connection that has not acknowledged for so long is rebuilt, whatever it says of itself
CURSOR_S = 0.5

_log = logging.getLogger(__name__)


class _Lane:
    """One session on its way to the broker: its own reading place, and what is not acknowledged yet."""

    def __init__(self, follower: Follower, cursor: int) -> None:
        self.follower = follower
        self.sent = self.confirmed = self.saved = cursor
        self.unconfirmed: OrderedDict[int, set[int]] = OrderedDict()
        self.reader = LedgerReader(follower.directory)

    @property
    def is_idle(self) -> bool:
        """Whether all that was followed has been sent and acknowledged."""
        return not self.unconfirmed and self.sent >= self.follower.last_seq

    def acknowledge(self, number: int) -> None:
        """The broker has taken message `number`."""
        for awaited in self.unconfirmed.values():
            awaited.discard(number)
        while self.unconfirmed and not next(iter(self.unconfirmed.values())):
            self.confirmed, _ = self.unconfirmed.popitem(last=False)


class Publisher:
    """Runs until cancelled; whatever the broker does, it goes on trying."""

    def __init__(self, config: Config, board: Board, cursors: Cursors, config_sha256: str) -> None:
        self._config = config
        self._board = board
        self._cursors = cursors
        self._config_sha256 = config_sha256
        self._prefix = f"{ROOT}/{config.machine.site}/{config.machine.id}"
        self._version = 5
        self._connection: BrokerConnection | None = None
        self._lane: _Lane | None = None
        self._earlier: _Lane | None = None
        self._is_caught_up = False
        self._live_seq = 0
        self.trouble: str | None = "not connected yet"

    @property
    def published_seq(self) -> int | None:
        """The last record of the running session that the broker has acknowledged."""
        if self._lane is None or self._lane.follower is not self._board.follower:
            return None
        return self._lane.confirmed

    async def run(self) -> None:
        """Connect, publish, and begin anew whenever that ends."""
        while True:
            try:
                await self._serve()
            except (ServiceError, StoreError) as error:
                self._say(str(error))
            await asyncio.sleep(RECONNECT_S * (1.0 + random.random()))

    async def _serve(self) -> None:
        will = messages.status(self._board.context, "offline", "link is gone")
        connection = BrokerConnection(
            host=self._config.mqtt.host,
            port=self._config.mqtt.port,
            client_id=f"firmground-{self._config.machine.site}-{self._config.machine.id}",
            version=self._version,
            will=Will(topic=f"{self._prefix}/status", payload=msgspec.msgpack.encode(will)),
            acknowledged=self._acknowledged,
        )
        try:
            await connection.open()
        except ServiceError:
            if connection.was_refused:
                self._version = 4 if self._version == 5 else 5  # 4 is MQTT 3.1.1
            raise
        self._connection = connection
        self._say(None)
        lanes = (self._live(), self._states(), self._records(), connection.closed.wait())
        tasks = {asyncio.create_task(lane) for lane in lanes}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            raise ServiceError(f"broker {self._config.mqtt.host}:{self._config.mqtt.port}: the connection ended")
        finally:
            for task in tasks:
                task.cancel()
            self._publish("status", messages.status(self._board.context, "offline", "link stopped"), qos=1, kept=True)
            self._connection = None
            self._drop_lanes()
            connection.close()

    async def _states(self) -> None:
        """`status` whenever it changes, `birth` with every session and head."""
        shown: object = None
        born: object = None
        while True:
            state = self._board.state
            if state != shown:
                shown = state
                self._publish("status", messages.status(self._board.context, *state), qos=1, kept=True)
            follower, welcome = self._board.follower, self._board.welcome
            if follower is not None and welcome is not None:
                known = (welcome.session, tuple(follower.heads.values()))
                if known != born:
                    born = known
                    self._publish("birth", self._birth(follower), qos=1, kept=True)
            await self._board.fresh(0.1)

    async def _live(self) -> None:
        """The present, a few times a second, and the totals every few seconds; never queued."""
        next_summary = 0.0
        loop = asyncio.get_running_loop()
        while True:
            snapshot, connection = self._board.snapshot, self._connection
            if snapshot is not None and connection is not None and not connection.is_congested:
                context = self._board.context
                self._live_seq += 1
                self._publish(
                    "live/state", messages.live_state(context, self._live_seq, snapshot, self._board.health), qos=0
                )
                self._publish("live/signal", messages.live_signal(context, self._live_seq, snapshot), qos=0)
            if loop.time() >= next_summary and self._board.follower is not None:
                next_summary = loop.time() + SUMMARY_S
                self._publish("summary", self._summary(self._board.follower), qos=1, kept=True)
            await asyncio.sleep(LIVE_S)

    async def _records(self) -> None:
        """Records in order, a bounded number unacknowledged; cursors follow what was acknowledged."""
        loop = asyncio.get_running_loop()
        progress, since = self._progress(), loop.time()
        next_save = since
        while True:
            lanes = await self._lanes_to_serve()
            moved = [self._send_records(lane) for lane in lanes]
            if self._progress() != progress or all(lane.is_idle for lane in lanes):
                progress, since = self._progress(), loop.time()
            if loop.time() - since > ACKNOWLEDGE_S_MAX:
                raise ServiceError(f"the broker has acknowledged nothing for {ACKNOWLEDGE_S_MAX:.0f} s")
            if loop.time() >= next_save:
                next_save = loop.time() + CURSOR_S
                self._save_cursors()
            await asyncio.sleep(0 if any(moved) else 0.02)

    async def _lanes_to_serve(self) -> list[_Lane]:
        """The running session, and beside it an earlier one that is not published to its end, while it is idle."""
        current = self._board.follower
        if current is None:
            return []
        if self._lane is None or self._lane.follower is not current:
            self._drop_lanes()
            self._lane = _Lane(current, self._cursors.published(current.info.session))
        if self._earlier is not None and self._earlier.is_idle:
            self._save_cursors()
            self._earlier.follower.close()
            self._earlier = None
        if self._lane.is_idle and self._earlier is None and not self._is_caught_up:
            self._earlier = await self._next_earlier(current)
            self._is_caught_up = self._earlier is None
        return [lane for lane in (self._lane, self._earlier) if lane is not None]

    async def _next_earlier(self, current: Follower) -> _Lane | None:
        for directory in sorted(current.directory.parent.glob(f"{self._config.machine.id}-*")):
            if directory.name >= current.directory.name:
                break
            cursor = self._cursors.published(directory.name)
            try:
                follower = Follower(directory)
                if cursor < follower.newest_seq():
                    while follower.read_new():
                        await asyncio.sleep(0)
                    return _Lane(follower, cursor)
                follower.close()
            except FirmgroundError as error:
                _log.warning("%s is not published: %s", directory.name, error)
        return None

    def _drop_lanes(self) -> None:
        """Whatever was not acknowledged is sent anew by the next lane of that session."""
        self._save_cursors()
        for lane in (self._lane, self._earlier):
            if lane is not None:
                lane.reader.close()
        if self._earlier is not None:
            self._earlier.follower.close()
        self._lane = self._earlier = None
        self._is_caught_up = False

    def _progress(self) -> tuple[int, ...]:
        return tuple(lane.confirmed for lane in (self._lane, self._earlier) if lane is not None)

    def _send_records(self, lane: _Lane) -> bool:
        """The next records, while there is room for them; True where something was sent."""
        room = IN_FLIGHT_MAX - sum(len(awaited) for awaited in lane.unconfirmed.values())
        if room <= 0 or self._connection is None:
            return False
        # Never ahead of what was followed: a tile's message says what its block is worth.
        records = [r for r in lane.reader.records_after(lane.sent, room) if r.seq <= lane.follower.last_seq]
        for record in records:
            lane.unconfirmed[record.seq] = self._send_record(lane.follower, record)
            lane.sent = record.seq
        return bool(records)

    def _send_record(self, follower: Follower, record: LedgerRecord) -> set[int]:
        """A record's messages; their numbers."""
        fields = follower.fields(record)
        session = follower.info.session
        numbers = {self._publish(f"event/{record.kind}", messages.event(session, record, fields), qos=1)}
        if fields.kind == TILE:
            numbers.add(self._publish_coverage(follower, fields))
        elif fields.kind == "verdict":
            block = fields.body["block"]
            for tx, ty in sorted(follower.live_map.fold.places(block)):
                place = {"block": block, "tx": tx, "ty": ty, "spec": follower.live_map.fold.spec(block)}
                numbers.add(self._publish_coverage(follower, msgspec.structs.replace(fields, body=place)))
        return {number for number in numbers if number is not None}

    def _publish_coverage(self, follower: Follower, fields: RecordFields) -> int | None:
        tile = follower.tile(fields)
        if tile is None:
            return None
        fold = follower.live_map.fold
        body = fields.body
        named = {index: fold.reason_set(index) for index in sorted(set(tile.cells[len(tile.cells) // 2 :])) if index}
        message = messages.coverage(
            Context(session=follower.info.session, origin=fields.origin, utc_ns=fields.utc_ns),
            fields=fields,
            version=tile.version,
            block_state=fold.block_state(tile.block),
            compressed=compress(tile.cells),
            digest=hashlib.sha256(tile.cells).digest(),
            reason_sets={index: reasons for index, reasons in named.items() if reasons is not None},
            plane=follower.plane,
        )
        topic = f"coverage/{follower.task or 'none'}/{body['block']}/{body['tx']}/{body['ty']}"
        return self._publish(topic, message, qos=1, kept=True)

    def _birth(self, follower: Follower) -> messages.Birth:
        assert self._board.welcome is not None, "a session is followed because core named it"
        return messages.birth(
            self._board.context,
            self._board.welcome,
            tuple(follower.heads.values()),
            machine=self._config.machine.id,
            site=self._config.machine.site,
            profile=follower.profile.name,
            task=follower.task,
            config_sha256=self._config_sha256,
        )

    def _summary(self, follower: Follower) -> messages.Summary:
        return messages.summary(
            self._board.context,
            follower.live_map.totals(),
            searched_for=follower.live_map.fold.aim,
            ledger_seq=follower.last_seq,
            alarms=len(follower.alarms),
            published_seq=self.published_seq,
        )

    def _publish(self, topic: str, message: Envelope, *, qos: int, kept: bool = False) -> int | None:
        if self._connection is None:
            return None
        if self._config.mqtt.has_json:
            copy = msgspec.json.encode(message)
            self._connection.publish(f"{self._prefix}/json/{topic}", copy, qos=0, is_retained=kept)
        payload = msgspec.msgpack.encode(message)
        return self._connection.publish(f"{self._prefix}/{topic}", payload, qos=qos, is_retained=kept)

    def _acknowledged(self, number: int) -> None:
        for lane in (self._lane, self._earlier):
            if lane is not None:
                lane.acknowledge(number)

    def _save_cursors(self) -> None:
        """What cannot be saved costs repetitions after a restart, and no record: publishing goes on."""
        for lane in (self._lane, self._earlier):
            if lane is not None and lane.confirmed > lane.saved:
                try:
                    self._cursors.advance(lane.follower.info.session, lane.confirmed)
                except StoreError as error:
                    self._say(str(error))
                    return
                lane.saved = lane.confirmed

    def _say(self, trouble: str | None) -> None:
        if trouble != self.trouble:
            _log.log(logging.INFO if trouble is None else logging.WARNING, "%s", trouble or "connected to the broker")
        self.trouble = trouble
