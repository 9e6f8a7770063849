"""
How fast the machine may go: by its profile, by how often it samples, and by how soon it stops.

The coils lead the first wheel, track or foot that touches the ground by so many metres. Whoever drives must come to a
stand within them after an alarm: what the coils found lies before that wheel, not under it.
"""

import math

import msgspec

from controller.core.site import Metric, Profile, Vehicle


class SpeedAdvice(msgspec.Struct, frozen=True, kw_only=True):
    """The speed to stay below, and what sets it: `profile`, `sample_rate` or `stopping_distance`."""

    limit_m_s: float
    by: str


def stopping_distance_m(speed_m_s: float, vehicle: Vehicle, alarm_s: float) -> float | None:
    """
    From the instant a coil is over an item until the machine stands: v t + v^2 / 2a; None where it was not measured.

    alarm_s : how long the head takes to raise the alarm
    """
    if vehicle.stop_delay_s is None or vehicle.braking_m_s2 is None:
        return None
    return speed_m_s * (vehicle.stop_delay_s + alarm_s) + speed_m_s**2 / (2.0 * vehicle.braking_m_s2)


def lead_m(coil_x_m: float, vehicle: Vehicle) -> float | None:
    """How far a coil is ahead of the first contact with the ground; None where that is unknown, or behind it."""
    if not vehicle.contacts_m:
        return None
    lead = coil_x_m - max(x for x, _ in vehicle.contacts_m)
    return lead if lead > 0.0 else None


def stopping_share(speed_m_s: float, lead: float | None, vehicle: Vehicle, alarm_s: float) -> float | None:
    """The stopping distance as a share of the coils' lead; None where either is unknown."""
    distance = stopping_distance_m(speed_m_s, vehicle, alarm_s)
    return None if distance is None or lead is None else distance / lead


def alarm_s(profile: Profile, rate_hz: float) -> float:
    """From a coil's first sample over an item to its alarm, and the sample before it that was just too early."""
    return profile.alarm_samples / rate_hz


def speed_advice(profile: Profile, vehicle: Vehicle, heads: tuple[tuple[float, float | None], ...]) -> SpeedAdvice:
    """
    The smallest of the limits that are known.

    heads : of each head its sample rate in Hz, and the lead of its hindmost coil as from `lead_m`
    """
    found = [SpeedAdvice(limit_m_s=profile.limit(Metric.SPEED), by="profile")]
    share = profile.advised(Metric.STOPPING)
    for rate_hz, lead in heads:
        found.append(SpeedAdvice(limit_m_s=profile.limit(Metric.SAMPLE_SPACING) * rate_hz, by="sample_rate"))
        delay, braking = vehicle.stop_delay_s, vehicle.braking_m_s2
        if share is not None and lead is not None and delay is not None and braking is not None:
            late = braking * (delay + alarm_s(profile, rate_hz))
            limit = math.sqrt(late**2 + 2.0 * braking * lead * share) - late
            found.append(SpeedAdvice(limit_m_s=limit, by="stopping_distance"))
    return min(found, key=lambda advice: advice.limit_m_s)
