"""
The fixtures that an installed Firmground adds to pytest; `docs/TESTING.md` teaches them.

The one file that imports pytest. It is loaded in every run of pytest wherever Firmground is installed, so what a
fixture needs is imported by the test that asks for it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from sim.oracle import Verdict
    from sim.testing.broker import Broker
    from sim.testing.clock import HandClock
    from sim.testing.days import LivedDay
    from sim.testing.machine import Machine
    from sim.testing.port import ScriptedPort


class DayFactory(Protocol):
    """What `firmground_day` is."""

    def __call__(self, scenario: str | Path = "first-lane", seed: int = 1, **changes: Any) -> "LivedDay":
        """Live through a day; `changes` replace fields of the scenario."""


class MachineFactory(Protocol):
    """What `firmground_machine` is."""

    def __call__(
        self, scenario: str | Path = "demo", seed: int = 1, *, broker: "Broker | None" = None, **changes: Any
    ) -> "Machine":
        """A machine that is not running yet; `broker` where it shall use one that is there."""


@pytest.fixture
def firmground_day(tmp_path: Path) -> DayFactory:
    """Live through a scenario in virtual time and have it judged: firmground_day("first-lane", seed=1, **changes).

    The scenario is a shipped one's name, a TOML file's path or TOML text; changes replace its fields, those of a
    section by name: gnss={"white_m": 0.005}. The same scenario and seed give the same record, byte for byte. Returns
    .directory (the session), .events (of its ledger; .events_of(kind)), .summary, .verdict, .scenario and .truth.
    """
    from sim.testing.days import live_day
    from sim.testing.scenarios import scenario_of

    next_directory = _numbered(tmp_path, "firmground-day")

    def live(scenario: str | Path = "first-lane", seed: int = 1, **changes: Any) -> "LivedDay":
        directory = next_directory()
        return live_day(scenario_of(scenario, changes, directory), seed, directory / "session")

    return live


@pytest.fixture
def firmground_oracle() -> "Callable[[Path, LivedDay], Verdict]":
    """Judge a session's ledger by what was true: firmground_oracle(session_directory, day).

    The day is what firmground_day returned. The verdict says how much ground was claimed that no living channel
    reached (over_claimed_m2), and which targets were found, missed or not searched.
    """
    from sim.testing.days import judge_day

    return judge_day


@pytest.fixture
def firmground_clock(tmp_path: Path) -> "Iterator[Callable[..., HandClock]]":
    """Decoders and core on a clock moved by hand: firmground_clock(config=None).

    config is a controller's TOML text or the path of one; without it, the machine of the scenario first-lane with the
    links gnss, head and autopilot. Then .send(link, payload), .ask(request), .advance(seconds), each of which returns
    the events that it led to; .events, .commands, .snapshot, .received(link), .stats(link).
    """
    from controller.config import read_config_text
    from sim.machine_config import config_text
    from sim.scenario import load_scenario
    from sim.testing.clock import HandClock

    next_directory = _numbered(tmp_path, "firmground-clock")
    with ExitStack() as stack:

        def make(config: str | Path | None = None) -> HandClock:
            directory, source = next_directory() / "session", "the configuration"
            if config is None:
                text = config_text(load_scenario("first-lane"))
            elif isinstance(config, str) and "\n" in config:
                text = config
            else:
                text, source = read_config_text(Path(config)), str(config)
            return stack.enter_context(closing(HandClock(text, source, directory)))

        yield make


@pytest.fixture
def firmground_port(tmp_path: Path) -> "Iterator[Callable[[], ScriptedPort]]":
    """A serial device on a real pseudo-terminal that does what the test says: firmground_port().

    .path is what the software under test opens. .send(bytes), .at(seconds, send=bytes), .when(bytes, send=bytes),
    .receive(), .expect(bytes, timeout_s), .baud, .unplug(), .plug().
    """
    from sim.testing.port import ScriptedPort

    next_directory = _numbered(tmp_path, "firmground-port")
    with ExitStack() as stack:

        def make() -> ScriptedPort:
            directory = next_directory()
            directory.mkdir()
            return stack.enter_context(closing(ScriptedPort(directory / "tty")))

        yield make


@pytest.fixture
def firmground_broker(tmp_path: Path) -> "Iterator[Broker]":
    """A running MQTT broker on a free port of 127.0.0.1, whose every message is kept.

    Mosquitto where it is installed, else amqtt. .host, .port, .url, .messages("topic/+/#"), .expect(topic, count),
    .publish(topic, payload), .stop(), .kill(), .start() again on the same port.
    """
    from sim.testing.broker import Broker

    with closing(Broker(tmp_path / "firmground-broker")) as broker:
        broker.start()
        yield broker


@pytest.fixture
def firmground_machine(tmp_path: Path) -> Iterator[MachineFactory]:
    """A whole vehicle in real time, core, link and broker as processes: firmground_machine("demo", **changes).

    .start_all(), or part by part .start_broker(), .start_core(), .start("link"), .begin() (the devices); .stop(name),
    .kill(name), .log(name), .unplug("head"), .plug("head"), .ask(request), .wait_for(condition on a snapshot),
    .console.state(), .session(). It talks to firmground_broker where that is given as broker=. Everything is ended
    after the test; its records and logs stay in tmp_path.
    """
    from sim.testing.machine import Machine
    from sim.testing.scenarios import scenario_of

    next_directory = _numbered(tmp_path, "firmground-machine")
    with ExitStack() as stack:

        def make(
            scenario: str | Path = "demo", seed: int = 1, *, broker: "Broker | None" = None, **changes: Any
        ) -> Machine:
            directory = next_directory()
            changed = scenario_of(scenario, changes, directory)
            broker_port = None if broker is None else broker.port
            return stack.enter_context(closing(Machine(directory, changed, seed=seed, broker_port=broker_port)))

        yield make


def _numbered(tmp_path: Path, name: str) -> Callable[[], Path]:
    """Directories that are not there yet: NAME-1, NAME-2 and so on."""
    numbers = iter(range(1, 10_000))
    return lambda: tmp_path / f"{name}-{next(numbers)}"
