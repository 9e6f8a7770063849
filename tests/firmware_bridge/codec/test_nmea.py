"""GGA, RMC, GST and HDT, to and from fixes."""

import functools
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codec.fix_part import DAY_NS, FixPart, Refusal, days_from_date
from firmware_bridge.codec.gnss import GnssDecoder
from firmware_bridge.codec.nmea import decode_nmea, encode_nmea
from firmware_bridge.codec.nmea_sentences import GGA_QUALITY
from firmware_bridge.records import FixClass, GnssFix

MM_DEG = 1e-3 / 111_320.0  # one millimetre of latitude
GGA = "GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,"
RMC = "GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W"


def sentence(text):
    """A sentence with its checksum."""
    return f"${text}*{functools.reduce(operator.xor, text.encode(), 0):02X}".encode()


def decode(text):
    """What a sentence's text says."""
    return decode_nmea(sentence(text))


def test_the_published_gga_example_means_what_its_publishers_say():
    """Fix at 12:35:19 UTC, 48 deg 07.038' N, 11 deg 31.000' E, GPS fix, 545.4 m above mean sea level."""
    part = decode_nmea(b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n")
    assert part.time_of_day_ns == ((12 * 60 + 35) * 60 + 19) * 1_000_000_000
    assert part.latitude_deg == pytest.approx(48 + 7.038 / 60, abs=1e-12)
    assert part.longitude_deg == pytest.approx(11 + 31.0 / 60, abs=1e-12)
    assert (part.fix_class, part.altitude_m) == (FixClass.SINGLE, 545.4)
    assert part.horizontal_error_95_m is None  # an HDOP of 0.9 is no statement of error
    assert part.correction_age_s is None
    assert part.reference_station is None


def test_the_published_rmc_example_means_what_its_publishers_say():
    """23 March 1994, 22.4 knots over ground, track 84.4 degrees."""
    part = decode_nmea(b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A")
    assert part.date_days == days_from_date(1994, 3, 23)
    assert part.speed_m_s == pytest.approx(22.4 * 1852 / 3600)
    assert part.course_deg == 84.4
    assert (part.fix_class, part.is_class_coarse) == (FixClass.SINGLE, True)


def test_the_published_gst_and_hdt_examples_mean_what_their_publishers_say():
    """Trimble's examples: semi-major sigma 0.023 m, and a true heading of 123.456 degrees."""
    part = decode_nmea(b"$GPGST,172814.0,0.006,0.023,0.020,273.6,0.023,0.020,0.031*6A")
    assert part.horizontal_error_95_m == pytest.approx(2.4477 * 0.023, rel=1e-4)
    assert decode("GPHDT,123.456,T").heading_deg == 123.456


def test_seven_decimals_of_a_minute_are_kept():
    """A survey receiver's last digit, 0.2 mm, is not rounded away."""
    one = decode("GPGGA,162254.00,3945.0885046,N,10506.1234567,W,4,14,0.7,1700.1,M,-17.0,M,1.0,0120")
    other = decode("GPGGA,162254.00,3945.0885047,N,10506.1234567,W,4,14,0.7,1700.1,M,-17.0,M,1.0,0120")
    assert (other.latitude_deg - one.latitude_deg) * 60 == pytest.approx(1e-7, rel=1e-3)
    assert one.longitude_deg == -(105 + 6.1234567 / 60)
    assert one.position_step_deg == pytest.approx(1e-7 / 60)
    assert one.reference_station == "0120"  # as printed
    assert one.correction_age_s == 1.0


@pytest.mark.parametrize(
    ("quality", "fix_class"),
    [
        *[("0", FixClass.NONE), ("1", FixClass.SINGLE), ("2", FixClass.DGNSS), ("3", FixClass.SINGLE)],
        *[("4", FixClass.FIXED), ("5", FixClass.FLOAT), ("6", FixClass.DEAD_RECKONING), ("7", FixClass.NONE)],
        *[("8", FixClass.SIMULATED), ("9", FixClass.NONE), ("", FixClass.NONE), ("44", FixClass.NONE)],
    ],
)
def test_every_gga_quality_has_one_class(quality, fix_class):
    """4 is fixed and 5 is float here; a quality that the standard does not know is none."""
    assert decode(GGA.replace("E,1,", f"E,{quality},")).fix_class is fix_class


def test_a_single_fix_of_no_satellites_is_none():
    """It coasts; a blank count says nothing."""
    assert decode(GGA.replace(",08,", ",00,")).fix_class is FixClass.NONE
    assert decode(GGA.replace(",08,", ",0,")).fix_class is FixClass.NONE
    assert decode(GGA.replace(",08,", ",,")).fix_class is FixClass.SINGLE
    assert decode(GGA.replace(",08,", ",x,")) is Refusal.MALFORMED


def test_a_blank_position_is_no_fix():
    """Quality 4 with no position is a contradiction, and none is what it means."""
    part = decode("GPGGA,123519,,,,,4,08,0.9,,M,,M,,")
    assert (part.latitude_deg, part.longitude_deg, part.fix_class) == (None, None, FixClass.NONE)


@pytest.mark.parametrize("placeholder", ["8960.0000,N,00000.0000,E", "0000.0000,N,00000.0000,E", "x,,y,"])
def test_a_placeholder_without_a_fix_is_no_position(placeholder):
    """Receivers that have no fix print what they like in the fields."""
    for text in (f"GPGGA,123519,{placeholder},0,00,,137.0,M,13.0,M,,", f"GPRMC,123519,V,{placeholder},,,010180,,,N"):
        part = decode(text)
        assert (part.latitude_deg, part.fix_class) == (None, FixClass.NONE)


@pytest.mark.parametrize(
    "damaged",
    [
        *[GGA.replace("4807.038", text) for text in ("4860.038", "9007.038", "nan", "48o7.038", "-4807.038", "")],
        *[GGA.replace("01131.000", text) for text in ("1131.000", "18031.000", "01131.0 0", "inf", "")],
        *[GGA.replace(",N,", text) for text in (",X,", ",,", ",NS,", ",n,")],
        *[GGA.replace("123519", text) for text in ("243519", "126019", "123560", "12351", "123519.x", "-23519")],
        *[GGA.replace("545.4", text) for text in ("nan", "inf", "1e3", "5_4", "545,4", " 545.4")],
        *[GGA.replace("M,,", text) for text in ("M,-1.0,", "M,x,", "M,,,", "M,")],
        *[RMC.replace("022.4", text) for text in ("-22.4", "x")],
        *[RMC.replace("084.4", text) for text in ("360.1", "-1")],
        *[RMC.replace("230394", text) for text in ("300294", "231394", "23039", "000000", "2303-4")],
        *["GPRMC,123519,A", "GPGST,1,2", "GPHDT,361.0,T", "GPHDT,10.0,M", "GPHDT,ten,T", "GPGST,123519,,-1,1,0,1,1,1"],
    ],
)
def test_a_damaged_field_refuses_the_sentence(damaged):
    """A field that is present and wrong never becomes a value, and neither does its sentence."""
    assert decode(damaged) is Refusal.MALFORMED


def test_minutes_without_a_point_are_whole_minutes():
    """Decimals are optional in the layout, and their number is the position's resolution."""
    part = decode(GGA.replace("4807.038", "4807"))
    assert part.latitude_deg == pytest.approx(48 + 7 / 60)
    assert part.position_step_deg == pytest.approx(1 / 60)


def test_bytes_that_are_not_text_are_refused():
    """A sentence that the library cannot split is malformed, not an exception."""
    assert decode_nmea(b"$GPGGA,\xff\xfe*00") is Refusal.MALFORMED
    assert decode_nmea(b"$GPGGA") is Refusal.MALFORMED


def test_other_sentences_are_not_read():
    """Satellites in view, and a maker's own sentence."""
    assert decode("GPGSV,1,1,00") is Refusal.UNKNOWN
    assert decode("PUBX,04,1") is Refusal.UNKNOWN


@pytest.mark.parametrize(
    ("status", "mode", "fix_class", "is_coarse"),
    [
        *[("A", "R", FixClass.FIXED, False), ("A", "F", FixClass.FLOAT, False), ("A", "D", FixClass.DGNSS, True)],
        *[("A", "E", FixClass.DEAD_RECKONING, False), ("A", "S", FixClass.SIMULATED, False)],
        *[("V", "R", FixClass.NONE, False), ("A", "N", FixClass.NONE, False), ("A", "?", FixClass.NONE, False)],
        *[("V", "S", FixClass.SIMULATED, False), ("V", "", FixClass.NONE, False), ("A", "M", FixClass.NONE, False)],
    ],
)
def test_rmc_mode_and_status_give_a_class(status, mode, fix_class, is_coarse):
    """A warning overrides every mode but the simulator's mark."""
    part = decode(RMC.replace(",A,", f",{status},") + f",{mode}")
    assert (part.fix_class, part.is_class_coarse) == (fix_class, is_coarse)


def test_a_receiver_with_a_warning_gives_no_date_speed_or_course():
    """Its date is that of its own clock, and its speed of nothing."""
    part = decode(RMC.replace(",A,", ",V,"))
    assert (part.date_days, part.speed_m_s, part.course_deg) == (None, None, None)


def test_gst_without_axes_bounds_the_error_from_latitude_and_longitude():
    """Blank or zero axes leave the two sigmas, whose correlation is unknown; half of them is nothing."""
    assert decode("GNGST,1235190,,,,,0.03,0.04,0.1") is Refusal.MALFORMED
    assert decode("GNGST,123519.0,,,,,0.03,0.04,0.1").horizontal_error_95_m == pytest.approx(1.96 * 0.05, rel=1e-4)
    assert decode("GNGST,123519.0,,0.00,0.00,0,3,4,1").horizontal_error_95_m == pytest.approx(1.96 * 5, rel=1e-4)
    assert decode("GNGST,123519.0,,,,,0.03,,0.1").horizontal_error_95_m is None
    assert decode("GNGST,123519.0,,0,0,,0,0,0").horizontal_error_95_m is None


def test_an_altitude_in_another_unit_is_not_metres():
    """Only M is metres."""
    assert decode(GGA.replace("545.4,M", "545.4,F")).altitude_m is None


def test_a_reference_station_may_be_letters():
    """It is a name, not a number."""
    assert decode(GGA.replace("M,,", "M,1.5,ABCD")).reference_station == "ABCD"


def test_years_of_two_digits_begin_in_1980():
    """GPS time does."""
    assert decode(RMC.replace("230394", "010180")).date_days == days_from_date(1980, 1, 1)
    assert decode(RMC.replace("230394", "311279")).date_days == days_from_date(2079, 12, 31)


def _fix(**changes):
    values = {
        "utc_ns": 1_700_000_000_100_000_000,
        "time_of_day_ns": 1_700_000_000_100_000_000 % DAY_NS,
        "latitude_deg": -0.5,
        "longitude_deg": 179.9999999999,
        "altitude_m": 12.5,
        "fix_class": FixClass.FIXED,
        "horizontal_error_95_m": 0.025,
        "speed_m_s": 0.5,
        "course_deg": 90.0,
        "heading_deg": 359.99999,
        "heading_error_95_deg": None,
        "correction_age_s": 1.0,
        "reference_station": "0042",
    }
    return GnssFix(**(values | changes))


def test_minutes_carry_into_degrees():
    """179.9999999999 degrees is 180 degrees and no minutes on the wire, never 179 degrees and 60 minutes."""
    text = encode_nmea(_fix()).decode()
    assert ",18000.0000000,E," in text
    assert ",0030.0000000,S," in text
    assert "$GNHDT,0.0000,T" in text


def test_sentences_appear_only_when_they_have_something_to_say():
    """No GST without a stated error, no HDT without a heading."""
    kinds = [line[3:6] for line in encode_nmea(_fix()).decode().splitlines()]
    assert kinds == ["GGA", "RMC", "GST", "HDT"]
    bare = encode_nmea(_fix(horizontal_error_95_m=None, heading_deg=None)).decode()
    assert [line[3:6] for line in bare.splitlines()] == ["GGA", "RMC"]


@pytest.mark.parametrize("fix_class", sorted(set(GGA_QUALITY.values()), key=str))
def test_every_class_survives_the_wire(fix_class):
    """Both sentences name the class; read back, they agree."""
    (fix,) = _read_back(_fix(fix_class=fix_class))
    assert fix.fix_class is fix_class


def _read_back(fix):
    decoder = GnssDecoder()
    return decoder.feed(encode_nmea(fix)) + decoder.finish()


def maybe(strategy):
    """A value or None."""
    return st.none() | strategy


fixes = st.builds(
    lambda utc_ns, **rest: _fix(utc_ns=utc_ns, time_of_day_ns=utc_ns % DAY_NS, **rest),
    utc_ns=st.integers(315_964_800_000_000_000, 3_000_000_000_000_000_000),
    latitude_deg=st.floats(-90, 90),
    longitude_deg=st.floats(-180, 180),
    altitude_m=maybe(st.floats(-1_000, 9_000)),
    fix_class=st.sampled_from([name for name in FixClass if name is not FixClass.NONE]),
    horizontal_error_95_m=maybe(st.floats(1e-3, 1_000)),
    speed_m_s=maybe(st.floats(0, 50)),
    course_deg=maybe(st.floats(0, 360, exclude_max=True)),
    heading_deg=maybe(st.floats(0, 360, exclude_max=True)),
    correction_age_s=maybe(st.floats(0, 999)),
    reference_station=maybe(st.text("0123456789ABC", min_size=1, max_size=4)),
)


def near(read, written, step):
    """Equal within half a step of the wire format, and a rounding error of the float; directions meet at 360."""
    if read is None or written is None:
        return read is written
    difference = abs(read - written)
    return min(difference, abs(difference - 360.0)) <= step / 2 + 1e-9


@given(fixes)
def test_a_fix_survives_the_wire_within_its_resolution(fix):
    """Position within 1 mm, time exactly, the error never better than stated, the rest within its last digit."""
    (read,) = _read_back(fix)
    assert isinstance(decode_nmea(encode_nmea(fix).splitlines()[0]), FixPart)
    assert (read.utc_ns, read.time_of_day_ns) == (fix.utc_ns, fix.time_of_day_ns)
    assert read.latitude_deg == pytest.approx(fix.latitude_deg, abs=MM_DEG / 2)
    assert read.longitude_deg == pytest.approx(fix.longitude_deg, abs=MM_DEG / 2)
    assert near(read.altitude_m, fix.altitude_m, 1e-4)
    assert near(read.speed_m_s, fix.speed_m_s, 1e-4)
    assert near(read.course_deg, fix.course_deg, 1e-4)
    assert near(read.heading_deg, fix.heading_deg, 1e-4)
    assert near(read.correction_age_s, fix.correction_age_s, 0.1)
    assert (read.fix_class, read.reference_station) == (fix.fix_class, fix.reference_station)
    if fix.horizontal_error_95_m is None:
        assert read.horizontal_error_95_m is None
    else:
        assert -1e-9 <= read.horizontal_error_95_m - fix.horizontal_error_95_m <= 2.5e-4


@given(st.text("GPAMCSTHD0123456789.,NSEWVMT-", max_size=80))
def test_no_text_raises(text):
    """Any text with a good checksum is a part or a refusal."""
    for kind in ("GPGGA,", "GNRMC,", "GNGST,", "GPHDT,", ""):
        assert isinstance(decode(kind + text), FixPart | Refusal)
