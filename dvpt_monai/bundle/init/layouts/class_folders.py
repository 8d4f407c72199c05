"""A folder per class: ``DIR/<class>/*``, or ``DIR/train/<class>/*`` and so on."""

from __future__ import annotations

from pathlib import Path

from dvpt_monai.bundle.init.files import folders_in, images_below
from dvpt_monai.bundle.init.listing import Case, Listing, part_of
from dvpt_monai.data import DataError

__all__ = ["find"]


def find(folder: Path) -> Listing | None:
    """The cases of a folder whose folders are classes; ``None`` if it is laid out otherwise.

    Raises:
        DataError: there is one class, or images lie beside the folders of the classes.
    """
    parts = [inside for inside in folders_in(folder) if part_of(inside.name)]
    classes = [inside for part in parts for inside in folders_in(part)] or [
        inside for inside in folders_in(folder) if not part_of(inside.name)
    ]
    cases = [
        Case(image, inside.name, part=part_of(inside.parent.name) if parts else "")
        for inside in classes
        for image in images_below(inside)
    ]
    if not cases:
        return None
    loose = [image for place in (parts or [folder]) for image in place.iterdir() if image.is_file()]
    loose = [image for image in images_below(folder) if image in set(loose)]
    if loose:
        raise DataError(f"{loose[0]}: lies beside the folders of the classes; move it into one of them, or away")
    names = sorted({str(case.label) for case in cases})
    if len(names) == 1:
        raise DataError(
            f"{folder}: the only folder with images is {names[0]!r}, but a classifier needs two classes or more; "
            "give each class a folder, or a table as --data labels.csv"
        )
    if parts and not any(case.part == "train" for case in cases):
        raise DataError(f"{folder}: it has {', '.join(part.name for part in parts)}, but no folder train; add it")
    if parts and len(parts) < len(folders_in(folder)):
        others = [inside.name for inside in folders_in(folder) if not part_of(inside.name)]
        if any(images_below(folder / name) for name in others):
            raise DataError(
                f"{folder / others[0]}: lies beside {parts[0].name}; is it a class or a part of the data? "
                "Move it into train, or rename it to val or test"
            )
    return Listing("a folder per class" + ", in parts" * bool(parts), folder, tuple(cases))
