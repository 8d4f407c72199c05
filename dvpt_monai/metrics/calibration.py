"""Whether probabilities are what they say: of all that was said with 0.8, eight in ten should be so."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dvpt_monai.metrics.weighted import by_score

__all__ = ["BINS", "losses", "reliability", "squares", "weighted_ece"]

BINS = 10


def weighted_ece(probability: Tensor, truth: Tensor, weights: Tensor, bins: int = BINS) -> Tensor:
    """The expected calibration error in bins of equal mass, of weighted cases.

    Bins hold a share of the cases each, not a range of probabilities, as most of these would stay empty (Nguyen and
    O'Connor, EMNLP 2015). Cases of one probability are never divided: all fall into the bin of their middle. The error
    is the mean over the bins, weighted by their cases, of how far the mean probability lies from the share that is
    true.

    **Shape**: (cases,), (cases,) of 0 and 1, (resamples, cases) -> (resamples,)

    Example:
        >>> weighted_ece(torch.tensor([0.2, 0.2, 0.9, 0.9]), torch.tensor([0, 1, 1, 1]), torch.ones(1, 4), bins=2)
        tensor([0.2000], dtype=torch.float64)
    """
    said, true, mass = reliability(probability, truth, weights, bins)
    return (said - true).abs().sum(1) / mass.sum(1)


def reliability(probability: Tensor, truth: Tensor, weights: Tensor, bins: int = BINS) -> tuple[Tensor, Tensor, Tensor]:
    """The sums of each bin: of probabilities, of what is true, and of cases; all weighted.

    **Shape**: as above -> three of (resamples, bins), float64
    """
    probability = probability.double()
    positives, negatives = by_score(probability, truth, weights)
    mass = positives + negatives
    below = mass.cumsum(1) - mass / 2
    place = (bins * below / mass.sum(1, keepdim=True)).nan_to_num().long().clamp(max=bins - 1)
    nothing = torch.zeros(len(mass), bins, dtype=torch.float64)
    parts = (mass * probability.unique(), positives, mass)
    said, true, cases = (nothing.scatter_add(1, place, part) for part in parts)
    return said, true, cases


def squares(probability: Tensor, truth: Tensor) -> Tensor:
    """Of each case what the Brier score is the mean of: ``(probability - truth)^2``.

    Example:
        >>> squares(torch.tensor([0.5, 1.0]), torch.tensor([1, 0]))
        tensor([0.2500, 1.0000], dtype=torch.float64)
    """
    return (probability.double() - truth.double()) ** 2


def losses(probability: Tensor) -> Tensor:
    """Of each case what the negative log-likelihood is the mean of, by the probability of what is true.

    A probability of 0 counts as 2.2e-16, as in scikit-learn, where the loss would be infinite.

    Example:
        >>> losses(torch.tensor([0.5, 0.0])).exp()
        tensor([2.0000e+00, 4.5036e+15], dtype=torch.float64)
    """
    least = torch.finfo(torch.float64).eps
    return -probability.double().clamp(least, 1 - least).log() if len(probability) else torch.full((0,), math.nan)
