"""Patches around structures, of which an image may have any, several in one place, or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import RandCropByLabelClassesd
from torch import Tensor

__all__ = ["RandCropStructuresd"]


class RandCropStructuresd(RandCropByLabelClassesd):
    """Cut patches whose centres lie in one structure as often as in another, however small, or in none.

    MONAI's ``RandCropByLabelClassesd`` with the pixels outside all structures as one more class: masks that may overlap
    have no channel for them, and an image without any structure would otherwise stop the training. What an image lacks
    leaves its share to the rest.

    **Shape**: (C, H, W) -> `num_samples` of (C, *spatial_size), the label's C being the structures

    Args:
        keys: keys to cut.
        label_key: key of the masks, one channel for each structure.
        spatial_size: of a patch, in pixels; an image must have at least as many.
        background: share of patches around pixels outside all structures, relative to 1 for each structure.
        num_samples: patches of an image.
        arguments: further arguments of MONAI's transform.

    Example:
        >>> mask = torch.zeros(2, 8, 8)
        >>> mask[1, 6, 6] = 1
        >>> crop = RandCropStructuresd("mask", label_key="mask", spatial_size=(4, 4), background=0, num_samples=3)
        >>> [patch["mask"].sum().item() for patch in crop({"mask": mask})]
        [1.0, 1.0, 1.0]
    """

    def __init__(
        self,
        keys: KeysCollection,
        label_key: str,
        spatial_size: Sequence[int] | int,
        background: float = 1.0,
        num_samples: int = 1,
        **arguments: Any,
    ) -> None:
        super().__init__(keys, label_key, spatial_size, num_samples=num_samples, warn=False, **arguments)
        self.background = background

    def randomize(self, label: Tensor, indices: Any = None, image: Any = None) -> None:
        inside = torch.as_tensor(label).flatten(1) > 0  # (C, H W)
        outside = ~inside.any(dim=0)
        shares = [1.0] * len(inside) + [self.background]
        if bool(outside.all()):
            shares[-1] = 1.0  # there is nothing else to choose
        self.cropper.ratios = shares
        super().randomize(label, [places.nonzero().flatten() for places in (*inside, outside)], image)
