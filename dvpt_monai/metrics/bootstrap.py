"""95 % intervals by the bootstrap over cases (Efron and Tibshirani, An Introduction to the Bootstrap, 1993).

A resample draws as many cases as there are, with replacement; or as many patients, each with all cases. All that a
metric needs to know of it is a weight for each case, how often it was drawn: a thousand resamples are one matrix, and
most metrics a product with it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["COVERAGE", "RESAMPLES", "Interval", "interval", "resample"]

RESAMPLES = 1000
COVERAGE = 0.95


@dataclass(frozen=True)
class Interval:
    """Between which values a metric lies.

    Attributes:
        low: the lower end; NaN where there is none.
        high: the upper end.
        cases: that were resampled, or patients.
        resamples: that had a value; in the others it was undefined, for example without any case of a class.
    """

    low: float
    high: float
    cases: int
    resamples: int

    def __bool__(self) -> bool:
        """Whether there is one."""
        return not math.isnan(self.low)


def resample(cases: int, resamples: int = RESAMPLES, seed: int = 0, groups: Sequence[Hashable] | None = None) -> Tensor:
    """How often each case was drawn.

    **Shape**: (resamples, cases), float64; without groups each row adds up to the number of cases

    Args:
        cases: how many there are.
        resamples: how often as many are drawn.
        seed: of the drawing.
        groups: of each case, such as its patient: cases of one group are no independent ones, and drawn together.

    Example:
        >>> resample(4, resamples=2)
        tensor([[0., 1., 2., 1.],
                [3., 1., 0., 0.]], dtype=torch.float64)
        >>> resample(4, resamples=1, groups=["anna", "anna", "ben", "anna"])
        tensor([[0., 0., 2., 0.]], dtype=torch.float64)
    """
    numbers = {group: number for number, group in enumerate(dict.fromkeys(range(cases) if groups is None else groups))}
    units = len(numbers)
    drawn = np.random.default_rng(seed).integers(units, size=(resamples, units))
    counts = torch.from_numpy(np.stack([np.bincount(row, minlength=units) for row in drawn]).astype(np.float64))
    return counts if groups is None else counts[:, [numbers[group] for group in groups]]


def interval(values: Tensor, cases: int) -> Interval:
    """The middle 95 % of a metric's values.

    There is none of a single case, which resamples to itself, nor where fewer than half of the resamples have a value.

    Args:
        values: of the resamples, NaN where the metric is undefined.
        cases: that were resampled.

    Shape:
        values (resamples,)

    Example:
        >>> ends = interval(torch.arange(2001.0), cases=20)
        >>> round(ends.low), round(ends.high), ends.resamples
        (50, 1950, 2001)
        >>> bool(interval(torch.ones(1000), cases=1))
        False
    """
    known = int(values.isfinite().sum())
    if cases < 2 or 2 * known < len(values):
        return Interval(math.nan, math.nan, cases, known)
    tails = torch.tensor([(1 - COVERAGE) / 2, (1 + COVERAGE) / 2], dtype=torch.float64)
    low, high = values[values.isfinite()].double().quantile(tails).tolist()
    return Interval(low, high, cases, known)
