"""Parts of a list of cases: folds, and a test set.

A case's part depends on the seed and on its group, or else on its own name, alone: each draws a number from these
(:mod:`~dvpt_monai.data.chance`), and the number decides. Cases that are added, taken away or moved with their data
set's folder therefore never move another between development and test, or between the same number of folds; a group
is never divided; a seed means the same parts everywhere and for ever.

The price is that shares are not exact. Where files are numbered, each ten give two to a fifth, in each folder for
itself; a number apart, or names without any, are as independent draws: of n cases with a share p, n p fall into the
part, give or take twice the root of n p (1 - p), so 20 of 100, give or take 8. That holds for each class, too, and a
rare one may miss a part; then a warning says so and names what helps. Exact shares could only be had by ranks, which
move cases whenever one is added, and with them test images into the training.
"""

from __future__ import annotations

import logging
from numbers import Integral

from dvpt_monai.data import ranked
from dvpt_monai.data.case import Case, PathLike
from dvpt_monai.data.chance import draw, flat, ordered
from dvpt_monai.data.grades import is_grade
from dvpt_monai.data.listed import take_listed
from dvpt_monai.errors import DataError

__all__ = ["count_parts", "fold_cases", "holdout", "share", "split"]

logger = logging.getLogger(__name__)


def split(
    cases: list[Case], part: str, fold: int = 0, folds: int = 5, seed: int = 0, root: PathLike | None = None
) -> list[Case]:
    """Take the training or the validation part of one fold of a cross-validation.

    Args:
        cases: the cases, in any order.
        part: ``"training"`` or ``"validation"``; together they are all cases.
        fold: which fold validates, 0 to `folds` - 1.
        folds: number of folds; over all of them each case validates once. 1 holds nothing out, for a last training
            whose settings are chosen: both parts are then all cases, and the validation is no longer independent.
        seed: another seed, other folds.
        root: folder of the data set, for cases without a name.

    Raises:
        DataError: on an unknown part, a fold out of range, fewer cases (groups) than folds, or a part without cases. A
            class that one of both parts misses is warned of.

    Example:
        >>> cases = [{"image": f"{i}.jpg", "label": i % 2} for i in range(100)]
        >>> [len(split(cases, "validation", fold)) for fold in range(5)]
        [20, 20, 20, 20, 20]
        >>> split(cases[1:], "validation") == [case for case in split(cases, "validation") if case is not cases[0]]
        True
    """
    _check_part(part, ("training", "validation"))
    units = draw(cases, "fold", seed, root)
    if not 1 <= folds <= len(units):
        raise DataError(f"folds={folds} for {len(units)} cases or groups: choose 1 to {len(units)}")
    if not 0 <= fold < folds:
        raise DataError(f"fold={fold} is out of range: choose 0 to {folds - 1} for folds={folds}")
    if folds == 1:
        return flat(units)
    parts = {
        "training": flat([unit for unit in units if int(unit.chance * folds) != fold]),
        "validation": flat([unit for unit in units if int(unit.chance * folds) == fold]),
    }
    return _either(part, parts, f"fold {fold} of {folds}", "another fold, fewer folds or another seed")


def fold_cases(cases: list[Case], folds: int = 5, seed: int = 0, root: PathLike | None = None) -> list[list[Case]]:
    """The cases that validate in each fold that `split` makes; a fold of few cases may have none.

    Example:
        >>> cases = [{"image": f"{i}.jpg", "label": i % 2} for i in range(100)]
        >>> [len(fold) for fold in fold_cases(cases)]
        [20, 20, 20, 20, 20]
    """
    units = draw(cases, "fold", seed, root)
    return [flat([unit for unit in units if int(unit.chance * folds) == fold]) for fold in range(folds)]


def holdout(
    cases: list[Case],
    part: str,
    size: float = 0.2,
    seed: int = 0,
    listed: PathLike | None = None,
    root: PathLike | None = None,
) -> list[Case]:
    """Set a test set aside, for data that has no official one.

    Args:
        cases: the cases, in any order.
        part: ``"development"`` or ``"test"``; together they are all cases.
        size: share of the test cases, above 0 and below 1. A whole number of them is deprecated: it goes by rank, as in
            the last release, so a case that is added moves others.
        seed: another seed, another test set.
        listed: a text file with the name of a test case on each line, such as those behind a published score; all
            others develop. Where the data have none of them the list is of other data, and `size` decides.
        root: folder of the data set, for cases without a name.

    Raises:
        DataError: on an unknown part, a size out of range, a part without cases, or a list that divides a group. A
            class that one of both parts misses is warned of, and so are listed cases that are not there.

    Example:
        >>> cases = [{"image": f"{i}.nii.gz", "label": f"{i}_mask.nii.gz"} for i in range(50)]
        >>> len(holdout(cases, "test")), len(holdout(cases, "development"))
        (10, 40)
    """
    _check_part(part, ("development", "test"))
    test = [] if listed is None else take_listed(cases, listed, root)
    divided_by, remedy = str(listed), "another list"
    if not test:
        if isinstance(size, Integral):
            return ranked.holdout(cases, part, int(size), seed)
        if not 0 < size < 1:
            raise DataError(f"size={size} is out of range: a share of the cases, above 0 and below 1")
        test = share(cases, size, seed, root)
        divided_by, remedy = f"size={size}", "another size or seed, or list the test cases in a file (listed)"
    taken = {id(case) for case in test}
    development = [case for case in ordered(cases) if id(case) not in taken]
    return _either(part, {"development": development, "test": test}, divided_by, remedy)


def share(cases: list[Case], size: float, seed: int = 0, root: PathLike | None = None) -> list[Case]:
    """The test cases that `holdout` sets aside by their share; of few cases that may be none, or all.

    Example:
        >>> cases = [{"image": f"{i}.jpg", "label": i % 2} for i in range(100)]
        >>> len(share(cases, 0.1)), all(case in share(cases, 0.3) for case in share(cases, 0.1))
        (10, True)
    """
    return flat([unit for unit in draw(cases, "test", seed, root) if unit.chance < size])


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


def _either(part: str, parts: dict[str, list[Case]], divided_by: str, remedy: str) -> list[Case]:
    """One of two parts, where neither is empty; classes that one of them misses are warned of, once."""
    whole = sum(map(len, parts.values()))
    for name, cases in parts.items():
        if not cases:
            raise DataError(f"{divided_by} leaves no case for {name}, of {whole} in all; choose {remedy}")
    if part in ("validation", "test"):
        everywhere = {label for cases in parts.values() for label in _grades(cases)}
        for name, cases in parts.items():
            absent = sorted(everywhere - _grades(cases))
            if absent:
                logger.warning(
                    "%s leaves no case of label %s for %s, of %d in all; choose %s, or add cases",
                    *(divided_by, " and ".join(map(str, absent)), name, whole, remedy),
                )
    return parts[part]


def _grades(cases: list[Case]) -> set[int]:
    return {int(case["label"]) for case in cases if is_grade(case.get("label"))}
