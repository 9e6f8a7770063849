"""Compression of what is stored; hashes are always over what it was before."""

import zstandard

from firmware_bridge.errors import StoreError

LEVEL = 1  # a tenth of a millisecond a tile; higher levels save little on runs of equal cells


def compress(content: bytes) -> bytes:
    """As one zstd frame that carries its size."""
    return zstandard.ZstdCompressor(level=LEVEL).compress(content)


def decompress(stored: bytes, size_max: int) -> bytes:
    """Inverse of `compress`; raises `StoreError` for damage or more than `size_max` bytes."""
    try:
        size = zstandard.frame_content_size(stored)
        if not 0 <= size <= size_max:
            raise StoreError(f"compressed content claims {size} bytes; at most {size_max} were expected")
        return zstandard.ZstdDecompressor().decompress(stored)
    except zstandard.ZstdError as error:
        raise StoreError(f"compressed content is damaged: {error}") from error
