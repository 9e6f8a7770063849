"""The command as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run_firmground(*arguments, **options):
    """`firmground` with these arguments, in a process of its own, its output as text."""
    command = [sys.executable, "-m", "controller.cli", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "120"}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False, timeout=180, **options
    )
