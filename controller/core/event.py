"""
What every ledger event carries: the `kind` tag names its record there.
"""

import msgspec

from firmware_bridge.records import MonoNs, UtcNs


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Something that goes into the ledger. `mono_ns`: when the core decided it."""

    mono_ns: MonoNs
    utc_ns: UtcNs | None
