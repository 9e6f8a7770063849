"""
`firmground link`: core's companion with the network. It may be killed at any time; core does not notice.
"""

import asyncio
import contextlib
import logging
import signal
from pathlib import Path

from controller.channel import Published
from controller.config import parse_config, read_config_text
from controller.link.board import Board
from controller.link.console import ConsoleServer
from controller.link.core_client import CoreClient
from controller.link.corrections import CorrectionService
from controller.link.publisher import Publisher
from controller.notify import Notifier
from controller.store.cursors import Cursors
from controller.store.recorder import config_digest
from firmware_bridge.clock import now_ns

FOLLOW_S = 0.25  # the record is looked at this often, and at once when core says that it has grown
ALIVE_S = 1.0

_log = logging.getLogger(__name__)


def run_link(config_path: Path) -> None:
    """Run until SIGTERM or SIGINT; raises `ConfigError` or `StoreError` before anything is served."""
    asyncio.run(_run(config_path))


async def _run(config_path: Path) -> None:
    text = read_config_text(config_path)
    config = parse_config(text, str(config_path))
    cursors = Cursors(Path(config.storage.link or config.storage.directory), f"{config.mqtt.host}:{config.mqtt.port}")
    board = Board(now_ns)
    core = CoreClient(Path(config.storage.socket), board.hear, board.lose)
    publisher = Publisher(config, board, cursors, config_digest(text))
    corrections = None if config.ntrip is None else CorrectionService(config.ntrip, board, core)
    console = ConsoleServer(board, core, publisher, corrections)
    notifier = Notifier.from_environment()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    jobs = {
        asyncio.create_task(job)
        for job in (
            core.run(),
            publisher.run(),
            console.run(config.console.host, config.console.port),
            _follow(board),
            board.look_for_gaps(),
            _report(board, core, publisher, notifier),
            stopping.wait(),
            *(() if corrections is None else (corrections.run(),)),
        )
    }
    notifier.say("READY=1")
    try:
        done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        for job in done:
            job.result()
    finally:
        notifier.say("STOPPING=1")
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        cursors.close()
        notifier.close()


async def _follow(board: Board) -> None:
    """Read on in the record whenever it has grown."""
    while True:
        board.recorded.clear()
        is_more = board.follow()
        if is_more:
            await asyncio.sleep(0)
            continue
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FOLLOW_S):
                await board.recorded.wait()


async def _report(board: Board, core: CoreClient, publisher: Publisher, notifier: Notifier) -> None:
    """Alive, once a second; and to core, how much has reached the broker."""
    while True:
        notifier.say("WATCHDOG=1", f"STATUS={' '.join(board.state)}; broker: {publisher.trouble or 'connected'}")
        seq = publisher.published_seq
        if board.welcome is not None and seq is not None:
            core.tell(Published(session=board.welcome.session, seq=seq))
        await asyncio.sleep(ALIVE_S)
