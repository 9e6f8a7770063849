"""A machine whose core is tested as a process."""

import pytest


@pytest.fixture
def machine(firmground_machine):
    return firmground_machine()
