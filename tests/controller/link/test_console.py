"""The console's server without a core: it says so, and takes nothing that it should not."""

import http.client
import json
import socket
import subprocess
import sys

import pytest

from sim.testing.waiting import eventually


@pytest.fixture
def machine(firmground_machine):
    return firmground_machine()


@pytest.fixture
def served(machine):
    """A link without core and broker, its console up."""
    machine.start("link")
    eventually(lambda: reached(machine), why=lambda: machine.log("link"))
    return machine


def call(machine, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", machine.console_port, timeout=10)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def reached(machine):
    try:
        return call(machine, "GET", "/api/state")[0] == 200
    except OSError:
        return False


def test_without_a_core_it_is_blind_and_says_so(served):
    """State, reason, and nothing that could be taken for knowledge (P3)."""
    state = json.loads(call(served, "GET", "/api/state")[1])
    assert (state["state"], state["reason"]) == ("blind", "core is not running")
    assert state["snapshot"] is state["origin"] is state["age_ms"] is None
    assert "Connection refused" in state["broker"]


def test_the_page_and_its_parts_are_served(served):
    """The page names its parts; each is there."""
    status, page = call(served, "GET", "/")
    assert status == 200
    assert b"console.js" in page
    for part in ("console.js", "console.css", "map.js", "tiles.js", "signals.js", "sound.js", "words.js"):
        assert call(served, "GET", f"/{part}")[0] == 200


@pytest.mark.parametrize(
    ("body", "content_type", "status", "words"),
    [
        (b'{"request": "set_paused", "person": "op", "is_paused": true}', "application/json", 503, "cannot be reached"),
        (b'{"request": "set_paused", "person": "op", "is_paused": true}', "text/plain", 415, "application/json"),
        (b'{"request": "move", "person": "op"}', "application/json", 400, "not a request"),
        (b"\xff{", "application/json", 400, "not a request"),
        (b"x" * 70_000, "application/json", 413, "longer than 65536"),
    ],
)
def test_requests_that_cannot_be_taken_are_answered(served, body, content_type, status, words):
    """Each with its reason; nothing outside the list exists (P7)."""
    answer = call(served, "POST", "/api/requests", body, **{"content-type": content_type})
    assert answer[0] == status
    assert words in json.loads(answer[1])["why"]


def test_a_page_of_another_name_does_not_reach_it(served):
    """A web page in the same browser cannot ask through a name of its own."""
    assert call(served, "GET", "/api/state", Host="evil.example")[0] == 400


@pytest.mark.parametrize(("query", "status"), [("tx=0&ty=0", 404), ("tx=a&ty=0", 400), ("", 400)])
def test_a_tile_that_is_not_there_is_said(served, query, status):
    """Unknown is not an empty tile."""
    assert call(served, "GET", f"/api/tile?{query}")[0] == status


def test_a_console_port_that_is_taken_is_said_and_taken_when_free(machine):
    """Link goes on without its console, and has it once the port is free."""
    with socket.create_server(("127.0.0.1", machine.console_port)):
        machine.start("link")
        eventually(lambda: "cannot be listened on: Address already in use" in machine.log("link"))
        assert machine.processes["link"].poll() is None
    eventually(lambda: reached(machine), why=lambda: machine.log("link"))


def test_a_link_that_cannot_start_says_why_in_one_line(machine, tmp_path):
    """Its own folder cannot be made."""
    text = machine.config.read_text().replace("[storage]", '[storage]\nlink = "/proc/nowhere"')
    machine.config.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "controller.cli", "link", "--config", machine.config],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "link.sqlite: cannot be opened" in done.stderr
    assert "Traceback" not in done.stderr
