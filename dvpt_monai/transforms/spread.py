"""How far several networks are apart, beside what they say in the mean."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

__all__ = ["SplitSpreadd"]


class SplitSpreadd(MapTransform):
    """Take an answer with its spread apart, as several adapters give them.

    **Shape**: (2, C, ...) -> (C, ...), and (C, ...) under ``spread``

    Args:
        keys: keys of the answers.
        spread: key of the spread.
        allow_missing_keys: skip keys that a case does not have.

    Example:
        >>> import torch
        >>> case = SplitSpreadd("pred")({"pred": torch.tensor([[0.5, 2.0], [0.1, 0.2]])})
        >>> case["pred"].tolist(), [round(value, 1) for value in case["spread"].tolist()]
        ([0.5, 2.0], [0.1, 0.2])
    """

    def __init__(self, keys: KeysCollection, spread: str = "spread", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.spread = spread

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key in self.key_iterator(case):
            case[key], case[self.spread] = case[key]
        return case
