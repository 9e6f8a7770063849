"""The configuration of a real ZED-F9P, as u-center read it out, through our codec."""

import pytest

from firmware_bridge.codec.f9p_settings import RATES_HZ, ReceiverPort, Role, settings_for
from firmware_bridge.codec.gnss_frames import GnssFramer
from firmware_bridge.codec.ubx_config import Acknowledgement, ConfigValues, ReceiverVersion, decode_answer
from sim.receiver import FACTORY

pytestmark = pytest.mark.recorded

LOG = "gnss/semuconsulting/ubx/ucenter-ZEDF9P-configdebug.log"


@pytest.fixture(scope="module")
def answers(recordings):
    path = recordings / LOG
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    framer = GnssFramer()
    return [decode_answer(frame.data) for frame in framer.feed(path.read_bytes())]


@pytest.fixture(scope="module")
def values(answers):
    found = {}
    for answer in answers:
        found |= answer.values if isinstance(answer, ConfigValues) else {}
    return found


def test_every_reply_of_a_real_receiver_is_read(answers, values):
    """24 replies of up to 64 values, 24 acknowledgements of VALGET, and what the receiver is."""
    assert sum(isinstance(answer, ConfigValues) for answer in answers) == 24
    assert len(values) == 1475
    accepted = Acknowledgement(message=b"\x06\x8b", is_accepted=True)
    assert sum(answer == accepted for answer in answers) == 24
    (version,) = {answer for answer in answers if isinstance(answer, ReceiverVersion)}
    assert (version.extension("FWVER"), version.extension("PROTVER")) == ("HPG 1.32", "27.31")


def test_a_real_receiver_knows_every_key_that_is_set(values):
    """For each port, role and rate."""
    for port in ReceiverPort:
        for role in Role:
            for setting in settings_for(port, role, RATES_HZ[0], 115_200):
                assert setting.key in values, setting.name


def test_the_simulated_receiver_has_what_the_real_one_had(values):
    """Its factory values are those that were read out."""
    assert {key: values[key] for key in FACTORY} == FACTORY
