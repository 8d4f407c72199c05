"""Structures that masks name themselves: 3D Slicer's segmentations and DICOM SEG."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dvpt_monai import formats
from dvpt_monai.errors import DataError, did_you_mean
from dvpt_monai.layouts.listing import Listing, Note

__all__ = ["with_segments"]


def with_segments(listing: Listing) -> Listing:
    """The listing with the names that its masks have, numbered in the order in which they come; others as they are.

    Raises:
        DataError: only some of the masks have names, or one of them cannot be read.
    """
    masks = [case.label for case in listing.cases if isinstance(case.label, Path)]
    named = [path for path in masks if formats.format_of(path) in ("segmentation", "dicom-seg")]
    if not named:
        return listing
    if len(named) < len(masks):
        other = next(path for path in masks if path not in named)
        raise DataError(f"{other}: names no segments, as {named[0].name} does; save all masks in one format")
    of_file = {path: _names(path) for path in named}
    names = list(dict.fromkeys(name for found in of_file.values() for name in found))
    notes = [*listing.notes, Note(f"the masks name their segments: {', '.join(names)}"), *_spellings(of_file, names)]
    numbered = {0: "background", **dict(enumerate(names, 1))}
    own: dict[str, tuple[int, ...]] = {}
    if any(map(_overlap, named)):  # each is a region of its own number
        own = {name: (number,) for number, name in enumerate(names, 1)}
    return replace(
        listing, names=numbered, segments=tuple(names), notes=tuple(notes),
        regions=own, order=tuple(range(1, len(own) + 1)),
    )  # fmt: skip


def _spellings(of_file: dict[Path, list[str]], names: list[str]) -> list[Note]:
    """Names that are alike and of which no mask has both: one structure may have two.

    Raises:
        DataError: two names differ in capitals, blanks and marks alone.
    """
    first = {name: next(path for path, found in of_file.items() if name in found) for name in names}
    sets, notes = [{*found} for found in of_file.values()], []
    for place, name in enumerate(names):
        for other in names[:place]:
            if any({name, other} <= found for found in sets):
                continue
            text = f"{name!r} in {first[name].name} and {other!r} in {first[other].name}"
            if _plain(name) == _plain(other):
                raise DataError(f"{first[name]}: {text} are one structure in two spellings; rename one of them")
            if did_you_mean(name, [other]):
                notes.append(Note(f"no mask has both {text}: is it one structure in two spellings?", warning=True))
    return notes


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _overlap(path: Path) -> bool:
    """Whether segments of a mask share a voxel; a damaged one tells nothing, and is named when it is verified."""
    if formats.format_of(path) == "segmentation" and not formats.has_layers(path):
        return False
    try:
        return formats.read_segmentation(path).overlapping
    except DataError:
        return False


def _names(path: Path) -> list[str]:
    if formats.format_of(path) == "segmentation":
        return formats.segment_names(path)
    return list(formats.read_segmentation(path).masks)
