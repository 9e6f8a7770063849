"""UTC as text."""

import datetime

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def utc_text(utc_ns: int) -> str:
    """ISO 8601 with microseconds: `2026-03-01T08:15:00.123456Z`."""
    moment = _EPOCH + datetime.timedelta(microseconds=utc_ns // 1000)
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
