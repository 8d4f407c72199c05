"""One map of labels out of masks that may overlap."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from torch import Tensor

__all__ = ["LabelMapd"]


class LabelMapd(MapTransform):
    """Make one map of labels out of masks: 0 background, 1 the first channel, 2 the second; what MONAI Label shows.

    Where masks overlap the first of them is shown, so the smallest structures should come first.

    **Shape**: (C, *spatial) -> (1, *spatial), uint8

    Args:
        keys: keys of the masks; what is above 0 is inside.
        allow_missing_keys: skip keys that a case does not have.

    Example:
        >>> LabelMapd("pred")({"pred": torch.tensor([[0.0, 1, 0], [1, 1, 0]])})["pred"].tolist()
        [[2, 1, 0]]
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key in self.key_iterator(case):
            case[key] = _label_map(case[key])
        return case


def _label_map(masks: Tensor) -> Tensor:
    inside = masks > 0
    first = inside.to(torch.uint8).argmax(dim=0, keepdim=True) + 1
    return torch.where(inside.any(dim=0, keepdim=True), first, 0).to(torch.uint8)
