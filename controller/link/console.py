"""
The console's web server: the page, a stream of what is true now, the map's tiles, and people's requests.

Everything is pushed as server-sent events, newest state first: a page that is slow misses states, never the last one.
Requests are JSON as `controller.core.inputs` defines them; the answer says whether they are durable or were refused.
"""

import asyncio
import contextlib
import importlib.resources
import logging
import socket
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from controller.core.inputs import AnyRequest
from controller.core.timebase import MS
from controller.link.board import Board
from controller.link.core_client import CoreClient
from controller.link.corrections import CorrectionService
from controller.link.publisher import Publisher
from firmware_bridge.errors import ServiceError

REFRESH_S = 0.25  # a state is sent at least this often, so that ages grow on the page while core is silent
REQUEST_BYTES_MAX = 65_536
RETRY_S = 2.0
HOSTS = ["127.0.0.1", "localhost", "[::1]"]  # a page of another name must not reach this server through the browser

_log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: link ends everything in its own order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class ConsoleServer:
    """Serves until cancelled."""

    def __init__(
        self, board: Board, core: CoreClient, publisher: Publisher, corrections: CorrectionService | None
    ) -> None:
        self._board = board
        self._core = core
        self._publisher = publisher
        self._corrections = corrections
        page = Path(str(importlib.resources.files("controller") / "console"))
        self._app = Starlette(
            routes=[
                Route("/api/stream", self._stream),
                Route("/api/state", self._state),
                Route("/api/tile", self._tile),
                Route("/api/requests", self._request, methods=["POST"]),
                Mount("/", StaticFiles(directory=page, html=True)),
            ],
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)],
        )

    async def run(self, host: str, port: int) -> None:
        """Listen and serve; a port that is taken is said once and tried again, since publishing must go on."""
        is_said = False
        while True:
            try:
                listener = socket.create_server(
                    (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=16
                )
            except OSError as error:
                if not is_said:
                    _log.error("console: %s port %d cannot be listened on: %s", host, port, error.strerror)
                is_said = True
                await asyncio.sleep(RETRY_S)
                continue
            _log.info("console: http://%s:%d", host, port)
            await self._serve(listener)

    async def _serve(self, listener: socket.socket) -> None:
        server = _Server(uvicorn.Config(self._app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve([listener]))
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await serving
            listener.close()

    async def _stream(self, request: Request) -> Response:
        return StreamingResponse(self._events(), media_type="text/event-stream", headers={"cache-control": "no-store"})

    async def _events(self) -> AsyncIterator[bytes]:
        shown_map = shown_alarms = -1
        while True:
            board = self._board
            if board.follower is not None and board.map_version != shown_map:
                shown_map = board.map_version
                yield _event("map", self._map())
            if board.alarms_version != shown_alarms:
                shown_alarms = board.alarms_version
                yield _event("alarms", board.alarms)
            yield _event("state", self._now())
            await board.fresh(REFRESH_S)

    async def _state(self, request: Request) -> Response:
        return _json({**self._now(), "alarms": self._board.alarms, "map": self._map()})

    async def _tile(self, request: Request) -> Response:
        follower = self._board.follower
        try:
            place = int(request.query_params["tx"]), int(request.query_params["ty"])
        except (KeyError, ValueError):
            return Response("tx and ty must be numbers of a tile", status_code=400)
        tile = None if follower is None else follower.live_map.tile(*place)
        if tile is None:
            return Response("there is no such tile", status_code=404)
        return Response(tile.states, media_type="application/octet-stream", headers={"cache-control": "max-age=3600"})

    async def _request(self, request: Request) -> Response:
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            # A form on another site can post without asking, but not with this type.
            return _json({"state": "refused", "why": "requests are application/json"}, 415)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > REQUEST_BYTES_MAX:
                return _json({"state": "refused", "why": f"longer than {REQUEST_BYTES_MAX} bytes"}, 413)
        try:
            wanted: AnyRequest = msgspec.json.decode(body, type=AnyRequest)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _json({"state": "refused", "why": f"not a request: {error}"}, 400)
        try:
            answer = await self._core.ask(wanted, until_durable=True)
        except ServiceError as error:
            return _json({"state": "unknown", "why": str(error)}, 503)
        return _json({"state": answer.state, "why": answer.why}, 200 if answer.state != "refused" else 409)

    def _now(self) -> dict[str, Any]:
        board = self._board
        state, reason = board.state
        welcome, age_ns = board.welcome, board.age_ns
        return {
            "state": state,
            "reason": reason,
            "session": None if welcome is None else welcome.session,
            "directory": None if welcome is None else welcome.directory,
            "origin": board.context.origin,
            "age_ms": None if age_ns is None else age_ns // MS,
            "snapshot": board.snapshot,
            "guidance": board.guidance,
            "gap": board.gap,
            "health": board.health,
            "broker": self._publisher.trouble,
            "published_seq": self._publisher.published_seq,
            "corrections": None if self._corrections is None else self._corrections.stats,
        }

    def _map(self) -> dict[str, Any] | None:
        follower = self._board.follower
        if follower is None:
            return None
        return {
            "session": follower.info.session,
            "task": follower.task,
            "profile": follower.profile.name,
            "masking_radius_m": follower.profile.masking_radius_m,
            "tiles": follower.live_map.versions(),
            "searched_for": follower.live_map.fold.aim,
            "totals": follower.live_map.totals(),
            "last_seq": follower.last_seq,
        }


def _event(name: str, content: Any) -> bytes:
    return f"event: {name}\ndata: ".encode() + msgspec.json.encode(content) + b"\n\n"


def _json(content: Any, status_code: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status_code=status_code, media_type="application/json")
