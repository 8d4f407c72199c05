"""Guards of MONAI pipelines that MONAI lacks: three colour channels, the right shape, and labels in range."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import convert_to_tensor
from PIL import Image
from torch import Tensor

from dvpt_monai.data.errors import DataError
from dvpt_monai.data.source import source_of

_MODES = ("1", "L", "LA", "I", "I;16", "F", "P", "RGB", "RGBA")
_WHITE = {"1": 1, "I;16": 65535}
"""What is white, where it is not the 255 of 8 bits or unknown (I and F)."""


class EnsureRGBd(MapTransform):
    """Give 2D images three channels in float32, right after loading with the channel first.

    Gray is repeated, an alpha channel dropped, and the indices of a palette file replaced by their colours. White is
    255 afterwards: black-and-white images and 16-bit gray are scaled, other intensities stay as they are.

    **Shape**: (C, H, W) with C of 1 to 4 -> (3, H, W)

    Args:
        keys: keys of the images.
        allow_missing_keys: skip keys that a case does not have.

    Raises:
        DataError: on any other shape, and on other colours such as CMYK; names the file.

    Example:
        >>> gray = torch.ones(1, 4, 4)
        >>> EnsureRGBd("image")({"image": gray})["image"].shape
        torch.Size([3, 4, 4])
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key in self.key_iterator(case):
            case[key] = _rgb(convert_to_tensor(case[key], track_meta=isinstance(case[key], MetaTensor)), key)
        return case


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
        dvpt_monai.data.errors.DataError: image (in memory): shape (3, 8, 8) is no 3D image of 1 channel
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
                raise DataError(
                    f"{key} {source_of(case[key])}: shape {shape} is no {self.spatial_dims}D image of {self.channels} "
                    f"channel{'s' * (self.channels != 1)}"
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
        dvpt_monai.data.errors.DataError: label (in memory): value 255 is not an integer in 0..2; ...
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


def _rgb(image: Tensor, key: Hashable) -> Tensor:
    if image.ndim != 3 or image.shape[0] not in (1, 2, 3, 4):
        raise DataError(
            f"{key} {source_of(image)}: shape {tuple(image.shape)} is no 2D image of 1 to 4 channels, channel first; "
            "load it with ensure_channel_first=True, or choose the channels yourself"
        )
    image = image.float()
    if not isinstance(image, MetaTensor):
        return _three(image)
    mode = image.meta.get("mode", "RGB")  # as Pillow calls it
    if mode not in _MODES:
        raise DataError(f"{key} {source_of(image)}: its colours are {mode}; save it as RGB")
    if mode == "I" and image.meta.get("format") == "PNG":  # how Pillow before 11.3 opens 16 bits
        mode = "I;16"
    if mode == "P":
        palette = _palette(image)
        index = image[0].long()
        if int(index.min()) < 0 or int(index.max()) >= len(palette) or not torch.equal(index.float(), image[0]):
            raise DataError(
                f"{key} {source_of(image)}: not the indices of its palette; put EnsureRGBd right after loading"
            )
        colours = palette[torch.as_tensor(index)].movedim(-1, 0)  # (3, H, W)
    else:
        colours = _three(image.as_tensor()) * (255 / _WHITE.get(mode, 255))
    return MetaTensor(colours, meta={**image.meta, "mode": "RGB"}, applied_operations=image.applied_operations)


def _three(image: Tensor) -> Tensor:
    if image.shape[0] <= 2:  # gray, or gray with alpha
        return image[:1].repeat(3, 1, 1)
    return image[:3]


def _palette(image: MetaTensor) -> Tensor:
    with Image.open(source_of(image)) as file:
        colours = file.getpalette("RGB") or []
    return torch.tensor(colours, dtype=torch.float32).reshape(-1, 3)
