"""MONAI's resampling to a spacing, also for cases that carry more than images."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.transforms import Spacingd as MonaiSpacingd

__all__ = ["Spacingd"]


class Spacingd(MonaiSpacingd):
    """Resample to a spacing in mm, and leave what else the case holds alone.

    MONAI 1.6 takes whatever begins with ``image_`` for metadata of ``image`` and fails on a string, such as the
    ``image_path`` that MONAI Label puts there. Arguments and inverse are MONAI's.

    **Shape**: (C, *spatial) -> (C, *resampled)

    Example:
        >>> import torch
        >>> from monai.data import MetaTensor
        >>> case = {"image": MetaTensor(torch.rand(1, 4, 4, 4)), "image_path": "a.nii.gz"}
        >>> Spacingd("image", pixdim=(2.0, 1.0, 1.0))(case)["image"].shape
        torch.Size([1, 2, 4, 4])
    """

    def __call__(self, data: Mapping[Hashable, Any], lazy: bool | None = None) -> dict[Hashable, Any]:
        own = {key: data[key] for key in self.key_iterator(dict(data))}
        return {**data, **super().__call__(own, lazy)}
