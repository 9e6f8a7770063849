"""
`make bench`: speeds as ratios in one run. Nothing here passes or fails; the numbers are read by people.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import shapely
from rich.console import Console

from controller.core.detection import Detector
from controller.core.mapping import PassRaster, PlacedRun, ReasonSets
from controller.core.passes import PassRecords
from controller.core.site import Head
from controller.core.tile_map import TileMap
from controller.profile_files import load_profile
from sim.day import plan
from sim.inproc import run
from sim.oracle import judge
from sim.scenario import load_scenario
from tests import bench_decoders, bench_latency

SECOND = 1_000_000_000


def timed(work: Callable[[], object]) -> float:
    """Seconds that some work takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def simulate_speed(name: str) -> float:
    """Virtual seconds per second of the whole machine: bytes, decoding, step, record."""
    day = plan(load_scenario(name), 1)
    with tempfile.TemporaryDirectory() as folder:
        return day.until_s / timed(lambda: list(run(day, Path(folder) / "session")))


def judged_speed() -> float:
    """Six lanes with 16 coils, GNSS and autopilot, the oracle included, on one core."""
    lanes = load_scenario("lanes")
    head = msgspec.structs.replace(lanes.head, channels=16)
    scenario = msgspec.structs.replace(
        lanes, head=head, lanes=msgspec.structs.replace(lanes.lanes, spacing_m=2.1, length_m=40.0)
    )
    with tempfile.TemporaryDirectory() as scratch:
        begun = time.perf_counter()
        day = plan(scenario, 1)
        for _ in run(day, Path(scratch) / "session"):
            pass
        judge(Path(scratch) / "session", day.scenario, day.truth)
        return day.until_s / (time.perf_counter() - begun)


def detection_speed(channels: int, rate_hz: float) -> float:
    """Seconds of samples per second, in frames of two samples."""
    head = Head(id="h", link="h", mount_m=(0.0, 0.0, 0.0), nominal_radius_m=0.2, alarm_floor=5.0)
    detector = Detector(head, load_profile("ap-shallow"), channels, rate_hz)
    seconds = 20.0
    values = np.random.default_rng(1).normal(0.0, 1.0, (int(seconds * rate_hz), channels))
    status = np.zeros(2, dtype=np.int64)
    return seconds / timed(lambda: [detector.detect(values[i : i + 2], status) for i in range(0, len(values), 2)])


def lane(count: int, start: int, channels: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """A tenth of a second of a 16-coil bar at 1 m/s and 100 Hz, `start` tenths on; it sways 5 cm: times, positions."""
    index = np.arange(start * count, (start + 1) * count)
    across = np.arange(channels) * 1_500 + np.rint(500.0 * np.sin(index / 150.0))[:, None]
    position = np.stack(np.broadcast_arrays(across, (index * 100)[:, None]), axis=-1)
    return index * (SECOND // 100), position.astype(np.int64)


def union_seconds(updates: int, timed_updates: int = 100) -> float:
    """Seconds of one update of the rival, late in a run: a strip of a tenth of a second, united by shapely with all."""
    strips = []
    for number in range(updates):
        _, position = lane(11, number)
        east, north = position[:, :, 0], int(position[0, 0, 1])
        strips.append(shapely.box(east.min() - 1_500, north, east.max() + 1_500, north + 1_100))
    ground = shapely.union_all(strips[:-timed_updates])

    def update(number: int) -> None:
        nonlocal ground
        ground = ground.union(strips[number])

    return timed(lambda: [update(number) for number in range(updates - timed_updates, updates)]) / timed_updates


def coverage_growth(updates: int) -> tuple[float, float]:
    """Time of an update late in a long run against early (1 is constant, however long the day), and its seconds."""
    tiles = TileMap()
    raster = PassRaster(tiles, PassRecords(tiles), ReasonSets(), 2_000, 1)

    def update(number: int) -> None:
        times, position = lane(10, number)
        shape = position.shape[:2]
        raster.add(
            PlacedRun(
                block=1,
                times_ns=times,
                position_dmm=position,
                radius_dmm=np.full(shape, 1_500, dtype=np.int64),
                reasons=np.zeros(shape, dtype=np.int64),
                common_error_dmm=300,
            )
        )

    tenth = updates // 10
    early = timed(lambda: [update(number) for number in range(tenth)]) / tenth
    for number in range(tenth, updates - tenth):
        update(number)
    late = timed(lambda: [update(number) for number in range(updates - tenth, updates)]) / tenth
    return late / early, late


def main() -> None:
    """Measure and print."""
    console = Console()
    console.print("Firmground's speed, as ratios (larger is better unless said)\n")
    console.print(f"simulate lanes (8 channels at 100 Hz, whole path): {simulate_speed('lanes'):8.0f} x real time")
    console.print(f"simulate and judge 16 channels at 100 Hz:          {judged_speed():8.0f} x real time")
    console.print(f"simulate first-lane (4 channels, NMEA):            {simulate_speed('first-lane'):8.0f} x real time")
    console.print(f"detection, 16 channels at 100 Hz:                  {detection_speed(16, 100.0):8.0f} x real time")
    console.print(f"detection, 16 channels at 1 kHz:                   {detection_speed(16, 1000.0):8.0f} x real time")
    growth, update_s = coverage_growth(10_000)
    console.print(f"coverage, late updates against early (1 is constant): {growth:8.2f}")
    console.print(f"coverage against shapely's union, update 10,000:   {union_seconds(10_000) / update_s:8.1f} x\n")
    bench_decoders.measure(console)
    bench_latency.measure(console)


if __name__ == "__main__":
    main()
