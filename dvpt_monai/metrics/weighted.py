"""Scores of weighted cases, for many weightings at once.

Weights are (resamples, cases): how often each case counts. A score without a value, of no positives or of one grade, is
NaN.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["by_score", "weighted_auc", "weighted_kappa", "weighted_mean", "weighted_precision"]


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """The mean of the cases that have a value; the others, NaN, count nowhere.

    **Shape**: (cases, *) and (resamples, cases) -> (resamples, *)

    Example:
        >>> weighted_mean(torch.tensor([1.0, 0.0, float("nan")]), torch.tensor([[1.0, 1.0, 1.0], [3.0, 0.0, 0.0]]))
        tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    flat = values.double().flatten(1) if values.ndim > 1 else values.double()[:, None]
    weights = weights.double()
    known = (~flat.isnan()).double()
    means = weights @ flat.where(flat.isfinite(), 0.0) / (weights @ known)
    means[(weights @ flat.isinf().double()) > 0] = math.inf  # zero times infinity would be NaN
    return means.reshape(len(weights), *values.shape[1:])


def weighted_kappa(predicted: Tensor, truth: Tensor, weights: Tensor, penalty: Tensor) -> Tensor:
    """Cohen's kappa, ``1 - sum(penalty * observed) / sum(penalty * expected)``.

    Args:
        predicted: grades, from 0.
        truth: likewise.
        weights: of the cases.
        penalty: of each pair of grades, 0 where they agree.

    Shape:
        (cases,), (cases,), (resamples, cases), (grades, grades) -> (resamples,)
    """
    grades = len(penalty)
    pairs = torch.nn.functional.one_hot(truth.long() * grades + predicted.long(), grades**2).double()
    observed = (weights.double() @ pairs).reshape(-1, grades, grades)
    expected = observed.sum(2, keepdim=True) * observed.sum(1, keepdim=True) / observed.sum((1, 2), keepdim=True)
    return 1 - (penalty * observed).sum((1, 2)) / (penalty * expected).sum((1, 2))


def weighted_auc(scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """The area under the ROC curve; cases of the same score count half against each other.

    **Shape**: (cases,), (cases,) of 0 and 1, (resamples, cases) -> (resamples,)

    Example:
        >>> weighted_auc(torch.tensor([0.1, 0.4, 0.4]), torch.tensor([0, 0, 1]), torch.ones(1, 3))
        tensor([0.7500], dtype=torch.float64)
    """
    positives, negatives = by_score(scores, truth, weights)
    below = negatives.cumsum(1) - negatives
    return (positives * (below + negatives / 2)).sum(1) / (positives.sum(1) * negatives.sum(1))


def weighted_precision(scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """The average precision, ``sum_k (R_k - R_{k-1}) P_k`` over falling scores.

    **Shape**: (cases,), (cases,) of 0 and 1, (resamples, cases) -> (resamples,)

    Example:
        >>> weighted_precision(torch.tensor([0.1, 0.4, 0.4]), torch.tensor([0, 0, 1]), torch.ones(1, 3))
        tensor([0.5000], dtype=torch.float64)
    """
    positives, negatives = (each.flip(1) for each in by_score(scores, truth, weights))
    hits = positives.cumsum(1)
    precision = hits / (hits + negatives.cumsum(1)).clamp(min=1e-12)  # where nothing is drawn yet, nothing is added
    return (positives * precision).sum(1) / hits[:, -1]


def by_score(scores: Tensor, truth: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of the positives and of the negatives of each distinct score, rising: two of (resamples, scores)."""
    values, place = scores.unique(return_inverse=True)
    nothing = torch.zeros(len(weights), len(values), dtype=torch.float64)
    weights = weights.double()
    positives, negatives = (nothing.index_add(1, place, weights * mask) for mask in (truth > 0, truth <= 0))
    return positives, negatives
