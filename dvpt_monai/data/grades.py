"""Grades that stand in files of their own, as MONAI Label stores what is submitted."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from numbers import Integral
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

from dvpt_monai.data.errors import DataError

__all__ = ["ReadGraded", "is_grade", "read_grade", "read_label_file"]


def is_grade(label: Any) -> bool:
    """Whether a label is an integer, of Python or NumPy."""
    return isinstance(label, Integral)


def read_grade(label: Any) -> Any:
    """The grade in a JSON file: a number, or an object with a number as ``"label"``.

    Args:
        label: path of a file that ends in ``.json``; anything else comes back as it is.

    Raises:
        DataError: the file cannot be read, or holds something else, such as the name of a grade.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as home:
        ...     path = Path(home, "eye.json")
        ...     _ = path.write_text('{"label": 3}')
        ...     read_grade(str(path)), read_grade(2)
        (3, 2)
    """
    if not isinstance(label, str) or not label.endswith(".json"):
        return label
    grade = read_label_file(label, 'write the grade as {"label": 3}')
    if type(grade) is not int:
        raise DataError(f'{label}: {grade!r} is no grade; write its number, {{"label": 3}}, not its name')
    return grade


def read_label_file(path: str, remedy: str) -> Any:
    """What a JSON file holds, or of an object what it holds as ``"label"``."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}); {remedy}") from error
    return content.get("label") if isinstance(content, dict) else content


class ReadGraded(MapTransform):
    """Replace the path of a JSON file by the grade in it, see :func:`read_grade`, and check every grade.

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
