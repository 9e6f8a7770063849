"""
The N38 stream of a Geonics EM38-MK2 logger: readings and a receiver's NMEA, interleaved in records of 26 bytes.

Every record is 25 bytes and LF; its first byte says what it is. `T` (also `t`, `2`) is a reading: one byte of
information, six big-endian 16-bit numbers, a blank, the logger's milliseconds in 10 digits. `@` begins a sentence, `#`
carries it on, `!` ends it with the logger's milliseconds. All else is text about the survey. Sources: Geonics,
"DAT38MK2 Computer Program Manual" v1.12 (2011), and the reader published by L. O'Brien (R package em38), which was
tested against Geonics' own conversion.

The survey line's calibration offsets (`O` records) are not added: they are constant over a line, and a lost record
would otherwise change every reading after it. Readings have no checksum.
"""

import math
import re
from collections.abc import Iterator

import numpy as np

from firmware_bridge.codec.gnss import GnssDecoder
from firmware_bridge.records import LinkStats, Record, SampleBlock

RECORD_BYTES = 26
SENTENCE_RECORDS_MAX = 24  # 576 characters: more than the longest sentence that `gnss_frames` takes
# The channels of a reading in their order on the wire, with their units: conductivity and in-phase response of the
# coils at 50 and 100 cm. The two temperatures that follow are no channels, since a head's channels raise alarms.
CHANNELS = (("cond50", "mS/m"), ("inphase50", "ppt"), ("cond100", "mS/m"), ("inphase100", "ppt"))
INPHASE_50_PPT = 0.00720475  # ppt per mS/m of the conversion below
INPHASE_100_PPT = 0.028819
_TEMPERATURE_COUNTS = 233  # 25 °C: what the encoder writes
_INFORMATION = 6  # auto mode, vertical dipole, no marker: what the encoder writes

_READING = re.compile(rb"[Tt2][\x00-\xff]{13} {1,10}[0-9]{1,10}\n")
_TEXT = re.compile(rb"[A-SU-Z*!@#?\"][\x20-\x7e]{24}\n")
_STAMPED = re.compile(rb"(?:[Tt2][\x00-\xff]{13}|!) *([0-9]{1,10})\n")
_MS = 1_000_000


def split_at_stamps(data: bytes) -> Iterator[tuple[int | None, bytes]]:
    """
    A stream in pieces that each end with a record that carries the logger's milliseconds; the last has None without.

    Every byte comes once and in order: what carries no time, damaged bytes included, belongs to the next that does.
    """
    begin = position = 0
    while len(data) - position >= RECORD_BYTES:
        record = data[position : position + RECORD_BYTES]
        if not (_READING.fullmatch(record) or _TEXT.fullmatch(record)):
            position += 1
            continue
        position += RECORD_BYTES
        stamped = _STAMPED.fullmatch(record)
        if stamped is not None:
            yield int(stamped[1]), data[begin:position]
            begin = position
    if begin < len(data):
        yield None, data[begin:]


class N38Decoder:
    """
    Readings to samples, sentences to fixes; `CHANNELS` names the columns of `SampleBlock.values`.

    Holds back less than a record, one unfinished sentence and the receiver's open epoch. After damage one byte is
    skipped at a time until a record begins; a reading after skipped bytes has a gap in its number before it.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._gnss = GnssDecoder()
        self._sentence: list[bytes] | None = None
        self._number = -1
        self._is_damaged = False
        self._bytes = self._readings = self._malformed = self._unknown = self._skipped = 0

    @property
    def stats(self) -> LinkStats:
        """
        The link's counters. Readings and sentences are frames; the survey's text records are unknown, sentences
        without begin or end malformed.
        """
        inner = self._gnss.stats
        return LinkStats(
            bytes=self._bytes,
            frames=self._readings + inner.frames,
            records=self._readings + inner.records,
            bad_checksum=inner.bad_checksum,
            malformed=self._malformed + inner.malformed,
            unknown=self._unknown + inner.unknown,
            bytes_skipped=self._skipped + inner.bytes_skipped,
        )

    def feed(self, data: bytes) -> list[Record]:
        """The samples and fixes that `data` completes."""
        self._bytes += len(data)
        self._buffer += data
        records: list[Record] = []
        position = 0
        while len(self._buffer) - position >= RECORD_BYTES:
            record = self._buffer[position : position + RECORD_BYTES]
            if _READING.fullmatch(record):
                records.append(self._reading(record))
            elif _TEXT.fullmatch(record):
                records += self._text(record)
            else:
                self._skipped += 1
                self._is_damaged = True
                self._drop_sentence()
                position += 1
                continue
            position += RECORD_BYTES
        self._buffer = self._buffer[position:]
        return records

    def finish(self) -> list[Record]:
        """The receiver's last epoch; no more bytes will come, so what is less than a record is skipped."""
        self._skipped += len(self._buffer)
        self._buffer = b""
        self._drop_sentence()
        return self._gnss.finish()

    def _reading(self, record: bytes) -> SampleBlock:
        self._drop_sentence()
        self._readings += 1
        self._number += 2 if self._is_damaged else 1
        self._is_damaged = False
        counts = [int.from_bytes(record[at : at + 2], "big") for at in range(2, 10, 2)]
        return SampleBlock(
            dictionary_id=None,
            sequence=np.array([self._number], dtype=np.int64),
            device_time_ns=np.array([int(record[15:25]) * _MS], dtype=np.int64),
            values=np.array([_values(counts)]),
            status=np.zeros(1, dtype=np.int64),
        )

    def _text(self, record: bytes) -> list[Record]:
        kind, text = record[:1], record[1:25]
        if kind == b"@":
            self._drop_sentence()
            self._sentence = [text]
        elif kind == b"#" and self._sentence is not None and len(self._sentence) < SENTENCE_RECORDS_MAX:
            self._sentence.append(text)
        elif kind == b"!" and self._sentence is not None:
            sentence, self._sentence = b"".join(self._sentence).rstrip(b" "), None
            return self._gnss.feed(sentence + b"\r\n")
        elif kind in b"#!":
            self._drop_sentence()
            self._malformed += 1
        else:
            self._drop_sentence()
            self._unknown += 1
        return []

    def _drop_sentence(self) -> None:
        self._malformed += self._sentence is not None
        self._sentence = None


def encode_reading(device_time_ns: int, values: list[float]) -> bytes:
    """A reading of a simulated instrument; `values` in the order and units of `CHANNELS`."""
    in_phase_50, in_phase_100 = values[1] / INPHASE_50_PPT, values[3] / INPHASE_100_PPT
    counts = [_counts(value) for value in (values[0], in_phase_50, values[2], in_phase_100)]
    counts += [_TEMPERATURE_COUNTS, _TEMPERATURE_COUNTS]
    words = b"".join(count.to_bytes(2, "big") for count in counts)
    return b"T" + bytes([_INFORMATION]) + words + f" {device_time_ns // _MS % 10**10:10d}\n".encode()


def encode_sentence(device_time_ns: int, sentence: bytes) -> bytes:
    """An NMEA sentence, without its line end, as the logger stores it."""
    pieces = [sentence[start : start + 24] for start in range(0, len(sentence), 24)]
    records = [(b"@" if at == 0 else b"#") + piece.ljust(24) + b"\n" for at, piece in enumerate(pieces)]
    return b"".join(records) + f"!{device_time_ns // _MS % 10**10:24d}\n".encode()


def _values(counts: list[int]) -> list[float]:
    """What the first four numbers of a reading mean, in the order and units of `CHANNELS`."""
    return [
        _conductivity(counts[0]),
        _conductivity(counts[1]) * INPHASE_50_PPT,
        _conductivity(counts[2]),
        _conductivity(counts[3]) * INPHASE_100_PPT,
    ]


def _conductivity(count: int) -> float:
    return (count * 5 / 1024 - 160) * 8


def _counts(millisiemens_m: float) -> int:
    assert not math.isnan(millisiemens_m), "the instrument has no way to say that it has no reading"
    return min(max(round((millisiemens_m / 8 + 160) * 1024 / 5), 0), 0xFFFF)
