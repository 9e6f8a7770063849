"""`firmground decode`: a file of raw bytes as JSON Lines, one record each, the link's statistics last."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from controller.export.times import utc_text
from firmware_bridge.codec.decoders import PROTOCOLS, guess_protocol, make_decoder
from firmware_bridge.errors import CaptureError
from firmware_bridge.records import Record, as_plain

READ_BYTES = 65_536


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--link", "protocol", type=click.Choice([p for p in PROTOCOLS if p != "line"]), help="What speaks.")
@click.option("--json", "as_json", is_flag=True, help="Accepted for symmetry: the output is JSON Lines either way.")
def decode(file: Path, protocol: str | None, as_json: bool) -> None:
    """Decode a file of raw bytes; without --link the protocol is found by trying.

    Prints JSON Lines: each record with its type in `record`, and the link's statistics last.
    """
    for record in decode_file(file, protocol):
        click.echo(msgspec.json.encode(_with_utc(as_plain(record))).decode())


def _with_utc(plain: dict[str, Any]) -> dict[str, Any]:
    """A record that has an epoch also gets it as text, `utc`; null where no date is known."""
    if "utc_ns" not in plain:
        return plain
    utc_ns = plain.pop("utc_ns")
    text = None if utc_ns is None else utc_text(utc_ns)
    return {"record": plain.pop("record"), "utc": text, "utc_ns": utc_ns, **plain}


def decode_file(file: Path, protocol: str | None) -> Iterator[Record]:
    """The records of a file and its `LinkStats`; raises `CaptureError` where it cannot be read or recognised."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CaptureError(f"{file}: cannot be read: {error.strerror}") from error
    found = protocol or guess_protocol(data)
    if found is None:
        raise CaptureError(f"{file}: no protocol is recognised in it; name one with --link")
    decoder = make_decoder(found)
    for start in range(0, len(data), READ_BYTES):
        yield from decoder.feed(data[start : start + READ_BYTES])
    yield from decoder.finish()
    yield decoder.stats
