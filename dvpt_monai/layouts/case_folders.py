"""A folder for each case with its image and its mask, as KiTS and BraTS have them; modalities become channels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dvpt_monai.errors import DataError
from dvpt_monai.formats import MASK_TAILS
from dvpt_monai.layouts.files import folders_in, images_in, stem_of
from dvpt_monai.layouts.listing import Case, Listing, Lost, Note, part_of

__all__ = ["find"]

MASKS = {*MASK_TAILS, "annotation", "groundtruth", "manual"}
USUAL = 0.5
"""The share of all cases that must have a file of a name for it to be a part of every case."""


def find(folder: Path, lost: list[Lost] | None = None) -> Listing | None:
    """The cases of a folder of such folders, perhaps in parts; ``None`` if it is laid out otherwise.

    Raises:
        DataError: a case lacks an image or a mask that others have.
    """
    parts = [inside for inside in folders_in(folder) if part_of(inside.name)]
    places = [(inside, part_of(part.name)) for part in parts for inside in folders_in(part)] or [
        (inside, "") for inside in folders_in(folder)
    ]
    found = {place: _by_role(place) for place, _ in places}
    found = {place: files for place, files in found.items() if files}
    counts = Counter(role for files in found.values() for role in files)
    usual = [role for role, count in sorted(counts.items()) if count > USUAL * len(found)]
    masks, images = [role for role in usual if role in MASKS], [role for role in usual if role not in MASKS]
    if len(found) < 2 or len(masks) != 1 or not images:
        return None
    cases: list[Case] = []
    wrong: list[Lost] = []
    for place, part in places:
        if not (files := found.get(place)):
            continue
        paths = [files[role] for role in usual if role in files]
        lacking = [role for role in usual if role not in files]
        if lacking:
            wrong.append(Lost(paths[0] if paths else place, f"its case has no {lacking[0]}", tuple(paths[1:])))
            continue
        image, *channels = (files[role] for role in images)
        cases.append(Case(image, files[masks[0]], part, channels=tuple(channels)))
    if wrong and lost is None:
        raise DataError(f"{wrong[0].file}: {wrong[0].reason}, as the others have; add it, or move the case away")
    if lost is not None:
        lost += wrong
    words = f"channels {', '.join(images)}" if len(images) > 1 else f"image {images[0]}"
    note = Note(f"a folder is a case: its {words}, its mask {masks[0]}", "--layout")
    return Listing(
        "a folder per case",
        folder,
        tuple(cases),
        notes=(note,),
        channels=tuple(images),
        endings=tuple(images[1:] and images),
    )


def _by_role(place: Path) -> dict[str, Path]:
    """The images of a case by what is left of their names without that of the case."""
    files = images_in(place)
    roles = {}
    for path in files:
        stem = path.name if path.is_dir() else stem_of(path)
        bare = stem[len(place.name) :] if stem.lower().startswith(place.name.lower()) else stem
        roles[bare.strip("_-. ").lower() or "image"] = path
    return roles if len(roles) == len(files) else {}
