"""A grade, decided from the probabilities of all."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from torch import Tensor

__all__ = ["DecideGraded"]


class DecideGraded(MapTransform):
    """Choose a grade from the probabilities of all.

    The most probable grade is right most often. Where grades have an order and a mistake costs its square, as in the
    quadratic kappa, the best choice is the expected grade: between 1 (0.4), 2 (0.25) and 3 (0.35) it is 2.

    **Shape**: (C,) or (C, *spatial) -> (1,) or (1, *spatial), int64

    Args:
        keys: keys of the probabilities.
        decision: ``"argmax"``, the most probable grade, or ``"expected"``, the expected one, rounded.
        allow_missing_keys: skip keys that a case does not have.

    Raises:
        ValueError: on another decision.

    Example:
        >>> probability = torch.tensor([0.0, 0.4, 0.25, 0.35])
        >>> [DecideGraded("pred", name)({"pred": probability})["pred"].item() for name in ("argmax", "expected")]
        [1, 2]
    """

    def __init__(self, keys: KeysCollection, decision: str = "argmax", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        if decision not in ("argmax", "expected"):
            raise ValueError(f"decision: {decision!r} is unknown; choose 'argmax' or 'expected'")
        self.decision = decision

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key in self.key_iterator(case):
            case[key] = self._decide(case[key])
        return case

    def _decide(self, probability: Tensor) -> Tensor:
        if self.decision == "argmax":
            return probability.argmax(dim=0, keepdim=True)
        grades = torch.arange(len(probability), device=probability.device, dtype=probability.dtype)
        expected = (probability * grades.reshape(-1, *(1,) * (probability.ndim - 1))).sum(dim=0, keepdim=True)
        return expected.round().long()
