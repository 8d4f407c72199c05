"""Compressed bytes, read to the checksum at the end of every stream."""

from __future__ import annotations

import zlib
from pathlib import Path

from dvpt_monai.errors import DataError

__all__ = ["DamagedStream", "unpacked"]

_GZIP = 31
"""zlib's word for a window of 32 kB inside gzip's header and trailer, both of which it checks."""
_PIECE = 1 << 24
_PLAIN = {
    "incorrect data check": "its checksum does not match",
    "incorrect length check": "its length does not match",
    "incorrect header check": "not compressed, whatever its name says",
}


class DamagedStream(DataError):
    """A gzip file whose bytes are not those that were written."""


def unpacked(path: Path) -> bytes:
    """The content of a gzip file, of all its members, each checked by its CRC and its length.

    Readers of images stop once they have their voxels, which is before the checksum.

    Raises:
        DamagedStream: it is cut off, its checksum does not match, or something else follows; names the file.
    """
    packed = path.read_bytes()
    pieces = []
    rest = packed
    while rest:
        stream = zlib.decompressobj(_GZIP)
        try:
            pieces.append(stream.decompress(rest, _PIECE))
            while not stream.eof and stream.unconsumed_tail:
                pieces.append(stream.decompress(stream.unconsumed_tail, _PIECE))
        except zlib.error as error:
            reason = str(error).rpartition(": ")[2]
            offset = len(packed) - len(rest)
            place = f"in the member at byte {offset}: " if offset else ""
            raise DamagedStream(f"{path}: {place}{_PLAIN.get(reason, f'nonsense inside ({reason})')}") from error
        if not stream.eof:
            raise DamagedStream(f"{path}: cut off after {len(packed):,} bytes")
        rest = stream.unused_data.lstrip(b"\0")
    return b"".join(pieces)
