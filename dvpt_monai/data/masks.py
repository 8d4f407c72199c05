"""Images with one binary mask for each structure, which may overlap."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from dvpt_monai.data.case import Case
from dvpt_monai.data.name import named
from dvpt_monai.errors import DataError

logger = logging.getLogger(__name__)
PHOTOGRAPHS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
"""Suffixes of the files that `PIL` reads here, in lower case."""


def read_masks(
    folder: str | os.PathLike[str],
    structures: Sequence[str],
    images: str = "images",
    masks: str = "masks",
    suffixes: Sequence[str] = PHOTOGRAPHS,
    root: str | os.PathLike[str] | None = None,
) -> list[Case]:
    """Read images and their masks, one file for each structure, from two folders side by side.

    The mask of ``images/eye_01.jpg`` for the structure ``MA`` is ``masks/eye_01_MA.png`` or ``masks/MA/eye_01.png``,
    or lies deeper below ``masks`` under either name. A structure without a file is absent from the image, or was not
    annotated: the files cannot tell these apart. Files of other structures are left alone.

    Args:
        folder: what holds both folders.
        structures: names of the structures, as the masks' names or folders have them.
        images: folder of the images.
        masks: folder of the masks.
        suffixes: what counts as an image, in lower case.
        root: folder of the whole data set, where `folder` is one of its parts; by default `folder`.

    Returns:
        One ``{"image": path, "label": {structure: path}, "name": path below root}`` for each image, in the order of
        their names; `LoadMasksd` makes channels of the label.

    Raises:
        DataError: on a missing or empty folder, two images of one name, a mask without its image, two masks of one
            structure in one image, or if no file is a mask of any structure. Structures without any mask, and images
            without, are warned of.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     for name in ("images/a.jpg", "images/b.jpg", "masks/a_MA.png", "masks/MA/b.png", "masks/b_EX.png"):
        ...         Path(home, name).parent.mkdir(parents=True, exist_ok=True)
        ...         _ = Path(home, name).write_bytes(b"")
        ...     cases = read_masks(home, ["MA", "EX"])
        >>> [sorted(case["label"]) for case in cases]
        [['MA'], ['EX', 'MA']]
    """
    wanted = distinct(structures)
    found: dict[str, Case] = {}
    for path in _files(Path(folder) / images, suffixes):
        if path.stem in found:
            raise DataError(
                f"{path} and {found[path.stem]['image']} have one name, so their masks cannot be told apart; rename one"
            )
        found[path.stem] = {"image": str(path), "label": {}, **named(path, folder if root is None else root)}
    others: set[str] = set()
    for path in _files(Path(folder) / masks, suffixes, deep=True):
        image, structure = _of(path, wanted)
        if structure is None:
            others.add(path.stem.rpartition("_")[2])
            continue
        if image not in found:
            raise DataError(f"{path}: there is no image {image} in {Path(folder) / images}; add it or delete the mask")
        label = found[image]["label"]
        if structure in label:
            raise DataError(f"{path} and {label[structure]} are both the {structure} of {image}; keep one")
        label[structure] = str(path)
    cases = list(found.values())
    if not any(case["label"] for case in cases):
        raise DataError(
            f"{Path(folder) / masks}: no mask of {wanted}; the names end in {sorted(others)}: set structures to some"
        )
    for structure in wanted:
        if not any(structure in case["label"] for case in cases):
            logger.warning("%s: no image has a mask of %s", folder, structure)
    bare = [case["image"] for case in cases if not case["label"]]
    if bare:
        logger.warning(
            "%s: %d of %d images have no mask and count as free of everything: %s", folder, len(bare), len(cases), bare
        )
    return cases


def distinct(structures: Sequence[str]) -> list[str]:
    """The names of structures as a list, if there are any, each comes once, and files can be called after them."""
    names = [structures] if isinstance(structures, str) else [str(name) for name in structures]
    if not names or len(set(names)) < len(names):
        raise DataError(f"structures={names}: give at least one name, and each once")
    for name in names:
        if not name or set(name) & set("/\\\0"):  # from an adapter, it could lead out of the folder of predictions
            raise DataError(f"structures: {name!r} cannot be a part of the name of a file; rename it")
    return names


def _files(folder: Path, suffixes: Sequence[str], deep: bool = False) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; a data set has images and masks side by side in two folders")
    every: Iterator[Path] = folder.rglob("*") if deep else folder.iterdir()
    # macOS leaves "._name" beside each file that it unpacks.
    files = [path for path in every if path.suffix.lower() in suffixes and not path.name.startswith(".")]
    if not files:
        raise DataError(f"{folder}: no files that end in {', '.join(suffixes)}")
    return sorted(files)


def _of(path: Path, structures: Sequence[str]) -> tuple[str, str | None]:
    """The image and the structure of a mask, by its name or its folder's."""
    for structure in sorted(structures, key=len, reverse=True):  # eye_red_spot is of red_spot rather than spot
        if path.stem.endswith(f"_{structure}"):
            return path.stem.removesuffix(f"_{structure}"), structure
    return path.stem, path.parent.name if path.parent.name in structures else None
