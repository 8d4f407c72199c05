"""BIDS: images of subjects, and masks of them among the derivatives."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from dvpt_monai.errors import DataError
from dvpt_monai.formats import image_name
from dvpt_monai.layouts.files import folders_in, images_below, stem_of
from dvpt_monai.layouts.listing import Case, Listing, Lost

__all__ = ["find"]


def find(folder: Path, lost: list[Lost] | None = None) -> Listing | None:
    """The cases of a folder of ``sub-...`` with ``derivatives``; ``None`` if there are none.

    A mask belongs to the image whose whole name its own begins with (``sub-01_T1w_mask``), else to the only image of
    its subject and session.

    Raises:
        DataError: a mask could be of several images, or an image has several masks.
    """
    subjects = [inside for inside in folders_in(folder) if inside.name.startswith("sub-")]
    if not subjects or not (folder / "derivatives").is_dir():
        return None
    images: dict[str, list[Path]] = defaultdict(list)
    for subject in subjects:
        for path in images_below(subject):
            images[_scan(path)].append(path)
    masks = [path for path in images_below(folder / "derivatives") if image_name(stem_of(path)) != stem_of(path)]
    if not masks:
        return None
    answers: dict[Path, list[Path]] = defaultdict(list)
    wrong = []
    for mask in masks:
        of_subject = images[_scan(mask)]
        owners = [path for path in of_subject if stem_of(mask).startswith(stem_of(path) + "_")] or of_subject
        if len(owners) > 1:
            names = " or ".join(path.name for path in owners[:2])
            raise DataError(f"{mask}: is it of {names}? Name it after its image, or list the pairs in a table")
        if owners:
            answers[owners[0]].append(mask)
        else:
            wrong.append(Lost(mask, "no image is of its subject and session"))
    several = [paths for paths in answers.values() if len(paths) > 1]
    if several:
        first, second, *_ = several[0]
        raise DataError(f"{first} and {second} are masks of one image; keep one, or list one of them in a table")
    kinds = {stem_of(path).rpartition("_")[2] for path in answers}
    for paths in images.values():
        wrong += [Lost(path, "no mask among the derivatives is of it") for path in paths
                  if path not in answers and stem_of(path).rpartition("_")[2] in kinds]  # fmt: skip
    if wrong and lost is None:
        raise DataError(f"{wrong[0].file}: {wrong[0].reason}; add what is missing, or move it away")
    if lost is not None:
        lost += wrong
    cases = [Case(path, paths[0], group=stem_of(path).split("_")[0]) for path, paths in sorted(answers.items())]
    return Listing("BIDS with derivatives", folder, tuple(cases)) if cases else None


def _scan(path: Path) -> str:
    """The subject and the session of a file, by its name."""
    return "_".join(part for part in stem_of(path).split("_") if part.startswith(("sub-", "ses-")))
