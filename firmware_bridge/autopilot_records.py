"""
What may be sent to an autopilot, as records: a sign of life, a wish for messages, a line of text.

The list is closed: none of these moves anything (P7), and there is no record for a message that could.
"""

import enum

from firmware_bridge.records import Record


class AutopilotMessage(enum.IntEnum):
    """The messages of an autopilot that may be asked for, by their MAVLink ids."""

    GPS_RAW_INT = 24
    ATTITUDE = 30
    EKF_STATUS_REPORT = 193


class CompanionHeartbeat(Record, frozen=True, kw_only=True, tag="companion_heartbeat"):
    """The controller is here, a companion computer of the vehicle `system_id`; said once a second."""

    system_id: int


class MessageIntervalRequest(Record, frozen=True, kw_only=True, tag="message_interval_request"):
    """To the autopilot of `system_id`: send this message once every `interval_us`."""

    system_id: int
    message: AutopilotMessage
    interval_us: int


class AlertText(Record, frozen=True, kw_only=True, tag="alert_text"):
    """STATUSTEXT of severity ALERT to whoever reads the vehicle's link; ASCII, at most 50 characters."""

    system_id: int
    text: str


AutopilotBound = CompanionHeartbeat | MessageIntervalRequest | AlertText
