"""Test sets by rank, as the last release chose them: a case that is added moves others.

Bundles of that release ask for a number of test cases; they go on to get the same ones. This file goes with them.
"""

from __future__ import annotations

import os
import warnings
from bisect import bisect_left
from collections import defaultdict
from hashlib import sha256
from itertools import accumulate

from dvpt_monai.data.case import Case
from dvpt_monai.data.grades import is_grade
from dvpt_monai.errors import DataError

__all__ = ["holdout"]


def holdout(cases: list[Case], part: str, size: int, seed: int) -> list[Case]:
    """Set `size` test cases aside, with the share of every grade where labels are integers.

    Args:
        cases: the cases, in any order.
        part: ``"development"`` or ``"test"``.
        size: number of test cases; it is exceeded only rather than dividing a group.
        seed: another seed, another test set.

    Raises:
        DataError: there are no cases, or the size leaves one part empty.
    """
    warnings.warn(
        f"holdout(size={size}): cases that are added move others between development and test; give a share, such as "
        "size=0.2, and where a score is published a list of its test cases (listed)",
        DeprecationWarning,
        stacklevel=3,
    )
    if not 1 <= size < len(cases):
        raise DataError(f"size={size} of {len(cases)} cases: both parts need one; choose 1 to {len(cases) - 1}")
    ranked = []  # any beginning of this order holds each grade in its share
    for stratum in _strata(_units(cases, seed)):
        ranked += [((rank + 0.5) / len(stratum), unit) for rank, unit in enumerate(stratum)]
    units = [unit for _, unit in sorted(ranked, key=lambda item: item[0])]
    count = 1 + bisect_left(list(accumulate(map(len, units))), size)  # the first units that hold as many cases
    if count == len(units):
        raise DataError(f"size={size} leaves no group for development; choose a smaller size")
    chosen = units[:count] if part == "test" else units[count:]
    return sorted((case for unit in chosen for case in unit), key=lambda case: str(case["image"]))


def _units(cases: list[Case], seed: int) -> list[list[Case]]:
    """Cases or groups of them, in the order that the seed and the paths below their common folder give."""
    paths = [os.path.abspath(str(case["image"])) for case in cases]
    folder = os.path.commonpath([os.path.dirname(path) for path in paths])
    units: dict[str, list[Case]] = defaultdict(list)
    for case, path in zip(cases, paths, strict=True):
        below = path.removeprefix(folder).lstrip(os.sep).replace(os.sep, "/")
        name = f"group {case['group']}" if "group" in case else f"image {below}"
        units[name].append(case)
    order = sorted(units, key=lambda name: sha256(f"{seed} {name}".encode()).digest())
    return [sorted(units[name], key=lambda case: str(case["image"])) for name in order]


def _strata(units: list[list[Case]]) -> list[list[list[Case]]]:
    """The units by their highest grade, in ascending order; all in one stratum where labels are no integers."""
    strata: dict[int, list[list[Case]]] = defaultdict(list)
    for unit in units:
        strata[max((case["label"] for case in unit if is_grade(case.get("label"))), default=-1)].append(unit)
    return [stratum for _, stratum in sorted(strata.items())]
