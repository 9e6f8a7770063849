"""Decoders by name, and the guess for bytes without one."""

import pytest

from firmware_bridge.codec.decoders import GUESS_BYTES, PROTOCOLS, Decoder, guess_protocol, make_decoder
from firmware_bridge.codec.gnss import GnssDecoder
from firmware_bridge.codec.head import HeadDecoder
from firmware_bridge.codec.line import LineDecoder
from firmware_bridge.codec.line_format import LineChannel, LineFormat
from firmware_bridge.codec.mavlink import MavlinkDecoder, MavlinkEncoder
from firmware_bridge.codec.n38 import N38Decoder, encode_reading, encode_sentence
from firmware_bridge.records import Attitude, GnssFix

GGA = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"
ATTITUDE = Attitude(system_id=7, device_time_ns=0, roll_rad=0.0, pitch_rad=0.0, yaw_rad=0.0)


def test_each_name_makes_its_decoder():
    """The names of the configuration, each with the options that are its own."""
    assert isinstance(make_decoder("gnss"), GnssDecoder)
    assert isinstance(make_decoder("mavlink", system_id=1), MavlinkDecoder)
    assert isinstance(make_decoder("head"), HeadDecoder)
    assert isinstance(make_decoder("n38"), N38Decoder)
    one = LineFormat(channels=(LineChannel(name="a", unit="nT", column=0),))
    assert isinstance(make_decoder("line", line_format=one), LineDecoder)


def test_options_reach_the_decoder():
    """The antenna's offset turns headings, and the system id chooses the vehicle."""
    decoder: Decoder = make_decoder("gnss", antenna_heading_offset_deg=-90.0)
    (fix,) = decoder.feed(GGA + b"$GPHDT,123.456,T*32\r\n") + decoder.finish()
    assert isinstance(fix, GnssFix)
    assert fix.heading_deg == pytest.approx(33.456)
    frame = MavlinkEncoder(7, 1).encode(ATTITUDE)
    assert make_decoder("mavlink", system_id=7).feed(frame) == [ATTITUDE]
    assert make_decoder("mavlink", system_id=8).feed(frame) == []


def test_a_line_needs_its_format():
    """Nobody can guess what a column means."""
    with pytest.raises(ValueError, match="line format"):
        make_decoder("line")


def test_an_unknown_name_lists_the_known_ones():
    """The message says what would have been right."""
    with pytest.raises(ValueError) as error:
        make_decoder("nmea")
    assert all(name in str(error.value) for name in ("nmea", *PROTOCOLS))


def test_bytes_name_their_protocol():
    """The decoder with the most good frames in the beginning of the bytes wins; none is none."""
    frame = MavlinkEncoder(1, 1).encode(
        Attitude(system_id=1, device_time_ns=0, roll_rad=0.0, pitch_rad=0.0, yaw_rad=0.0)
    )
    assert guess_protocol(GGA) == "gnss"
    assert guess_protocol(frame) == "mavlink"
    assert guess_protocol(frame * 5 + GGA) == "mavlink"
    assert guess_protocol(GGA * 5 + frame) == "gnss"
    assert guess_protocol(encode_reading(0, [1.0, 1.0, 1.0, 1.0]) + encode_sentence(0, GGA.strip())) == "n38"
    assert guess_protocol(b"1234,5678\r\n" * 100) is None
    assert guess_protocol(b"") is None
    assert guess_protocol(b"x" * GUESS_BYTES + GGA) is None
