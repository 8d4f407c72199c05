"""Grades: read from files of their own, and decided from the probabilities of all."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from torch import Tensor

from dvpt_monai.data.grades import is_grade, read_grade
from dvpt_monai.errors import DataError

__all__ = ["DecideGraded", "ReadGraded"]


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


class ReadGraded(MapTransform):
    """Replace the path of a JSON file by its grade, see :func:`~dvpt_monai.data.read_grade`, and check all.

    Args:
        keys: keys of the grades.
        num_classes: number of grades.
        allow_missing_keys: skip keys that a case does not have.

    Raises:
        DataError: names the file and what it should hold.

    Example:
        >>> ReadGraded("label", num_classes=5)({"label": 3})
        {'label': 3}
    """

    def __init__(self, keys: KeysCollection, num_classes: int, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.num_classes = num_classes

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        case = dict(data)
        for key in self.key_iterator(case):
            grade = read_grade(case[key])
            if not is_grade(grade) or not 0 <= int(grade) < self.num_classes:
                where = case[key] if grade is not case[key] else case.get("image", key)
                top = self.num_classes - 1
                raise DataError(f"{where}: label {grade!r} is no integer in 0..{top}; correct it or set num_classes")
            case[key] = grade
        return case
