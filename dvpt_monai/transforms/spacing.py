"""MONAI's resampling to a spacing, also for cases that carry more than images, and in little memory."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Spacingd as MonaiSpacingd
from monai.transforms import SpatialResample
from torch import Tensor

from dvpt_monai.transforms.resampled_rows import Grid, is_same, parallel, resampled_rows

__all__ = ["Spacingd"]

LARGE = 2**25
"""Voxels from which on a volume is resampled in rows: 512 x 512 x 128."""
ROWS = 4


class Spacingd(MonaiSpacingd):
    """Resample to a spacing in mm, and leave what else the case holds alone.

    MONAI 1.6 takes whatever begins with ``image_`` for metadata of ``image`` and fails on a string, such as the
    ``image_path`` that MONAI Label puts there. Arguments and inverse are MONAI's. Large volumes go in rows, since MONAI
    holds three coordinates in float64 for each voxel beside them.

    **Shape**: (C, *spatial) -> (C, *resampled)

    Example:
        >>> import torch
        >>> from monai.data import MetaTensor
        >>> case = {"image": MetaTensor(torch.rand(1, 4, 4, 4)), "image_path": "a.nii.gz"}
        >>> Spacingd("image", pixdim=(2.0, 1.0, 1.0))(case)["image"].shape
        torch.Size([1, 2, 4, 4])
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        whole = self.spacing_transform.sp_resample
        self.spacing_transform.sp_resample = ResampleInRows(
            whole.mode, whole.padding_mode, bool(whole.align_corners), whole.dtype, whole.lazy
        )

    def __call__(self, data: Mapping[Hashable, Any], lazy: bool | None = None) -> dict[Hashable, Any]:
        own = {key: data[key] for key in self.key_iterator(dict(data))}
        return {**data, **super().__call__(own, lazy)}


class ResampleInRows(SpatialResample):
    """MONAI's ``SpatialResample``, of large volumes in rows; arguments and inverse are its."""

    def __call__(
        self,
        img: Tensor,
        dst_affine: Tensor | None = None,
        spatial_size: Sequence[int] | Tensor | int | None = None,
        mode: Any = None,
        padding_mode: Any = None,
        align_corners: bool | None = None,
        dtype: Any = None,
        lazy: bool | None = None,
    ) -> Tensor:
        settings = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners, "dtype": dtype}
        small = math.prod(img.shape[1:]) < LARGE and math.prod(np.atleast_1d(spatial_size or 0)) < LARGE
        lazily = self.lazy if lazy is None else lazy
        if small or lazily or dst_affine is None or not isinstance(img, MetaTensor) or img.ndim != 4:
            whole: Tensor = super().__call__(img, dst_affine, spatial_size, **settings, lazy=lazy)
            return whole
        affine = img.affine.to(torch.float64)
        steps = np.linalg.solve(affine.numpy(), torch.as_tensor(dst_affine, dtype=torch.float64).numpy())
        shape, size = tuple(img.shape[1:]), tuple(int(length) for length in np.asarray(spatial_size))
        mode = str(getattr(value := self.mode if mode is None else mode, "value", value))
        padding_mode = str(getattr(value := padding_mode or self.padding_mode, "value", value))
        corners = bool(self.align_corners if align_corners is None else align_corners)
        grid = Grid(steps, size, shape, mode, padding_mode, corners, torch.float64)
        if not parallel(grid) or is_same(grid) or mode != "bilinear":
            whole = super().__call__(img, dst_affine, spatial_size, **settings, lazy=lazy)
            return whole
        extra = {
            "dtype": "float64",
            "mode": mode,
            "padding_mode": padding_mode,
            "align_corners": corners,
            "src_affine": affine,
        }
        traced = self.track_transform_meta(
            img,
            sp_size=size,
            affine=torch.as_tensor(steps),
            extra_info=extra,
            orig_size=shape,
            transform_info=self.get_transform_info(),
            lazy=False,
        )
        values = torch.empty(len(img), *size)
        for first, part in resampled_rows([img.as_tensor()], grid, ROWS):
            values[:, first : first + part.shape[1]] = part
        return MetaTensor(values).copy_meta_from(traced)
