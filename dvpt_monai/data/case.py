"""What a case is: a dictionary as MONAI's transforms take it.

``image`` is a path, ``label`` a grade, a list of 0 and 1, or the path of a mask or of a file with labels; ``name`` is
the image's path relative to the data set's folder, which stays when that moves; ``group``, where it is known, is what
must stay in one part, such as the patient.
"""

from __future__ import annotations

import os
from typing import Any

__all__ = ["Case", "PathLike", "all_grouped"]

Case = dict[str, Any]
PathLike = str | os.PathLike[str]


def all_grouped(cases: list[Case]) -> list[Case]:
    """The same cases, where those without a group are one each if others have one: a batch needs the same keys of all.

    Example:
        >>> [case["group"] for case in all_grouped([{"image": "a", "group": "p"}, {"image": "b", "name": "b"}])]
        ['p', 'b']
    """
    if not any("group" in case for case in cases):
        return cases
    return [{**case, "group": case.get("group") or case.get("name", case["image"])} for case in cases]
