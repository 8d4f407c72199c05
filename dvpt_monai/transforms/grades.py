"""Grades, read from files of their own."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

from dvpt_monai.data.grades import is_grade, read_grade
from dvpt_monai.errors import DataError

__all__ = ["ReadGraded"]


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
