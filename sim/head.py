"""A detector head with a clock, a lamp and a buzzer of its own: speaks and hears the head protocol."""

import numpy as np

from firmware_bridge.codec.head import HostCommandDecoder, choose_version, encode
from firmware_bridge.records import (
    BoolArray,
    DictionaryRequest,
    FloatArray,
    HeadChannel,
    HeadDictionary,
    HeadStatus,
    HelloReply,
    HostHello,
    IntArray,
    OutputCommand,
    OutputReply,
    Record,
    SelfTestReply,
    SelfTestRequest,
    TimeQuery,
    TimeReply,
)
from sim.gnss import SECOND
from sim.motion import coil_offsets_m
from sim.scenario import Scenario

DICTIONARY_ID = 0x51_4D_00_01
CLOCK_OFFSET_NS = 977 * SECOND
CLOCK_PPM = 35.0  # an ordinary crystal, a little fast
SEND_NS = 3_000_000  # from the last sample of a frame to its last byte
REPLY_NS = 2_000_000
SCALE_UV = 0.05
SCALE_NT = 0.001
OFF_S = 3.0  # from losing power to the first sample
CLOCK_STEP_S, CLOCK_DRIFT_PPM = 2.0, 500.0  # where a fault says no size


class HeadPower:
    """When the head is on, which of two heads it is, and what its clock says; by the scenario's faults."""

    def __init__(self, scenario: Scenario, depart_s: float) -> None:
        self._rate_hz = scenario.head.rate_hz
        self._offs: list[tuple[int, int, bool]] = []
        self._steps: list[tuple[int, int]] = []
        self._drifts: list[tuple[int, int, float]] = []
        for fault in sorted(scenario.fault, key=lambda fault: fault.from_s):
            from_ns = round((depart_s + fault.from_s) * SECOND)
            until_s = fault.from_s + OFF_S if fault.until_s is None else fault.until_s
            until_ns = round((depart_s + until_s) * SECOND)
            match fault.kind:
                case "head_reset" | "head_swapped":
                    self._offs.append((from_ns, until_ns, fault.kind == "head_swapped"))
                case "head_clock_step":
                    size_s = CLOCK_STEP_S if fault.size is None else fault.size
                    self._steps.append((from_ns, round(size_s * SECOND)))
                case "head_clock_drift":
                    self._drifts.append((from_ns, until_ns, CLOCK_DRIFT_PPM if fault.size is None else fault.size))
                case _:
                    pass

    def is_on(self, times_s: FloatArray) -> BoolArray:
        """At which of these times, seconds since the day's beginning, it has power: bool (n,)."""
        on = np.ones(len(times_s), dtype=np.bool_)
        for from_ns, until_ns, _ in self._offs:
            on &= (times_s < from_ns / SECOND) | (times_s >= until_ns / SECOND)
        return on

    def unit(self, now_ns: int) -> int:
        """Which head is mounted: 0 the first, 1 the one that took its place."""
        return sum(is_other for _, until_ns, is_other in self._offs if now_ns >= until_ns)

    def first_row(self, now_ns: int) -> int:
        """Samples that the head would have taken before it was last switched on."""
        on_ns = self.switched_on_ns(now_ns)
        return 0 if on_ns == 0 else round(on_ns / SECOND * self._rate_hz)

    def clock_ns(self, times_ns: IntArray) -> IntArray:
        """The head's own clock, int64 (n,), at times since the day's beginning in order."""
        ahead_ns = times_ns * CLOCK_PPM * 1e-6
        for from_ns, until_ns, ppm in self._drifts:
            ahead_ns = ahead_ns + ppm * 1e-6 * (np.clip(times_ns, from_ns, until_ns) - from_ns)
        clock: IntArray = CLOCK_OFFSET_NS + times_ns + np.rint(ahead_ns).astype(np.int64)
        for from_ns, size_ns in self._steps:
            clock[times_ns >= from_ns] += size_ns
        for _, on_ns, _ in self._offs:
            since_ns = times_ns - on_ns
            clock = np.where(since_ns >= 0, since_ns + np.rint(since_ns * CLOCK_PPM * 1e-6).astype(np.int64), clock)
        return clock

    def switched_on_ns(self, now_ns: int) -> int:
        """When it was last switched on, nanoseconds since the day's beginning; 0 before the first fault."""
        return max((until_ns for _, until_ns, _ in self._offs if now_ns >= until_ns), default=0)


def dictionary_of(scenario: Scenario, unit: int = 0) -> HeadDictionary:
    """What a head says of itself: simulated, first of all. `unit`: 1 for the one that took its place."""
    is_induction = scenario.magnetometer is None
    measured_in, scale = ("uV", SCALE_UV) if is_induction else ("nT", SCALE_NT)
    gate_us = scenario.head.gate_us if is_induction else None
    channels = tuple(
        HeadChannel(name=f"c{index + 1}", unit=measured_in, scale=scale, gate_us=gate_us, position_m=(0.0, offset, 0.0))
        for index, offset in enumerate(coil_offsets_m(scenario))
    )
    return HeadDictionary(
        dictionary_id=DICTIONARY_ID + unit,
        model=f"simulated {'pulse induction' if is_induction else 'magnetometer'} array",
        firmware="1.0",
        serial=f"S-{unit + 1:04}",
        is_simulated=True,
        rate_hz=scenario.head.rate_hz,
        channels=channels,
    )


class SimulatedHead:
    """Answers commands; keeps lamp and buzzer as last commanded. Without power it hears and says nothing."""

    def __init__(self, scenario: Scenario, depart_s: float = 0.0) -> None:
        self._scenario = scenario
        self._depart_s = depart_s
        self._power = HeadPower(scenario, depart_s)
        self._decoder = HostCommandDecoder()
        self._on_ns = 0
        self.lamp_on = False
        self.buzzer_on = False

    def hear(self, payload: bytes, now_ns: int) -> list[tuple[int, bytes]]:
        """Replies to commands as (arrival in ns, bytes)."""
        if not self._wake(now_ns):
            return []
        replies = [self._reply(command, now_ns) for command in self._decoder.feed(payload)]
        return [(now_ns + 2 * REPLY_NS, encode(reply)) for reply in replies if reply is not None]

    def status(self, now_ns: int) -> bytes:
        """The once-a-second status message; nothing while it is off."""
        if not self._wake(now_ns):
            return b""
        return encode(
            HeadStatus(
                uptime_ms=(now_ns - self._on_ns) // 1_000_000,
                temperature_c=31.5,
                supply_v=12.1,
                is_faulty=False,
                lamp_on=self.lamp_on,
                buzzer_on=self.buzzer_on,
            )
        )

    def _wake(self, now_ns: int) -> bool:
        """Whether it has power; one that was off in between has forgotten what its outputs were."""
        if self._power.switched_on_ns(now_ns) != self._on_ns:
            self._on_ns = self._power.switched_on_ns(now_ns)
            self._decoder = HostCommandDecoder()
            self.lamp_on = self.buzzer_on = False
        return bool(self._power.is_on(np.array([now_ns / SECOND]))[0])

    def _is_lamp_silent(self, now_ns: int) -> bool:
        driven_s = np.array([now_ns / SECOND - self._depart_s])
        return any(fault.is_on(driven_s)[0] for fault in self._scenario.fault if fault.kind == "lamp_silent")

    def _reply(self, command: Record, now_ns: int) -> Record | None:
        dictionary = dictionary_of(self._scenario, self._power.unit(now_ns))
        match command:
            case DictionaryRequest():
                return dictionary
            case TimeQuery():
                device_ns = int(self._power.clock_ns(np.array([now_ns + REPLY_NS]))[0])
                return TimeReply(token=command.token, device_time_ns=device_ns)
            case HostHello():
                return HelloReply(token=command.token, version=choose_version(command.versions))
            case SelfTestRequest():
                return SelfTestReply(token=command.token, passed=(True,) * len(dictionary.channels))
            case OutputCommand():
                if self._is_lamp_silent(now_ns):
                    return None
                self.lamp_on, self.buzzer_on = command.lamp_on, command.buzzer_on
                return OutputReply(token=command.token, lamp_on=self.lamp_on, buzzer_on=self.buzzer_on)
            case _:
                raise AssertionError(f"the core never sends {type(command).__name__}")
