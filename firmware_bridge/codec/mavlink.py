"""
MAVLink 1 and 2 of one autopilot: HEARTBEAT, ATTITUDE, GLOBAL_POSITION_INT and GPS_RAW_INT, to and from records.

Message layouts, ids and CRC seeds are those of the generated dialect; frames are split and checked here, because the
library's stream parser keeps what it could not read without limit and passes messages whose id it does not know without
looking at their checksum. The frame is the one of mavlink.io, "Packet Serialization". A frame with an unknown id cannot
be checked, so it is no frame: like after any false header, one byte is skipped.

What the messages mean, after common.xml:
- time_boot_ms restarts with the autopilot and wraps after 49.7 days; it is handed on as it is.
- GPS_RAW_INT time_usec is "UNIX epoch time or time since system boot", to be told apart by its size. Most autopilots
  send the latter, and the fix then has no UTC.
- cog is the direction of travel, not a heading. GPS_RAW_INT's yaw does not say whether it comes from fixed
  ambiguities, so it is not used.
- A HEARTBEAT whose autopilot is INVALID comes from a camera, a radio or a companion computer with the vehicle's id: it
  does not say that the autopilot is alive.
"""

import math
import re
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as dialect

from firmware_bridge.autopilot_records import AlertText, CompanionHeartbeat, MessageIntervalRequest
from firmware_bridge.codec.accuracy import radius_95_from_sigma, sigma_from_radius_95
from firmware_bridge.codec.fix_part import (
    DAY_NS,
    NS_PER_MS,
    Refusal,
    days_from_date,
    is_on_earth,
)
from firmware_bridge.records import (
    Attitude,
    AutopilotHeartbeat,
    AutopilotPosition,
    FixClass,
    GnssFix,
    LinkStats,
    Record,
    UtcNs,
)

MARKER_1 = 0xFE
MARKER_2 = 0xFD
HEADER_BYTES_1 = 6
HEADER_BYTES_2 = 10
CRC_BYTES = 2
SIGNED_FLAG = 0x01
SIGNATURE_BYTES = 13
# The longest frame: a signed MAVLink 2 message with 255 bytes of payload. What is held back stays below it.
FRAME_BYTES_MAX = HEADER_BYTES_2 + 255 + CRC_BYTES + SIGNATURE_BYTES

UNKNOWN_U16 = 0xFFFF
# time_usec between these is UNIX time: no autopilot runs for 30 years, and none of today's will see 2100.
UNIX_US_MIN = (days_from_date(2000, 1, 1) or 0) * 86_400_000_000
UNIX_US_MAX = (days_from_date(2100, 1, 1) or 0) * 86_400_000_000
# Yaw, the widest of the three angles, spans one turn whether an autopilot counts it from 0 or from -180 degrees.
ANGLE_MAX_RAD = 2.0 * math.pi

CLASS_OF_FIX_TYPE = {
    dialect.GPS_FIX_TYPE_NO_GPS: FixClass.NONE,
    dialect.GPS_FIX_TYPE_NO_FIX: FixClass.NONE,
    dialect.GPS_FIX_TYPE_2D_FIX: FixClass.SINGLE,
    dialect.GPS_FIX_TYPE_3D_FIX: FixClass.SINGLE,
    dialect.GPS_FIX_TYPE_DGPS: FixClass.DGNSS,
    dialect.GPS_FIX_TYPE_RTK_FLOAT: FixClass.FLOAT,
    dialect.GPS_FIX_TYPE_RTK_FIXED: FixClass.FIXED,
    dialect.GPS_FIX_TYPE_STATIC: FixClass.SINGLE,
    dialect.GPS_FIX_TYPE_PPP: FixClass.SINGLE,
}
# MAVLink has no word for dead reckoning: saying "no fix" promises less.
_FIX_TYPE_OF_CLASS = {
    FixClass.NONE: dialect.GPS_FIX_TYPE_NO_FIX,
    FixClass.DEAD_RECKONING: dialect.GPS_FIX_TYPE_NO_FIX,
    FixClass.SINGLE: dialect.GPS_FIX_TYPE_3D_FIX,
    FixClass.DGNSS: dialect.GPS_FIX_TYPE_DGPS,
    FixClass.FLOAT: dialect.GPS_FIX_TYPE_RTK_FLOAT,
    FixClass.FIXED: dialect.GPS_FIX_TYPE_RTK_FIXED,
}

_MARKER = re.compile(rb"[\xfd\xfe]")

_Fields = dict[str, Any]


def mavlink_crc(data: bytes) -> int:
    """CRC-16/MCRF4XX over a frame without its marker, followed by the message's seed (mavlink.io, CRC_EXTRA)."""
    crc: int = dialect.x25crc(data).crc
    return crc


class MavlinkDecoder:
    """
    Decodes one link's stream.

    system_id : the autopilot's; good frames of any other system are counted as unknown. None takes all.
    """

    def __init__(self, system_id: int | None) -> None:
        self._system_id = system_id
        self._pending = b""
        self._bytes = 0
        self._frames = 0
        self._records = 0
        self._bad_checksum = 0
        self._malformed = 0
        self._unknown = 0
        self._bytes_skipped = 0

    @property
    def stats(self) -> LinkStats:
        """The link's counters as one snapshot."""
        return LinkStats(
            bytes=self._bytes,
            frames=self._frames,
            records=self._records,
            bad_checksum=self._bad_checksum,
            malformed=self._malformed,
            unknown=self._unknown,
            bytes_skipped=self._bytes_skipped,
        )

    def feed(self, data: bytes) -> list[Record]:
        """The records that `data` completes."""
        self._bytes += len(data)
        return self._split(self._pending + data, is_last=False)

    def finish(self) -> list[Record]:
        """The records inside what was held back: no more bytes will come, so an unfinished frame was a false header."""
        return self._split(self._pending, is_last=True)

    def _split(self, buffer: bytes, *, is_last: bool) -> list[Record]:
        records: list[Record] = []
        position = 0
        while (marker := _MARKER.search(buffer, position)) is not None:
            start = marker.start()
            self._bytes_skipped += start - position
            position = start
            length = self._frame_length(buffer, start)
            if length is None and not is_last:
                break
            if length:
                self._frames += 1
                records += self._decode(buffer[start : start + length])
                position += length
            else:
                self._bytes_skipped += 1
                position += 1
        else:
            self._bytes_skipped += len(buffer) - position
            position = len(buffer)
        self._pending = buffer[position:]
        return records

    def _frame_length(self, buffer: bytes, start: int) -> int | None:
        """The length of the good frame at `start`; 0 when none begins there; None when more bytes must decide."""
        header = HEADER_BYTES_1 if buffer[start] == MARKER_1 else HEADER_BYTES_2
        if len(buffer) < start + header:
            return None
        flags = buffer[start + 2] if header == HEADER_BYTES_2 else 0
        message = dialect.mavlink_map.get(_message_id(buffer, start))
        # An unknown flag may change the layout: such a frame must be refused (mavlink.io, "Incompatibility flags").
        if message is None or flags & ~SIGNED_FLAG:
            return 0
        end = start + header + buffer[start + 1]
        length = end + CRC_BYTES + (SIGNATURE_BYTES if flags else 0) - start
        if len(buffer) < start + length:
            return None
        crc = mavlink_crc(buffer[start + 1 : end] + bytes((message.crc_extra,)))
        if crc != int.from_bytes(buffer[end : end + CRC_BYTES], "little"):
            self._bad_checksum += 1
            return 0
        return length

    def _decode(self, frame: bytes) -> list[Record]:
        """The record of a good frame, as a list of one, or the count of why there is none."""
        header = HEADER_BYTES_1 if frame[0] == MARKER_1 else HEADER_BYTES_2
        system_id = frame[3] if header == HEADER_BYTES_1 else frame[5]
        message_id = _message_id(frame, 0)
        decode = _DECODERS.get(message_id)
        if decode is None or self._system_id not in (None, system_id):
            self._unknown += 1
            return []
        record = decode(system_id, _fields(message_id, frame[header : header + frame[1]]))
        if record is Refusal.UNKNOWN:
            self._unknown += 1
            return []
        if record is Refusal.MALFORMED:
            self._malformed += 1
            return []
        self._records += 1
        return [record]


def _message_id(buffer: bytes, start: int) -> int:
    if buffer[start] == MARKER_1:
        return buffer[start + 5]
    return int.from_bytes(buffer[start + 7 : start + 10], "little")


def _fields(message_id: int, payload: bytes) -> _Fields:
    """Fields by name. MAVLink 2 cuts trailing zeros off and may append fields that this dialect does not know."""
    message = dialect.mavlink_map[message_id]
    size = message.unpacker.size
    values = message.unpacker.unpack(payload[:size].ljust(size, b"\x00"))
    return dict(zip(message.ordered_fieldnames, values, strict=True))


def _decode_heartbeat(system_id: int, fields: _Fields) -> Record | Refusal:
    if fields["autopilot"] == dialect.MAV_AUTOPILOT_INVALID:
        return Refusal.UNKNOWN
    return AutopilotHeartbeat(
        system_id=system_id,
        vehicle_type=fields["type"],
        autopilot=fields["autopilot"],
        base_mode=fields["base_mode"],
        system_status=fields["system_status"],
    )


def _decode_attitude(system_id: int, fields: _Fields) -> Record | Refusal:
    angles_rad = [fields[name] for name in ("roll", "pitch", "yaw")]
    if not all(abs(angle) <= ANGLE_MAX_RAD for angle in angles_rad):  # a NaN fails the comparison
        return Refusal.MALFORMED
    return Attitude(
        system_id=system_id,
        device_time_ns=fields["time_boot_ms"] * NS_PER_MS,
        roll_rad=angles_rad[0],
        pitch_rad=angles_rad[1],
        yaw_rad=angles_rad[2],
    )


def _decode_global_position(system_id: int, fields: _Fields) -> Record | Refusal:
    latitude_deg, longitude_deg = fields["lat"] / 1e7, fields["lon"] / 1e7
    # An autopilot that has no position yet sends zeros.
    if latitude_deg == longitude_deg == 0.0 or not is_on_earth(latitude_deg, longitude_deg):
        return Refusal.MALFORMED
    heading_deg = _direction_deg(fields["hdg"])
    if heading_deg is Refusal.MALFORMED:
        return heading_deg
    return AutopilotPosition(
        system_id=system_id,
        device_time_ns=fields["time_boot_ms"] * NS_PER_MS,
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
        altitude_m=fields["alt"] / 1000.0,
        heading_deg=heading_deg,
    )


def _decode_gps_raw(system_id: int, fields: _Fields) -> Record | Refusal:
    fix_type = fields["fix_type"]
    fix_class = CLASS_OF_FIX_TYPE.get(fix_type, FixClass.NONE)
    latitude_deg, longitude_deg = fields["lat"] / 1e7, fields["lon"] / 1e7
    course_deg = _direction_deg(fields["cog"])
    if course_deg is Refusal.MALFORMED or not is_on_earth(latitude_deg, longitude_deg):
        return Refusal.MALFORMED
    has_position = fix_class is not FixClass.NONE or (latitude_deg, longitude_deg) != (0.0, 0.0)
    has_fix = fix_class is not FixClass.NONE
    is_unix_time = UNIX_US_MIN <= fields["time_usec"] < UNIX_US_MAX
    utc_ns = UtcNs(fields["time_usec"] * 1000) if is_unix_time else None
    return GnssFix(
        utc_ns=utc_ns,
        time_of_day_ns=None if utc_ns is None else utc_ns % DAY_NS,
        latitude_deg=latitude_deg if has_position else None,
        longitude_deg=longitude_deg if has_position else None,
        altitude_m=fields["alt"] / 1000.0 if has_fix and fix_type != dialect.GPS_FIX_TYPE_2D_FIX else None,
        fix_class=fix_class,
        horizontal_error_95_m=radius_95_from_sigma(fields["h_acc"] / 1000.0),
        speed_m_s=fields["vel"] / 100.0 if has_fix and fields["vel"] != UNKNOWN_U16 else None,
        course_deg=course_deg if has_fix else None,
        heading_deg=None,
        heading_error_95_deg=None,
        correction_age_s=None,
        reference_station=None,
    )


def _direction_deg(centidegrees: int) -> Any:
    """Degrees, None for "not known", or the refusal of a value beyond a turn."""
    if centidegrees == UNKNOWN_U16:
        return None
    if centidegrees > 36_000:
        return Refusal.MALFORMED
    return centidegrees % 36_000 / 100.0


_DECODERS = {
    dialect.MAVLINK_MSG_ID_HEARTBEAT: _decode_heartbeat,
    dialect.MAVLINK_MSG_ID_ATTITUDE: _decode_attitude,
    dialect.MAVLINK_MSG_ID_GLOBAL_POSITION_INT: _decode_global_position,
    dialect.MAVLINK_MSG_ID_GPS_RAW_INT: _decode_gps_raw,
}


class MavlinkEncoder:
    """
    Writes the four records as MAVLink 2 frames of one component, numbered in sequence.

    A simulator's side of the link: the library composes each frame, so that reading meets an independent writer.
    """

    def __init__(self, system_id: int, component_id: int) -> None:
        self._link = dialect.MAVLink(None, srcSystem=system_id, srcComponent=component_id)

    def encode(self, record: AutopilotHeartbeat | Attitude | AutopilotPosition | GnssFix) -> bytes:
        """One frame. Of a fix the class, position, time, error, speed and course fit in; the rest is lost."""
        if isinstance(record, GnssFix):
            message = _encode_gps_raw(record)
        else:
            assert record.system_id == self._link.srcSystem, record.system_id
            message = _encode_state(record)
        return _pack(self._link, message)


class CompanionEncoder:
    """
    Writes what may be said to the autopilot of one system, as a companion computer of it, in MAVLink 2.

    The id of the vehicle with component 191: what ground stations and autopilots take for part of the vehicle. Of
    commands there is one, MAV_CMD_SET_MESSAGE_INTERVAL; nothing here can write another (P7).
    """

    def __init__(self, system_id: int) -> None:
        self._link = dialect.MAVLink(None, system_id, dialect.MAV_COMP_ID_ONBOARD_COMPUTER)

    def encode(self, record: Record) -> bytes:
        """One frame of one of `AutopilotBound`; any other record is a mistake of the caller's."""
        assert isinstance(record, CompanionHeartbeat | MessageIntervalRequest | AlertText), type(record).__name__
        assert record.system_id == self._link.srcSystem, record.system_id
        return _pack(self._link, _encode_companion(record))


def _encode_companion(record: CompanionHeartbeat | MessageIntervalRequest | AlertText) -> Any:
    if isinstance(record, CompanionHeartbeat):
        kind, no_autopilot = dialect.MAV_TYPE_ONBOARD_CONTROLLER, dialect.MAV_AUTOPILOT_INVALID
        return dialect.MAVLink_heartbeat_message(kind, no_autopilot, 0, 0, dialect.MAV_STATE_ACTIVE, 3)
    if isinstance(record, AlertText):
        return dialect.MAVLink_statustext_message(dialect.MAV_SEVERITY_ALERT, record.text.encode("ascii"))
    target = record.system_id, dialect.MAV_COMP_ID_AUTOPILOT1
    return dialect.MAVLink_command_long_message(
        *target, dialect.MAV_CMD_SET_MESSAGE_INTERVAL, 0, record.message, record.interval_us, 0, 0, 0, 0, 0
    )


def _pack(link: Any, message: Any) -> bytes:
    frame = bytes(message.pack(link))
    link.seq = (link.seq + 1) % 256
    return frame


def _encode_state(record: AutopilotHeartbeat | Attitude | AutopilotPosition) -> Any:
    if isinstance(record, AutopilotHeartbeat):
        return dialect.MAVLink_heartbeat_message(
            record.vehicle_type, record.autopilot, record.base_mode, 0, record.system_status, 3
        )
    time_boot_ms = record.device_time_ns // NS_PER_MS & 0xFFFFFFFF
    if isinstance(record, Attitude):
        return dialect.MAVLink_attitude_message(
            time_boot_ms, record.roll_rad, record.pitch_rad, record.yaw_rad, 0.0, 0.0, 0.0
        )
    return dialect.MAVLink_global_position_int_message(
        *[time_boot_ms, round(record.latitude_deg * 1e7), round(record.longitude_deg * 1e7)],
        *[round(record.altitude_m * 1000), 0, 0, 0, 0, _centidegrees(record.heading_deg)],
    )


def _encode_gps_raw(fix: GnssFix) -> Any:
    assert fix.fix_class is not FixClass.SIMULATED, "MAVLink cannot mark a fix as simulated"
    fix_type = _FIX_TYPE_OF_CLASS[fix.fix_class]
    if fix.altitude_m is None and fix_type != dialect.GPS_FIX_TYPE_NO_FIX:
        fix_type = dialect.GPS_FIX_TYPE_2D_FIX  # the one fix without an altitude; it promises less than the class did
    if fix.latitude_deg is None or fix.longitude_deg is None:
        fix_type = dialect.GPS_FIX_TYPE_NO_FIX
    speed = UNKNOWN_U16 if fix.speed_m_s is None else min(round(fix.speed_m_s * 100), UNKNOWN_U16)
    error_m = fix.horizontal_error_95_m
    sigma_mm = 0 if error_m is None else min(math.ceil(sigma_from_radius_95(error_m) * 1000), 0xFFFFFFFF)
    return dialect.MAVLink_gps_raw_int_message(
        *[0 if fix.utc_ns is None else fix.utc_ns // 1000, fix_type],
        *[round((fix.latitude_deg or 0.0) * 1e7), round((fix.longitude_deg or 0.0) * 1e7)],
        *[round((fix.altitude_m or 0.0) * 1000), UNKNOWN_U16, UNKNOWN_U16, speed],
        *[_centidegrees(fix.course_deg), 255, 0, sigma_mm, 0, 0, 0, 0],
    )


def _centidegrees(direction_deg: float | None) -> int:
    return UNKNOWN_U16 if direction_deg is None else round(direction_deg * 100) % 36_000
