"""Rare grades and labels, weighed or drawn more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import WeightedRandomSampler

from dvpt_monai.data.case import Case
from dvpt_monai.data.findings import read_findings
from dvpt_monai.data.grades import is_grade, read_grade
from dvpt_monai.errors import DataError

__all__ = ["balanced_sampler", "class_weights", "positive_weights"]


def class_weights(cases: list[Case], num_classes: int, power: float = 1.0) -> Tensor:
    """Weigh rare grades more in a loss: inverse frequency to the `power`, with mean 1.

    Args:
        cases: the training cases.
        num_classes: number of grades.
        power: 1 gives each grade the same total weight, 0.5 is gentler, 0 is off.

    Returns:
        Weights of **Shape** (num_classes,), float32.

    Raises:
        DataError: on a label out of range, or a grade without a case: no weight would make it learnable.

    Example:
        >>> cases = [{"image": f"{i}.jpg", "label": int(i == 0)} for i in range(4)]
        >>> class_weights(cases, 2)
        tensor([0.5000, 1.5000])
    """
    counts = _counts(cases, num_classes)
    absent = [grade for grade, count in enumerate(counts) if count == 0]
    if absent and power != 0:
        raise DataError(
            f"num_classes={num_classes}, but no case has a label of {absent}, so no weight is right for it; "
            "lower num_classes, add such cases, or switch the class weights off"
        )
    weights = torch.tensor([max(count, 1) for count in counts], dtype=torch.float64) ** -power
    return (weights / weights.mean()).float()


def positive_weights(cases: list[Case], labels: Sequence[str], power: float = 1.0) -> Tensor:
    """Weigh the positive cases of rare labels more in a binary cross-entropy: (negative / positive) to the `power`.

    Args:
        cases: the training cases; each label is a list of 0 and 1, or a file with names (:func:`read_findings`).
        labels: the names of all labels.
        power: 1 gives both answers the same total weight, 0.5 is gentler, 0 is off.

    Returns:
        One weight for each label, **Shape** (C,), float32, for ``BCEWithLogitsLoss(pos_weight=...)``; 1 for labels that
        no case has, or every case.

    Raises:
        DataError: if there are no cases.

    Example:
        >>> cases = [{"image": f"{i}.png", "label": [int(i == 0), 0]} for i in range(4)]
        >>> positive_weights(cases, ["nodule", "fibrosis"])
        tensor([3., 1.])
    """
    if not cases:
        raise DataError("the list of cases is empty; check the data list")
    truth = torch.tensor([read_findings(case["label"], labels) for case in cases], dtype=torch.float64)
    positive, negative = truth.sum(dim=0), (1 - truth).sum(dim=0)
    both = (positive > 0) & (negative > 0)
    return torch.where(both, negative / positive.clamp(min=1), 1.0).pow(power).float()


def balanced_sampler(cases: list[Case], num_classes: int, seed: int = 0, power: float = 1.0) -> WeightedRandomSampler:
    """Draw rare grades more often: a sampler for the data loader, instead of shuffling.

    One epoch draws as many cases as there are, with replacement. A grade without a case is simply never drawn.

    Args:
        cases: the training cases, in the order of the data set.
        num_classes: number of grades.
        seed: of the sampler's own generator.
        power: 1 draws each grade equally often, 0 each case.

    Raises:
        DataError: on a label out of range or an empty list.

    Example:
        >>> cases = [{"image": f"{i}.jpg", "label": int(i == 0)} for i in range(1000)]
        >>> drawn = [cases[index]["label"] for index in balanced_sampler(cases, 2)]
        >>> 400 < sum(drawn) < 600
        True
    """
    counts = _counts(cases, num_classes)
    weights = [float(counts[read_grade(case["label"])]) ** -power for case in cases]
    return WeightedRandomSampler(weights, len(cases), replacement=True, generator=torch.Generator().manual_seed(seed))


def _counts(cases: list[Case], num_classes: int) -> list[int]:
    if not cases:
        raise DataError("the list of cases is empty; check the data list")
    cases = [{**case, "label": read_grade(case.get("label"))} for case in cases]
    for case in cases:
        if not is_grade(case.get("label")) or not 0 <= case["label"] < num_classes:
            label, top = case.get("label"), num_classes - 1
            raise DataError(
                f"{case.get('image')}: label {label!r} is no integer in 0..{top}; correct it or set num_classes"
            )
    count = Counter(case["label"] for case in cases)
    return [count[grade] for grade in range(num_classes)]
