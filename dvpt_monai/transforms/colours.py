"""Three colour channels, whatever a photograph was saved with."""

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

from dvpt_monai.data.source import source_of
from dvpt_monai.errors import DataError
from dvpt_monai.formats.image import is_sliver

__all__ = ["EnsureRGBd"]


_MODES = ("1", "L", "LA", "I", "I;16", "F", "P", "RGB", "RGBA")


_WHITE = {"1": 1, "I;16": 65535}
"""What is white, where it is not the 255 of 8 bits or unknown (I and F)."""


class EnsureRGBd(MapTransform):
    """Give 2D images three channels in float32, right after loading with the channel first.

    Gray is repeated, an alpha channel dropped, and the indices of a palette file replaced by their colours. White is
    255 afterwards: black-and-white images, 16-bit gray and what a file of DICOM can hold are scaled, other intensities
    stay as they are.

    **Shape**: (C, H, W) with C of 1 to 4 -> (3, H, W)

    Args:
        keys: keys of the images.
        floats: whether numbers with a point, and whole ones of 32 bits, may pass: nobody knows what white is in them.
        allow_missing_keys: skip keys that a case does not have.

    Raises:
        DataError: on any other shape, slivers, and on other colours such as CMYK; names the file.

    Example:
        >>> gray = torch.ones(1, 4, 4)
        >>> EnsureRGBd("image")({"image": gray})["image"].shape
        torch.Size([3, 4, 4])
    """

    def __init__(self, keys: KeysCollection, floats: bool = True, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.floats = floats

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key in self.key_iterator(case):
            image = convert_to_tensor(case[key], track_meta=isinstance(case[key], MetaTensor))
            case[key] = _rgb(image, key, self.floats)
        return case


def _rgb(image: Tensor, key: Hashable, floats: bool) -> Tensor:
    if image.ndim != 3 or image.shape[0] not in (1, 2, 3, 4):
        raise DataError(
            f"{key} {source_of(image)}: shape {tuple(image.shape)} is no 2D image of 1 to 4 channels, channel first; "
            "load it with ensure_channel_first=True, or choose the channels yourself"
        )
    if is_sliver(image.shape[1:]):
        raise DataError(
            f"{key} {source_of(image)}: {image.shape[2]} x {image.shape[1]} pixels, a sliver of which nothing is left "
            "in a network's input; crop or export it again"
        )
    image = image.float()
    if not isinstance(image, MetaTensor):
        return _three(image)
    mode = image.meta.get("mode", "RGB")  # as Pillow calls it
    if mode not in _MODES:
        raise DataError(f"{key} {source_of(image)}: its colours are {mode}; save it as RGB")
    if mode == "I" and image.meta.get("format") == "PNG":  # how Pillow before 11.3 opens 16 bits
        mode = "I;16"
    if mode in ("I", "F") and not floats:
        raise DataError(
            f"{key} {source_of(image)}: values from {float(image.min()):g} to {float(image.max()):g}, of which nobody "
            "knows what white is; save it in 8 or 16 bits"
        )
    if mode == "P":
        palette = _palette(image)
        index = image[0].long()
        if int(index.min()) < 0 or int(index.max()) >= len(palette) or not torch.equal(index.float(), image[0]):
            raise DataError(
                f"{key} {source_of(image)}: not the indices of its palette; put EnsureRGBd right after loading"
            )
        colours = palette[torch.as_tensor(index)].movedim(-1, 0)  # (3, H, W)
    else:
        black, white = image.meta.get("value_range", (0, _WHITE.get(mode, 255)))
        colours = (_three(image.as_tensor()) - black) * (255 / (white - black))
    meta = {**image.meta, "mode": "RGB"}
    meta.pop("value_range", None)
    return MetaTensor(colours, meta=meta, applied_operations=image.applied_operations)


def _three(image: Tensor) -> Tensor:
    if image.shape[0] <= 2:  # gray, or gray with alpha
        return image[:1].repeat(3, 1, 1)
    return image[:3]


def _palette(image: MetaTensor) -> Tensor:
    with Image.open(source_of(image)) as file:
        colours = file.getpalette("RGB") or []
    return torch.tensor(colours, dtype=torch.float32).reshape(-1, 3)
