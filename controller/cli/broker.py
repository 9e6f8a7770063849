"""
A broker for the demo on loopback: Mosquitto where it is installed, else amqtt. The one file that imports amqtt.

Never for a machine: it keeps nothing and asks nobody who they are. `deploy/mosquitto` holds a machine's configuration.
"""

import asyncio
import importlib.util
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import click

from controller.cli.process import start
from firmware_bridge.errors import ServiceError

MOSQUITTO_FOLDERS = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"  # not on everybody's PATH
START_S_MAX = 10.0


@click.command(hidden=True)
@click.option("--port", type=click.IntRange(1, 65_535), required=True)
def broker(port: int) -> None:
    """Run the embedded broker on 127.0.0.1 until SIGTERM."""
    asyncio.run(_embedded(port))


def start_broker(directory: Path, port: int) -> tuple[str, subprocess.Popen[bytes]]:
    """Start a broker on 127.0.0.1 and wait until it answers; its name and process. Raises `ServiceError`."""
    mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path=MOSQUITTO_FOLDERS)
    log = directory / "broker.log"
    with log.open("wb") as output:
        if mosquitto is not None:
            name = "Mosquitto"
            config = directory / "mosquitto.conf"
            config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n")
            process = subprocess.Popen([mosquitto, "-c", str(config)], stdout=output, stderr=output, process_group=0)
        elif importlib.util.find_spec("amqtt") is not None:
            name = "the embedded broker (amqtt)"
            process = start(["broker", "--port", str(port)], stdout=output, stderr=output)
        else:
            raise ServiceError("no broker: install Mosquitto, or amqtt with pip install 'firmground[demo]'")
    for _ in range(round(START_S_MAX / 0.05)):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return name, process
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    raise ServiceError(f"{name} did not start: {log.read_text(errors='replace').strip()[-300:]}")


async def _embedded(port: int) -> None:
    from amqtt.broker import Broker  # noqa: PLC0415 - only this process needs it, and only without Mosquitto

    running = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await running.start()
    await stopping.wait()
    await running.shutdown()
