"""
NMEA 0183 sentences of a GNSS receiver, to and from fixes.

The library splits sentences, knows their layouts and computes checksums. Field text is read in `nmea_fields`, and what
a sentence means stands in `nmea_sentences` (the standard's) and `nmea_makers` (the makers' own). Written sentences are
composed here, because the library writes 39.99999999999 degrees as "3960.0000000" and fills the host's clock into a
missing time.

A field that is blank says nothing; a field that is present but damaged refuses its whole sentence.
"""

import math
from collections.abc import Callable

import msgspec
from pynmeagps import (
    NMEA_PAYLOADS_GET,
    NMEA_PAYLOADS_GET_PROP,
    NMEAMessageError,
    generate_checksum,
    get_parts,
)

from firmware_bridge.codec import nmea_makers, nmea_sentences
from firmware_bridge.codec.accuracy import sigma_from_radius_95
from firmware_bridge.codec.fix_part import DAY_NS, NS_PER_S, FixPart, Refusal, date_from_days
from firmware_bridge.codec.nmea_fields import KNOT_M_S, DamagedError, Fields
from firmware_bridge.records import FixClass, GnssFix

_QUALITY_OF_CLASS = {
    FixClass.NONE: "0",
    FixClass.SINGLE: "1",
    FixClass.DGNSS: "2",
    FixClass.FIXED: "4",
    FixClass.FLOAT: "5",
    FixClass.DEAD_RECKONING: "6",
    FixClass.SIMULATED: "8",
}
_MODE_OF_CLASS = {
    FixClass.NONE: "N",
    FixClass.SINGLE: "A",
    FixClass.DGNSS: "D",
    FixClass.FIXED: "R",
    FixClass.FLOAT: "F",
    FixClass.DEAD_RECKONING: "E",
    FixClass.SIMULATED: "S",
}


class _Sentence(msgspec.Struct, frozen=True):
    decode: Callable[[Fields], FixPart]
    names: tuple[str, ...]
    fields_min: int
    fields_max: int


def _standard(kind: str, decode: Callable[[Fields], FixPart], fields_min: int, fields_max: int) -> _Sentence:
    return _Sentence(decode, _names(NMEA_PAYLOADS_GET[kind]), fields_min, fields_max)


def _own(kind: str, decode: Callable[[Fields], FixPart], fields_min: int, fields_max: int) -> _Sentence:
    return _Sentence(decode, _names(NMEA_PAYLOADS_GET_PROP[kind]), fields_min, fields_max)


def _names(layout: dict[str, object]) -> tuple[str, ...]:
    """A layout's field names, those of a repeated group numbered."""
    names: list[str] = []
    for name, kind in layout.items():
        if isinstance(kind, tuple):
            count, group = kind
            names += [f"{inner}_{index}" for index in range(count) for inner in group]
        else:
            names.append(name)
    return tuple(names)


# Sentence, without its talker and with a maker's own name -> how to read it, with its fewest and most fields: older
# versions end early. RMC ended with the date once and has 13 fields since NMEA 4.1, GNS 13 and GSA 18.
_SENTENCES = {
    "GGA": _standard("GGA", nmea_sentences.decode_gga, 14, 14),
    "GNS": _standard("GNS", nmea_sentences.decode_gns, 12, 13),
    "RMC": _standard("RMC", nmea_sentences.decode_rmc, 9, 13),
    "VTG": _standard("VTG", nmea_sentences.decode_vtg, 8, 9),
    "GST": _standard("GST", nmea_sentences.decode_gst, 8, 8),
    "GSA": _standard("GSA", nmea_sentences.decode_gsa, 17, 18),
    "HDT": _standard("HDT", nmea_sentences.decode_hdt, 2, 2),
    "THS": _standard("THS", nmea_sentences.decode_ths, 2, 2),
    "UBX00": _own("UBX00", nmea_makers.decode_pubx_00, 20, 20),
    "TNLGGK": _own("TNLGGK", nmea_makers.decode_ptnl_ggk, 12, 12),
    "TNLAVR": _own("TNLAVR", nmea_makers.decode_ptnl_avr, 12, 12),
    "ASHR": _own("ASHR", nmea_makers.decode_pashr, 10, 11),
}
_OWN = ("UBX00", "TNLGGK", "TNLAVR", "ASHR")
# Sentences whose first field names them further.
_NAMED_BY_FIELD = ("UBX", "TNL")


def decode_nmea(sentence: bytes) -> FixPart | Refusal:
    """
    What one whole sentence says about an epoch.

    sentence : from `$` to the checksum's second digit, whose checksum was found good (`GnssFramer` does that); a line
               end may follow
    """
    try:
        _, talker, kind, values, _ = get_parts(sentence)
    except NMEAMessageError:
        return Refusal.MALFORMED
    if talker == "P" and values and (kind in _NAMED_BY_FIELD or values[0].isalpha()):
        kind += values[0]  # also Ashtech's other sentences, as $PASHR,POS
    # A talker of two letters before a maker's name, or "P" before a standard one, is another sentence.
    if kind not in _SENTENCES or (talker == "P") != (kind in _OWN):
        return Refusal.UNKNOWN
    layout = _SENTENCES[kind]
    if not layout.fields_min <= len(values) <= layout.fields_max:
        return Refusal.MALFORMED
    fields = dict.fromkeys(layout.names, "") | dict(zip(layout.names, values, strict=False))
    try:
        return layout.decode(fields)
    except DamagedError:
        return Refusal.MALFORMED


def encode_nmea(fix: GnssFix, talker: str = "GN") -> bytes:
    """
    GGA and RMC, then GST when the fix states an error and HDT when it has a heading, each with its line end.

    Latitude and longitude carry 7 decimals of a minute (0.2 mm); the GST sigma is rounded up to 0.1 mm, so that what
    is read back is never better than what was stated. NMEA has no field for the heading's error: it is lost. A fix of
    class none gives an RMC with a warning, whose date no careful reader uses.
    """
    sentences = [_encode_gga(fix), _encode_rmc(fix)]
    if fix.horizontal_error_95_m is not None:
        sentences.append(_encode_gst(fix))
    if fix.heading_deg is not None:
        sentences.append(["HDT", _direction_text(fix.heading_deg), "T"])
    lines = []
    for kind, *values in sentences:
        assert not any(set(value) & set("$*,\r\n") for value in values), values
        checksum = generate_checksum(talker, kind, values)
        lines.append(f"${','.join([talker + kind, *values])}*{checksum}\r\n")
    return "".join(lines).encode("ascii")


def _encode_gga(fix: GnssFix) -> list[str]:
    # A receiver without a position prints quality 0, so the class of such a fix cannot be anything else; only the
    # simulator's mark is kept.
    has_position = fix.latitude_deg is not None or fix.fix_class is FixClass.SIMULATED
    altitude = "" if fix.altitude_m is None else f"{fix.altitude_m:.4f}"
    age = "" if fix.correction_age_s is None else f"{fix.correction_age_s:.1f}"
    quality = _QUALITY_OF_CLASS[fix.fix_class if has_position else FixClass.NONE]
    # Satellites, HDOP and geoid separation are not in the record; blank says so.
    return [
        *["GGA", _time_text(fix), *_position_texts(fix), quality, "", "", altitude, "M", "", "M"],
        *[age, fix.reference_station or ""],
    ]


def _encode_rmc(fix: GnssFix) -> list[str]:
    is_valid = fix.fix_class is not FixClass.NONE and fix.latitude_deg is not None
    speed = "" if fix.speed_m_s is None else f"{fix.speed_m_s / KNOT_M_S:.4f}"
    course = "" if fix.course_deg is None else _direction_text(fix.course_deg)
    date = ""
    if fix.utc_ns is not None:
        year, month, day = date_from_days(fix.utc_ns // DAY_NS)
        date = f"{day:02d}{month:02d}{year % 100:02d}"
    mode = _MODE_OF_CLASS[fix.fix_class if is_valid or fix.fix_class is FixClass.SIMULATED else FixClass.NONE]
    return [
        *["RMC", _time_text(fix), "A" if is_valid else "V", *_position_texts(fix)],
        *[speed, course, date, "", "", mode, "V"],  # navigational status V: not provided
    ]


def _encode_gst(fix: GnssFix) -> list[str]:
    assert fix.horizontal_error_95_m is not None
    sigma = f"{math.ceil(sigma_from_radius_95(fix.horizontal_error_95_m) * 1e4) / 1e4:.4f}"
    return ["GST", _time_text(fix), "", sigma, sigma, "0.0", sigma, sigma, ""]


def _direction_text(direction_deg: float) -> str:
    return f"{round(direction_deg % 360.0, 4) % 360.0:.4f}"


def _time_text(fix: GnssFix) -> str:
    """hhmmss with as many decimals as the epoch needs, two at least as receivers print them, nine at most."""
    time_ns = fix.time_of_day_ns if fix.utc_ns is None else fix.utc_ns % DAY_NS
    if time_ns is None:
        return ""
    whole_s, fraction_ns = divmod(time_ns, NS_PER_S)
    fraction = f"{fraction_ns:09d}".rstrip("0").ljust(2, "0")
    return f"{whole_s // 3600:02d}{whole_s // 60 % 60:02d}{whole_s % 60:02d}.{fraction}"


def _position_texts(fix: GnssFix) -> list[str]:
    if fix.latitude_deg is None or fix.longitude_deg is None:
        return ["", "", "", ""]
    return [
        *[_angle_text(fix.latitude_deg, 2), "S" if fix.latitude_deg < 0.0 else "N"],
        *[_angle_text(fix.longitude_deg, 3), "W" if fix.longitude_deg < 0.0 else "E"],
    ]


def _angle_text(angle_deg: float, degree_digits: int) -> str:
    # Whole units of 1e-7 minute: the carry into the degrees happens before any digit is written.
    degrees, rest = divmod(round(abs(angle_deg) * 60.0 * 1e7), 60 * 10**7)
    minutes, decimals = divmod(rest, 10**7)
    return f"{degrees:0{degree_digits}d}{minutes:02d}.{decimals:07d}"
