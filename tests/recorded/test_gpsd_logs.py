"""Every sentence of gpsd's 89 logs against gpsd's own reading; `pytest -m recorded -rP` prints the table."""

import collections
import sys

import pytest
from gpsd_comparison import compare_all, table

pytestmark = pytest.mark.recorded

# How many sentences say the same as gpsd, at least: fewer means that something is read less, or otherwise.
AGREED = {
    ("position", "GGA"): 637,
    ("position", "GNS"): 33,
    ("position", "RMC"): 700,
    ("position", "NAV-PVT"): 84,
    ("position", "NAV-HPPOSLLH"): 28,
    ("date", "RMC"): 678,
    ("date", "NAV-PVT"): 124,
    ("class", "GGA"): 637,
    ("class", "GNS"): 33,
    ("class", "RMC"): 694,
    ("class", "NAV-PVT"): 84,
    ("speed", "RMC"): 700,
    ("speed", "NAV-PVT"): 84,
    ("accuracy", "GST"): 17,
    ("accuracy", "NAV-PVT"): 84,
    ("accuracy", "NAV-HPPOSLLH"): 28,
    ("gpsd's position", "TPV"): 1_671,
}


@pytest.fixture(scope="module")
def outcomes(recordings):
    """All outcomes of all logs."""
    return compare_all(recordings / "gnss" / "gpsd")


def test_every_difference_from_gpsd_has_a_reason(outcomes):
    """Positions to 1e-6 degree, dates, classes, speeds to a millimetre a second, stated accuracies to a millimetre."""
    sys.stdout.write(table(outcomes))
    unexplained = [outcome for outcome in outcomes if outcome.reason == ""]
    assert unexplained == []


def test_as_many_sentences_agree_with_gpsd_as_ever(outcomes):
    """By quantity and sentence; none is compared that is not listed here."""
    agreed = collections.Counter((outcome.quantity, outcome.source) for outcome in outcomes if outcome.reason is None)
    assert agreed == AGREED


def test_no_sentence_contradicts_gpsd_where_both_speak(outcomes):
    """No position, class or speed differs: what is listed is what only one of the two reports, or says in words."""
    both = [outcome for outcome in outcomes if outcome.reason is not None and outcome.quantity in ("class", "speed")]
    assert {(outcome.log, outcome.source) for outcome in both} == {("garmin15x", "RMC")}
