"""Sentences of receiver makers' own, with the bytes that their documents print."""

import functools
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codec.fix_part import AttitudePart, FixPart, Refusal, days_from_date
from firmware_bridge.codec.nmea import decode_nmea
from firmware_bridge.records import FixClass

# The documents' examples: u-blox UBX-13003221 "PUBX,00"; Trimble 5700 user guide, PTNL,GGK (whose printed checksum, 48,
# is not that of the printed text); Trimble R750 web help, PTNL,AVR; NovAtel OEM7 documentation, PASHR.
PUBX = "PUBX,00,081350.00,4717.113210,N,00833.915187,E,546.589,G3,2.1,2.0,0.007,77.52,0.007,,0.92,1.19,0.77,9,0,0"
GGK = "PTNL,GGK,172814.00,071296,3723.46587704,N,12202.26957864,W,3,06,1.7,EHT-6.777,M"
AVR_TILT = b"$PTNL,AVR,212405.20,+52.1531,Yaw,-0.0806,Tilt,,,12.575,3,1.4,16*39"
AVR_ROLL = b"$PTNL,AVR,212604.30,+52.1800,Yaw,,,-0.0807,Roll,12.579,3,1.4,16*21"
AVR = AVR_TILT[1:-3].decode()
PASHR = "PASHR,163029.000,158.09,T,-0.30,+0.31,+0.01,0.029,0.029,0.059,1,1"


def decode(text):
    """What a sentence's text says, its checksum added."""
    return decode_nmea(f"${text}*{functools.reduce(operator.xor, text.encode(), 0):02X}".encode())


def test_the_published_pubx_00_example_means_what_its_publishers_say():
    """Three dimensions, 2.1 m of one sigma, kilometres an hour; its altitude, above the ellipsoid, is not taken."""
    part = decode_nmea(f"${PUBX}*5F".encode())
    assert part.latitude_deg == pytest.approx(47 + 17.113210 / 60, abs=1e-12)
    assert part.longitude_deg == pytest.approx(8 + 33.915187 / 60, abs=1e-12)
    assert (part.fix_class, part.is_class_coarse, part.altitude_m) == (FixClass.SINGLE, True, None)
    assert part.horizontal_error_95_m == pytest.approx(2.4477 * 2.1, rel=1e-4)
    assert part.speed_m_s == pytest.approx(0.007 / 3.6)
    assert part.course_deg == 77.52


@pytest.mark.parametrize(
    ("status", "fix_class", "is_coarse"),
    [
        *[("NF", FixClass.NONE, False), ("TT", FixClass.NONE, False), ("", FixClass.NONE, False)],
        *[("DR", FixClass.DEAD_RECKONING, False), ("G2", FixClass.SINGLE, True), ("D2", FixClass.DGNSS, True)],
        *[("D3", FixClass.DGNSS, True), ("RK", FixClass.SINGLE, True), ("XX", FixClass.NONE, False)],
    ],
)
def test_pubx_00_has_no_words_for_rtk(status, fix_class, is_coarse):
    """So what it says of a position counts only where nothing else states a class; without a fix it says nothing."""
    part = decode(PUBX.replace("G3", status))
    assert (part.fix_class, part.is_class_coarse) == (fix_class, is_coarse)
    if fix_class is FixClass.NONE:
        assert (part.horizontal_error_95_m, part.speed_m_s, part.course_deg) == (None, None, None)


def test_pubx_00_without_accuracy_states_none():
    """Blank and zero are no accuracy (P3)."""
    assert decode(PUBX.replace("G3,2.1", "G3,")).horizontal_error_95_m is None
    assert decode(PUBX.replace("G3,2.1", "G3,0.0")).horizontal_error_95_m is None


def test_the_published_ggk_example_means_what_its_publishers_say():
    """12 July 1996, month first; RTK fixed; eight decimals of a minute; its height is above the ellipsoid."""
    part = decode(GGK)
    assert part.date_days == days_from_date(1996, 7, 12)
    assert part.time_of_day_ns == ((17 * 60 + 28) * 60 + 14) * 1_000_000_000
    assert part.latitude_deg == pytest.approx(37 + 23.46587704 / 60, abs=1e-12)
    assert part.longitude_deg == pytest.approx(-(122 + 2.26957864 / 60), abs=1e-12)
    assert part.position_step_deg == pytest.approx(1e-8 / 60)
    assert (part.fix_class, part.altitude_m, part.horizontal_error_95_m) == (FixClass.FIXED, None, None)


@pytest.mark.parametrize(
    ("quality", "fix_class"),
    [
        *[("0", FixClass.NONE), ("1", FixClass.SINGLE), ("2", FixClass.FLOAT), ("3", FixClass.FIXED)],
        *[("4", FixClass.DGNSS), ("5", FixClass.NONE), ("7", FixClass.NONE), ("", FixClass.NONE)],
    ],
)
def test_ggk_numbers_its_classes_otherwise_than_gga(quality, fix_class):
    """2 is float and 3 is fixed, where GGA has 5 and 4; numbers that no document at hand explains are none."""
    part = decode(GGK.replace("W,3,", f"W,{quality},"))
    assert part.fix_class is fix_class
    assert (part.date_days is None) == (fix_class is FixClass.NONE)


def test_the_published_avr_examples_mean_what_their_publishers_say():
    """Yaw is the heading; tilt or roll, as the antennas are mounted, is the attitude; no error is stated."""
    part = decode_nmea(AVR_TILT)
    assert (part.heading_deg, part.heading_error_95_deg, part.fix_class) == (52.1531, None, None)
    assert part.attitude == AttitudePart(pitch_deg=-0.0806)
    part = decode_nmea(AVR_ROLL)
    assert part.heading_deg == 52.18
    assert part.attitude == AttitudePart(roll_deg=-0.0807)


@pytest.mark.parametrize("quality", ["0", "1", "2", "4", "5", ""])
def test_an_avr_counts_only_with_fixed_ambiguities(quality):
    """A float baseline of a metre can point anywhere."""
    part = decode(AVR.replace("12.575,3", f"12.575,{quality}"))
    assert (part.heading_deg, part.attitude) == (None, None)


def test_a_negative_yaw_is_a_direction_too():
    """-10 degrees is 350; blank is none."""
    assert decode(AVR.replace("+52.1531", "-10.0")).heading_deg == 350.0
    assert decode(AVR.replace("+52.1531", "")).heading_deg is None


def test_the_published_pashr_example_means_what_its_publishers_say():
    """Heading, roll and pitch with standard deviations; the heading is not that of two antennas."""
    part = decode_nmea(f"${PASHR}*3B".encode())
    attitude = part.attitude
    assert (attitude.heading_deg, attitude.roll_deg, attitude.pitch_deg) == (158.09, -0.3, 0.31)
    assert attitude.heading_error_95_deg == pytest.approx(1.96 * 0.059, rel=1e-4)
    assert attitude.roll_error_95_deg == attitude.pitch_error_95_deg == pytest.approx(1.96 * 0.029, rel=1e-4)
    assert part.heading_deg is None


def test_pashr_counts_only_with_a_position_and_aligned():
    """0 is the one value of both flags on whose meaning the makers agree."""
    for text in (PASHR[:-3] + "0,1", PASHR[:-3] + "1,0", PASHR[:-3] + "0,0"):
        assert decode(text).attitude is None
    for text in (PASHR[:-3] + "4,4", PASHR[:-2]):  # Trimble's best; NovAtel before firmware 7.03
        assert decode(text).attitude is not None


def test_pashr_without_accuracies_states_none():
    """The angles stay; how good they are, nobody said (P3)."""
    attitude = decode(PASHR.replace("0.029,0.029,0.059", ",0.000,")).attitude
    assert attitude.roll_deg == -0.3
    assert (attitude.heading_error_95_deg, attitude.roll_error_95_deg, attitude.pitch_error_95_deg) == (None,) * 3


@pytest.mark.parametrize("text", ["PASHR,POS,0,07", "PASHR,MCA", "PTNL,GGK_SYNC,1", "PTNL,BPQ,1", "PUBX,03,11", "PUBX"])
def test_the_makers_other_sentences_are_not_read(text):
    """Ashtech's own commands begin with a name where the attitude has its time."""
    assert decode(text) is Refusal.UNKNOWN


@pytest.mark.parametrize(
    "damaged",
    [
        *[PUBX.replace("2.1,2.0", "-2.1,2.0"), PUBX.replace("77.52", "361"), PUBX.replace("4717", "4760"), "PUBX,00,1"],
        *[GGK.replace("071296", "131296"), GGK.replace("172814", "252814"), GGK.replace("3723", "9923"), "PTNL,GGK,1"],
        *[AVR.replace("Yaw", "Roll"), AVR.replace("-0.0806", "-90.1"), AVR.replace("+52.1531", "361"), "PTNL,AVR,1"],
        *[PASHR.replace(",T,", ",M,"), PASHR.replace("-0.30", "181"), PASHR.replace("+0.31", "91")],
        *[PASHR.replace("0.059,1,1", "0.059,,1"), PASHR.replace("0.059", "x"), "PASHR,163029.000,1"],
    ],
)
def test_a_damaged_field_refuses_the_sentence(damaged):
    """Values out of range, wrong units and missing fields."""
    assert decode(damaged) is Refusal.MALFORMED


@given(st.text("YawTiltRollNSEW0123456789.,+-", max_size=90))
def test_no_text_raises(text):
    """Any text with a good checksum is a part or a refusal."""
    for kind in ("PUBX,00,", "PTNL,GGK,", "PTNL,AVR,", "PASHR,", "PASHR,163029.000,158.09,T,"):
        assert isinstance(decode(kind + text), FixPart | Refusal)
