"""A receiver is compared, set and checked; what is wrong with it is said and nothing is pretended."""

import pytest

from firmware_bridge.codec.f9p_settings import ReceiverPort, Role, settings_for
from firmware_bridge.errors import PortError
from firmware_bridge.io.ports import open_serial_port
from firmware_bridge.io.receiver import NS_PER_MS, Receiver
from firmware_bridge.io.receiver_set_up import NEEDED_MESSAGES, check, set_up, show
from sim.receiver import (
    BBR,
    F9P_VERSION,
    FACTORY,
    FLASH,
    RAM,
    RATE_MEASUREMENT,
    UART1_BAUD,
    ReceiverFaults,
    SimulatedReceiver,
)
from tests.receiver_rig import PluggedReceiver

DYNAMICS, NAV_PVT = 0x20110021, 0x20910007
RATE_HZ = 20
SET = b"\x06\x8a"


class Bench:
    """A simulated receiver at the end of a cable, and what is done with it."""

    def __init__(self, path, simulated):
        self.simulated = simulated
        self._plugged = PluggedReceiver(path, simulated)
        self._port = open_serial_port(str(path), simulated.baud)
        self.talk = Receiver(self._port, 500 * NS_PER_MS)

    def settings(self, end=ReceiverPort.UART1, role=Role.ROVER, baud=38_400):
        return settings_for(end, role, RATE_HZ, baud)

    def set_up(self, is_saved=False, **wishes):
        end = wishes.get("end", ReceiverPort.UART1)
        return set_up(self.talk, end, self.settings(**wishes), RATE_HZ, is_saved=is_saved)

    def check(self, is_saved=False, **wishes):
        end = wishes.get("end", ReceiverPort.UART1)
        return check(self.talk, end, self.settings(**wishes), RATE_HZ, is_saved=is_saved)

    def times_set(self):
        return sum(kind == SET for kind, _ in self.simulated.asked)

    def close(self):
        self._port.close()
        self._plugged.close()


@pytest.fixture
def bench(tmp_path):
    benches = []

    def start(version=F9P_VERSION, **faults):
        benches.append(Bench(tmp_path / "gnss", SimulatedReceiver(ReceiverFaults(**faults), version)))
        return benches[-1]

    yield start
    for one in benches:
        one.close()


def test_a_receiver_from_the_factory_is_set_up_and_then_found_good(bench):
    """Every setting in force, every message arriving at the rate; a second set-up sets nothing."""
    one = bench()
    report = one.set_up()
    assert report.problems == []
    assert all(one.simulated.layers[RAM][setting.key] == setting.value for setting in one.settings())
    assert set(report.changed) == {s.name for s in one.settings() if FACTORY[s.key] != s.value}
    assert (frozenset(report.messages), report.period_ms) == (NEEDED_MESSAGES, 50)
    sent = one.times_set()
    again = one.set_up()
    assert (again.problems, again.changed) == ([], [])
    assert one.times_set() == sent
    assert one.check().problems == []


def test_only_what_differs_is_set(bench):
    """Whatever else somebody has set stays theirs."""
    one = bench()
    one.set_up()
    one.simulated.layers[RAM][DYNAMICS] = 4
    one.simulated.asked.clear()
    assert one.set_up().changed == ["CFG-NAVSPG-DYNMODEL"]
    (payload,) = [payload for kind, payload in one.simulated.asked if kind == SET]
    assert payload == bytes((0, 1, 0, 0)) + DYNAMICS.to_bytes(4, "little") + b"\x03"


def test_a_check_sets_nothing_and_names_each_difference(bench):
    """What is, what must be, and why."""
    one = bench()
    report = one.check()
    assert one.times_set() == 0
    assert any(
        text.startswith("CFG-RATE-MEAS is 1000, and must be 50: one epoch every 50 ms") for text in report.problems
    )
    assert any("NAV-HPPOSLLH, NAV-PVT, NAV-RELPOSNED did not arrive" in text for text in report.problems)
    assert len(report.problems) == sum(FACTORY[s.key] != s.value for s in one.settings()) + 1


def test_showing_judges_nothing(bench):
    """Values of all layers, no problem, nothing set."""
    one = bench()
    one.simulated.layers[FLASH][DYNAMICS] = 4
    report = show(one.talk, one.settings())
    assert (report.problems, report.changed, report.messages) == ([], [], None)
    (state,) = [state for state in report.states if state.setting.key == DYNAMICS]
    assert (state.ram, state.bbr, state.flash) == (0, None, 4)
    assert one.times_set() == 0


def test_what_is_set_in_ram_alone_is_no_saved_setting(bench):
    """A check that asks for power cuts says what flash has."""
    one = bench()
    one.set_up()
    assert one.check().problems == []
    problems = one.check(is_saved=True).problems
    assert "CFG-NAVSPG-DYNMODEL is 3 now, but is not kept: flash has nothing" in problems


def test_a_saved_set_up_outlasts_a_restart(bench):
    """Battery-backed RAM stands above flash, so what somebody left there is replaced too."""
    one = bench()
    one.simulated.layers[BBR][RATE_MEASUREMENT] = 1000
    one.set_up()
    assert any("will be 1000 after a restart" in text for text in one.check(is_saved=True).problems)
    assert one.set_up(is_saved=True).problems == []
    layers = one.simulated.layers
    after_restart = FACTORY | layers[FLASH] | layers[BBR]
    assert all(after_restart[setting.key] == setting.value for setting in one.settings())
    assert one.check(is_saved=True).problems == []


def test_the_rover_of_a_moving_base_also_hears_the_other_receiver(bench):
    """Corrections of the other antenna come in at UART2."""
    one = bench()
    one.simulated.layers[RAM][0x10750004] = 0
    assert one.set_up().problems == []
    assert one.simulated.layers[RAM][0x10750004] == 0
    assert one.set_up(role=Role.MOVING_BASE_ROVER).changed == ["CFG-UART2INPROT-RTCM3X"]


def test_a_new_speed_is_set_last_and_read_back_at_that_speed(bench):
    """All in one set-up."""
    one = bench()
    report = one.set_up(baud=230_400)
    assert report.problems == []
    assert report.changed[-1] == "CFG-UART1-BAUDRATE"
    assert one.simulated.baud == one.simulated.layers[RAM][UART1_BAUD] == 230_400


@pytest.mark.parametrize(
    ("software", "extensions", "words"),
    [
        ("EXT CORE 4.04", ("FWVER=SPG 4.04", "PROTVER=32.01", "MOD=NEO-M9N"), "NEO-M9N, firmware SPG 4.04, and no"),
        ("EXT CORE 1.00", ("FWVER=HPS 1.40", "PROTVER=33.40", "MOD=ZED-F9R"), "ZED-F9R, firmware HPS 1.40, and no"),
        ("EXT CORE 2.00", ("FWVER=HPG 2.00", "PROTVER=50.00", "MOD=ZED-X20P"), "and no u-blox F9 with RTK"),
        ("EXT CORE 1.00", ("FWVER=HPG 1.32", "PROTVER=27", "MOD=ZED-F9P"), "and no u-blox F9"),
        ("2.20 (81289)", ("PROTVER 16.00", "MOD LEA-M8F-0"), "LEA-M8F-0, firmware 2.20 (81289), and no u-blox F9"),
        ("1.00 (59842)", (), "unnamed receiver, firmware 1.00"),
        ("EXT CORE 1.00", ("FWVER=HPG 1.10", "PROTVER=27.10", "MOD=ZED-F9P"), "27.11 is needed, it speaks 27.10"),
    ],
)  # fmt: skip
def test_another_receiver_and_an_old_one_are_named_and_left_alone(bench, software, extensions, words):
    """Its name and firmware; not even read, let alone set."""
    one = bench((software, "00190000", *extensions))
    for report in (one.set_up(), one.check()):
        (problem,) = report.problems
        assert words in problem
        assert problem.endswith("nothing is set")
    assert {kind for kind, _ in one.simulated.asked} == {b"\x0a\x04"}


def test_a_key_that_the_firmware_does_not_know_is_named_and_nothing_is_set(bench):
    """Half a set-up would look like a whole one."""
    one = bench(unknown=frozenset({NAV_PVT}))
    report = one.set_up()
    assert report.problems == ["the receiver does not know CFG-MSGOUT-UBX_NAV_PVT_UART1; nothing was set"]
    assert one.times_set() == 0
    assert "the receiver does not know CFG-MSGOUT-UBX_NAV_PVT_UART1" in one.check().problems


def test_a_refused_key_is_named_with_its_group_and_the_others_are_set(bench):
    """The receiver refuses the group as a whole; one by one shows which key it was, and the speed is left alone."""
    one = bench(refused=frozenset({DYNAMICS}))
    report = one.set_up(baud=230_400)
    assert report.problems[0] == "the receiver refused, of the group navigation: CFG-NAVSPG-DYNMODEL = 3"
    assert report.problems[1].startswith("CFG-UART1-BAUDRATE was left as it is")
    assert "CFG-NAVSPG-DYNMODEL is 0, and must be 3" in "".join(report.problems)
    assert "CFG-NAVSPG-DYNMODEL" not in report.changed
    assert one.simulated.layers[RAM][RATE_MEASUREMENT] == 50
    assert one.simulated.baud == 38_400


def test_a_speed_that_is_not_taken_is_a_problem(bench):
    """Acknowledged, and never spoken."""
    one = bench(is_baud_stuck=True)
    report = one.set_up(baud=230_400)
    assert report.problems[0].startswith("the receiver did not take, of the group baud: CFG-UART1-BAUDRATE = 230400")


def test_settings_of_a_port_that_the_cable_does_not_lead_to_are_found_out(bench):
    """USB's settings are all right, and nothing arrives here, because this is UART1."""
    one = bench()
    report = one.set_up(end=ReceiverPort.USB)
    (problem,) = report.problems
    assert "did not arrive" in problem
    assert "does not lead to the receiver's usb" in problem
    assert "--receiver-port" in problem


def test_a_receiver_that_cannot_keep_up_is_found_out(bench):
    """Set to 20 Hz, and coming at 10."""
    (problem,) = bench(period_ns_min=100_000_000).set_up().problems
    assert problem.startswith("an epoch comes every 100 ms, not every 50 ms")


@pytest.mark.parametrize("answers", [1, 4, 6, 8])
def test_a_cable_pulled_in_the_middle_raises(bench, answers):
    """While reading, while setting, while reading back."""
    one = bench(unplugged_after=answers)
    with pytest.raises(PortError, match="has gone"):
        one.set_up()
