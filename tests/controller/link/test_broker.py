"""One connection to a real broker: both versions of the protocol, and every way in which it ends."""

import asyncio
import socket

import pytest

from controller.cli.process import free_port
from controller.link import broker
from controller.link.broker import BrokerConnection, Will
from firmware_bridge.errors import ServiceError


async def connect(port, **options):
    """MQTT 5, or 3.1.1 where the broker hangs up on it."""
    for version in (5, 4):
        connection = BrokerConnection(host="127.0.0.1", port=port, version=version, **{"client_id": "", **options})
        try:
            await connection.open()
            return connection
        except ServiceError:
            if version == 4 or not connection.was_refused:
                raise
    raise AssertionError


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def test_messages_arrive_in_order_and_are_acknowledged(broker_port):
    """A hundred of them; each is acknowledged by its number."""

    async def run():
        received, acknowledged = [], set()
        watcher = await connect(broker_port, received=lambda *message: received.append(message))
        watcher.subscribe("a/#")
        sender = await connect(broker_port, acknowledged=acknowledged.add)
        await asyncio.sleep(0)
        sender.publish("a/kept", b"k", qos=1, is_retained=True)
        await until(lambda: received)
        numbers = {sender.publish("a/b", b"%d" % count, qos=1, is_retained=False) for count in range(100)}
        await until(lambda: len(received) == 101 and numbers <= acknowledged)
        assert [payload for _, payload, _ in received[1:]] == [b"%d" % count for count in range(100)]
        late = await connect(broker_port, received=lambda *message: received.append(message))
        late.subscribe("a/kept")
        await until(lambda: received[-1] == ("a/kept", b"k", True))
        for connection in (watcher, sender, late):
            connection.close()

    asyncio.run(run())


def test_the_will_is_published_when_a_client_is_gone_without_goodbye(broker_port):
    """Cut off: the broker says what was left with it. With a goodbye it says nothing."""

    async def run():
        received = []
        watcher = await connect(broker_port, received=lambda *message: received.append(message))
        watcher.subscribe("m/#")
        will = Will(topic="m/status", payload=b"offline")
        polite = await connect(broker_port, will=will, client_id="polite")
        polite.close()
        rude = await connect(broker_port, will=will, client_id="rude")
        rude.publish("m/x", b"alive", qos=1, is_retained=False)
        await until(lambda: received)
        assert received == [("m/x", b"alive", False)]
        descriptor = rude._client.socket()
        rude._unwatch()
        rude._misc.cancel()
        descriptor.shutdown(socket.SHUT_RDWR)
        descriptor.close()
        await until(lambda: len(received) == 2)
        assert received[1][:2] == ("m/status", b"offline")
        watcher.close()

    asyncio.run(run())


def test_a_broker_that_is_not_there_is_said():
    """Refused at once, in words."""

    async def run():
        connection = BrokerConnection(host="127.0.0.1", port=free_port(), version=5, client_id="x")
        with pytest.raises(ServiceError, match="Connection refused"):
            await connection.open()
        assert not connection.was_refused, "there is nobody who could have refused this client"

    asyncio.run(run())


def test_a_server_that_never_answers_is_given_up(silent_port, monkeypatch):
    """It takes the connection and says nothing."""
    monkeypatch.setattr(broker, "CONNECT_S_MAX", 0.3)

    async def run():
        connection = BrokerConnection(host="127.0.0.1", port=silent_port, version=5, client_id="x")
        with pytest.raises(ServiceError, match="does not answer"):
            await connection.open()
        assert connection.closed.is_set()

    asyncio.run(run())


def test_a_server_that_is_no_broker_is_given_up():
    """It hangs up on the first packet: perhaps it wants another version of the protocol."""

    async def run():
        async def hang_up(reader, writer):
            await reader.read(1)
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        connection = BrokerConnection(host="127.0.0.1", port=port, version=5, client_id="x")
        with pytest.raises(ServiceError, match="hung up before it answered"):
            await connection.open()
        assert connection.was_refused
        server.close()

    asyncio.run(run())


def test_the_end_of_a_broker_is_noticed_at_once(tmp_path):
    """Killed: `closed` is set, and publishing does no harm."""

    async def run():
        from controller.cli.broker import start_broker

        port = free_port()
        _, process = start_broker(tmp_path, port)
        connection = await connect(port)
        process.kill()
        process.wait()
        async with asyncio.timeout(5):
            await connection.closed.wait()
        connection.publish("a", b"x", qos=1, is_retained=False)
        connection.close()

    asyncio.run(run())
