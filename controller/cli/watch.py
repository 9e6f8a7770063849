"""`firmground watch`: what arrives at a broker, in words; for supervisors' desks and for curious developers."""

import asyncio
import signal
import sys
from typing import Any

import click
import msgspec

from controller.link.broker import BrokerConnection
from controller.link.messages import ROOT
from firmware_bridge.errors import ServiceError

SCHEME = "mqtt://"


@click.command()
@click.option("--broker", required=True, metavar="URL", help="mqtt://HOST:PORT")
@click.option("--topic", default="#", show_default=True, help=f"What to watch, below {ROOT}/.")
@click.option("--seconds", type=click.FloatRange(min=0.1), help="Stop after so long; default: until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines: topic, retained or not, and the whole message.")
def watch(broker: str, topic: str, seconds: float | None, as_json: bool) -> None:
    """Print every message that a machine publishes; exit 2 where the broker cannot be reached."""
    host, separator, port = broker.removeprefix(SCHEME).rpartition(":")
    if not separator or not port.isdigit() or "://" in host:
        raise click.BadParameter("write mqtt://HOST:PORT", param_hint="--broker")
    asyncio.run(_watch(host, int(port), f"{ROOT}/{topic}", seconds, as_json))


async def _watch(host: str, port: int, topics: str, seconds: float | None, as_json: bool) -> None:
    def received(topic: str, payload: bytes, is_retained: bool) -> None:
        if f"{ROOT}/" in topic and "/json/" in topic:
            return  # the copies for other tools say the same
        click.echo(_as_json(topic, payload, is_retained) if as_json else _in_words(topic, payload, is_retained))
        sys.stdout.flush()

    connection = await _connect(host, port, received)
    connection.subscribe(topics)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    waits = {asyncio.create_task(stopping.wait()), asyncio.create_task(connection.closed.wait())}
    await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    is_lost = connection.closed.is_set()
    connection.close()
    if is_lost:
        raise ServiceError(f"broker {host}:{port}: the connection ended")


async def _connect(host: str, port: int, received: Any) -> BrokerConnection:
    """MQTT 5, or 3.1.1 where the broker speaks no more; raises `ServiceError`."""
    for version in (5, 4):
        connection = BrokerConnection(host=host, port=port, client_id="", version=version, received=received)
        try:
            await connection.open()
            return connection
        except ServiceError:
            if version == 4 or not connection.was_refused:
                raise
    raise AssertionError("one of the two has returned or raised")


def _as_json(topic: str, payload: bytes, is_retained: bool) -> str:
    return msgspec.json.encode({"topic": topic, "retained": is_retained, "message": _decode(payload)}).decode()


def _in_words(topic: str, payload: bytes, is_retained: bool) -> str:
    """One line: the topic, whether the broker kept it, its age, and what it says."""
    message = _decode(payload)
    if not isinstance(message, dict):
        return f"{topic}: {len(payload)} bytes that are no message of this program"
    mark = " (kept)" if is_retained else ""
    origin = message.get("origin")
    parts = [f"{topic.removeprefix(ROOT + '/')}{mark}"]
    if origin is not None and origin != "live":
        parts.append(str(origin).upper())
    return "  ".join([*parts, *_content(topic, message)])


def _content(topic: str, message: dict[str, Any]) -> list[str]:
    kind = topic.split("/")[4] if topic.count("/") >= 4 else ""
    match kind:
        case "status":
            return [f"{message['state']}: {message['reason']}"]
        case "live" if "snapshot" in message:
            snapshot = message["snapshot"]
            credit = [f"{r['reason']}" for head in snapshot["heads"] for r in head["reasons"] or ()]
            said = f"not counting: {', '.join(dict.fromkeys(credit))}" if credit else "counting"
            return [f"fix {snapshot['fix_class']}", f"{len(snapshot['sounding'])} sounding", said]
        case "live":
            strongest = [max((s for s in head["signal"] if s is not None), default=None) for head in message["heads"]]
            return [f"strongest signal {strongest}"]
        case "event":
            return [f"#{message['ledger_seq']}", str(_short(message["body"]))]
        case "coverage":
            return [f"block {message['block']} {message['block_state']}", f"version {message['version']}"]
        case "summary":
            return [f"searched {message['searched_m2']} m²", f"provisional {message['provisional_m2']} m²"]
        case _:
            return [str(_short(message))]


def _short(body: dict[str, Any]) -> dict[str, Any]:
    """Without what nobody can read in a line."""
    return {
        k: v for k, v in body.items() if isinstance(v, str | int | float | bool | list | tuple) and len(str(v)) < 80
    }


def _decode(payload: bytes) -> Any:
    try:
        return msgspec.msgpack.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
