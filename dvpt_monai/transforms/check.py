"""Guards of MONAI pipelines that MONAI lacks: the right shape, and labels in range."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from dvpt_monai.data.source import source_of
from dvpt_monai.errors import DataError

__all__ = ["CheckLabeld", "CheckShaped"]


class CheckShaped(MapTransform):
    """Check that an image has the dimensions and channels of the network, right after its channel came first.

    Args:
        keys: keys of the images.
        spatial_dims: 2 or 3.
        channels: number of channels.
        allow_missing_keys: skip keys that a case does not have.

    Raises:
        DataError: names the file and its shape.

    Example:
        >>> CheckShaped("image", spatial_dims=3, channels=1)({"image": torch.zeros(3, 8, 8)})
        Traceback (most recent call last):
        dvpt_monai.errors.DataError: image (in memory): shape (3, 8, 8) is no 3D image of 1 channel
    """

    def __init__(
        self, keys: KeysCollection, spatial_dims: int, channels: int, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.spatial_dims = spatial_dims
        self.channels = channels

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key in self.key_iterator(case):
            shape = tuple(case[key].shape)
            if len(shape) != self.spatial_dims + 1 or shape[0] != self.channels:
                channels = "1 channel" if self.channels == 1 else f"{self.channels} channels"
                raise DataError(
                    f"{key} {source_of(case[key])}: shape {shape} is no {self.spatial_dims}D image of {channels}"
                )
        return case


class CheckLabeld(MapTransform):
    """Check that a mask or a grade holds nothing but the integers from 0 to `num_classes` - 1.

    Args:
        keys: keys of the labels.
        num_classes: number of labels with the background.
        allow_missing_keys: skip keys that a case does not have.

    Raises:
        DataError: names the file and the values that do not belong.

    Example:
        >>> _ = CheckLabeld("label", num_classes=3)({"label": torch.tensor([0, 2, 1])})
        >>> CheckLabeld("label", num_classes=3)({"label": torch.tensor([0, 255])})
        Traceback (most recent call last):
        dvpt_monai.errors.DataError: label (in memory): value 255 is not an integer in 0..2; ...
    """

    def __init__(self, keys: KeysCollection, num_classes: int, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.num_classes = num_classes

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key in self.key_iterator(case):
            label = torch.as_tensor(case[key])
            wrong = label[(label < 0) | (label >= self.num_classes) | (label != label.round())]
            if wrong.numel():
                raise DataError(
                    f"{key} {source_of(case[key])}: value {wrong.flatten()[0].item():g} is not an integer in "
                    f"0..{self.num_classes - 1}; set num_classes, or map the values with MapLabelValued"
                )
        return case
