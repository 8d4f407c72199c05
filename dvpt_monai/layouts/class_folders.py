"""A folder per class: ``DIR/<class>/*``, or ``DIR/train/<class>/*`` and so on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dvpt_monai.errors import DataError
from dvpt_monai.formats import MASK_FOLDERS, image_name, masks_among
from dvpt_monai.layouts.files import folders_in, images_below, is_image, stem_of
from dvpt_monai.layouts.listing import Case, Listing, Note, part_of

__all__ = ["find"]


def find(folder: Path) -> Listing | None:
    """The cases of a folder whose folders are classes; ``None`` if it is laid out otherwise. Masks of images are none.

    Raises:
        DataError: there is one class, or one of masks alone, or images lie beside the folders of the classes; or the
            folders are cases.
    """
    parts = [inside for inside in folders_in(folder) if part_of(inside.name)]
    classes = [inside for part in parts for inside in folders_in(part)] or [
        inside for inside in folders_in(folder) if not part_of(inside.name)
    ]
    found = {inside: images_below(inside) for inside in classes}
    masks = {inside: masks_among(files) for inside, files in found.items()}
    cases = [
        Case(image, inside.name, part=part_of(inside.parent.name) if parts else "")
        for inside, files in found.items()
        for image in files
        if image not in masks[inside]
    ]
    for inside, files in found.items():
        if files and all(path in masks[inside] or image_name(stem_of(path)) != stem_of(path) for path in files):
            raise DataError(
                f"{inside}: each of its {len(files)} files is a mask by its name or format ({files[0].name}), and "
                "their images are not there; add these, or, if these are the images, list them with their classes in a "
                "table as --data labels.csv"
            )
    if not cases:
        return None
    if alike := _of_every_case(found):
        raise DataError(
            f"{folder}: each of its {len(found)} folders holds {' and '.join(alike)}, as cases do and classes do not; "
            "call the masks so (x_mask, or x.seg.nrrd), or list the images with their classes in a table as --data "
            "labels.csv"
        )
    loose = [
        path for place in parts or [folder] for path in sorted(place.iterdir()) if path.is_file() and is_image(path)
    ]
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
    strange = [inside for inside in folders_in(folder) if parts and inside not in parts and images_below(inside)]
    if strange:
        raise DataError(
            f"{strange[0]}: lies beside {parts[0].name}; is it a class or a part of the data? Move it into "
            f"{parts[0].name}, or name it val or test"
        )
    notes = [_empty(inside, folder, names) for inside in classes if not found[inside]]
    notes += [
        Note(f"{inside.name} is taken for a class, though folders of masks are called so", "--layout", warning=True)
        for inside in classes if inside.name.lower() in MASK_FOLDERS
    ]  # fmt: skip
    layout = "a folder per class, in parts" if parts else "a folder per class"
    return Listing(layout, folder, tuple(cases), notes=tuple(notes))


def _of_every_case(found: Mapping[Path, Sequence[Path]]) -> tuple[str, ...]:
    """What the few files are called that each of several folders holds, such as ``ct`` and ``tumour``; else nothing."""
    names = {
        tuple(sorted(stem_of(path).removeprefix(inside.name).strip("_-. ") for path in files))
        for inside, files in found.items()
    }
    alike = next(iter(names), ())
    of_cases = len(names) == 1 and len(found) > 2 and not any(letter.isdigit() for letter in "".join(alike))
    return alike if of_cases else ()


def _empty(inside: Path, folder: Path, names: list[str]) -> Note:
    left_out = f": {inside.name} is no class" if inside.name not in names else ""
    return Note(f"{inside.relative_to(folder).as_posix()} holds no images{left_out}", warning=True)
