"""Which files are masks: by their format, by what their names end in, and by the folders that they lie in."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from dvpt_monai.formats.read import format_of, name_of

__all__ = ["IMAGE_FOLDERS", "LOSSY", "MASK_FOLDERS", "MASK_TAILS", "image_name", "masks_among", "names_structures"]

MASK_TAILS = ("seg", "dseg", "segmentation", "mask", "masks", "label", "labels", "gt")
"""What the names of masks end in, behind that of their image and a mark."""
IMAGE_FOLDERS = ("images", "image", "imgs", "img", "imagestr", "scans", "volumes")
"""What folders of images are called, in lower case, where masks lie in another."""
MASK_FOLDERS = ("masks", "mask", "labels", "label", "labelstr", "segmentations", "segmentation", "annotations", "gt")
"""What folders of masks are called, in lower case."""

LOSSY = (".jpg", ".jpeg", ".jfif")
"""What blurs numbers: masks are never kept in it, so that a folder of such files holds a class that is called so."""


def image_name(name: str) -> str:
    """The name, without a suffix, of the image that a mask of this name belongs to; of an image its own.

    Example:
        >>> image_name("x_mask"), image_name("x"), image_name("_mask")
        ('x', 'x', '_mask')
    """
    tails = sorted((f"{mark}{tail}" for mark in "_-." for tail in MASK_TAILS), key=len, reverse=True)
    tail = next((tail for tail in tails if name.lower().endswith(tail)), "")
    return name[: -len(tail)] if 0 < len(tail) < len(name) else name


def names_structures(path: Path) -> bool:
    """Whether a file is a segmentation whatever it is called: a ``.seg.nrrd`` or a DICOM SEG."""
    return format_of(path) in ("segmentation", "dicom-seg")


def masks_among(paths: Sequence[Path], structures: Sequence[str] = ()) -> set[Path]:
    """Which of some files are masks of others of them, and not images.

    These are segmentations by their format; what is named after another file, as ``x_mask`` and ``x_mask_1`` are after
    ``x``, in whatever folder that lies; what is called ``mask``, or ``case_1_seg`` in a folder ``case_1``, beside
    others; and what lies in a folder of masks, if a folder of images is beside that, or if a file outside of it has the
    same name.

    Args:
        paths: images and masks.
        structures: what names of masks may end in, too.

    Example:
        >>> paths = [Path("a.nii"), Path("a_seg.nii.gz"), Path("b-mask.png"), Path("a_liver.nii"), Path("masks/a.png")]
        >>> [path.as_posix() for path in paths if path not in masks_among(paths, ["liver"])]
        ['a.nii', 'b-mask.png']
    """
    if not paths:
        return set()
    common = Path(os.path.commonpath([path.parent.absolute() for path in paths]))
    inside = {path: path.parent.absolute().relative_to(common).parts for path in paths}
    folder = {path: _mask_folder(parts) for path, parts in inside.items()}
    beside = {parts[:depth] for parts in inside.values() for depth, name in enumerate(parts)
              if name.lower() in IMAGE_FOLDERS}  # fmt: skip
    stems = {name_of(path).lower() for path in paths}
    outside = {name_of(path).lower() for path in paths if folder[path] is None}
    tails = "|".join(map(re.escape, sorted((tail.lower() for tail in (*MASK_TAILS, *structures)), key=len)))
    tail = re.compile(rf"(?P<image>.+?)[-_.](?:{tails})(?:[-_. ]?\d+)?")
    of_case = {path for path in paths if _is_of_case(path)}
    cases = {path.parent for path in paths if path not in of_case}

    def is_mask(path: Path) -> bool:
        name, masks = name_of(path).lower(), folder[path]
        match = tail.fullmatch(name)
        if names_structures(path) or (match and match["image"] in stems) or (path in of_case and path.parent in cases):
            return True
        named = name in outside or (match is not None and match["image"] in outside)
        in_folder = masks is not None and path.suffix.lower() not in LOSSY
        return in_folder and (masks in beside or named)

    return {path for path in paths if is_mask(path)}


def _is_of_case(path: Path) -> bool:
    """Whether a file is named as the mask of the case that its folder is."""
    name, case = name_of(path).lower(), path.parent.name.lower()
    bare = name[len(case) :].lstrip("-_.") if case and name.startswith(case) else name
    return bare in MASK_TAILS and path.suffix.lower() not in LOSSY


def _mask_folder(parts: Sequence[str]) -> tuple[str, ...] | None:
    """Where the outermost folder of masks lies among these, each in the one before it; ``None`` if there is none."""
    return next((tuple(parts[:depth]) for depth, name in enumerate(parts) if name.lower() in MASK_FOLDERS), None)
