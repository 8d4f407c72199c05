"""One channel for each structure, which may overlap, out of a binary mask for each."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from dvpt_monai.data.masks import distinct
from dvpt_monai.errors import DataError

__all__ = ["LoadMasksd"]


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
        >>> from pathlib import Path
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
        self.structures = distinct(structures)
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
