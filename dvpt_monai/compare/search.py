"""What a search tries, and what it drops.

Settings are drawn in strata: of n draws one falls into each n-th of a range on its logarithmic scale, and strata of
several names are paired at random (a Latin hypercube), so few draws cover a range better than independent ones. Halving
goes by folds: all settings are trained for one fold, the better half of them for another, and so on. Every training is
as long as the last one will be: short ones would prefer high rates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dvpt_monai.tuning import Space

__all__ = ["HEAD", "draw", "rungs", "survivors"]

HEAD: Space = {"head_learning_rate": (5e-4, 2e-2)}
"""What every method tries: the rate of the parts that are new."""


def draw(space: Space, count: int, seed: Sequence[int]) -> list[dict[str, Any]]:
    """Settings to try.

    Args:
        space: values by name.
        count: of the settings.
        seed: another one, other settings.

    Example:
        >>> tried = draw({"learning_rate": (1e-4, 1e-2), "rank": [4, 8]}, 4, [0])
        >>> sum(each["learning_rate"] < 1e-3 for each in tried), sorted(each["rank"] for each in tried)
        (2, [4, 4, 8, 8])
    """
    random = np.random.default_rng(list(seed))
    columns = {}
    for name, values in space.items():
        places = (random.permutation(count) + random.random(count)) / count
        columns[name] = [_at(values, float(place)) for place in places]
    return [{name: column[trial] for name, column in columns.items()} for trial in range(count)]


def rungs(trials: int) -> list[int]:
    """How many settings each fold is trained with, until one is left.

    Example:
        >>> rungs(8), rungs(1)
        ([8, 4, 2], [])
    """
    return [trials, *rungs(trials // 2)] if trials > 1 else []


def survivors(scores: Mapping[int, Sequence[float]]) -> list[int]:
    """The better half of the trials by their mean score; one that failed, whose score is NaN, is worse than any.

    Example:
        >>> survivors({0: [0.5], 1: [0.9], 2: [float("nan")], 3: [0.7]})
        [1, 3]
    """

    def mean(trial: int) -> float:
        value = sum(scores[trial]) / len(scores[trial])
        return value if math.isfinite(value) else -math.inf

    best = sorted(scores, key=lambda trial: (-mean(trial), trial))
    return [trial for trial in best[: max(1, len(best) // 2)] if mean(trial) > -math.inf]


def _at(values: Sequence[Any], place: float) -> Any:
    """The value at a place from 0 to below 1."""
    if isinstance(values, tuple):
        low, high = values
        return float(f"{low * (high / low) ** place:.3g}")  # what is printed is what trains
    return values[int(place * len(values))]
