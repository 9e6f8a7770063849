"""The reference header, compiled, as tests drive it: one request, one answer, over pipes."""

import os
import shutil
import struct
import subprocess
from pathlib import Path

import firmware_bridge

HEADER = Path(firmware_bridge.__file__).parent / "firmware" / "firmground_head.h"
EXAMPLE = HEADER.parent / "example_head.c"
DRIVER = Path(__file__).parent / "driver.c"
COMPILER = shutil.which("cc")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
# Leaks are not looked for: nothing allocates, and the look fails under a debugger or in some containers.
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}

OUTPUTS, SELF_TEST, RELAY = 1, 2, 4  # what a head may be fitted with


def compile_c(*arguments):
    """Run the system's C compiler; a warning is a failure that shows itself."""
    subprocess.run([COMPILER, *map(str, arguments)], check=True, capture_output=True, text=True)


def supported_sanitizers(folder):
    """The sanitizers' flags where they compile and run, else none."""
    source, program = folder / "empty.c", folder / "empty"
    source.write_text("int main(void) { return 0; }\n")
    try:
        compile_c(*SANITIZERS, source, "-o", program)
        subprocess.run([program], check=True, capture_output=True, env=ENVIRONMENT)
    except subprocess.CalledProcessError:
        return ()
    return SANITIZERS


def dictionary_arguments(dictionary):
    """A dictionary as the driver reads it."""

    def text(value):
        encoded = value.encode()
        return struct.pack("<H", len(encoded)) + encoded

    parts = [struct.pack("<IBd", dictionary.dictionary_id, dictionary.is_simulated, dictionary.rate_hz)]
    parts += [text(value) for value in (dictionary.model, dictionary.firmware, dictionary.serial)]
    parts.append(struct.pack("<B", len(dictionary.channels)))
    for channel in dictionary.channels:
        gate_ns = 0xFFFF_FFFF if channel.gate_us is None else round(channel.gate_us * 1_000)
        position_mm = [round(metres * 1_000) for metres in channel.position_m]
        parts += [text(channel.name), text(channel.unit)]
        parts.append(struct.pack("<dIhhh", channel.scale, gate_ns, *position_mm))
    return b"".join(parts)


class ReferenceHead:
    """One head of the reference header in a process of its own."""

    def __init__(self, program):
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT, bufsize=0
        )
        self.deeds = b""

    def close(self):
        """End its input and wait; what it said on the way out is its exit code."""
        self._process.stdin.close()
        try:
            code = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._process.stdout.close()
        return code

    def ask(self, operation, arguments=b""):
        """What the head writes; what it does is in `deeds`."""
        self._process.stdin.write(operation + struct.pack("<H", len(arguments)) + arguments)
        written = self._answer()
        self.deeds = self._answer()
        return written

    def start(self, dictionary, fitted=OUTPUTS):
        """A fresh head."""
        return self.ask(b"s", bytes([fitted]) + dictionary_arguments(dictionary))

    def feed(self, stream, now_us=0):
        """Bytes from the host, all at one instant."""
        return b"".join(
            self.ask(b"f", struct.pack("<Q", now_us) + stream[at : at + 60_000])
            for at in range(0, max(len(stream), 1), 60_000)
        )

    def tick(self, now_us, is_pressed=False):
        """The lease is checked; the relay afterwards."""
        written = self.ask(b"t", struct.pack("<BQ", is_pressed, now_us))
        return written, self.relay()

    def relay(self):
        """What the relay was last set to by the last request; None: it was not."""
        return None if self.deeds[-2:-1] != b"R" else bool(self.deeds[-1])

    def counters(self):
        """frames, bad_checksum, malformed, unknown, bytes_skipped."""
        return struct.unpack("<5I", self.ask(b"c"))

    def _answer(self):
        (length,) = struct.unpack("<I", self._read(4))
        return self._read(length)

    def _read(self, count):
        found = b""
        while len(found) < count:
            piece = self._process.stdout.read(count - len(found))
            assert piece, f"the reference head has died with code {self._process.wait(timeout=10)}"
            found += piece
        return found
