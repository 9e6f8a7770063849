"""GNS, VTG, GSA and THS: what the standard's other sentences say."""

import functools
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codec.fix_part import FixPart, Refusal
from firmware_bridge.codec.nmea import decode_nmea
from firmware_bridge.records import FixClass

# u-blox's example (UBX-13003221, "GNS"), with the checksum printed there.
GNS = b"$GNGNS,103607.00,5327.03942,N,00214.42462,W,AANN,06,5.88,56.0,48.5,,,V*34"
VTG = "GPVTG,054.7,T,034.4,M,005.5,N,010.2,K"
GSA = "GPGSA,A,3,04,05,,09,12,,,24,,,,,2.5,1.3,2.1"


def decode(text):
    """What a sentence's text says, its checksum added."""
    return decode_nmea(f"${text}*{functools.reduce(operator.xor, text.encode(), 0):02X}".encode())


def gns(modes, position="5327.03942,N,00214.42462,W", tail=",,,V"):
    """A GNS with other modes."""
    return decode(f"GNGNS,103607.00,{position},{modes},06,5.88,56.0,48.5{tail}")


def test_the_published_gns_example_means_what_its_publishers_say():
    """Two systems autonomous, two unused; the altitude is above mean sea level."""
    part = decode_nmea(GNS)
    assert part.time_of_day_ns == ((10 * 60 + 36) * 60 + 7) * 1_000_000_000
    assert part.latitude_deg == pytest.approx(53 + 27.03942 / 60, abs=1e-12)
    assert part.longitude_deg == pytest.approx(-(2 + 14.42462 / 60), abs=1e-12)
    assert (part.fix_class, part.altitude_m) == (FixClass.SINGLE, 56.0)
    assert part.horizontal_error_95_m is None
    assert (part.correction_age_s, part.reference_station) == (None, None)


@pytest.mark.parametrize(
    ("modes", "fix_class"),
    [
        *[("RRRR", FixClass.FIXED), ("RNNN", FixClass.FIXED), ("NR", FixClass.FIXED), ("FF", FixClass.FLOAT)],
        *[("RF", FixClass.FLOAT), ("RA", FixClass.SINGLE), ("DD", FixClass.DGNSS), ("E", FixClass.DEAD_RECKONING)],
        *[("NNNN", FixClass.NONE), ("", FixClass.NONE), ("RM", FixClass.NONE), ("R?", FixClass.NONE)],
        *[("P", FixClass.SINGLE), ("RS", FixClass.SIMULATED), ("SN", FixClass.SIMULATED)],
    ],
)
def test_of_several_systems_the_worst_that_is_used_counts(modes, fix_class):
    """A letter for each system; N stands for one that is not used; the simulator's mark overrides all (P8)."""
    assert gns(modes).fix_class is fix_class
    assert not gns(modes).is_class_coarse


def test_gns_ages_stations_and_older_versions_are_read():
    """The version before 4.1 ends with the station."""
    part = gns("RR", tail=",1.5,0120")
    assert (part.correction_age_s, part.reference_station) == (1.5, "0120")


@pytest.mark.parametrize("position", [",,,", "5360.0,N,00214.0,W", "5327.0,X,00214.0,W"])
def test_gns_positions_are_read_as_strictly_as_gga(position):
    """Blank is no fix, damaged is refused."""
    part = gns("RR", position)
    assert part is Refusal.MALFORMED or (part.latitude_deg, part.fix_class) == (None, FixClass.NONE)


def test_the_published_vtg_example_means_what_its_publishers_say():
    """054.7 degrees true, 5.5 knots; the magnetic course is not used."""
    part = decode_nmea(b"$GPVTG,054.7,T,034.4,M,005.5,N,010.2,K*48")
    assert part.course_deg == 54.7
    assert part.speed_m_s == pytest.approx(5.5 * 1852 / 3600)
    assert (part.fix_class, part.time_of_day_ns) == (None, None)


def test_vtg_modes_decide_whether_there_is_a_speed():
    """Not valid or typed in: none; a simulator marks itself; versions before 2.3 have no mode."""
    for mode, is_valid in (("A", True), ("R", True), ("E", True), ("N", False), ("M", False), ("?", False)):
        part = decode(f"{VTG},{mode}")
        assert (part.speed_m_s is not None, part.course_deg is not None) == (is_valid, is_valid)
    assert decode(f"{VTG},S").fix_class is FixClass.SIMULATED
    assert decode(f"{VTG},").speed_m_s is not None


def test_vtg_without_knots_has_kilometres_an_hour():
    """Blank fields say nothing, whatever unit stands behind them."""
    assert decode("GPVTG,,T,,M,,N,7.2,K,A").speed_m_s == pytest.approx(2.0)
    part = decode("GPVTG,,,,,,,,,N")
    assert (part.speed_m_s, part.course_deg) == (None, None)


@pytest.mark.parametrize(
    "damaged",
    [
        *[VTG.replace(",N,", ",M,"), VTG.replace(",K", ",N"), VTG.replace("054.7,T", "054.7,M")],
        *[VTG.replace("005.5", "-5.5"), VTG.replace("054.7", "360.1"), VTG.replace("010.2", "x")],
        *["GPVTG,054.7,034.4,005.5,010.2", "GPVTG"],
        *[GSA.replace("A,3", "A,4"), GSA.replace("A,3", "A,"), "GPGSA,A,1,,,,"],
        *["GPTHS,361.0,A", "GPTHS,10.0,X", "GPTHS,10.0,", "GPTHS,10.0", "GPTHS,-1,A"],
    ],
)
def test_a_damaged_field_refuses_the_sentence(damaged):
    """Wrong units, values out of range and missing fields."""
    assert decode(damaged) is Refusal.MALFORMED


def test_gsa_says_whether_the_altitude_was_held():
    """Two dimensions hold it; no fix is not taken as a class; dilutions are no errors."""
    assert decode_nmea(b"$GPGSA,A,3,04,05,,09,12,,,24,,,,,2.5,1.3,2.1*39") == FixPart(source="GSA")
    assert decode(GSA.replace("A,3", "A,2")) == FixPart(source="GSA", is_altitude_held=True)
    assert decode(GSA.replace("A,3", "A,1") + ",1") == FixPart(source="GSA")


@pytest.mark.parametrize("mode", ["E", "M", "V"])
def test_a_heading_that_is_not_autonomous_is_none(mode):
    """Estimated, typed in or not valid: NAVIS' example $HETHS,316.70,E*1A."""
    assert decode_nmea(b"$HETHS,316.70,E*1A").heading_deg is None
    assert decode(f"GPTHS,316.70,{mode}") == FixPart(source="THS")


def test_an_autonomous_heading_counts_without_a_stated_error():
    """THS states none; a blank one is none; a simulator marks itself."""
    assert decode("GPTHS,360.0,A") == FixPart(source="THS", heading_deg=0.0)
    assert decode("GPTHS,,A").heading_deg is None
    assert decode("GPTHS,10.0,S").fix_class is FixClass.SIMULATED


def test_a_letter_more_makes_another_sentence():
    """Unicore's second antenna, $GNTHS2, and a maker's name behind a talker are not read."""
    assert decode("GNTHS2,88.3640,T") is Refusal.UNKNOWN
    assert decode("PGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,") is Refusal.UNKNOWN
    assert decode("GPASHR,163029.000,158.09,T,-0.30,+0.31,+0.01,0.029,0.029,0.059,1,1") is Refusal.UNKNOWN


@given(st.text("GPAMCSTHDRNFEV0123456789.,-", max_size=80))
def test_no_text_raises(text):
    """Any text with a good checksum is a part or a refusal."""
    for kind in ("GNGNS,", "GPVTG,", "GPGSA,", "GPTHS,"):
        assert isinstance(decode(kind + text), FixPart | Refusal)
