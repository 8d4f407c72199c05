"""Parts of a list of cases: folds, a test set, a share of the labels, a few shots.

A group is never divided between two parts. Which part a case falls into depends on the seed and the case's own name
only, not on the order of the list, the machine or a library's random generator; a seed means the same split everywhere
and for ever.
"""

from __future__ import annotations

import logging
import os
from bisect import bisect_left
from collections import Counter, defaultdict
from hashlib import sha256
from itertools import accumulate

from dvpt_monai.data.case import Case
from dvpt_monai.data.grades import is_grade
from dvpt_monai.errors import DataError

__all__ = ["count_parts", "holdout", "label_fraction", "shots", "split"]

logger = logging.getLogger(__name__)


def split(
    cases: list[Case], part: str, fold: int = 0, folds: int = 5, seed: int = 0, stratify: bool = True
) -> list[Case]:
    """Take the training or the validation part of one fold of a cross-validation.

    Args:
        cases: the cases, in any order.
        part: ``"training"`` or ``"validation"``; together they are all cases.
        fold: which fold validates, 0 to `folds` - 1.
        folds: number of folds; over all of them each case validates once. 1 holds nothing out, for a last training
            whose settings are chosen: both parts are then all cases, and the validation is no longer independent.
        seed: another seed, other folds.
        stratify: give each fold its share of every grade, where labels are integers.

    Raises:
        DataError: on an unknown part, a fold out of range, or fewer cases (groups) than folds.

    Example:
        >>> cases = [{"image": f"{i}.jpg", "label": i % 2} for i in range(20)]
        >>> sorted(case["label"] for case in split(cases, "validation", fold=3))
        [0, 0, 1, 1]
        >>> len(split(cases, "training", fold=3))
        16
    """
    _check_part(part, ("training", "validation"))
    units = _units(cases, seed)
    if not 1 <= folds <= len(units):
        raise DataError(f"folds={folds} for {len(units)} cases or groups: choose 1 to {len(units)}")
    if not 0 <= fold < folds:
        raise DataError(f"fold={fold} is out of range: choose 0 to {folds - 1} for folds={folds}")
    if stratify:
        units = [unit for stratum in _strata(units).values() for unit in stratum]
    if folds == 1:
        return _flat(units)
    return _flat([unit for place, unit in enumerate(units) if (place % folds == fold) == (part == "validation")])


def holdout(cases: list[Case], part: str, size: int = 40, seed: int = 0) -> list[Case]:
    """Set a test set aside, for data that has no official one.

    Args:
        cases: the cases, in any order.
        part: ``"development"`` or ``"test"``; together they are all cases.
        size: number of test cases, with the share of every grade where labels are integers; it is exceeded only
            rather than dividing a group.
        seed: another seed, another test set.

    Raises:
        DataError: on an unknown part or a size that leaves one part empty.

    Example:
        >>> cases = [{"image": f"{i}.nii.gz", "label": f"{i}_mask.nii.gz"} for i in range(50)]
        >>> len(holdout(cases, "test")), len(holdout(cases, "development"))
        (40, 10)
    """
    _check_part(part, ("development", "test"))
    if not 1 <= size < len(cases):
        raise DataError(f"size={size} of {len(cases)} cases: both parts need one; choose 1 to {len(cases) - 1}")
    ranked = []  # any beginning of this order holds each grade in its share
    for stratum in _strata(_units(cases, seed)).values():
        ranked += [((rank + 0.5) / len(stratum), unit) for rank, unit in enumerate(stratum)]
    units = [unit for _, unit in sorted(ranked, key=lambda item: item[0])]
    count = 1 + bisect_left(list(accumulate(map(len, units))), size)  # the first units that hold as many cases
    if count == len(units):
        raise DataError(f"size={size} leaves no group for development; choose a smaller size")
    return _flat(units[:count] if part == "test" else units[count:])


def label_fraction(cases: list[Case], fraction: float, seed: int = 0) -> list[Case]:
    """Keep a share of the labelled cases, to ask how many labels a method needs.

    Every grade keeps its share, and at least one case; a smaller fraction is part of a larger one of the same seed.

    Args:
        cases: the cases, in any order.
        fraction: share of the cases (groups), above 0 and up to 1.
        seed: another seed, another choice.

    Raises:
        DataError: if the fraction is out of range or there are no cases.

    Example:
        >>> cases = [{"image": f"{i}.jpg", "label": int(i == 7)} for i in range(100)]
        >>> sorted(case["label"] for case in label_fraction(cases, 0.05))
        [0, 0, 0, 0, 0, 1]
    """
    if not 0 < fraction <= 1:
        raise DataError(f"label_fraction={fraction} is out of range: above 0 and up to 1")
    units = _units(cases, seed)
    first = {case["label"]: unit for unit in reversed(units) for case in unit if is_grade(case.get("label"))}
    kept = {id(unit) for unit in first.values()}
    for stratum in _strata(units).values():
        kept |= {id(unit) for unit in stratum[: max(1, round(fraction * len(stratum)))]}
    return _flat([unit for unit in units if id(unit) in kept])


def shots(cases: list[Case], count: int | None, seed: int = 0) -> list[Case]:
    """Keep a few cases of each class, for few-shot training.

    Groups count as one: with patients known, these are `count` patients of each class, with all their images. Cases
    with several labels (a list of 0 and 1, one for each) are kept while any of their labels is short of cases; those
    without any label are a class of their own. A class with fewer cases keeps all, and a warning names it. Fewer shots
    are part of more of the same seed where every case has one label.

    Args:
        cases: the cases, in any order.
        count: cases or groups of each class, 1 or more; None keeps all.
        seed: another seed, another choice.

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
    units = _units(cases, seed)
    classes = [{label for case in unit for label in _classes(case)} for unit in units]
    held: Counter[int] = Counter()
    kept = []
    for unit, found in zip(units, classes, strict=True):
        if any(held[label] < count for label in found):
            kept.append(unit)
            held.update(found)
    short = {label: held[label] for label in sorted(set().union(*classes)) if held[label] < count}
    for label, number in short.items():
        name = "no label" if label < 0 else f"label {label}"
        logger.warning("shots=%d, but only %d cases or groups have %s; all of them are kept", count, number, name)
    return _flat(kept)


def count_parts(training: list[Case], validation: list[Case]) -> tuple[int, int]:
    """Count the cases to train on, and those to choose the best epoch with; there has to be one of each.

    Raises:
        DataError: a part is empty. MONAI skips an empty validation, and so never saves what was trained.

    Example:
        >>> count_parts([{"image": "a.jpg", "label": 0}], [])
        Traceback (most recent call last):
        dvpt_monai.errors.DataError: no labelled case to validate on, of 1 in all; ...
    """
    for part, purpose in ((training, "train"), (validation, "validate")):
        if not part:
            raise DataError(
                f"no labelled case to {purpose} on, of {len(training) + len(validation)} in all; label more of them "
                "(MONAI Label's val_split of 0.2 needs 3)"
            )
    return len(training), len(validation)


def _check_part(part: str, parts: tuple[str, str]) -> None:
    if part not in parts:
        raise DataError(f"part={part!r} is unknown: choose {parts[0]!r} or {parts[1]!r}")


def _classes(case: Case) -> set[int]:
    """The labels that a case has: its grade, or the places of the ones; -1 is none."""
    label = case.get("label")
    if is_grade(case.get("label")):
        return {int(case["label"])}
    found = {place for place, value in enumerate(label) if value == 1} if isinstance(label, list | tuple) else set()
    return found or {-1}


def _units(cases: list[Case], seed: int) -> list[list[Case]]:
    """What may not be divided, a case or a group of them, in the order that the seed gives."""
    if not cases:
        raise DataError("the list of cases is empty; check the data list")
    paths = [os.path.abspath(str(case["image"])) for case in cases]
    folder = os.path.commonpath([os.path.dirname(path) for path in paths])  # left out: it differs between machines
    units: dict[str, list[Case]] = defaultdict(list)
    for case, path in zip(cases, paths, strict=True):
        below = path.removeprefix(folder).lstrip(os.sep).replace(os.sep, "/")
        name = f"group {case['group']}" if "group" in case else f"image {below}"
        units[name].append(case)
    order = sorted(units, key=lambda name: sha256(f"{seed} {name}".encode()).digest())
    return [sorted(units[name], key=lambda case: str(case["image"])) for name in order]


def _strata(units: list[list[Case]]) -> dict[int, list[list[Case]]]:
    """The units by their highest grade, in ascending order; all in one stratum where labels are no integers."""
    strata: dict[int, list[list[Case]]] = defaultdict(list)
    for unit in units:
        strata[max((case["label"] for case in unit if is_grade(case.get("label"))), default=-1)].append(unit)
    return dict(sorted(strata.items()))


def _flat(units: list[list[Case]]) -> list[Case]:
    return sorted((case for unit in units for case in unit), key=lambda case: str(case["image"]))
