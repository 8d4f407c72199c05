"""Grades that stand in files of their own, as MONAI Label stores what is submitted."""

from __future__ import annotations

import json
from numbers import Integral
from typing import Any

from dvpt_monai.errors import DataError

__all__ = ["is_grade", "read_grade", "read_label_file"]


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
