"""Images with a mask for each structure: ``masks/eye_01_MA.png`` or ``masks/MA/eye_01.png``, perhaps in parts."""

from __future__ import annotations

from pathlib import Path

from dvpt_monai.layouts.files import folders_in, images_below, stem_of
from dvpt_monai.layouts.listing import part_of
from dvpt_monai.verify.case import Case, DataSet

__all__ = ["find"]


def find(folder: Path) -> DataSet | None:
    """The cases of a folder that is laid out so; ``None`` if a mask is of no image, or nothing is there."""
    parts = [inside for inside in folders_in(folder) if part_of(inside.name)]
    cases = [case for place in parts or [folder] for case in _cases(place, part_of(place.name) if parts else "")]
    if not any(case.masks for case in cases):
        return None
    return DataSet("a mask for each structure", folder, tuple(cases), whole=True)


def _cases(place: Path, part: str) -> list[Case]:
    if not (place / "images").is_dir() or not (place / "masks").is_dir():
        return []
    masks: dict[str, list[Path]] = {stem_of(path): [] for path in images_below(place / "images")}
    for path in images_below(place / "masks"):
        stem = stem_of(path)
        owners = [
            name for name in masks if stem.startswith(f"{name}_") or (stem == name and path.parent != place / "masks")
        ]
        if not owners:
            return []
        masks[max(owners, key=len)].append(path)
    return [Case(path, tuple(masks[stem_of(path)]), part=part) for path in images_below(place / "images")]
