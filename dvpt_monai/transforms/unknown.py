"""Pixels of which nothing is known: neither learned nor scored."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

__all__ = ["WithoutUnknownd"]


class WithoutUnknownd(MapTransform):
    """Make background of unknown pixels, in the label and in what was predicted there, so that no score counts them.

    A score of structures, such as Dice without the background, then is that of the known pixels alone.

    **Shape**: label (C, *spatial), with -1 where nothing is known; predictions likewise, or (1, *spatial) of numbers

    Args:
        keys: keys of the predictions.
        label_key: key of the label.
        allow_missing_keys: skip keys that a case does not have.

    Example:
        >>> import torch
        >>> case = {"pred": torch.tensor([[1, 1, 0]]), "label": torch.tensor([[1, -1, -1]])}
        >>> {key: mask.tolist() for key, mask in WithoutUnknownd("pred")(case).items()}
        {'pred': [[1, 0, 0]], 'label': [[1, 0, 0]]}
    """

    def __init__(
        self, keys: KeysCollection = "pred", label_key: str = "label", allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.label_key = label_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        label = case[self.label_key]
        known = label >= 0
        for key in self.key_iterator(case):
            case[key] = case[key] * known.to(case[key].device)
        case[self.label_key] = label * known
        return case
