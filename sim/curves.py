"""
How well the instant alarm finds, as curves: found targets against alarms without one, beside rivals on the same bytes.

A field of items is driven over once; what the head sent is decoded once and given to every line of a picture:

- `firmground`: the core's own detector as the profile `ap-shallow` sets it, its k swept, the floor out of the way;
- `fixed`: a fixed threshold on the reading less its first value, no drift taken out;
- `median`: a moving median of a second and k sigma, sigma from the median absolute deviation;
- `hratc`: the reading through a moving mean of ten samples, scaled to its range so far, against a threshold of 0.6: as
  the robot of a public competition is delivered (HRATC);
- `clairvoyant`: the matched filter that knows every item's exact signature and place, and white noise alone. Nothing
  that sees these bytes can be better; it is computed, not run.

An alarm belongs to a target within half a metre, as the oracle has it. One that lasts is counted anew after each metre
that the coil has travelled: whoever stops at alarms would have to.
"""

import math
from collections.abc import Callable, Iterable
from statistics import NormalDist
from typing import NamedTuple

import msgspec
import numpy as np

from controller.core.coverage import footprint_cells
from controller.core.detection import Detector
from controller.core.site import Head
from controller.core.tiles import CELL_M2
from controller.profile_files import load_profile
from firmware_bridge.codec.head import HeadDecoder, encode
from firmware_bridge.records import BoolArray, FloatArray, SampleBlock
from sim.array import Array, ArrayFeed
from sim.day import Day, plan
from sim.head import dictionary_of
from sim.physics import readings
from sim.scenario import Scenario, load_scenario
from sim.sections import ClutterModel, Scatter, SoilModel, TerrainModel

NEAR_M = 0.5  # an alarm this close belongs to a target
SPLIT_M = 1.0  # of travel, after which a lasting alarm is another
WARM_S = 8.0  # standing still before the first lane, so that every line has learned the ground
LINES = ("clairvoyant", "firmground", "median", "hratc", "fixed")
AT = (1.0, 10.0)  # alarms without a target per 100 m2, at which lines are compared in figures
HRATC_THRESHOLD, HRATC_MEAN = 0.6, 10
MEDIAN_S = 1.0
FLOOR_UV = 3.0  # twice the white noise: k sigma is what decides


class Panel(NamedTuple):
    """One picture: a ground, and what is buried in it."""

    soil: str
    target: str


class Point(NamedTuple):
    """One setting of one line: the share of targets found, and alarms without a target per 100 m2."""

    found: float
    false_per_100_m2: float


class Field(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """
    What the head sent over a field, and what is true of it.

    values  : float64 (n, channels), decoded      coils_m : float64 (n, channels, 2), where they truly were
    targets : float64 (k, 2)                       snr     : float64 (k,), |signature| / white noise, of each target
    """

    rate_hz: float
    values: FloatArray
    coils_m: FloatArray
    targets: FloatArray
    snr: FloatArray
    area_m2: float
    footprint_m2: float


SOILS = ("neutral", "mineralised", "cluttered")
TARGETS = {  # strengths and depths from and to, m
    "metal, deep": (0.5, 1.0, 0.15, 0.30),
    "low metal, shallow": (0.01, 0.08, 0.02, 0.12),
}


def panels() -> list[Panel]:
    """All pictures, in order."""
    return [Panel(soil, target) for target in TARGETS for soil in SOILS]


def scenario_of(panel: Panel, lanes: int, length_m: float) -> Scenario:
    """An eight-channel bar over lanes side by side, with as many items as fit 2 m apart."""
    base = load_scenario("mineralised-soil")
    spacing = 1.1
    east, north = (-0.4, (lanes - 1) * spacing + 0.4), (0.5, length_m - 0.5)
    low, high, upper, lower = TARGETS[panel.target]
    area_m2 = (east[1] - east[0]) * (north[1] - north[0])
    scatter = Scatter(
        count=max(3, int(area_m2 / 5.0)), east_m=east, north_m=north, depth_m=(upper, lower), strength=(low, high),
        apart_m=1.3,
    )  # fmt: skip
    replace = msgspec.structs.replace
    rough = panel.soil != "neutral"
    return replace(
        base,
        world=replace(base.world, targets=(), scatter=scatter),
        lanes=replace(base.lanes, count=lanes, length_m=length_m, spacing_m=spacing, pattern="serpentine"),
        noise=replace(base.noise, pink=1.5),
        soil=SoilModel(median_uv=30.0, log_sigma=0.3) if rough else None,
        terrain=TerrainModel(undulation_m=0.002) if rough else None,
        clutter=ClutterModel(density_per_m2=0.2, east_m=east, north_m=north) if panel.soil == "cluttered" else None,
    )


def field_of(panel: Panel, seed: int, lanes: int = 6, length_m: float = 14.0) -> Field:
    """Drive over one field and keep what the head sent from shortly before the first lane to the end of the last."""
    day = plan(scenario_of(panel, lanes, length_m), seed)
    scenario, motion = day.scenario, day.array.motion
    rate_hz = scenario.head.rate_hz
    from_s, until_s = motion.depart_s - WARM_S, motion.arrive_s
    array = Array(scenario, motion, ())  # nobody holds a check piece under a coil
    values = _decoded(day, array, from_s, until_s)
    times_s = (np.arange(len(values)) + 1 + round(from_s * rate_hz)) / rate_hz
    coils_m = day.array.places(times_s)[0]
    targets = np.array([(target.east_m, target.north_m) for target in scenario.world.targets])
    radius_m = scenario.head.detection_radius_m
    flat = np.rint(coils_m[:: max(1, int(rate_hz) // 10), :, :2].reshape(-1, 2) * 10_000).astype(np.int64)
    return Field(
        rate_hz=rate_hz,
        values=values,
        coils_m=coils_m[:, :, :2],
        targets=targets,
        snr=_signatures(day, times_s, coils_m) / scenario.white_noise,
        area_m2=len(footprint_cells(flat, round(radius_m * 10_000))) * CELL_M2,
        footprint_m2=(2.0 * radius_m) ** 2,
    )


def _decoded(day: Day, array: Array, from_s: float, until_s: float) -> FloatArray:
    """The bytes of the head as the controller would read them: float64 (n, channels)."""
    random = np.random.Generator(np.random.PCG64(day.streams[1]))
    decoder = HeadDecoder()
    decoder.feed(encode(dictionary_of(day.scenario)))
    found = []
    for _, payload in ArrayFeed(array, day.around, random).arrivals(from_s, until_s):
        found += [record.values for record in decoder.feed(payload) if isinstance(record, SampleBlock)]
    values: FloatArray = np.concatenate(found)
    return values


def _signatures(day: Day, times_s: FloatArray, coils_m: FloatArray) -> FloatArray:
    """Root of the summed squares of what each target alone adds to all readings, float64 (k,), in the head's unit."""
    scenario, axes = day.scenario, day.array.places(times_s)[1]
    bare = msgspec.structs.replace(day.around, clutter=(), soil=None)
    sizes = []
    for target in scenario.world.targets:
        near = (np.hypot(coils_m[..., 0] - target.east_m, coils_m[..., 1] - target.north_m) < 2.0).any(axis=1)
        worlds = (msgspec.structs.replace(scenario.world, targets=items) for items in ((target,), ()))
        alone, nothing = (
            readings(msgspec.structs.replace(scenario, world=w), bare, times_s[near], coils_m[near], axes[near])
            for w in worlds
        )
        sizes.append(float(np.sqrt(((alone - nothing) ** 2).sum())))
    return np.array(sizes)


def clairvoyant(field: Field, threshold: float) -> Point:
    """
    The matched filter's two chances, for white noise of known size: Neyman and Pearson's, Kay (1998) chapter 4.

    Its statistic is normal about |s| / sigma with an item and about 0 without one, and it is asked once for each
    footprint of ground.
    """
    normal = NormalDist()
    found = np.mean([1.0 - normal.cdf(threshold - snr) for snr in field.snr.tolist()])
    return Point(float(found), (1.0 - normal.cdf(threshold)) * 100.0 / field.footprint_m2)


def firmground(field: Field, k: float) -> Point:
    """The core's detector with this k; samples in one call, which is the same as in any other grouping."""
    head = Head(id="head", link="head", mount_m=(0.0, 0.0, 0.0), nominal_radius_m=0.2, alarm_floor=FLOOR_UV)
    profile = msgspec.structs.replace(load_profile("ap-shallow"), k_sigma=k)
    detector = Detector(head, profile, field.values.shape[1], field.rate_hz)
    found = detector.detect(field.values, np.zeros(len(field.values), dtype=np.int64))
    is_active = np.zeros(len(field.values), dtype=np.bool_)
    begun = None
    for edge in found.edges:
        if edge.is_begin:
            begun = edge.row
        elif begun is not None:
            is_active[begun : edge.row + 1], begun = True, None
    if begun is not None:
        is_active[begun:] = True
    signal = np.nan_to_num(found.signal, nan=-math.inf)
    return _scored(field, is_active, signal)


def fixed(field: Field, threshold: float) -> Point:
    """A fixed threshold; the offset of each channel is its first reading."""
    signal = np.abs(field.values - field.values[0])
    return _scored(field, signal.max(axis=1) >= threshold, signal)


def median(field: Field, k: float) -> Point:
    """A moving median over the last second, and k times the sigma that its median absolute deviation stands for."""
    window = round(MEDIAN_S * field.rate_hz)
    views = np.lib.stride_tricks.sliding_window_view(field.values, window, axis=0)
    score = np.zeros_like(field.values)
    for channel in range(field.values.shape[1]):
        middle = np.median(views[:-1, channel], axis=1)
        sigma = 1.4826 * np.median(np.abs(views[:-1, channel] - middle[:, None]), axis=1)
        score[window:, channel] = np.abs(field.values[window:, channel] - middle) / np.maximum(sigma, 1e-9)
    return _scored(field, score.max(axis=1) >= k, score)


def hratc(field: Field, threshold: float) -> Point:
    """A mean of ten samples, scaled to 0..1 between the least and the greatest of each channel so far."""
    sums = np.cumsum(np.concatenate([np.zeros((1, field.values.shape[1])), field.values]), axis=0)
    means = (sums[HRATC_MEAN:] - sums[:-HRATC_MEAN]) / HRATC_MEAN
    low, high = np.minimum.accumulate(means, axis=0), np.maximum.accumulate(means, axis=0)
    score = np.zeros_like(field.values)
    score[HRATC_MEAN - 1 :] = (means - low) / np.maximum(high - low, 1e-9)
    score[: round(WARM_S * field.rate_hz)] = 0.0  # while it stands it learns its range
    return _scored(field, score.max(axis=1) >= threshold, score)


SWEEPS: dict[str, tuple[Callable[[Field, float], Point], list[float]]] = {
    "clairvoyant": (clairvoyant, np.linspace(0.5, 6.0, 45).tolist()),
    "firmground": (firmground, [4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 11.0, 13.0, 16.0, 20.0]),
    "median": (median, [4.0, 4.5, 5.0, 5.5, 6.0, 7.0, 8.0, 10.0, 14.0, 20.0]),
    "hratc": (hratc, [0.2, 0.3, 0.4, 0.5, 0.55, HRATC_THRESHOLD, 0.65, 0.7, 0.8, 0.9, 0.95]),
    "fixed": (fixed, np.geomspace(6.0, 200.0, 16).tolist()),
}


def curve(line: str, fields: Iterable[Field]) -> list[Point]:
    """All settings of a line, each over all fields together: shares weighted by targets, alarms by area."""
    run, settings = SWEEPS[line]
    known = list(fields)
    targets, areas = [len(field.targets) for field in known], [field.area_m2 for field in known]
    points = []
    for setting in settings:
        each = [run(field, setting) for field in known]
        found = float(np.average([point.found for point in each], weights=targets))
        points.append(Point(found, float(np.average([point.false_per_100_m2 for point in each], weights=areas))))
    return points


def found_at(points: Iterable[Point], false_per_100_m2: float) -> float:
    """The best share that a line reaches with no more alarms without a target than this; 0 where it never does."""
    return max((point.found for point in points if point.false_per_100_m2 <= false_per_100_m2), default=0.0)


def _scored(field: Field, is_active: BoolArray, score: FloatArray) -> Point:
    """Alarms of a line, each placed at its strongest reading, against the targets."""
    places = alarms(is_active, score, field.coils_m)
    if not len(places):
        return Point(0.0, 0.0)
    distance = np.hypot(*(places[:, None, :] - field.targets[None, :, :]).transpose(2, 0, 1))
    is_near = distance <= NEAR_M
    false = int((~is_near.any(axis=1)).sum())
    return Point(float(is_near.any(axis=0).mean()), false * 100.0 / field.area_m2)


def alarms(is_active: BoolArray, score: FloatArray, coils_m: FloatArray) -> FloatArray:
    """
    Where alarms are, float64 (k, 2): of each run of active samples, cut after each `SPLIT_M` of travel, the strongest.

    is_active : bool (n,)      score : float64 (n, channels)      coils_m : float64 (n, channels, 2)
    """
    edges = np.diff(is_active.astype(np.int8), prepend=np.int8(0), append=np.int8(0))
    middle = coils_m.mean(axis=1)
    travel = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(middle, axis=0).T))])
    places = []
    for start, stop in zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True):
        pieces = ((travel[start:stop] - travel[start]) // SPLIT_M).astype(np.int64)
        for piece in np.unique(pieces).tolist():
            rows = start + np.flatnonzero(pieces == piece)
            row, channel = divmod(int(np.argmax(score[rows])), score.shape[1])
            places.append(coils_m[rows[row], channel])
    return np.array(places).reshape(-1, 2)
