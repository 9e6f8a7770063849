"""The growing map is the same map as everywhere else, and says which tiles look different."""

import random

import numpy as np
import pytest

from controller.core.fold import MapFold
from controller.link.live_map import LiveMap
from controller.store.ledger import read_events

MASKING_M = 0.5


@pytest.mark.parametrize("seed", range(4))
def test_however_it_is_fed_it_ends_as_the_fold_of_all_events(simulated, seed):
    """Any order, any pauses between refreshes: states, versions and totals are those of one fold (P6)."""
    chooser = random.Random(seed)
    events = list(read_events(simulated))
    if seed:
        chooser.shuffle(events)
    live_map, fold = LiveMap(MapFold(MASKING_M)), MapFold(MASKING_M)
    versions = {}
    for event in events:
        live_map.add(event)
        fold.add(event)
        if chooser.random() < 0.2:
            for tile in live_map.refresh():
                assert tile.version == versions.get((tile.tx, tile.ty), 0) + 1
                versions[tile.tx, tile.ty] = tile.version
    live_map.refresh()
    tiles = list(fold.tiles())
    assert len(tiles) > 1
    for tile in tiles:
        shown = live_map.tile(tile.tx, tile.ty)
        assert np.array_equal(np.frombuffer(shown.states, np.uint8).reshape(256, 256), tile.states)
    assert live_map.totals() == fold.totals()
    assert [(tx, ty) for tx, ty, _ in live_map.versions()] == sorted((tile.tx, tile.ty) for tile in tiles)


def test_nothing_new_changes_nothing(simulated):
    """A second refresh, or an event that does not bear on the map, names no tile."""
    live_map = LiveMap(MapFold(MASKING_M))
    events = list(read_events(simulated))
    for event in events:
        live_map.add(event)
    assert live_map.refresh()
    assert live_map.refresh() == []
    for event in events:
        live_map.add(event)
    assert live_map.refresh() == [], "the same events again look the same"
    assert live_map.tile(1000, 1000) is None
