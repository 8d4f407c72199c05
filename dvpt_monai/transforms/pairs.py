"""An image and its label belong together: they lie at one place, or nothing is done with them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from dvpt_monai.data.source import source_of
from dvpt_monai.errors import DataError
from dvpt_monai.formats import into_grid

__all__ = ["CheckPaird"]


class CheckPaird(MapTransform):
    """Check that labels lie where their image does, right after loading with the channel first.

    A label that is stored with other axes or flipped ones is brought to the image's grid, exactly; one that 3D Slicer
    or a DICOM SEG has cut to what is not empty is filled up with 0. Nothing is ever resampled.

    **Shape**: (C, *any of the same voxels) -> (C, *spatial shape of the image)

    Args:
        keys: keys of the labels.
        image_key: key of the image.
        allowed: mm by which the places of a voxel may differ anywhere in the grid; by default a twentieth of the
            smallest spacing.
        allow_missing_keys: skip keys that a case does not have.

    Raises:
        DataError: on another shape or another place; names both files, and how far they are apart.

    Example:
        >>> image = MetaTensor(torch.zeros(1, 2, 2, 2), meta={"filename_or_obj": "a.nii"})
        >>> moved = MetaTensor(torch.zeros(1, 2, 2, 2), affine=torch.diag(torch.tensor([1.0, 1, 3, 1])))
        >>> CheckPaird("label")({"image": image, "label": moved})
        Traceback (most recent call last):
        dvpt_monai.errors.DataError: label (in memory) does not lie where image a.nii does: their grids, 2 mm apart, ...
    """

    def __init__(
        self,
        keys: KeysCollection = "label",
        image_key: str = "image",
        allowed: float | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.image_key = image_key
        self.allowed = allowed

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        image = case[self.image_key]
        shape = tuple(image.shape[1:])
        grid = _affine(image)
        for key in self.key_iterator(case):
            label = case[key]
            files = f"{key} {source_of(label)} does not lie where {self.image_key} {source_of(image)} does"
            array = label.as_tensor().numpy() if isinstance(label, MetaTensor) else np.asarray(label)
            if array.ndim != 1 + len(shape):
                raise DataError(f"{files}: their shapes are {tuple(array.shape[1:])} and {shape}")
            cropped = isinstance(label, MetaTensor) and bool(label.meta.get("cropped", False))
            try:
                fitted = into_grid(array, _affine(label), grid, shape, allowed=self.allowed, cropped=cropped)
            except DataError as error:
                raise DataError(
                    f"{files}: {error}; draw the label on this image, or resample it to its grid"
                ) from error
            meta = dict(label.meta) if isinstance(label, MetaTensor) else {}
            if isinstance(image, MetaTensor) and "original_affine" in image.meta:
                meta["original_affine"] = image.meta["original_affine"]
            meta |= {"spatial_shape": np.asarray(shape), "cropped": False}
            case[key] = MetaTensor(torch.from_numpy(fitted), meta={**meta, "affine": torch.as_tensor(grid)})
        return case


def _affine(image: Any) -> Any:
    if not isinstance(image, MetaTensor):
        return np.eye(4)
    affine = np.eye(4)
    given = np.asarray(image.affine, np.float64)
    rank = len(given) - 1
    affine[:rank, :rank], affine[:rank, 3] = given[:rank, :rank], given[:rank, rank]
    return affine
