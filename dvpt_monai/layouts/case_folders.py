"""A folder for each case with its image and its mask, as KiTS and BraTS have them; modalities become channels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dvpt_monai.errors import DataError
from dvpt_monai.formats import MASK_FOLDERS, MASK_TAILS, image_name, names_structures
from dvpt_monai.layouts.files import folders_in, images_below, images_in, stem_of
from dvpt_monai.layouts.listing import Case, Listing, Lost, Note, part_of

__all__ = ["find"]

MASKS = {*MASK_TAILS, "annotation", "groundtruth", "manual"}
USUAL = 0.5
"""The share of all cases that must have a file of a name for it to be a part of every case."""

Roles = dict[str, Path]


def find(folder: Path, lost: list[Lost] | None = None) -> Listing | None:
    """The cases of a folder of such folders, perhaps in parts; ``None`` if it is laid out otherwise.

    What a file is tells its name, which the same file of other cases has, too, or the format of segmentations; or else
    that a case has one image and one mask. Folders in those of the cases count where nothing is found without them.

    Raises:
        DataError: a case lacks an image or a mask that others have, or all have several masks.
    """
    parts = [inside for inside in folders_in(folder) if part_of(inside.name)]
    places = [(inside, part_of(part.name)) for part in parts for inside in folders_in(part)] or [
        (inside, "") for inside in folders_in(folder)
    ]
    for listed in (images_in, images_below):
        for roles_of in (_by_name, _by_kind):
            found = {place: roles_of(place, listed(place)) for place, _ in places}
            listing = _listing(folder, places, {place: roles for place, roles in found.items() if roles}, lost)
            if listing is not None:
                return listing
    return None


def _listing(
    folder: Path, places: list[tuple[Path, str]], found: dict[Path, Roles], lost: list[Lost] | None
) -> Listing | None:
    counts = Counter(role for files in found.values() for role in files)
    usual = [role for role, count in sorted(counts.items()) if count > USUAL * len(found)]
    masks = [role for role in usual if any(_is_mask(role, files[role]) for files in found.values() if role in files)]
    images = [role for role in usual if role not in masks]
    if len(found) < 2 or not masks or not images or (len(masks) > 1 and len(images) > 1):
        return None
    if len(masks) > 1:
        files = next(files for files in found.values() if set(masks) <= files.keys())
        raise DataError(
            f"{files[masks[0]]} and {files[masks[1]]} are both masks of one case; merge them into one file with a "
            "value or a segment for each structure, or move one away in all cases"
        )
    cases: list[Case] = []
    wrong: list[Lost] = []
    for place, part in places:
        if not (files := found.get(place, {})):
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


def _by_name(place: Path, files: list[Path]) -> Roles:
    """The images of a case by what is left of their names without that of the case."""
    roles = {}
    for path in files:
        name = "" if path == place else path.name if path.is_dir() else stem_of(path)
        bare = name[len(place.name) :] if name.lower().startswith(place.name.lower()) else name
        within = [] if path == place else path.parent.relative_to(place).parts
        roles["/".join((*within, bare.strip("_-. "))).lower().strip("/") or "image"] = path
    return roles if len(roles) == len(files) else {}


def _by_kind(place: Path, files: list[Path]) -> Roles:
    """The only image of a case and its only mask, whatever they are called."""
    masks = [path for path in files if _is_mask(_within(place, path), path)]
    images = [path for path in files if path not in masks]
    return {"image": images[0], "mask": masks[0]} if len(images) == len(masks) == 1 else {}


def _within(place: Path, path: Path) -> str:
    return (path.parent.relative_to(place) / stem_of(path)).as_posix() if path != place else ""


def _is_mask(role: str, path: Path) -> bool:
    *within, name = role.lower().split("/")
    named = name in MASKS or image_name(name) != name or any(place in MASK_FOLDERS for place in within)
    return named or names_structures(path)
