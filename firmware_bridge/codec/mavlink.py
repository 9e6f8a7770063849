"""
MAVLink 1 and 2 of one autopilot: HEARTBEAT, ATTITUDE, GLOBAL_POSITION_INT, GPS_RAW_INT, EKF_STATUS_REPORT and
ESTIMATOR_STATUS, to and from records.

Message layouts, ids and CRC seeds are those of the generated dialect; frames are split and checked by
`mavlink_frames`, because the library's stream parser keeps what it could not read without limit and passes messages
whose id it does not know without looking at their checksum. Signatures are not seen here: see `mavlink_signing`.

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
from collections.abc import Callable
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
from firmware_bridge.codec.mavlink_frames import HEADER_BYTES_1, HEADER_BYTES_2, MARKER_1, MavlinkFramer, message_id
from firmware_bridge.records import (
    Attitude,
    AutopilotHeartbeat,
    AutopilotPosition,
    EstimatorStatus,
    FixClass,
    GnssFix,
    LinkStats,
    Record,
    UtcNs,
)

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

_SEEDS = {number: message.crc_extra for number, message in dialect.mavlink_map.items()}

_Fields = dict[str, Any]


def mavlink_crc(data: bytes) -> int:
    """CRC-16/MCRF4XX over a frame without its marker, followed by the message's seed (mavlink.io, CRC_EXTRA)."""
    crc: int = dialect.x25crc(data).crc
    return crc


def frame_crc(body: bytes) -> int:
    """The checksum of a frame whose header and payload are `body`, of a message that the dialect knows."""
    return mavlink_crc(body[1:] + bytes((_SEEDS[message_id(body, 0)],)))


def make_framer(is_taken: Callable[[bytes], bool] = lambda _: True) -> MavlinkFramer:
    """A framer of the dialect's messages; `is_taken` as `MavlinkFramer` has it."""
    return MavlinkFramer(_SEEDS, mavlink_crc, is_taken)


class MavlinkDecoder:
    """
    Decodes one link's stream.

    system_id : the autopilot's; good frames of any other system are counted as unknown. None takes all.
    """

    def __init__(self, system_id: int | None) -> None:
        self._system_id = system_id
        self._framer = make_framer()
        self._records = 0
        self._malformed = 0
        self._unknown = 0

    @property
    def stats(self) -> LinkStats:
        """The link's counters as one snapshot."""
        return LinkStats(
            bytes=self._framer.bytes,
            frames=self._framer.frames,
            records=self._records,
            bad_checksum=self._framer.bad_checksum,
            malformed=self._malformed,
            unknown=self._unknown,
            bytes_skipped=self._framer.bytes_skipped,
        )

    def feed(self, data: bytes) -> list[Record]:
        """The records that `data` completes."""
        return [record for frame in self._framer.feed(data) for record in self._decode(frame)]

    def finish(self) -> list[Record]:
        """The records inside what was held back: no more bytes will come, so an unfinished frame was a false header."""
        return [record for frame in self._framer.finish() for record in self._decode(frame)]

    def _decode(self, frame: bytes) -> list[Record]:
        """The record of a good frame, as a list of one, or the count of why there is none."""
        header = HEADER_BYTES_1 if frame[0] == MARKER_1 else HEADER_BYTES_2
        system_id = frame[3] if header == HEADER_BYTES_1 else frame[5]
        number = message_id(frame, 0)
        decode = _DECODERS.get(number)
        if decode is None or self._system_id not in (None, system_id):
            self._unknown += 1
            return []
        record = decode(system_id, _fields(number, frame[header : header + frame[1]]))
        if record is Refusal.UNKNOWN:
            self._unknown += 1
            return []
        if record is Refusal.MALFORMED:
            self._malformed += 1
            return []
        self._records += 1
        return [record]


def _fields(number: int, payload: bytes) -> _Fields:
    """Fields by name. MAVLink 2 cuts trailing zeros off and may append fields that this dialect does not know."""
    message = dialect.mavlink_map[number]
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


def _decode_ekf_status(system_id: int, fields: _Fields) -> Record | Refusal:
    flags = fields["flags"]
    is_good = bool(flags & dialect.EKF_ATTITUDE) and not flags & dialect.EKF_UNINITIALIZED
    return EstimatorStatus(system_id=system_id, is_attitude_good=is_good)


def _decode_estimator_status(system_id: int, fields: _Fields) -> Record | Refusal:
    flags = fields["flags"]
    is_good = bool(flags & dialect.ESTIMATOR_ATTITUDE) and not flags & dialect.ESTIMATOR_ACCEL_ERROR
    return EstimatorStatus(system_id=system_id, is_attitude_good=is_good)


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
    dialect.MAVLINK_MSG_ID_EKF_STATUS_REPORT: _decode_ekf_status,
    dialect.MAVLINK_MSG_ID_ESTIMATOR_STATUS: _decode_estimator_status,
}


class MavlinkEncoder:
    """
    Writes the five records as MAVLink 2 frames of one component, numbered in sequence.

    A simulator's side of the link: the library composes each frame, so that reading meets an independent writer.
    """

    def __init__(self, system_id: int, component_id: int) -> None:
        self._link = dialect.MAVLink(None, srcSystem=system_id, srcComponent=component_id)

    def encode(self, record: AutopilotHeartbeat | Attitude | AutopilotPosition | EstimatorStatus | GnssFix) -> bytes:
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


def _encode_state(record: AutopilotHeartbeat | Attitude | AutopilotPosition | EstimatorStatus) -> Any:
    if isinstance(record, AutopilotHeartbeat):
        return dialect.MAVLink_heartbeat_message(
            record.vehicle_type, record.autopilot, record.base_mode, 0, record.system_status, 3
        )
    if isinstance(record, EstimatorStatus):
        flags = dialect.EKF_VELOCITY_HORIZ | (dialect.EKF_ATTITUDE if record.is_attitude_good else 0)
        return dialect.MAVLink_ekf_status_report_message(flags, 0.0, 0.0, 0.0, 0.0, 0.0)
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
