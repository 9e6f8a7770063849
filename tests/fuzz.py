"""
`make fuzz [ARGS="--seconds N --target NAME"]`: every decoder under a coverage-guided fuzzer, a stated time each.

The fuzzer is atheris (libFuzzer); it ends its process, so each decoder gets one. Seeds are what the encoders write and
what recordings hold, where there are any. Half of its mutations get their checksums made good, so that they reach what
lies behind them. On a finding the input is printed as hex with the command that repeats it, and the exit code is 1.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

SECONDS = 30.0
FLOOD_EVERY = 20_000  # flooding takes up to seconds: the first seeds, and one input in so many
COMMAND_HEX_MAX = 60_000  # Linux takes 128 KiB as one argument

ROOT = Path(__file__).parent.parent


def recordings() -> Path:
    """Where recordings of real instruments would be; the folder may be missing."""
    return Path(os.environ.get("FIRMGROUND_DATA", ROOT.parent / "shared" / "data"))


def report(name: str, data: bytes, error: AssertionError) -> None:
    """Print a finding and how to see it again."""
    text = data.hex()
    print(f"FINDING in {name}: {error}\ninput ({len(data)} bytes): {text}")  # noqa: T201
    assert len(text) <= COMMAND_HEX_MAX
    print(f"repeat with: python -m tests.fuzz --target {name} --input {text}", flush=True)  # noqa: T201


def fuzz(name: str, seconds: float, seed: int, folder: Path) -> None:
    """Fuzz one target in this process, which ends with it; `folder` is for libFuzzer's own files."""
    import atheris

    with atheris.instrument_imports(include=["firmware_bridge.codec", "tests.fuzz_targets"]):
        from tests import fuzz_targets
    from tests import fuzz_seeds

    target = (fuzz_targets.TARGETS | fuzz_targets.PLANTED)[name]
    begun = time.monotonic()
    runs = floods = 0

    def look(data: bytes, *, is_flooded: bool) -> None:
        nonlocal runs, floods
        runs, floods = runs + 1, floods + is_flooded
        try:
            fuzz_targets.check(target, data, is_flooded=is_flooded)
        except fuzz_targets.Finding as error:
            report(name, data, error)
            os._exit(1)

    def one_input(data: bytes) -> None:
        look(data, is_flooded=zlib.crc32(data) % FLOOD_EVERY == 0)
        if time.monotonic() > begun + seconds:
            print(f"{runs} inputs, {floods} of them flooded, {len(first)} seeds: no finding", flush=True)  # noqa: T201
            os._exit(0)  # libFuzzer knows no other way to end without ending as a failure

    def mutate(data: bytes, longest: int, number: int) -> bytes:
        changed = bytes(atheris.Mutate(data, longest))
        return changed if target.repair is None or number % 2 else target.repair(changed)[:longest]

    first = fuzz_targets.seeds(name, target, fuzz_seeds.encoded(), recordings())
    for number, data in enumerate(first):
        if time.monotonic() < begun + seconds / 10:
            look(data[: target.longest], is_flooded=True)
        (folder / f"{number:04d}").write_bytes(data[: target.longest])
    limits = [f"-max_len={target.longest}", f"-seed={seed}", "-timeout=60", "-rss_limit_mb=2048", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={folder}/", str(folder)], one_input, custom_mutator=mutate)
    atheris.Fuzz()


def repeat(name: str, data: bytes) -> int:
    """Check one input without the fuzzer, the flood included; the exit code."""
    from tests.fuzz_targets import PLANTED, TARGETS, Finding, check

    try:
        check((TARGETS | PLANTED)[name], data, is_flooded=True)
    except Finding as error:
        report(name, data, error)
        return 1
    print(f"{name}: no finding")  # noqa: T201
    return 0


def fuzz_apart(name: str, seconds: float, seed: int) -> int:
    """Fuzz one target in a process of its own; its exit code."""
    print(f"{name}, {seconds:g} s: ", end="", flush=True)  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        options = ["--child", name, str(seconds), str(seed), folder]
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz", *options], cwd=ROOT, capture_output=True, text=True, check=False
        )
    print(done.stdout.strip() or done.stderr[-2_000:], flush=True)  # noqa: T201
    return done.returncode


def main() -> int:
    """Fuzz all targets, or one; 1 after a finding."""
    if sys.argv[1:2] == ["--child"]:  # before the codecs are imported: they are instrumented on their import
        fuzz(sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
    from tests.fuzz_targets import PLANTED, TARGETS

    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each target (default: %(default)g)")
    parser.add_argument("--target", choices=[*TARGETS, *PLANTED], help="only this one")
    parser.add_argument("--seed", type=int, default=0, help="libFuzzer's; 0 takes a new one each time")
    parser.add_argument("--input", type=bytes.fromhex, help="check this one input, as hex, and nothing else")
    chosen = parser.parse_args()
    if chosen.input is not None:
        if chosen.target is None:
            parser.error("--input needs --target")
        return repeat(chosen.target, chosen.input)
    if importlib.util.find_spec("atheris") is None:
        parser.error("the fuzzer atheris is not installed; it has wheels for x86-64 Linux (pip install atheris)")
    names = [chosen.target] if chosen.target else list(TARGETS)
    failed = [name for name in names if fuzz_apart(name, chosen.seconds, chosen.seed)]
    print(f"{len(names)} decoders, {chosen.seconds:g} s each; findings in: {', '.join(failed) or 'none'}")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
