"""A file's header and values, or what keeps them from being read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dvpt_monai import formats
from dvpt_monai.errors import DataError
from dvpt_monai.formats.nifti import DamagedStream
from dvpt_monai.verify.finding import Finding, Kind
from dvpt_monai.verify.reading import Scan, read, scan_of
from dvpt_monai.verify.stored import Header, stored

__all__ = ["MISSING", "UNREADABLE", "Content", "opened"]

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


REFUSED = Kind(
    "refused", "files", "Refused when it is loaded",
    why="training and prediction end at this file",
    remedy="do what the line above says, or move its case away",
)  # fmt: skip


@dataclass(frozen=True)
class Content:
    """What a file holds.

    Args:
        header: how it is stored.
        scan: its values, and where they lie.
        refusal: of training and prediction, which do not take the file; ``None`` where they do.
    """

    header: Header
    scan: Scan
    refusal: Finding | None = None


def opened(path: Path, segments: Sequence[str] = ()) -> Content | Finding:
    """A file's header and its values, or what keeps them from being read.

    It is read as training and prediction read it. What they refuse is looked at a second time, with less severity, for
    what exactly is wrong. Segments number the structures of a mask that names them; each is a channel of its own there.
    """
    if not path.exists():
        return MISSING.at(path, "no such file")
    if path.is_file() and not path.stat().st_size:
        return UNREADABLE.at(path, "an empty file of 0 bytes")
    try:
        scan = scan_of(formats.read(path, structures=segments or None, overlapping=True))
        return Content(stored(path, scan.array), scan)
    except DataError as refusal:
        return _second_look(path, refusal)


def _second_look(path: Path, refusal: DataError) -> Content | Finding:
    reason = _reason(refusal, path)
    if not path.is_file() or formats.format_of(path) not in ("nifti", "photograph"):
        return UNREADABLE.at(path, reason)
    try:
        scan = read(path)
        return Content(stored(path, scan.array), scan, REFUSED.at(path, reason))
    except DamagedStream as error:
        return CORRUPT.at(path, _reason(error, path))
    except DataError as error:
        return UNREADABLE.at(path, _reason(error, path))


def _reason(error: DataError, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ").replace(f"image file '{path}'", "it").replace(f"'{path}'", "this file")
