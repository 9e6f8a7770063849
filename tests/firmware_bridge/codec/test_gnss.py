"""One fix for every epoch, out of all the messages that speak of it."""

import functools
import operator
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.codec.fix_part import DAY_NS, days_from_date
from firmware_bridge.codec.gnss import CLOSED_EPOCHS_KEPT, MEMORY_EPOCHS, GnssDecoder
from firmware_bridge.codec.gnss_frames import GnssFramer, fletcher
from firmware_bridge.codec.nmea import encode_nmea
from firmware_bridge.codec.ubx import encode_ubx
from firmware_bridge.records import FixClass, GnssAttitude, GnssFix, TimePulse

S = 1_000_000_000
DAY_1 = days_from_date(2024, 5, 6)
UTC_NS = (DAY_1 * 86_400 + 36_000) * S  # 10:00:00


def line(text):
    """A sentence with checksum and line end."""
    return f"${text}*{functools.reduce(operator.xor, text.encode(), 0):02X}\r\n".encode()


def gga(time, quality=4, latitude="4630.0000000", talker="GN"):
    """A GGA at hhmmss.ss."""
    return line(f"{talker}GGA,{time},{latitude},N,00715.0000000,E,{quality},12,0.6,400.0,M,47.0,M,1.0,0000")


def rmc(time, date="060524", status="A", mode="R", latitude="4630.0000000"):
    """An RMC at hhmmss.ss."""
    return line(f"GNRMC,{time},{status},{latitude},N,00715.0000000,E,1.944,90.0,{date},,,{mode},V")


def gst(time, sigma="0.010"):
    """A GST whose semi-major sigma is `sigma`."""
    return line(f"GNGST,{time},,{sigma},{sigma},0.0,{sigma},{sigma},0.02")


def hdt(heading):
    """An HDT, which has no time."""
    return line(f"GNHDT,{heading},T")


def make_fix(utc_ns=UTC_NS, **changes):
    """A fixed solution with everything in it."""
    values = {
        "utc_ns": utc_ns,
        "time_of_day_ns": utc_ns % DAY_NS,
        "latitude_deg": 46.123456789,
        "longitude_deg": 7.987654321,
        "altitude_m": 400.0,
        "fix_class": FixClass.FIXED,
        "horizontal_error_95_m": 0.03,
        "speed_m_s": 1.0,
        "course_deg": 90.0,
        "heading_deg": 45.0,
        "heading_error_95_deg": 0.5,
        "correction_age_s": 1.0,
        "reference_station": None,
    }
    return GnssFix(**(values | changes))


def ubx_frames(fix):
    """The frames of a fix, one by one: PVT, HPPOSLLH, RELPOSNED."""
    return [frame.data for frame in GnssFramer().feed(encode_ubx(fix))]


def decode(data, sizes=(), **options):
    """All records and the counters, the bytes fed in the given sizes and then the rest."""
    decoder = GnssDecoder(**options)
    records = []
    for size in sizes:
        records += decoder.feed(data[:size])
        data = data[size:]
    records += decoder.feed(data)
    return records + decoder.finish(), decoder.stats


def test_all_sentences_of_an_epoch_become_one_fix():
    """GGA gives the class, RMC the date, GST the error and HDT the heading."""
    records, stats = decode(gga("100000.00") + rmc("100000.00") + gst("100000.00") + hdt("123.4"))
    (fix,) = records
    assert fix == GnssFix(
        utc_ns=UTC_NS,
        time_of_day_ns=36_000 * S,
        latitude_deg=46.5,
        longitude_deg=7.25,
        altitude_m=400.0,
        fix_class=FixClass.FIXED,
        horizontal_error_95_m=pytest.approx(0.024477, rel=1e-4),
        speed_m_s=pytest.approx(1.0, abs=1e-3),
        course_deg=90.0,
        heading_deg=123.4,
        heading_error_95_deg=None,
        correction_age_s=1.0,
        reference_station="0000",
    )
    assert (stats.frames, stats.records, stats.malformed, stats.unknown) == (4, 1, 0, 0)


def test_ubx_messages_of_an_epoch_become_one_fix_with_the_fine_position():
    """HPPOSLLH replaces the centimetre steps of PVT with the same iTOW."""
    records, stats = decode(encode_ubx(make_fix()))
    (fix,) = records
    assert fix.latitude_deg == pytest.approx(46.123456789, abs=1e-12)
    assert fix.utc_ns == UTC_NS
    assert fix.heading_deg == pytest.approx(45.0, abs=1e-5)
    assert (stats.frames, stats.records) == (3, 1)


def test_a_high_precision_position_of_another_epoch_does_not_mix_in():
    """A PVT that stands alone keeps its own coordinates; the other message is an epoch without a class."""
    other = ubx_frames(make_fix(UTC_NS + S // 10, latitude_deg=46.2))
    records, _ = decode(ubx_frames(make_fix())[0] + other[1])
    assert [fix.latitude_deg for fix in records] == [pytest.approx(46.1234568, abs=1e-12), pytest.approx(46.2)]
    assert [fix.fix_class for fix in records] == [FixClass.FIXED, FixClass.NONE]


def test_nmea_positions_and_ubx_headings_of_one_epoch_meet():
    """UTC and iTOW are compared through the leap seconds, which never become a time in a record."""
    fix = make_fix()
    relposned = ubx_frames(fix)[2]
    for data in (gga("100000.00") + relposned, relposned + gga("100000.00")):
        records, _ = decode(data)
        assert [record.heading_deg for record in records] == [pytest.approx(45.0, abs=1e-5)]
    records, _ = decode(relposned)
    assert (records[0].time_of_day_ns, records[0].utc_ns) == (None, None)
    records, _ = decode(gga("100001.00") + relposned)
    assert records[0].heading_deg is None


def test_nmea_and_ubx_of_one_epoch_meet_across_the_receivers_clock_error():
    """PVT says 09:59:59.9998, the GGA of the same epoch prints 10:00:00.00; also over midnight."""
    for utc_ns, time in ((UTC_NS, "100000.00"), (UTC_NS + 50_400 * S, "000000.00")):
        pvt = ubx_frames(make_fix(utc_ns - 200_000))[0]
        records, _ = decode(pvt + gga(time))
        assert [record.utc_ns for record in records] == [utc_ns - 200_000]


def test_a_complete_epoch_is_emitted_at_once():
    """From the second epoch on the fix comes with the last of its messages, not with the next epoch."""
    decoder = GnssDecoder()
    assert decoder.feed(gga("100000.00") + rmc("100000.00")) == []
    assert len(decoder.feed(gga("100000.10"))) == 1
    assert [fix.time_of_day_ns for fix in decoder.feed(rmc("100000.10"))] == [36_000 * S + S // 10]
    assert decoder.feed(gga("100000.20")) == []
    assert len(decoder.feed(rmc("100000.20"))) == 1
    assert decoder.finish() == []


def test_a_late_message_gives_no_second_fix_and_is_waited_for_from_then_on():
    """A set that grows loses one message, which is counted; the next epoch has it."""
    decoder = GnssDecoder()
    for second in (0, 1):
        decoder.feed(gga(f"10000{second}.00") + rmc(f"10000{second}.00"))
    assert decoder.stats.records == 2
    assert decoder.feed(gst("100001.00")) == []
    assert decoder.stats.malformed == 1
    assert decoder.feed(gga("100002.00") + rmc("100002.00")) == []
    (fix,) = decoder.feed(gst("100002.00"))
    assert fix.horizontal_error_95_m is not None
    assert decoder.stats.malformed == 1


def test_a_rarer_message_is_not_lost():
    """A GST once a second beside 10 Hz positions costs early emission, never its content or a second fix."""
    data, epochs = b"", 0
    for second in range(4):
        for tenth in range(10):
            time = f"10000{second}.{tenth}0"
            data += gga(time) + (gst(time) if tenth == 0 else b"")
            epochs += 1
    records, stats = decode(data)
    assert len(records) == epochs
    assert stats.malformed == 0
    with_error = [fix.time_of_day_ns // (S // 10) % 10 for fix in records if fix.horizontal_error_95_m is not None]
    assert with_error == [0, 0, 0, 0]


def test_a_message_that_never_comes_again_is_forgotten():
    """After the memory's length early emission returns."""
    decoder = GnssDecoder()
    decoder.feed(gga("100000.00") + gst("100000.00"))
    early = [len(decoder.feed(gga(f"10{n // 60:02d}{n % 60:02d}.00"))) for n in range(1, MEMORY_EPOCHS + 5)]
    assert early[:MEMORY_EPOCHS] == [1] * MEMORY_EPOCHS  # each closes the epoch before it
    assert early[MEMORY_EPOCHS:] == [2, 1, 1, 1]  # the epoch before and, from now on, its own


def test_a_message_two_epochs_late_gives_no_fix():
    """It belongs to an epoch that has been emitted, whatever is open now."""
    data = gga("100000.00") + gga("100001.00") + gga("100002.00") + gst("100000.00") + gga("100003.00")
    records, stats = decode(data)
    assert [fix.time_of_day_ns // S - 36_000 for fix in records] == [0, 1, 2, 3]
    assert all(fix.horizontal_error_95_m is None for fix in records)
    assert stats.malformed == 1


def test_a_second_message_of_the_same_type_and_epoch_is_not_used():
    """Receivers that print one GGA for each constellation, or whose clock stands still, give one fix."""
    data = gga("100000.00") + gga("100000.00", latitude="4700.0", talker="GA") + rmc("100000.00")
    records, stats = decode(data + gga("100001.00") + rmc("100001.00") + gga("100001.00", talker="GA"))
    assert [fix.latitude_deg for fix in records] == [46.5, 46.5]
    assert (stats.malformed, stats.unknown) == (0, 2)
    records, _ = decode(gga("100000.00") * 3 * CLOSED_EPOCHS_KEPT)
    assert len(records) == 1


def test_a_heading_without_time_joins_the_latest_epoch():
    """HDT before any epoch is counted; after that it goes to the epoch begun before it."""
    records, stats = decode(hdt("1.0") + gga("100000.00") + hdt("2.0") + gga("100001.00") + hdt("3.0"))
    assert [fix.heading_deg for fix in records] == [2.0, 3.0]
    assert stats.malformed == 1


def test_epochs_without_time_are_told_apart_by_repetition():
    """A receiver that has no time yet gives one fix for each round of sentences, all of class none."""
    blank_gga = line("GNGGA,,,,,,0,00,99.99,,,,,,")
    blank_rmc = line("GNRMC,,V,,,,,,,,,,N,V")
    records, _ = decode((blank_rmc + blank_gga) * 3 + rmc("100000.00") + gga("100000.00"))
    assert [fix.time_of_day_ns for fix in records] == [None, None, None, 36_000 * S]
    assert [fix.fix_class for fix in records] == [FixClass.NONE] * 3 + [FixClass.FIXED]


@pytest.mark.parametrize(
    ("sentences", "fix_class"),
    [
        ([gga("100000.00", 4), rmc("100000.00", mode="D")], FixClass.FIXED),
        ([gga("100000.00", 4), rmc("100000.00", mode="F")], FixClass.FLOAT),
        ([gga("100000.00", 4), rmc("100000.00", status="V")], FixClass.NONE),
        ([gga("100000.00", 0), rmc("100000.00", mode="R")], FixClass.NONE),
        ([gga("100000.00", 1), rmc("100000.00", mode="E")], FixClass.DEAD_RECKONING),
        ([rmc("100000.00", mode="D")], FixClass.DGNSS),
        ([rmc("100000.00", mode="")], FixClass.SINGLE),
        ([gst("100000.00")], FixClass.NONE),
        ([gga("100000.00", 8), rmc("100000.00", mode="R")], FixClass.SIMULATED),
        ([gga("100000.00", 4), rmc("100000.00", status="V", mode="S")], FixClass.SIMULATED),
        ([gga("100000.00", 4), *ubx_frames(make_fix(fix_class=FixClass.FLOAT))], FixClass.FLOAT),
        ([gga("100000.00", 5), *ubx_frames(make_fix(fix_class=FixClass.FIXED))], FixClass.FLOAT),
    ],
)
def test_contradicting_classes_give_the_worse(sentences, fix_class):
    """Of an epoch's statements the worst holds (P3); the simulator's mark overrides all (P8)."""
    records, _ = decode(b"".join(sentences))
    assert [fix.fix_class for fix in records] == [fix_class]


def test_the_finer_position_is_taken():
    """Two sentences of one epoch with different decimals: the one with more."""
    records, _ = decode(rmc("100000.00", latitude="4630.00001") + gga("100000.00", latitude="4630.0000123"))
    assert records[0].latitude_deg == 46 + 30.0000123 / 60
    records, _ = decode(rmc("100000.00", latitude="4630.0000123") + gga("100000.00", latitude="4630.00001"))
    assert records[0].latitude_deg == 46 + 30.0000123 / 60


def test_the_largest_stated_error_is_taken():
    """GST says 0.10 m, PVT 0.03 m: the receiver's own doubt counts."""
    records, _ = decode(ubx_frames(make_fix())[0] + gst("100000.00", "0.100"))
    assert records[0].horizontal_error_95_m == pytest.approx(0.24477, rel=1e-4)


def test_no_stated_error_is_none():
    """A GGA's HDOP never becomes an error that could satisfy a limit (P3)."""
    records, _ = decode(gga("100000.00") + rmc("100000.00"))
    assert records[0].horizontal_error_95_m is None


def test_the_antenna_offset_turns_every_heading():
    """The baseline points 90 degrees right of forward: -90 brings it back, through north too."""
    for heading, forward in (("123.4", 33.4), ("10.0", 280.0)):
        records, _ = decode(gga("100000.00") + hdt(heading), antenna_heading_offset_deg=-90.0)
        assert records[0].heading_deg == pytest.approx(forward)


def test_without_a_date_there_is_no_utc():
    """GGA has a time of day only; a receiver with a warning has no date to trust."""
    records, _ = decode(gga("100000.00") + gga("100001.00") + rmc("100001.00", status="V"))
    assert [fix.utc_ns for fix in records] == [None, None]
    assert [fix.time_of_day_ns for fix in records] == [36_000 * S, 36_001 * S]


def test_a_date_is_carried_over_midnight():
    """One RMC dates the epochs after it, and the day turns with the time of day."""
    data = rmc("235958.00", date="311224") + gga("235958.00") + gga("235959.00") + gga("000000.00") + gga("000001.00")
    records, _ = decode(data)
    midnight_ns = days_from_date(2025, 1, 1) * DAY_NS
    assert [fix.utc_ns - midnight_ns for fix in records] == [-2 * S, -S, 0, S]


def test_an_epoch_before_midnight_is_dated_by_one_after_it():
    """The day nearest to the date counts, in both directions."""
    records, _ = decode(rmc("000000.00", date="010125") + gga("235959.90"))
    assert [fix.utc_ns % DAY_NS for fix in records] == [0, DAY_NS - S // 10]
    assert records[1].utc_ns - records[0].utc_ns == -S // 10


def test_a_late_message_still_gives_its_date():
    """RMC once in a while, behind the epoch's emission, dates all that follows."""
    data = gga("100000.00") + gga("100001.00") + rmc("100001.00") + gga("100002.00") + gga("100003.00")
    records, _ = decode(data)
    assert [fix.utc_ns for fix in records] == [None, None, UTC_NS + 2 * S, UTC_NS + 3 * S]


def test_leap_second_differences_give_no_wrong_pairs():
    """A receiver that does not know the leap seconds yet has headings without positions, not the wrong ones."""
    relposned = ubx_frames(make_fix(UTC_NS + 2 * S))[2]
    records, _ = decode(gga("100000.00") + relposned + gga("100001.00"))
    assert all(fix.heading_deg is None for fix in records if fix.latitude_deg is not None)


def vtg(knots="1.944"):
    """A VTG, which has no time."""
    return line(f"GNVTG,90.0,T,,M,{knots},N,,K,R")


def gsa(mode=3):
    """A GSA, which has no time."""
    return line(f"GNGSA,A,{mode},04,05,,09,12,,,24,,,,,2.5,1.3,2.1,1")


def pashr(time):
    """A PASHR of a system that is aligned."""
    return line(f"PASHR,{time},158.09,T,-0.30,+0.31,+0.01,0.029,0.029,0.059,2,1")


def fixes_of(records):
    """The fixes alone."""
    return [record for record in records if isinstance(record, GnssFix)]


def test_gns_and_ggk_stand_in_for_gga():
    """A receiver of several systems without GGA, and one that speaks its maker's own sentences."""
    gns = line("GNGNS,100000.00,4630.0000000,N,00715.0000000,E,RRNN,12,0.6,400.0,47.0,1.0,0000,V")
    records, _ = decode(gns + gst("100000.00"))
    assert [(fix.fix_class, fix.altitude_m, fix.latitude_deg) for fix in records] == [(FixClass.FIXED, 400.0, 46.5)]
    ggk = line("PTNL,GGK,100000.00,050624,4630.00000000,N,00715.00000000,E,3,12,1.7,EHT447.0,M")
    records, _ = decode(ggk)
    assert [(fix.fix_class, fix.altitude_m, fix.utc_ns) for fix in records] == [(FixClass.FIXED, None, UTC_NS)]


def test_a_coarse_class_yields_to_a_precise_one():
    """PUBX,00 calls an RTK fix differential, and its stated error counts."""
    pubx = line("PUBX,00,100000.00,4630.00000,N,00715.00000,E,447.0,D3,0.5,0.9,3.6,90.0,0.0,1.0,0.9,1.2,0.8,9,0,0")
    records, _ = decode(gga("100000.00") + pubx)
    assert [fix.fix_class for fix in records] == [FixClass.FIXED]
    assert records[0].horizontal_error_95_m == pytest.approx(2.4477 * 0.5, rel=1e-4)
    records, _ = decode(pubx)
    assert [fix.fix_class for fix in records] == [FixClass.DGNSS]


def test_a_held_altitude_is_none():
    """Two dimensions: the altitude of the same epoch was assumed (P3)."""
    assert decode(gga("100000.00") + gsa(2))[0][0].altitude_m is None
    assert decode(gga("100000.00") + gsa(3))[0][0].altitude_m == 400.0


def test_speed_comes_from_vtg_where_nothing_else_has_one():
    """A receiver with GGA and VTG alone: from the second epoch on the fix waits for its speed."""
    data = b"".join(gga(f"10000{second}.00") + vtg() for second in range(4))
    records, stats = decode(data)
    assert [fix.speed_m_s for fix in records] == [pytest.approx(1.0, abs=1e-3)] * 4
    assert (stats.malformed, stats.unknown) == (0, 0)


def test_nothing_waits_for_sentences_that_add_nothing():
    """VTG beside RMC and one GSA for each system never delay a fix, wherever they stand in the epoch."""
    for before, after in ((b"", vtg() + gsa() + gsa()), (vtg() + gsa(), b"")):
        decoder = GnssDecoder()
        decoder.feed(before + gga("100000.00") + rmc("100000.00") + after)
        decoder.feed(before + gga("100001.00") + rmc("100001.00") + after)
        for second in range(2, 6):
            decoder.feed(before + gga(f"10000{second}.00"))
            (fix,) = decoder.feed(rmc(f"10000{second}.00"))
            assert fix.time_of_day_ns == (36_000 + second) * S
            assert decoder.feed(after) == []


def test_a_true_heading_with_status_is_a_heading():
    """THS is placed as HDT is."""
    records, _ = decode(gga("100000.00") + line("GNTHS,123.4,A") + gga("100001.00") + line("GNTHS,123.5,V"))
    assert [fix.heading_deg for fix in records] == [123.4, None]


def test_an_attitude_follows_the_fix_of_its_epoch():
    """Same times; its heading is not the fix's, whose headings are those of two antennas."""
    records, stats = decode(rmc("100000.00") + gga("100000.00") + pashr("100000.000"))
    fix, attitude = records
    assert attitude == GnssAttitude(
        source="PASHR",
        utc_ns=UTC_NS,
        time_of_day_ns=36_000 * S,
        heading_deg=158.09,
        roll_deg=-0.3,
        pitch_deg=0.31,
        heading_error_95_deg=pytest.approx(0.1156, abs=1e-4),
        roll_error_95_deg=pytest.approx(0.0568, abs=1e-4),
        pitch_error_95_deg=pytest.approx(0.0568, abs=1e-4),
    )
    assert fix.heading_deg is None
    assert stats.records == 2


def test_a_moving_baseline_gives_heading_and_tilt():
    """PTNL,AVR: the offset turns the heading, the tilt stays that of the mounting the receiver was told."""
    avr = line("PTNL,AVR,100000.00,+52.1531,Yaw,-0.0806,Tilt,,,12.575,3,1.4,16")
    (fix, attitude), _ = decode(gga("100000.00") + avr, antenna_heading_offset_deg=-90.0)
    assert fix.heading_deg == pytest.approx(322.1531)
    assert (attitude.source, attitude.pitch_deg, attitude.roll_deg) == ("PTNL,AVR", -0.0806, None)


def test_a_time_pulse_passes_between_the_epochs():
    """It belongs to none of them, and holds none up."""
    body = struct.pack("<HHIIiHBB", 0x010D, 16, 333_344_000, 0, -5, 1516, 3, 7)
    pulse = b"\xb5\x62" + body + fletcher(body)
    records, stats = decode(gga("100000.00") + pulse + rmc("100000.00"))
    assert [type(record) for record in records] == [TimePulse, GnssFix]
    assert (stats.records, stats.unknown) == (2, 0)


def test_damage_and_noise_are_counted():
    """Each kind of damage has its counter, and bytes of no frame are skipped."""
    bad = gga("100000.00").replace(b"4630", b"4631")
    damaged = line("GNGGA,100000.00,4660.0,N,00715.0,E,4,12,0.6,400.0,M,47.0,M,1.0,0000")
    data = b"noise" + bad + damaged + line("GNGSV,1,1,00") + b"$GNGGA,no checksum\r\n" + gga("100001.00")
    records, stats = decode(data)
    assert len(records) == 1
    assert (stats.frames, stats.records, stats.bad_checksum) == (3, 1, 1)
    assert (stats.malformed, stats.unknown) == (2, 1)
    assert stats.bytes == len(data)


def test_rtcm_is_recognised_and_not_read():
    """Corrections that a receiver echoes are counted as unknown."""
    rtcm = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")
    _, stats = decode(rtcm)
    assert (stats.frames, stats.unknown, stats.bytes_skipped) == (1, 1, 0)


_mixed = [
    *[gga("100000.00"), rmc("100000.00"), gst("100000.00"), hdt("10.0"), gga("100000.10"), rmc("100000.10")],
    *[gga("235959.90"), gga("000000.00"), rmc("000000.00"), line("GNGGA,,,,,,0,00,99.99,,,,,,"), line("GNGSV,1,1,00")],
    *[*ubx_frames(make_fix()), *ubx_frames(make_fix(UTC_NS + S // 10)), b"$", b"\xb5\x62", b"\xd3", b"x\r\n"],
    *[gga("100000.20").replace(b"4630", b"4639"), encode_nmea(make_fix(UTC_NS + S))],
    *[vtg(), gsa(2), gsa(3), line("GNTHS,1.0,A"), pashr("100000.00"), pashr("100000.10")],
]


@settings(max_examples=200)
@given(parts=st.lists(st.sampled_from(_mixed) | st.binary(max_size=6), max_size=20), sizes=st.lists(st.integers(1, 90)))
def test_any_chunking_gives_the_same_records(parts, sizes):
    """Records and counters depend on the bytes alone; no mixture raises."""
    data = b"".join(parts)
    assert decode(data, sizes) == decode(data)


@given(parts=st.lists(st.sampled_from(_mixed), max_size=30))
def test_no_epoch_gives_two_fixes(parts):
    """Within the memory for late messages, every time of day that is emitted is emitted once."""
    records, _ = decode(b"".join(parts))
    times = [fix.time_of_day_ns for fix in fixes_of(records) if fix.time_of_day_ns is not None]
    for index, time in enumerate(times):
        assert time not in times[max(0, index - CLOSED_EPOCHS_KEPT + 1) : index]


@given(st.binary(max_size=400))
def test_noise_gives_no_position(noise):
    """Bytes that are no frame never become a fix and never raise."""
    records, stats = decode(noise)
    assert records == []
    assert stats.bytes == len(noise)
