"""
One connection to an MQTT broker inside asyncio: the one file that imports paho.

paho's own thread is not used: its packets are read and written by the event loop, so that no callback can end a thread
that goes on saying "connected". A connection that fails or ends is thrown away with everything paho had queued; what
was not acknowledged is sent again from the record over the next one.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable

import msgspec
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from firmware_bridge.errors import ServiceError

KEEPALIVE_S = 10
CONNECT_S_MAX = 3.0
MISC_S = 1.0  # how often paho looks after pings
QUEUE_MAX = 100  # QoS 1 messages within paho at once; the publisher keeps fewer in flight


class Will(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker says, retained, when this client is gone."""

    topic: str
    payload: bytes


class BrokerConnection:
    """
    Connects once; then `publish` and `subscribe` until `closed` is set.

    acknowledged(number) : the broker has taken a QoS 1 message
    received(topic, payload, is_retained) : a subscribed message came
    was_refused : something is there and did not take this client, perhaps for its version of the protocol
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        client_id: str,
        version: int,
        will: Will | None = None,
        acknowledged: Callable[[int], None] = lambda number: None,
        received: Callable[[str, bytes, bool], None] = lambda topic, payload, is_retained: None,
    ) -> None:
        self._address = (host, port)
        protocol = MQTTProtocolVersion.MQTTv5 if version == 5 else MQTTProtocolVersion.MQTTv311
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=None if version == 5 else True,
            protocol=protocol,
            reconnect_on_failure=False,
        )
        self._client.max_inflight_messages_set(QUEUE_MAX)
        self._client.connect_timeout = CONNECT_S_MAX
        if will is not None:
            self._client.will_set(will.topic, will.payload, qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_publish = lambda _client, _data, number, _code, _properties: acknowledged(number)
        self._client.on_message = lambda _client, _data, message: received(
            message.topic, bytes(message.payload), message.retain
        )
        self._client.on_socket_close = lambda _client, _data, _socket: self._unwatch()
        self._descriptor: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._answer: asyncio.Future[str | None] | None = None
        self._misc: asyncio.Task[None] | None = None
        self.was_refused = False
        self.closed = asyncio.Event()

    async def open(self) -> None:
        """Connect and wait for the broker's answer; raises `ServiceError` where it refuses or is not there."""
        self._loop = asyncio.get_running_loop()
        self._answer = self._loop.create_future()
        where = f"broker {self._address[0]}:{self._address[1]}"
        try:
            await asyncio.to_thread(self._client.connect, *self._address, KEEPALIVE_S)
        except OSError as error:
            raise ServiceError(f"{where}: {error.strerror or error}") from error
        except ValueError as error:
            raise ServiceError(f"{where}: {error}") from error
        connected = self._client.socket()
        assert isinstance(connected, socket.socket), "it has just been connected, over plain TCP"
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # paho leaves Nagle on: 40 ms spikes
        self._descriptor = connected.fileno()
        self._loop.add_reader(self._descriptor, self._read)
        self._misc = asyncio.create_task(self._look_after())
        self._flush()
        try:
            async with asyncio.timeout(CONNECT_S_MAX):
                refusal = await self._answer
        except TimeoutError as error:
            self.was_refused = True
            self.close()
            raise ServiceError(f"{where}: does not answer") from error
        if refusal is not None:
            self.was_refused = True
            self.close()
            raise ServiceError(f"{where}: {refusal}")

    def publish(self, topic: str, payload: bytes, *, qos: int, is_retained: bool) -> int:
        """Send a message; its number, with which it is acknowledged."""
        information = self._client.publish(topic, payload, qos=qos, retain=is_retained)
        self._flush()
        return information.mid

    def subscribe(self, topics: str) -> None:
        """Receive what matches."""
        self._client.subscribe(topics, qos=1)
        self._flush()

    @property
    def is_congested(self) -> bool:
        """Whether bytes are waiting that the network does not take: newer live messages would only pile up."""
        return self._client.want_write()

    def close(self) -> None:
        """Say goodbye, if anybody hears it, and let go; the will is not published then."""
        self._client.disconnect()
        self._end("closed")

    def _on_connect(
        self, _client: paho.Client, _data: object, _flags: object, code: ReasonCode, _properties: Properties | None
    ) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(f"refuses: {code}" if code.is_failure else None)

    def _read(self) -> None:
        self._check(self._client.loop_read())
        self._flush()

    def _flush(self) -> None:
        """Write what waits; where the network does not take it all, go on when it does."""
        if self._client.want_write() and self._descriptor is not None:
            self._check(self._client.loop_write())
        if self._descriptor is None or self._loop is None:
            return
        if self._client.want_write():
            self._loop.add_writer(self._descriptor, self._flush)
        else:
            self._loop.remove_writer(self._descriptor)

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(MISC_S)
            self._check(self._client.loop_misc())
            self._flush()

    def _check(self, code: MQTTErrorCode) -> None:
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS or self._client.socket() is None:
            self._end(paho.error_string(code) if code else "the broker hung up")

    def _unwatch(self) -> None:
        """Before the descriptor is closed, by paho or by us: its number may soon be another's."""
        if self._descriptor is not None and self._loop is not None:
            self._loop.remove_reader(self._descriptor)
            self._loop.remove_writer(self._descriptor)
        self._descriptor = None

    def _end(self, why: str) -> None:
        self._unwatch()
        left = self._client.socket()
        if left is not None:
            with contextlib.suppress(OSError):
                left.close()
        if self._misc is not None:
            self._misc.cancel()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(f"hung up before it answered ({why})")
        self.closed.set()
