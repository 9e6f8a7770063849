"""Dates and leap seconds through the whole decoder, and receivers that disagree with themselves."""

import functools
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyubx2 import GET, UBXMessage

from firmware_bridge.codec.fix_part import (
    DAY_NS,
    GPS_EPOCH_DAYS,
    GPS_UTC_LEAP_S,
    WEEK_MS,
    date_from_days,
    days_from_date,
)
from firmware_bridge.codec.gnss import DATE_DOUBT_NS, GnssDecoder
from firmware_bridge.codec.nmea import encode_nmea
from firmware_bridge.codec.ubx import encode_ubx
from firmware_bridge.records import FixClass, GnssFix, TimePulse

S = 1_000_000_000
MS = 1_000_000
MIDNIGHT_NS = days_from_date(2027, 1, 1) * DAY_NS
# From the day that GPS weeks began to be counted on to the end of the last year that two digits can say.
UTC_MIN, UTC_MAX = days_from_date(1980, 1, 7) * DAY_NS, days_from_date(2080, 1, 1) * DAY_NS - 1
INSTANTS = st.integers(UTC_MIN // (100 * MS), UTC_MAX // (100 * MS) - 40).map(lambda tenths: tenths * 100 * MS)
BOUNDARIES = st.sampled_from(
    [
        MIDNIGHT_NS,
        days_from_date(2028, 2, 29) * DAY_NS,
        days_from_date(2028, 3, 1) * DAY_NS,
        (GPS_EPOCH_DAYS + 7 * 2400) * DAY_NS,  # a Sunday
        (GPS_EPOCH_DAYS + 7 * 2048) * DAY_NS,  # where ten bits of week begin anew
        (GPS_EPOCH_DAYS + 7 * 2400) * DAY_NS - GPS_UTC_LEAP_S * S,
    ]
).flatmap(lambda boundary: st.integers(0, 30).map(lambda tenths: boundary - tenths * 100 * MS))


def line(text):
    return f"${text}*{functools.reduce(operator.xor, text.encode(), 0):02X}\r\n".encode()


def gga(time):
    return line(f"GNGGA,{time},4630.0000000,N,00715.0000000,E,4,12,0.6,400.0,M,47.0,M,1.0,0000")


def rmc(time, date):
    return line(f"GNRMC,{time},A,4630.0000000,N,00715.0000000,E,1.944,90.0,{date},,,R,V")


def gst(time):
    return line(f"GNGST,{time},,0.010,0.010,0.0,0.010,0.010,0.02")


def pvt(itow_ms, utc, nano=0, **changes):
    year, month, day, hour, minute, second = utc
    fields = {
        "iTOW": itow_ms, "year": year, "month": month, "day": day, "hour": hour, "min": minute, "second": second,
        "validDate": 1, "validTime": 1, "fullyResolved": 1, "nano": nano, "fixType": 3, "gnssFixOk": 1, "diffSoln": 1,
        "carrSoln": 2, "lat": 46.5, "lon": 7.25, "hMSL": 400_000, "hAcc": 14, "vAcc": 20,
    }  # fmt: skip
    return UBXMessage("NAV", "NAV-PVT", GET, **(fields | changes)).serialize()


def hpposllh(itow_ms):
    fields = {"version": 0, "iTOW": itow_ms, "lat": 46.5, "lon": 7.25, "hMSL": 400_000, "hAcc": 14, "vAcc": 20}
    return UBXMessage("NAV", "NAV-HPPOSLLH", GET, **fields).serialize()


def fixes(data):
    decoder = GnssDecoder()
    records = decoder.feed(data) + decoder.finish()
    return [record for record in records if isinstance(record, GnssFix)]


def since_midnight(data):
    """Seconds from the start of 2027 of each fix's UTC."""
    return [None if fix.utc_ns is None else (fix.utc_ns - MIDNIGHT_NS) / S for fix in fixes(data)]


def make_fix(utc_ns):
    return GnssFix(
        utc_ns=utc_ns, time_of_day_ns=utc_ns % DAY_NS, latitude_deg=46.5, longitude_deg=7.25, altitude_m=400.0,
        fix_class=FixClass.FIXED, horizontal_error_95_m=0.03, speed_m_s=1.0, course_deg=90.0, heading_deg=45.0,
        heading_error_95_deg=0.5, correction_age_s=1.0, reference_station=None,
    )  # fmt: skip


@pytest.mark.parametrize("encode", [encode_ubx, encode_nmea])
@given(start_ns=st.one_of(INSTANTS, BOUNDARIES))
def test_forty_epochs_from_any_instant_are_dated_each(encode, start_ns):
    """Over seconds, days, years, GPS weeks and the 1024th of them: one fix an epoch, each with its UTC."""
    expected = [start_ns + count * 100 * MS for count in range(40)]
    assert [fix.utc_ns for fix in fixes(b"".join(encode(make_fix(utc_ns)) for utc_ns in expected))] == expected


@given(start_ns=st.one_of(INSTANTS, BOUNDARIES), nanos=st.lists(st.integers(-500_000, 500_000), min_size=2, max_size=8))
def test_negative_fractions_reach_back_over_every_boundary(start_ns, nanos):
    """The wire's whole second and signed rest, as u-blox sends them, add up at any second, day and year."""
    data, expected = b"", []
    for count, nano in enumerate(nanos):
        whole_ns = start_ns // S * S + count * S
        days, in_day_ns = divmod(whole_ns, DAY_NS)
        second = in_day_ns // S
        utc = (*date_from_days(days), second // 3600, second // 60 % 60, second % 60)
        itow_ms = (whole_ns - GPS_EPOCH_DAYS * DAY_NS + GPS_UTC_LEAP_S * S) // MS % WEEK_MS
        data += pvt(itow_ms, utc, nano) + hpposllh(itow_ms)
        expected.append(whole_ns + nano)
    assert [fix.utc_ns for fix in fixes(data)] == expected


def test_the_week_of_gps_begins_anew_between_two_epochs():
    """iTOW falls from its largest to 0 while UTC goes on: two epochs, each with both of its messages."""
    data = b"".join(
        pvt(itow, (2026, 1, 3, 23, 59, second), nano) + hpposllh(itow)
        for itow, second, nano in [(WEEK_MS - 100, 41, 900_000_000), (0, 42, 0), (100, 42, 100_000_000)]
    )
    found = fixes(data)
    assert [fix.utc_ns - found[0].utc_ns for fix in found] == [0, 100 * MS, 200 * MS]


@pytest.mark.parametrize(
    ("changes", "is_timed", "is_dated"),
    [
        ({}, True, True),
        ({"validDate": 0}, True, False),
        ({"validTime": 0}, False, False),
        ({"fullyResolved": 0}, False, False),  # the receiver still guesses the leap seconds
        ({"validDate": 0, "validTime": 0, "fullyResolved": 0}, False, False),
    ],
)
def test_a_time_is_believed_once_the_receiver_calls_it_resolved(changes, is_timed, is_dated):
    """Validity of date and time are flags of their own."""
    (fix,) = fixes(pvt(345_600_000, (2027, 1, 1, 0, 0, 0), **changes))
    assert (fix.time_of_day_ns is not None, fix.utc_ns is not None) == (is_timed, is_dated)


def test_an_unresolved_time_beside_a_resolved_date_dates_nothing():
    """The first fixes after a start: none has UTC, and the first resolved one has."""
    early = [pvt(itow, (2027, 1, 1, 0, 0, 0), fullyResolved=0) for itow in (100, 200)]
    late = pvt(300, (2027, 1, 1, 0, 0, 0), 300_000_000)
    assert since_midnight(b"".join(early) + late) == [None, None, 0.3]


def test_a_leap_second_of_ubx_counts_on_into_the_next_day():
    """23:59:58, 59, 60, 00: UTC in nanoseconds has no word for second 60, and says the next day's first twice."""
    itow = 432_017_000
    times = [(2026, 12, 31, 23, 59, 58), (2026, 12, 31, 23, 59, 59), (2026, 12, 31, 23, 59, 60), (2027, 1, 1, 0, 0, 0)]
    data = b"".join(pvt(itow + 1000 * n, utc) + hpposllh(itow + 1000 * n) for n, utc in enumerate(times))
    assert since_midnight(data) == [-2.0, -1.0, 0.0, 0.0]


def test_a_leap_second_of_nmea_counts_on_into_the_next_day():
    """RMC's date is still the old day's; GGA and GST of the same epoch join it."""
    data = b"".join(
        rmc(time, date) + gga(time) + gst(time)
        for time, date in [
            ("235959.00", "311226"),
            ("235959.50", "311226"),
            ("235960.00", "311226"),
            ("235960.50", "311226"),
        ]
    )
    found = fixes(data)
    assert [(fix.utc_ns - MIDNIGHT_NS) / S for fix in found] == [-1.0, -0.5, 0.0, 0.5]
    assert all(fix.horizontal_error_95_m is not None for fix in found)


def test_a_first_date_in_a_leap_second_is_the_next_day():
    """With no date carried that would put it right: RMC, and Trimble's GGK with its month first."""
    ggk = line("PTNL,GGK,235960.50,123126,4630.0000000,N,00715.0000000,E,3,12,0.6,EHT400.0,M")
    assert since_midnight(rmc("235960.50", "311226")) == since_midnight(ggk) == [0.5]


def test_the_second_that_comes_twice_gives_no_fix_twice():
    """After second 60 a sentence of 000000 looks like a repetition, and one fix less is the price."""
    data = b"".join(
        rmc(time, date) + gga(time)
        for time, date in [
            ("235959.00", "311226"),
            ("235960.00", "311226"),
            ("000000.00", "010127"),
            ("000001.00", "010127"),
        ]
    )
    assert since_midnight(data) == [-1.0, 0.0, 1.0]


def test_a_second_60_within_a_day_is_damage():
    """Leap seconds end UTC days, of NMEA and of UBX."""
    assert fixes(gga("123460.00")) == fixes(gga("235961.00")) == fixes(gga("235860.00")) == []
    assert fixes(pvt(0, (2026, 12, 31, 12, 34, 60))) == []


def test_a_date_that_turns_late_costs_no_day():
    """GGA has the new time, RMC beside it still the old date: the day goes on as it was carried."""
    data = rmc("235959.80", "311226") + gga("235959.80") + rmc("235959.90", "311226") + gga("235959.90")
    data += rmc("000000.00", "311226") + gga("000000.00") + rmc("000000.10", "010127") + gga("000000.10")
    assert since_midnight(data) == [-0.2, -0.1, 0.0, 0.1]


def test_a_date_that_turns_early_costs_no_day():
    """The other way round: the next day's date before midnight."""
    data = rmc("235959.80", "311226") + gga("235959.80") + rmc("235959.90", "010127") + gga("235959.90")
    data += rmc("000000.00", "010127") + gga("000000.00")
    assert since_midnight(data) == [-0.2, -0.1, 0.0]


def test_a_carried_day_that_was_wrong_is_put_right():
    """A first date that was late itself is believed, and replaced once midnight is over."""
    after = DATE_DOUBT_NS // S + 1
    data = rmc("000000.00", "311226") + rmc("000001.00", "010127") + rmc(f"0000{after:02d}.00", "010127")
    assert since_midnight(data) == [-86_400.0, 1.0 - 86_400.0, float(after)]


def test_another_date_that_is_not_one_day_off_is_believed_at_once():
    """A receiver that finds its week, at midnight too."""
    data = rmc("235959.00", "170507") + rmc("000000.00", "010127")
    assert since_midnight(data)[-1] == 0.0


def test_after_half_a_day_of_silence_the_date_counts():
    """Away from midnight a date is believed as it stands."""
    data = rmc("080000.00", "311226") + rmc("210000.00", "010127")
    assert since_midnight(data)[-1] == 21 * 3600.0


def test_a_week_that_rolled_over_is_passed_on_as_said():
    """A decoder has no clock: 1024 weeks ago is a date like any other here, and the core judges it."""
    (fix,) = fixes(rmc("120000.00", "180507") + gga("120000.00"))
    assert fix.utc_ns == days_from_date(2007, 5, 18) * DAY_NS + DAY_NS // 2


@given(st.integers(0, 4000), st.integers(0, WEEK_MS - 1))
def test_a_time_pulse_counts_whole_weeks(week, tow_ms):
    """TIM-TP's week has sixteen bits and does not roll over with GPS's ten."""
    frame = UBXMessage("TIM", "TIM-TP", GET, towMS=tow_ms, towSubMS=0, qErr=0, week=week, timeBase=1, utc=1).serialize()
    (pulse,) = GnssDecoder().feed(frame)
    assert isinstance(pulse, TimePulse)
    assert pulse.utc_ns == (GPS_EPOCH_DAYS + 7 * week) * DAY_NS + tow_ms * MS
