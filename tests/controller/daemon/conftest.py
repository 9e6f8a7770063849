"""A machine whose core is tested as a process."""

import pytest

from tests.live_rig import Machine


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path)
    yield machine
    machine.close()
