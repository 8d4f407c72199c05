"""A file's header and values, or what keeps them from being read."""

from __future__ import annotations

from pathlib import Path

from dvpt_monai.errors import DataError
from dvpt_monai.verify.finding import Finding, Kind
from dvpt_monai.verify.reading import Scan, read
from dvpt_monai.verify.stored import Photograph, Volume, stored
from dvpt_monai.verify.stream import DamagedStream

__all__ = ["MISSING", "opened"]

MISSING = Kind(
    "missing", "files", "Listed, but not there",
    why="training stops at the case, or at its start",
    remedy="fetch the file, correct its path, or delete its entry",
)  # fmt: skip
CORRUPT = Kind(
    "corrupt", "files", "Compressed data are damaged",
    why="most readers stop before the checksum and give altered voxels without an error",
    remedy="fetch the file again from where it came",
)  # fmt: skip
UNREADABLE = Kind(
    "unreadable", "files", "Cannot be read",
    why="training and prediction end at this file",
    remedy="fetch the file again, or move its case away",
)  # fmt: skip


def opened(path: Path) -> tuple[Photograph | Volume, Scan] | Finding:
    """A file's header and its values, or what keeps them from being read."""
    if not path.is_file():
        return MISSING.at(path, "no such file")
    if not path.stat().st_size:
        return UNREADABLE.at(path, "an empty file of 0 bytes")
    try:
        scan = read(path)
        return stored(path), scan
    except DamagedStream as error:
        return CORRUPT.at(path, _reason(error, path))
    except DataError as error:
        return UNREADABLE.at(path, _reason(error, path))


def _reason(error: DataError, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ").replace(f"'{path}'", "this file")
