"""Which of two values of a metric chooses a network: never the one that is none."""

from __future__ import annotations

import math

__all__ = ["better", "rank"]


def rank(value: float) -> float:
    """A value as it is compared: NaN and infinity, which are no values, come after every other.

    Example:
        >>> sorted([0.5, float("nan"), -1.0], key=rank)
        [nan, -1.0, 0.5]
    """
    number = float(value)
    return number if math.isfinite(number) else -math.inf


def better(current: float, best: float) -> bool:
    """Whether a value is higher than the best so far, for the ``metric_cmp_fn`` of MONAI's evaluators.

    By MONAI's own comparison a first NaN would stay the best for ever.

    Example:
        >>> better(0.1, float("nan")), better(float("nan"), 0.1), better(float("nan"), float("nan"))
        (True, False, False)
    """
    return rank(current) > rank(best)
