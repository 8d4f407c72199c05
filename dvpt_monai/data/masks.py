"""Images with one binary mask for each structure, which may overlap."""

from __future__ import annotations

import logging
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from dvpt_monai.data.case import Case
from dvpt_monai.data.errors import DataError

logger = logging.getLogger(__name__)
PHOTOGRAPHS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
"""Suffixes of the files that `PIL` reads here, in lower case."""


def read_masks(
    folder: str | os.PathLike[str],
    structures: Sequence[str],
    images: str = "images",
    masks: str = "masks",
    suffixes: Sequence[str] = PHOTOGRAPHS,
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

    Returns:
        One ``{"image": path, "label": {structure: path}}`` for each image, in the order of their names; `LoadMasksd`
        makes channels of the label.

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
    wanted = _names(structures)
    found: dict[str, Case] = {}
    for path in _files(Path(folder) / images, suffixes):
        if path.stem in found:
            raise DataError(
                f"{path} and {found[path.stem]['image']} have one name, so their masks cannot be told apart; rename one"
            )
        found[path.stem] = {"image": str(path), "label": {}}
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


class LoadMasksd(MapTransform):
    """Load the masks of a case as channels of 0 and 1, in the order of `structures`; channels may overlap.

    The label of a case is a dictionary from structures to files, as `read_masks` gives it: whatever is not black in a
    file belongs to its structure, and a structure without a file is 0 everywhere. Or it is one file, a label map as
    MONAI Label writes them: 0 background, 1 the first structure, 2 the second.

    Load the image before, with ``reverse_indexing=False``, so that both have the rows first.

    **Shape**: files of (H, W) -> (C, H, W), uint8

    Args:
        keys: keys of the labels.
        structures: names of the channels.
        image_key: key of the loaded image, whose size all masks must have.
        allow_missing_keys: skip keys that a case does not have.

    Raises:
        DataError: on a file that cannot be read, has another size than the image, or holds more than one value beside
            0 (a label map: more than there are structures). Names the file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     Image.fromarray(np.uint8([[0, 255], [0, 0]])).save(Path(home, "a_EX.png"))
        ...     case = {"image": torch.zeros(3, 2, 2), "label": {"EX": str(Path(home, "a_EX.png"))}}
        ...     LoadMasksd("label", structures=["MA", "EX"])(case)["label"].tolist()
        [[[0, 0], [0, 0]], [[0, 1], [0, 0]]]
    """

    def __init__(
        self,
        keys: KeysCollection,
        structures: Sequence[str],
        image_key: str = "image",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.structures = _names(structures)
        self.image_key = image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        size = tuple(case[self.image_key].shape[1:])
        for key in self.key_iterator(case):
            label = case[key]
            channels = self._channels(label, size) if isinstance(label, Mapping) else self._split(label, size)
            name = next(iter(label.values()), "") if isinstance(label, Mapping) else label
            case[key] = MetaTensor(torch.from_numpy(channels), meta={"filename_or_obj": str(name)})
        return case

    def _channels(self, paths: Mapping[str, Any], size: tuple[int, ...]) -> NDArray[np.uint8]:
        channels = np.zeros((len(self.structures), *size), np.uint8)
        for channel, structure in zip(channels, self.structures, strict=True):
            if structure in paths:
                mask = _pixels(paths[structure], size)
                values = np.unique(mask)
                if np.count_nonzero(values) > 1:
                    raise DataError(
                        f"{paths[structure]}: a mask holds 0 and one other value, this one {values[:6].tolist()}"
                        f"{' and more' if len(values) > 6 else ''}; save it as PNG with 0 and 255"
                    )
                channel[:] = mask > 0
        return channels

    def _split(self, path: Any, size: tuple[int, ...]) -> NDArray[np.uint8]:
        labels = _pixels(path, size)
        if labels.max(initial=0) > len(self.structures):
            raise DataError(
                f"{path}: label {labels.max()} of a map for {len(self.structures)} structures; correct the file, or "
                "give a dictionary with one mask for each structure"
            )
        order = np.arange(1, len(self.structures) + 1).reshape(-1, 1, 1)
        return (labels[None] == order).astype(np.uint8)


def _names(structures: Sequence[str]) -> list[str]:
    names = [structures] if isinstance(structures, str) else [str(name) for name in structures]
    if not names or len(set(names)) < len(names):
        raise DataError(f"structures={names}: give at least one name, and each once")
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


def _pixels(path: Any, size: tuple[int, ...]) -> NDArray[Any]:
    """The values of a mask (H, W); of coloured ones the largest of each pixel's, without alpha."""
    try:
        with Image.open(path) as file:
            bands = file.getbands()
            pixels = np.asarray(file)
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(f"{path}: cannot be read as an image ({error}); copy or export it again") from error
    if pixels.ndim == 3:
        pixels = pixels[..., : len([band for band in bands if band != "A"])].max(axis=2)
    if pixels.shape != size:
        raise DataError(
            f"{path}: {pixels.shape[1]} x {pixels.shape[0]} pixels, but its image has {size[1]} x {size[0]}; masks are "
            "never resized to fit: export it in the size of its image"
        )
    return pixels
