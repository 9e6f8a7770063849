"""The detector array over the day: where its coils truly are, which of them live, and what its head sends."""

import math

import msgspec
import numpy as np

from firmware_bridge.codec.head import encode_samples
from firmware_bridge.records import BoolArray, FloatArray, IntArray, SampleBlock, StatusBit
from sim.crew import CheckTimes
from sim.electronics import Electronics
from sim.gnss import SECOND
from sim.head import SEND_NS, HeadPower, dictionary_of
from sim.motion import Motion, coil_positions, vehicle_axes
from sim.noise import clip
from sim.physics import Piece, Surroundings, readings
from sim.scenario import Scenario
from sim.wire import CUTS


class Array:
    """What is true of the array at any time; seconds since the day's beginning, n times in order."""

    def __init__(self, scenario: Scenario, motion: Motion, checks: tuple[CheckTimes, ...]) -> None:
        self.scenario = scenario
        self.motion = motion
        self.power = HeadPower(scenario, motion.depart_s)
        self._checks = checks

    def places(self, times_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Coils, float64 (n, channels, 3), and the vehicle's axes, float64 (n, 3, 3); east, north, up."""
        poses = self.motion.poses(times_s)
        return coil_positions(poses, self.scenario), vehicle_axes(poses)

    def pieces(self, times_s: FloatArray) -> list[Piece]:
        """The check pieces that lie under a coil at any of these times."""
        found = []
        for check in self._checks:
            for channel, from_s in enumerate(check.piece_from_s):
                is_on = (times_s >= from_s) & (times_s < from_s + self.scenario.checks.piece_on_s)
                if is_on.any():
                    found.append(Piece(is_on=is_on, channel=channel))
        return found

    def failed(self, times_s: FloatArray) -> tuple[BoolArray, BoolArray]:
        """Which channels are dead, and which are stuck: bool (n, channels) each."""
        driven_s = times_s - self.motion.depart_s
        dead, stuck = np.zeros((2, len(times_s), self.scenario.head.channels), dtype=np.bool_)
        if self.scenario.closing_check == "bad":
            dead[times_s >= self.motion.arrive_s, self.scenario.head.channels // 2] = True
        for fault in self.scenario.fault:
            if fault.kind in ("dead_channel", "stuck_channel"):
                mask = dead if fault.kind == "dead_channel" else stuck
                mask[fault.is_on(driven_s), failed_channel(self.scenario, fault.size)] = True
        return dead, stuck

    def alive(self, times_s: FloatArray) -> BoolArray:
        """Which channels measured at these times, and could be heard: bool (n, channels)."""
        dead, stuck = self.failed(times_s)
        heard = self.power.is_on(times_s)
        for fault in self.scenario.fault:
            if fault.kind in CUTS and fault.link == "head":
                heard &= ~fault.is_on(times_s - self.motion.depart_s)
        return ~(dead | stuck) & heard[:, None]


class ArrayFeed:
    """The head's sample frames, made in consecutive parts; every random number comes from `random`."""

    def __init__(self, array: Array, around: Surroundings, random: np.random.Generator) -> None:
        self._array = array
        self._around = around
        self._electronics = Electronics(array.scenario, random)

    def arrivals(self, from_s: float, until_s: float) -> list[tuple[int, bytes]]:
        """(arrival in ns, bytes) of the frames whose last sample lies in (from, until]."""
        array, head = self._array, self._array.scenario.head
        size = head.samples_per_frame
        first, last = (math.floor(at * head.rate_hz / size + 1e-9) * size for at in (from_s, until_s))
        if first == last:
            return []
        rows = np.arange(first, last, dtype=np.int64)
        times_s = (rows + 1) / head.rate_hz
        coils_m, axes = array.places(times_s)
        values = readings(array.scenario, self._around, times_s, coils_m, axes, array.pieces(times_s))
        return sample_frames(array, rows, self._electronics.measure(values, times_s, *array.failed(times_s)))


def sample_frames(array: Array, rows: IntArray, values: FloatArray) -> list[tuple[int, bytes]]:
    """
    Whole frames as (arrival in ns, bytes); clipped where the head saturates, none while it is off.

    rows   : int64 (n,), samples of the day, counted from 0; a whole number of frames
    values : float64 (n, channels) in the head's unit
    """
    head, power, saturation = array.scenario.head, array.power, array.scenario.noise.saturation
    clipped = np.zeros(len(values), dtype=np.bool_)
    if saturation is not None:
        values, clipped = clip(values, saturation)
    status = np.where(clipped, int(StatusBit.SATURATED), 0)
    times_ns = (rows + 1) * round(SECOND / head.rate_hz)
    device_ns, is_on = power.clock_ns(times_ns), power.is_on(times_ns / SECOND)
    frames = []
    for start in range(0, len(rows), head.samples_per_frame):
        here = slice(start, start + head.samples_per_frame)
        if not is_on[here].all():
            continue
        begun_ns, ended_ns = int(times_ns[here][0]), int(times_ns[here][-1])
        dictionary = dictionary_of(array.scenario, power.unit(begun_ns))
        block = SampleBlock(
            dictionary_id=dictionary.dictionary_id,
            sequence=rows[here] - power.first_row(begun_ns),
            device_time_ns=device_ns[here],
            values=values[here],
            status=status[here],
        )
        frames.append((ended_ns + SEND_NS, encode_samples(block, dictionary)))
    return frames


def failed_channel(scenario: Scenario, number: float | None) -> int:
    """The channel that a fault means, counted from 0: its `size` counts from 1; the middle one without it."""
    return scenario.head.channels // 2 if number is None else int(number) - 1


class TruthPart(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    What was true of some consecutive samples.

    mono_ns : int64 (n,)     coils_m : float64 (n, channels, 3) true east, north, height
    alive   : bool (n, channels), False where a channel did not measure or could not be heard
    """

    mono_ns: IntArray
    coils_m: FloatArray
    alive: BoolArray
