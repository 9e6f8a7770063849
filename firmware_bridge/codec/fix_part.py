"""What one GNSS message contributes to a fix, and the calendar that messages speak of."""

import enum
import math

import msgspec

from firmware_bridge.records import FixClass

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
DAY_NS = 86_400 * NS_PER_S
WEEK_MS = 7 * 86_400 * 1000

# GPS time is ahead of UTC by 18 s since 2017-01-01 (IERS Bulletin C 52; no later one has announced a change).
GPS_UTC_LEAP_S = 18
# 1980-01-06T00:00:00Z, the start of GPS week 0 (IS-GPS-200, 3.3.4), in days since 1970-01-01.
GPS_EPOCH_DAYS = 3657


class Refusal(enum.Enum):
    """Why a whole frame gave no part: a kind that is not read, or a field that is present but damaged."""

    UNKNOWN = "unknown"
    MALFORMED = "malformed"


# From the least that a class promises to the most; a simulated fix promises nothing and stands outside.
FROM_WORST = (
    FixClass.NONE,
    FixClass.DEAD_RECKONING,
    FixClass.SINGLE,
    FixClass.DGNSS,
    FixClass.FLOAT,
    FixClass.FIXED,
)


class AttitudePart(msgspec.Struct, frozen=True, kw_only=True):
    """What one message says about the vehicle's attitude; units and axes as in `GnssAttitude`."""

    heading_deg: float | None = None
    roll_deg: float | None = None
    pitch_deg: float | None = None
    heading_error_95_deg: float | None = None
    roll_error_95_deg: float | None = None
    pitch_error_95_deg: float | None = None


class FixPart(msgspec.Struct, frozen=True, kw_only=True):
    """
    What one message says about one epoch; `None` where it says nothing. Units and frames as in `GnssFix`.

    source            : the message's type without its talker, as "GGA" or "NAV-PVT"
    time_of_day_ns    : the epoch's UTC time of day, [0, 86400 s)
    itow_ms           : the epoch's GPS time of week; it differs from UTC by the leap seconds
    date_days         : the UTC date that belongs to time_of_day_ns, in days since 1970-01-01
    is_class_coarse   : the class comes from a field with no words for RTK in its older versions (RMC: A, D)
    is_altitude_held  : the altitude of this epoch was not found but assumed
    attitude          : roll and pitch, and a heading that is not that of two antennas
    position_step_deg : the wire format's resolution; of two positions of one epoch the finer is taken
    """

    source: str
    time_of_day_ns: int | None = None
    itow_ms: int | None = None
    date_days: int | None = None
    fix_class: FixClass | None = None
    is_class_coarse: bool = False
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    position_step_deg: float = math.inf
    altitude_m: float | None = None
    horizontal_error_95_m: float | None = None
    speed_m_s: float | None = None
    course_deg: float | None = None
    heading_deg: float | None = None
    heading_error_95_deg: float | None = None
    correction_age_s: float | None = None
    reference_station: str | None = None
    is_altitude_held: bool = False
    attitude: AttitudePart | None = None


def is_on_earth(latitude_deg: float, longitude_deg: float) -> bool:
    """True for a finite position within +-90 and +-180 degrees."""
    return -90.0 <= latitude_deg <= 90.0 and -180.0 <= longitude_deg <= 180.0


def days_from_date(year: int, month: int, day: int) -> int | None:
    """
    Days from 1970-01-01 to a date of the Gregorian calendar; None for a date that does not exist.

    Years 1970 to 9999. The count runs over years that begin in March, so that a leap day stands last.
    """
    if not (1970 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= 31):
        return None
    march_year = year - (month <= 2)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = march_year * 365 + march_year // 4 - march_year // 100 + march_year // 400 + day_of_year - 719_468
    return days if date_from_days(days) == (year, month, day) else None


def date_from_days(days: int) -> tuple[int, int, int]:
    """Year, month and day of the Gregorian calendar, the inverse of `days_from_date`."""
    era_days = days + 719_468  # since 0000-03-01
    era, day_of_era = divmod(era_days, 146_097)  # 400 years
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * march_month + 2) // 5 + 1
    month = (march_month + 2) % 12 + 1
    return era * 400 + year_of_era + (month <= 2), month, day
