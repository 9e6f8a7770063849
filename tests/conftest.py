"""Where the recordings of real instruments are found."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recordings: FIRMGROUND_DATA, or `../shared/data` beside the repository."""
    default = Path(__file__).parent.parent.parent / "shared" / "data"
    folder = Path(os.environ.get("FIRMGROUND_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"recordings not found at {folder}; set FIRMGROUND_DATA")
    return folder
