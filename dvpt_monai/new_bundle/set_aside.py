"""The test set of a new bundle, where the data say nothing: about a fifth, which stays when cases are added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dvpt_monai.data.splits import fold_cases, share
from dvpt_monai.errors import DataError

__all__ = ["SetAside", "classes_of", "division", "set_aside"]

SEEDS = 100
"""How many seeds are tried."""
FEW = 50
"""Cases below which fewer folds are better than some without a class; of more, they would only cost training cases."""
DRAWN = 200_000
"""How many cases are drawn at most to find a seed for the folds: large sets are spread well by any."""


@dataclass(frozen=True)
class SetAside:
    """A test set.

    Args:
        images: its images.
        seed: what it was drawn with.
        untested: classes without a test case.
        better: a seed by which every class has cases on both sides, where there are untested ones; None if none is.
    """

    images: frozenset[str]
    seed: int
    untested: frozenset[Any]
    better: int | None


def set_aside(rows: list[dict[str, Any]], seed: int, spread: bool = False) -> SetAside:
    """Draw about a fifth, by the first seed from `seed` on that leaves parts to work with.

    These are two test cases (one is no test, and leaves the second of two processes without any) and two folds of the
    rest. A seed that has them keeps them when cases are added, and so goes on to choose the same.

    Args:
        rows: cases as the lists of :mod:`dvpt_monai.data` have them, perhaps with ``shown``, the structures in a mask.
        seed: the first to try.
        spread: whether a seed is looked for by which every class has cases on both sides, or else, in the training.

    Raises:
        DataError: there are too few cases, or groups of them.
    """
    units = len({row.get("group", row["image"]) for row in rows})
    found = next((each for each in _seeds(seed) if _suffices(rows, _drawn(rows, each))), None) if units >= 4 else None
    if found is None:
        raise DataError(f"{len(rows)} cases of {units} groups are too few to train, validate and test; give more")
    if spread:
        found = next((each for test in (_is_whole, _is_learned) for each in _seeds(seed)
                      if test(rows, _drawn(rows, each))), found)  # fmt: skip
    images = _drawn(rows, found)
    untested = classes_of(rows) - classes_of(row for row in rows if row["image"] in images)
    better = (
        next((each for each in _seeds(found + 1) if _is_whole(rows, _drawn(rows, each))), None) if untested else None
    )
    return SetAside(images, found, untested, better)


def _folds_of(rows: list[dict[str, Any]]) -> int:
    """The number of folds, at most 5, of which none is empty; 1 if there is none."""
    return next((folds for folds in range(5, 1, -1) if all(fold_cases(rows, folds))), 1)


def _seeds(first: int) -> range:
    return range(first, first + SEEDS)


def _drawn(rows: list[dict[str, Any]], seed: int) -> frozenset[str]:
    return frozenset(row["image"] for row in share(rows, 0.2, seed))


def _suffices(rows: list[dict[str, Any]], images: frozenset[str]) -> bool:
    rest = [row for row in rows if row["image"] not in images]
    return len(images) > 1 and _folds_of(rest) > 1


def _is_whole(rows: list[dict[str, Any]], images: frozenset[str]) -> bool:
    """Whether every class has cases on both sides."""
    sides = [[row for row in rows if (row["image"] in images) == side] for side in (True, False)]
    return len(images) > 1 and all(classes_of(side) == classes_of(rows) for side in sides) and _folds_of(sides[1]) > 1


def _is_learned(rows: list[dict[str, Any]], images: frozenset[str]) -> bool:
    """Whether every class has cases outside of the test."""
    rest = [row for row in rows if row["image"] not in images]
    return _suffices(rows, images) and classes_of(rest) == classes_of(rows)


def classes_of(rows: Iterable[dict[str, Any]]) -> frozenset[Any]:
    """The classes of cases, or the structures in their masks; -1 for a mask without any."""
    found = set[Any]()
    for row in rows:
        if isinstance(row["label"], int):
            found.add(row["label"])
        elif "shown" in row:
            found |= row["shown"] or {-1}
    return frozenset(found)


def division(rows: list[dict[str, Any]]) -> tuple[int, int]:
    """The number of folds, at most 5, and the seed that spreads the cases best over them; 1 and 0 if there are none.

    A fold has two cases (groups) and one of each class on average, or there are two folds. Of few cases there are fewer
    folds where only these have a case of every class in each.
    """
    units = len({row.get("group", row["image"]) for row in rows})
    counts = Counter(row["label"] for row in rows if isinstance(row["label"], int))
    usual = (1, 0)
    for folds in range(min(5, units, max(2, units // max(2, len(counts)))), 1, -1):
        seed = _fold_seed(rows, folds)
        validating = fold_cases(rows, folds, seed)
        if all(classes_of(fold) == classes_of(rows) for fold in validating) and (folds >= 4 or units < FEW):
            return folds, seed
        if usual == (1, 0) and all(validating):
            usual = folds, seed
    return usual


def _fold_seed(rows: list[dict[str, Any]], folds: int) -> int:
    """The first seed that spreads best what is to be learned: never out of a training, over all validations, evenly."""
    every = classes_of(rows)
    even = max(1, len(rows) / folds / 4)

    def spread(seed: int) -> tuple[float, ...]:
        validating = fold_cases(rows, folds, seed)
        if not all(validating):
            return (-1,)
        held = [{row["image"] for row in fold} for fold in validating]
        learned = [classes_of(row for row in rows if row["image"] not in fold) == every for fold in held]
        seen = [len(classes_of(fold)) for fold in validating]
        sizes = [len(fold) for fold in validating]
        uneven = max(even, max(sizes) - min(sizes))
        # the first fold is the one that a training takes
        return learned[0], sum(learned), seen[0], sum(seen), -uneven

    best, score = 0, spread(0)
    for seed in range(1, min(SEEDS, max(1, DRAWN // len(rows)))):
        if score == (True, folds, len(every), folds * len(every), -even):
            break
        if (other := spread(seed)) > score:
            best, score = seed, other
    return best
