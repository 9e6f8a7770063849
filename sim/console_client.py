"""What people do at the console, over its own web interface."""

import http.client
from typing import Any

import msgspec

from controller.core.inputs import AnyRequest
from firmware_bridge.errors import SimulatorError

TIMEOUT_S = 10.0


class ConsoleClient:
    """Speaks to the console at 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, request: AnyRequest) -> str | None:
        """None once the request is durable, else why it was refused; raises `SimulatorError` without an answer."""
        body = msgspec.json.encode(request)
        answer = self._call("POST", "/api/requests", body)
        if answer["state"] == "unknown":
            raise SimulatorError(str(answer["why"]))
        return None if answer["state"] == "durable" else str(answer["why"])

    def state(self) -> dict[str, Any]:
        """What the console shows; raises `SimulatorError` where it is not there."""
        return self._call("GET", "/api/state", None)

    def is_online(self) -> bool:
        """Whether the console hears a core."""
        try:
            return bool(self.state()["state"] == "online")
        except SimulatorError:
            return False

    def _call(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body, {"content-type": "application/json"})
            content: dict[str, Any] = msgspec.json.decode(connection.getresponse().read())
            return content
        except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
            raise SimulatorError(f"console at port {self._port}: {error}") from error
        finally:
            connection.close()
