"""
`firmground core`: builds the loop from a configuration, once, and runs one session to its end.

A service manager starts the next one. What cannot be used is said before anything is written.
"""

import logging
import signal
import socket
import sys
from pathlib import Path

from controller.channel import VERSION, Welcome
from controller.config import Config, parse_config, read_config_text, signing_link_id
from controller.config import Link as LinkConfig
from controller.core.inputs import Origin
from controller.daemon.desk import Desk
from controller.daemon.loop import Loop
from controller.daemon.realtime import set_up_realtime
from controller.daemon.store_thread import StoreThread
from controller.engine import Engine
from controller.notify import Notifier
from controller.session import SOFTWARE, open_session
from controller.store.recorder import Recorder
from controller.store.sessions import NextSession, next_session
from firmware_bridge.clock import now_ns, utc_now_ns
from firmware_bridge.errors import ConfigError
from firmware_bridge.io.link import Link
from firmware_bridge.io.signing import Signing, StampFile, read_signing_key

SWITCH_INTERVAL_S = 0.0005  # how long the store's thread may keep the interpreter from a loop that has work

_log = logging.getLogger(__name__)


def run_core(config_path: Path, origin: Origin) -> Path:
    """
    Run a session until it is ended, by a person or by SIGTERM or SIGINT; its directory.

    Raises `ConfigError`, `StoreError` or `ServiceError` before anything is opened that could be lost.
    """
    config_text = read_config_text(config_path)
    config = parse_config(config_text, str(config_path))
    links = _links(config, config_path)
    coming = next_session(Path(config.storage.directory), config.machine.id)
    if coming.trouble is not None:
        _log.error("the session before this one cannot be followed: %s", coming.trouble)
    desk = Desk(Path(config.storage.socket))
    try:
        engine, recorder = open_session(
            config_text=config_text,
            source=str(config_path),
            directory=coming.directory,
            origin=origin,
            session_id=coming.session,
            is_durable=True,
            previous_head=coming.previous_head,
        )
        _run_loop(config, engine, recorder, links, desk, coming)
    finally:
        desk.close()
    return coming.directory


def _run_loop(
    config: Config,
    engine: Engine,
    recorder: Recorder,
    links: tuple[Link, ...],
    desk: Desk,
    coming: NextSession,
) -> None:
    notifier = Notifier.from_environment()
    wakeup = _wake_on_signals()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    granted = set_up_realtime()
    store = StoreThread(recorder)  # inherits the priority: descheduled, it would keep the interpreter from the loop
    _log.info("session %s in %s: %s", coming.session, coming.directory, "; ".join(granted))
    loop = Loop(
        engine=engine,
        links=links,
        heads=frozenset(head.link for head in config.head),
        corrections_to=None if config.ntrip is None else config.ntrip.link,
        store=store,
        desk=desk,
        notifier=notifier,
        wakeup=wakeup,
        now_ns=now_ns,
        welcome=Welcome(
            version=VERSION,
            session=coming.session,
            directory=str(coming.directory.resolve()),
            origin=engine.origin.value,
            software=SOFTWARE,
            realtime=granted,
        ),
    )
    notifier.say("READY=1", f"STATUS=session {coming.session}")
    try:
        loop.run()
    finally:
        notifier.say("STOPPING=1")
        store.close()
        desk.recorded(*store.durable)
        notifier.close()


def _links(config: Config, path: Path) -> tuple[Link, ...]:
    """One for each configured link; raises `ConfigError` where a link has no port, or no key that it was to have."""
    for link in config.link:
        if link.port is None:
            raise ConfigError(
                f"{path}: [[link]] {link.name}: port is missing; write a path under /dev, udp://ADDRESS:PORT or "
                "tcp://ADDRESS:PORT"
            )
    return tuple(Link(link.name, str(link.port), link.baud, _signing(link, config, path)) for link in config.link)


def _signing(link: LinkConfig, config: Config, path: Path) -> Signing | None:
    """What verifies and signs on a link that has a key; raises `ConfigError` where that cannot be used."""
    if link.signing_key_file is None:
        return None
    try:
        key = read_signing_key(Path(link.signing_key_file))
    except ConfigError as error:
        raise ConfigError(f"{path}: [[link]] {link.name}: signing_key_file: {error}") from error
    stamps = StampFile(Path(config.storage.directory) / f"mavlink-stamp-{link.name}")
    stamps.read()
    if stamps.trouble is not None:
        _log.error("link %s: %s", link.name, stamps.trouble)
    return Signing(key, signing_link_id(link), stamps, utc_now_ns)


def _wake_on_signals() -> socket.socket:
    """A socket that becomes readable on SIGTERM and SIGINT: the loop then ends the session in order."""
    wakeup, trigger = socket.socketpair()
    wakeup.setblocking(False)
    trigger.setblocking(False)
    signal.set_wakeup_fd(trigger.detach(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return wakeup
