"""What lies in the folder of the data and is no part of any case, by the reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from dvpt_monai.formats import files_below, format_of
from dvpt_monai.layouts.files import FOREIGN, is_image, is_series
from dvpt_monai.layouts.listing import Listing, Lost

__all__ = ["left_out"]

RAW = (".raw", ".zraw", ".img")
"""The values of what another file is the header of."""


def left_out(listing: Listing, lost: Sequence[Lost] = ()) -> dict[str, list[Path]]:
    """The files below the folder of the data that are left out, by the reason.

    Args:
        listing: the cases that are used.
        lost: those that could not be.
    """
    used = {file for case in listing.cases for file in case.files} | {*listing.sources}
    reasons: dict[str, list[Path]] = {}
    for one in lost:
        reasons.setdefault(re.sub(r"^line \d+ of ", "", one.reason), []).append(one.file)
        if one.others:
            reasons.setdefault("the rest of their case cannot be used", []).extend(one.others)
    known = used | {file for files in reasons.values() for file in files}
    for path in files_below(listing.root):
        if path in known or (path.parent in known and format_of(path) == "dicom"):
            continue
        reason = _reason(path)
        file = path.parent if reason == UNLISTED and is_series(path.parent) else path
        if reason:
            reasons.setdefault(reason, []).append(file)
            known.add(file)
    return reasons


UNLISTED = "no case lists it"


def _reason(path: Path) -> str:
    suffix = path.suffix.lower()
    if path.name.startswith("."):
        return "hidden files"
    if is_image(path):
        return UNLISTED
    if suffix in FOREIGN:
        return f"{suffix}: {FOREIGN[suffix]}"
    if suffix in RAW or path.name.upper() == "DICOMDIR":
        return ""
    return f"no image ({suffix or 'without a suffix'})"
