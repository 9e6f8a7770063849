"""
TOML text as checked records, with errors that name section, key and what is allowed.
"""

import difflib
import re
from typing import Any, TypeVar

import msgspec

from firmware_bridge.errors import ConfigError

_T = TypeVar("_T")


def decode_toml(text: str, kind: type[_T], source: str) -> _T:
    """TOML text as a checked record; raises `ConfigError` that names section, key and what is allowed."""
    try:
        return msgspec.toml.decode(text, type=kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {_explain(error, kind)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: not valid TOML: {error}") from error


def _explain(error: msgspec.ValidationError, kind: Any) -> str:
    """A validation error with its place as a person would write it: `[link 2] latency_ms`."""
    text, _, path = str(error).partition(" - at `$")
    place = _place(path.rstrip("`"))
    unknown = re.search(r"unknown field `(.+)`", text)
    if unknown:
        key = unknown.group(1)
        known = sorted(_field_names(kind))
        close = difflib.get_close_matches(key, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"{place}: unknown key {key!r}{hint}"
    return f"{place}: {text[:1].lower()}{text[1:]}"


def _place(path: str) -> str:
    """`.link[1].latency_ms` -> `[link 2] latency_ms`."""
    parts = [re.sub(r"\[(\d+)\]", lambda m: f" {int(m.group(1)) + 1}", part) for part in path.split(".") if part]
    if not parts:
        return "top level"
    if len(parts) == 1:
        return parts[0] if " " not in parts[0] else f"[{parts[0]}]"
    return f"[{'.'.join(parts[:-1])}] {parts[-1]}"


def _field_names(kind: Any) -> set[str]:
    """All keys that may stand anywhere in a record type: what a misspelt one is compared with."""
    names: set[str] = set()
    pending = [msgspec.inspect.type_info(kind)]
    while pending:
        info = pending.pop()
        if isinstance(info, msgspec.inspect.StructType):
            for field in info.fields:
                names.add(field.encode_name)
                pending.append(field.type)
        elif isinstance(info, msgspec.inspect.UnionType):
            pending.extend(info.types)
        elif isinstance(info, msgspec.inspect.VarTupleType):
            pending.append(info.item_type)
    return names
