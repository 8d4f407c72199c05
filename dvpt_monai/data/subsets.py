"""Fewer labelled cases, to ask how many labels a method needs: a share of them, or a few of each class."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from dvpt_monai.data.case import Case, PathLike
from dvpt_monai.data.chance import Unit, draw, flat
from dvpt_monai.data.grades import is_grade
from dvpt_monai.errors import DataError

__all__ = ["label_fraction", "shots"]

logger = logging.getLogger(__name__)
NONE = -1
"""The class of a case without any label."""


def label_fraction(cases: list[Case], fraction: float, seed: int = 0, root: PathLike | None = None) -> list[Case]:
    """Keep a share of the labelled cases.

    Each case (group) is kept by its own number, so the share is right on average, in every grade; beside these, each
    grade keeps the case that comes first, so that none is lost. A smaller fraction is part of a larger one of the same
    seed. A case that is added leaves the others as they are, but may replace the first of its grade.

    Args:
        cases: the cases, in any order.
        fraction: share of the cases (groups), above 0 and up to 1.
        seed: another seed, another choice.
        root: folder of the data set, for cases without a name.

    Raises:
        DataError: if the fraction is out of range or there are no cases.

    Example:
        >>> cases = [{"image": f"{i}.jpg", "label": int(i == 7)} for i in range(100)]
        >>> sorted(case["label"] for case in label_fraction(cases, 0.1))
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    """
    if not 0 < fraction <= 1:
        raise DataError(f"label_fraction={fraction} is out of range: above 0 and up to 1")
    kept, seen = [], set[Any]()
    for unit in draw(cases, "label fraction", seed, root):
        grades = {case["label"] if is_grade(case.get("label")) else NONE for case in unit.cases}
        if unit.chance < fraction or not grades <= seen:
            kept.append(unit)
        seen |= grades
    return flat(kept)


def shots(cases: list[Case], count: int | None, seed: int = 0, root: PathLike | None = None) -> list[Case]:
    """Keep a few cases of each class, for few-shot training.

    Groups count as one: with patients known, these are `count` patients of each class, with all their images. Cases
    with several labels (a list of 0 and 1, one for each) are kept while any of their labels is short of cases; those
    without any label are a class of their own. A class with fewer cases keeps all, and a warning names it. Fewer shots
    are part of more of the same seed where every case has one label. A number is a rank, so a case that is added may
    replace another.

    Args:
        cases: the cases, in any order.
        count: cases or groups of each class, 1 or more; None keeps all.
        seed: another seed, another choice.
        root: folder of the data set, for cases without a name.

    Raises:
        DataError: if `count` is out of range or there are no cases.

    Example:
        >>> cases = [{"image": f"{i}.jpg", "label": i % 3} for i in range(30)]
        >>> sorted(case["label"] for case in shots(cases, 2))
        [0, 0, 1, 1, 2, 2]
    """
    if count is None:
        return list(cases)
    if count < 1:
        raise DataError(f"shots={count} is out of range: 1 or more of each class, or None for all")
    units = draw(cases, "shots", seed, root)
    held: Counter[int] = Counter()
    kept = []
    for unit in units:
        classes = _classes(unit)
        if any(held[label] < count for label in classes):
            kept.append(unit)
            held.update(classes)
    short = {label: held[label] for label in sorted(set().union(*map(_classes, units))) if held[label] < count}
    for label, number in short.items():
        name = "no label" if label == NONE else f"label {label}"
        logger.warning("shots=%d, but only %d cases or groups have %s; all of them are kept", count, number, name)
    return flat(kept)


def _classes(unit: Unit) -> set[int]:
    """The classes of a unit's cases: their grades, or the places of the ones."""
    return {label for case in unit.cases for label in _labels(case.get("label"))}


def _labels(label: Any) -> set[int]:
    if is_grade(label):
        return {int(label)}
    ones = {place for place, value in enumerate(label) if value == 1} if isinstance(label, list | tuple) else set()
    return ones or {NONE}
