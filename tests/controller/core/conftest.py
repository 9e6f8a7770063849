"""Machines for the core's tests."""

import pytest
from core_machine import Machine


@pytest.fixture
def machine():
    """A machine under `ap-shallow` that has just been switched on."""
    return Machine()


@pytest.fixture
def ready_machine():
    """A machine whose opening check has passed."""
    return Machine().ready()
