"""Sensitivity at a specificity, and the other way round: what a threshold can reach."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dvpt_monai.metrics.weighted import by_score

__all__ = [
    "sensitivity_at",
    "specificity_at",
    "weighted_sensitivity",
    "weighted_specificity",
]

ROUNDING = 1e-9
"""Of shares of cases: 1 - 1/10 is to reach 0.9."""


def sensitivity_at(specificity: float, scores: Tensor, truth: Tensor) -> float:
    """The highest sensitivity of the thresholds that reach a specificity; NaN without a positive or a negative case.

    A case is called positive if its score is at least the threshold; of one that lies between two scores nothing is
    interpolated.

    **Shape**: scores and truth (cases,), of 0 and 1

    Example:
        >>> sensitivity_at(0.5, torch.tensor([0.1, 0.6, 0.4, 0.9]), torch.tensor([0, 0, 1, 1]))
        1.0
    """
    sensitivities, specificities = _curve(scores, truth)
    reached = specificities >= specificity - ROUNDING
    return float(sensitivities[reached].max()) if bool(reached.any()) else math.nan


def specificity_at(sensitivity: float, scores: Tensor, truth: Tensor) -> float:
    """The highest specificity of the thresholds that reach a sensitivity, in the same way."""
    sensitivities, specificities = _curve(scores, truth)
    reached = sensitivities >= sensitivity - ROUNDING
    return float(specificities[reached].max()) if bool(reached.any()) else math.nan


def weighted_sensitivity(specificity: float, scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """The same of weighted cases, **Shape** (cases,), (cases,), (resamples, cases) -> (resamples,)."""
    sensitivities, specificities = _weighted_curve(scores, truth, weights)
    return sensitivities.where(specificities >= specificity - ROUNDING, 0.0).amax(1)


def weighted_specificity(sensitivity: float, scores: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
    """The same of weighted cases, **Shape** (cases,), (cases,), (resamples, cases) -> (resamples,)."""
    sensitivities, specificities = _weighted_curve(scores, truth, weights)
    return specificities.where(sensitivities >= sensitivity - ROUNDING, 0.0).amax(1)


def _curve(scores: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Sensitivity and specificity of every threshold; nothing where one of them is not defined."""
    from sklearn.metrics import roc_curve

    if len(truth.unique()) < 2 or not bool(scores.isfinite().all()):
        return torch.zeros(0), torch.zeros(0)
    wrong, right, _ = roc_curve(truth.numpy(), scores.numpy(), drop_intermediate=False)
    return torch.from_numpy(right), 1 - torch.from_numpy(wrong)


def _weighted_curve(scores: Tensor, truth: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    positives, negatives = (each.flip(1).cumsum(1) for each in by_score(scores, truth, weights))
    return positives / positives[:, -1:], 1 - negatives / negatives[:, -1:]
