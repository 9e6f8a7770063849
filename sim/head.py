"""A detector head with a clock, a lamp and a buzzer of its own: speaks and hears the head protocol."""

import numpy as np

from firmware_bridge.codec.head import HostCommandDecoder, choose_version, encode, encode_samples
from firmware_bridge.records import (
    DictionaryRequest,
    FloatArray,
    HeadChannel,
    HeadDictionary,
    HeadStatus,
    HelloReply,
    HostHello,
    OutputCommand,
    OutputReply,
    Record,
    SampleBlock,
    SelfTestReply,
    SelfTestRequest,
    StatusBit,
    TimeQuery,
    TimeReply,
)
from sim.gnss import SECOND
from sim.motion import coil_offsets_m
from sim.noise import clip
from sim.scenario import Scenario

DICTIONARY_ID = 0x51_4D_00_01
CLOCK_OFFSET_NS = 977 * SECOND
CLOCK_PPM = 35.0  # an ordinary crystal, a little fast
SEND_NS = 3_000_000  # from the last sample of a frame to its last byte
REPLY_NS = 2_000_000
SCALE_UV = 0.05
SCALE_NT = 0.001


def device_clock_ns(now_ns: int) -> int:
    """The head's own clock."""
    return CLOCK_OFFSET_NS + now_ns + round(now_ns * CLOCK_PPM * 1e-6)


def dictionary_of(scenario: Scenario) -> HeadDictionary:
    """What the head says of itself: simulated, first of all."""
    is_induction = scenario.magnetometer is None
    unit, scale = ("uV", SCALE_UV) if is_induction else ("nT", SCALE_NT)
    gate_us = scenario.head.gate_us if is_induction else None
    channels = tuple(
        HeadChannel(name=f"c{index + 1}", unit=unit, scale=scale, gate_us=gate_us, position_m=(0.0, offset, 0.0))
        for index, offset in enumerate(coil_offsets_m(scenario))
    )
    return HeadDictionary(
        dictionary_id=DICTIONARY_ID,
        model=f"simulated {'pulse induction' if is_induction else 'magnetometer'} array",
        firmware="1.0",
        serial="S-0001",
        is_simulated=True,
        rate_hz=scenario.head.rate_hz,
        channels=channels,
    )


class SimulatedHead:
    """Answers commands; keeps lamp and buzzer as last commanded."""

    def __init__(self, scenario: Scenario) -> None:
        self._dictionary = dictionary_of(scenario)
        self._decoder = HostCommandDecoder()
        self.lamp_on = False
        self.buzzer_on = False

    def hear(self, payload: bytes, now_ns: int) -> list[tuple[int, bytes]]:
        """Replies to commands as (arrival in ns, bytes)."""
        return [(now_ns + 2 * REPLY_NS, encode(self._reply(c, now_ns))) for c in self._decoder.feed(payload)]

    def status(self, now_ns: int) -> bytes:
        """The once-a-second status message."""
        return encode(
            HeadStatus(
                uptime_ms=now_ns // 1_000_000,
                temperature_c=31.5,
                supply_v=12.1,
                is_faulty=False,
                lamp_on=self.lamp_on,
                buzzer_on=self.buzzer_on,
            )
        )

    def _reply(self, command: Record, now_ns: int) -> Record:
        match command:
            case DictionaryRequest():
                return self._dictionary
            case TimeQuery():
                return TimeReply(token=command.token, device_time_ns=device_clock_ns(now_ns + REPLY_NS))
            case HostHello():
                return HelloReply(token=command.token, version=choose_version(command.versions))
            case SelfTestRequest():
                return SelfTestReply(token=command.token, passed=(True,) * len(self._dictionary.channels))
            case OutputCommand():
                self.lamp_on, self.buzzer_on = command.lamp_on, command.buzzer_on
                return OutputReply(token=command.token, lamp_on=self.lamp_on, buzzer_on=self.buzzer_on)
            case _:
                raise AssertionError(f"the core never sends {type(command).__name__}")


def sample_frames(scenario: Scenario, values: FloatArray) -> list[tuple[int, bytes]]:
    """
    All sample frames as (arrival in ns, bytes).

    values : float64 (n, channels) in the head's unit, the first at one sample interval; clipped where it saturates
    """
    dictionary = dictionary_of(scenario)
    clipped = np.zeros(len(values), dtype=np.bool_)
    if scenario.noise.saturation is not None:
        values, clipped = clip(values, scenario.noise.saturation)
    interval_ns, size = round(SECOND / scenario.head.rate_hz), scenario.head.samples_per_frame
    frames = []
    for start in range(0, len(values) - size + 1, size):
        rows = np.arange(start, start + size, dtype=np.int64)
        times_ns = [int(row + 1) * interval_ns for row in rows]
        block = SampleBlock(
            dictionary_id=DICTIONARY_ID,
            sequence=rows,
            device_time_ns=np.array([device_clock_ns(time_ns) for time_ns in times_ns], dtype=np.int64),
            values=values[start : start + size],
            status=np.where(clipped[start : start + size], int(StatusBit.SATURATED), 0),
        )
        frames.append((times_ns[-1] + SEND_NS, encode_samples(block, dictionary)))
    return frames
