"""The fuzzer can fail: it finds a planted bug, and each invariant catches a decoder that breaks it."""

import os
import subprocess
import sys

import pytest

from firmware_bridge.codec.instruments import named_format
from firmware_bridge.codec.line import LineDecoder
from tests import fuzz_seeds
from tests.fuzz import ROOT, recordings
from tests.fuzz_targets import PLANTED, TARGETS, Finding, Target, check, seeds

LINE = b"$ 49895.131,1249\r\n"


def run_fuzz(*options):
    """The fuzzer as the command line starts it, the same each time."""
    environment = os.environ | {"FIRMGROUND_DATA": str(ROOT / "no-such-folder"), "PYTHONHASHSEED": "0"}
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *options],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_fuzzer_finds_a_planted_bug_and_prints_how_to_repeat_it():
    """Two comparisons deep, from a seed that has neither; the printed command fails alike."""
    pytest.importorskip("atheris")
    # Which seeds are lucky changes with every line of the decoders that are instrumented; of eight, some are.
    runs = (run_fuzz("--target", "planted", "--seconds", "20", "--seed", str(seed)) for seed in range(1, 9))
    found = next((run for run in runs if run.returncode == 1), None)
    assert found is not None
    (command,) = [line for line in found.stdout.splitlines() if line.startswith("repeat with: ")]
    assert bytes.fromhex(command.split()[-1]).startswith(b"BUG!")
    repeated = run_fuzz(*command.removeprefix("repeat with: python -m tests.fuzz ").split())
    assert repeated.returncode == 1
    assert command in repeated.stdout


class _Chunky(LineDecoder):
    """Takes every chunk for whole lines."""

    def __init__(self):
        super().__init__(named_format("g823"))

    def feed(self, data):
        return super().feed(data + b"\n")


class _Hoarder(LineDecoder):
    """Keeps everything."""

    def __init__(self):
        super().__init__(named_format("g823"))
        self._hoard = []

    def feed(self, data):
        self._hoard.append(data + b"\n")
        return super().feed(data)


def test_records_that_depend_on_chunks_are_caught():
    """Whole and cut differ."""
    with pytest.raises(Finding, match="other records or stats"):
        check(Target(make=_Chunky), LINE, is_flooded=False)


def test_a_decoder_that_keeps_all_it_was_fed_is_caught():
    """Only a flood shows it."""
    check(Target(make=_Hoarder), LINE, is_flooded=False)
    with pytest.raises(Finding, match="bytes held"):
        check(Target(make=_Hoarder), LINE, is_flooded=True)


def test_a_decoder_that_raises_is_caught():
    """Whatever it raises."""
    with pytest.raises(Finding, match="IndexError"):
        check(PLANTED["planted"], b"BUG!", is_flooded=False)


@pytest.mark.parametrize("name", TARGETS)
def test_every_decoder_has_seeds_that_hold_the_invariants(name):
    """Each target begins from bytes that mean something, and no seed is a finding."""
    target = TARGETS[name]
    first = seeds(name, target, fuzz_seeds.encoded(), recordings() / "none")
    assert first
    for data in first:
        check(target, data, is_flooded=False)
        assert target.repair is None or target.repair(target.repair(data)) == target.repair(data)


@pytest.mark.parametrize("name", ["gnss", "mavlink", "rtcm", "head", "command"])
def test_repaired_checksums_are_accepted(name):
    """A frame with a damaged checksum is a frame again."""
    target = TARGETS[name]
    for data in seeds(name, target, fuzz_seeds.encoded(), recordings() / "none"):
        assert target.repair is not None
        assert target.repair(data) == data


def test_repaired_signatures_are_accepted():
    """Frames signed with another key, or damaged, pass the gate after the repair; what is not signed never does."""
    target = TARGETS["signing"]
    (data,) = seeds("signing", target, fuzz_seeds.encoded(), recordings() / "none")
    damaged = data.replace(b"\x3e", b"\x3f")
    assert target.repair is not None
    assert len(target.make().feed(data)) == 3
    assert len(target.make().feed(target.repair(damaged))) == 6
