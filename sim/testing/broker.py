"""A real broker on loopback with a subscriber that keeps everything."""

import asyncio
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from controller.cli.broker import start_broker
from controller.cli.process import free_port, stop_all
from controller.link.broker import BrokerConnection
from firmware_bridge.errors import ServiceError
from sim.testing.waiting import PATIENCE_S

EVERYTHING = "#"
READY = "firmground-testing/subscribed"  # the subscriber's own, to know when it hears the others
CLIENT_ID = "firmground-testing"
MQTT_3_1_1 = 4  # both brokers speak it
MESSAGES_MAX = 100_000  # more than a test can look at; of more, the oldest go


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message as the subscriber got it. `is_retained`: the broker had kept it from before."""

    topic: str
    payload: bytes
    is_retained: bool

    @property
    def content(self) -> Any:
        """The payload decoded: JSON under `.../json/`, msgpack elsewhere, as Firmground publishes."""
        return (msgspec.json if "/json/" in self.topic else msgspec.msgpack).decode(self.payload)


class Broker:
    """
    Mosquitto where it is installed, else the embedded amqtt; on 127.0.0.1, on one port from beginning to end.

    It keeps nothing over a stop. The subscriber's messages are kept, across stops, in order of arrival.
    """

    host = "127.0.0.1"

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.name = ""
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._subscriber: _Subscriber | None = None
        self._kept: list[Message] = []
        self._changed = threading.Condition()

    @property
    def url(self) -> str:
        """As `firmground watch --broker` takes it."""
        return f"mqtt://{self.host}:{self.port}"

    def start(self) -> None:
        """Start it; back once it answers and the subscriber hears everything. Raises `ServiceError`."""
        assert self._process is None, "the broker runs already"
        self._directory.mkdir(parents=True, exist_ok=True)
        self.name, self._process = start_broker(self._directory, self.port)
        self._subscriber = _Subscriber((self.host, self.port), self._keep)
        self._subscriber.begin()

    def stop(self) -> None:
        """Stop it, as a person would: its clients see the connection end."""
        self._end(stop_all)

    def kill(self) -> None:
        """As a power cut would: SIGKILL."""
        self._end(lambda process: process.kill())

    def close(self) -> None:
        """Stop it for good, if it runs."""
        self.stop()

    def messages(self, topic: str = EVERYTHING) -> list[Message]:
        """What has come so far under a topic, in which `+` and `#` stand for what they do in MQTT."""
        with self._changed:
            return [message for message in self._kept if _matches(topic, message.topic)]

    def expect(
        self,
        topic: str,
        count: int = 1,
        timeout_s: float = PATIENCE_S,
        where: Callable[[Message], object] = lambda message: True,
    ) -> list[Message]:
        """The same, of those that fit, once there are `count` of them; fails with the topics that did come."""
        with self._changed:
            self._changed.wait_for(lambda: sum(map(bool, map(where, self.messages(topic)))) >= count, timeout_s)
            found = [message for message in self.messages(topic) if where(message)]
            came = sorted({message.topic for message in self._kept})
        assert len(found) >= count, f"{len(found)} of {count} messages came under {topic} in {timeout_s:g} s; of {came}"
        return found

    def publish(self, topic: str, payload: bytes, *, is_retained: bool = False) -> None:
        """Publish at QoS 1; the broker runs."""
        assert self._subscriber is not None, "the broker is stopped; start() it first"
        self._subscriber.publish(topic, payload, is_retained)

    def forget(self) -> None:
        """Drop the messages that have come so far."""
        with self._changed:
            self._kept.clear()

    def _keep(self, message: Message) -> None:
        with self._changed:
            self._kept.append(message)
            del self._kept[:-MESSAGES_MAX]
            self._changed.notify_all()

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        if self._process is None or self._subscriber is None:
            return
        how(self._process)
        self._process.wait()
        self._process = None
        self._subscriber.join(PATIENCE_S)
        self._subscriber = None


class _Subscriber(threading.Thread):
    """One connection to a broker, on a thread of its own until the broker is gone."""

    def __init__(self, address: tuple[str, int], keep: Callable[[Message], None]) -> None:
        super().__init__(name="subscriber", daemon=True)
        self._keep = keep
        self._is_ready = threading.Event()
        self._trouble: ServiceError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection = BrokerConnection(
            host=address[0],
            port=address[1],
            client_id=CLIENT_ID,
            version=MQTT_3_1_1,
            received=self._receive,
        )

    def begin(self) -> None:
        """Start; back once everything is heard. Raises `ServiceError`."""
        self.start()
        if not self._is_ready.wait(PATIENCE_S):
            raise ServiceError("the broker took the subscriber and tells it nothing")
        if self._trouble is not None:
            raise self._trouble

    def run(self) -> None:
        """Connect, subscribe, and take what comes."""
        asyncio.run(self._subscribe())

    def publish(self, topic: str, payload: bytes, is_retained: bool) -> None:
        """From another thread."""
        assert self._loop is not None, "it has begun"
        self._loop.call_soon_threadsafe(
            lambda: self._connection.publish(topic, payload, qos=1, is_retained=is_retained)
        )

    async def _subscribe(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            await self._connection.open()
        except ServiceError as error:
            self._trouble = error
            self._is_ready.set()
            return
        self._connection.subscribe(EVERYTHING)
        self._connection.publish(READY, b"", qos=1, is_retained=False)  # comes back when the subscription stands
        await self._connection.closed.wait()

    def _receive(self, topic: str, payload: bytes, is_retained: bool) -> None:
        if topic == READY:
            self._is_ready.set()
        else:
            self._keep(Message(topic=topic, payload=payload, is_retained=is_retained))


def _matches(topic_filter: str, topic: str) -> bool:
    """Whether a topic falls under a filter (MQTT 3.1.1, 4.7.1)."""
    given = topic.split("/")
    wanted = topic_filter.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(given) or level not in ("+", given[index]):
            return False
    return len(wanted) == len(given)
