"""The record told again: what was taken back, when and why, whatever the order of its tiles."""

import numpy as np

from controller.core.check_events import BlockOpened, Verdict
from controller.core.effects import ReasonSetNamed, TileWritten
from controller.core.tiles import CellMark, pack_cells
from sim.retelling import retell

OPENED = BlockOpened(mono_ns=1, utc_ns=None, head="h", block=1, spec="s", check=1)
NAMED = ReasonSetNamed(mono_ns=1, utc_ns=None, index=3, reasons=("position_jump",))


def tile(mono_ns, version, credited, block=1, sets=0):
    marks = np.zeros((256, 256), dtype=np.uint8)
    marks.flat[:100] = CellMark.OUT_OF_SPEC
    marks.flat[:credited] = CellMark.CREDITED
    reasons = np.where(marks == CellMark.OUT_OF_SPEC, sets, 0).astype(np.uint8)
    return TileWritten(
        mono_ns=mono_ns,
        utc_ns=None,
        spec="s",
        block=block,
        tx=0,
        ty=0,
        version=version,
        cells=pack_cells(marks, reasons),
    )


def voided(mono_ns, block=1):
    return Verdict(mono_ns=mono_ns, utc_ns=None, block=block, number=1, state="voided", cause="check 2 failed")


def test_a_voided_block_takes_back_what_it_had_credited():
    """All of it, once; what was ever credited stays known."""
    told = retell([OPENED, tile(2, 1, 40), tile(3, 2, 60), voided(4)])
    ((taken),) = told.taken
    assert (taken.mono_ns, taken.cells, taken.cause) == (4, 60, "block 1 voided: check 2 failed")
    assert int(np.unpackbits(taken.before[0, 0]).sum()) == 60
    assert int(np.unpackbits(taken.after[0, 0]).sum()) == 0
    assert int(np.unpackbits(told.credited[0, 0]).sum()) == 60


def test_a_tile_that_credits_less_says_why():
    """By the reasons its cells have now."""
    told = retell([OPENED, NAMED, tile(2, 1, 60), tile(5, 2, 10, sets=3)])
    assert [(taken.cells, taken.cause) for taken in told.taken] == [(50, "block 1 revoked: position_jump")]


def test_ground_that_another_block_still_credits_was_not_taken_back():
    """Only what no longer stands counts."""
    told = retell([OPENED, tile(2, 1, 60), tile(2, 1, 60, block=2), voided(4)])
    assert told.taken == ()


def test_growing_credit_and_older_versions_take_nothing_back():
    """A version that arrives late changes nothing."""
    assert retell([OPENED, tile(2, 2, 60), tile(3, 1, 10), tile(4, 3, 70)]).taken == ()
