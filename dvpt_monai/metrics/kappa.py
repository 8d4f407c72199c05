"""Cohen's kappa, right also where several processes share the cases unequally."""

from __future__ import annotations

from typing import Any

import torch
from monai.metrics import CumulativeIterationMetric
from torch import Tensor

from dvpt_monai.errors import DataError
from dvpt_monai.metrics.weighted import weighted_kappa

__all__ = ["Kappa", "QuadraticKappa"]


class Kappa(CumulativeIterationMetric):
    """Cohen's kappa: the agreement beyond chance (Cohen, Educational and Psychological Measurement 20, 1960).

    Ignite's ``CohenKappa`` gathers shards of one size alone. For ``IgniteMetricHandler``, which carries any of MONAI's
    metrics.

    Args:
        num_classes: number of grades.

    Shape:
        Predicted and true grades (B, 1) or (B,), integers; the aggregate is (1,), NaN where all are of one grade.

    Example:
        >>> kappa = Kappa(num_classes=2)
        >>> _ = kappa(torch.tensor([[0], [1], [1], [1]]), torch.tensor([[0], [1], [0], [1]]))
        >>> kappa.aggregate()
        tensor([0.5000])
    """

    quadratic = False

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **arguments: Any) -> tuple[Tensor, Tensor]:
        if y is None:
            raise DataError(f"{type(self).__name__}: it compares predictions with labels, and got no labels")
        return y_pred.reshape(-1, 1).long(), y.reshape(-1, 1).long()

    def aggregate(self, *arguments: Any, **options: Any) -> Tensor:
        """The kappa of all grades so far.

        Raises:
            DataError: there are none, or one is out of range.
        """
        predicted, _ = self._grades()
        return self.reweighted(torch.ones(1, len(predicted))).float()

    def reweighted(self, weights: Tensor) -> Tensor:
        """The kappa of weighted cases, **Shape** (resamples, cases) -> (resamples,)."""
        predicted, truth = self._grades()
        grade = torch.arange(self.num_classes, dtype=torch.float64)
        distance = grade[:, None] - grade
        penalty = distance**2 if self.quadratic else (distance != 0).double()
        return weighted_kappa(predicted, truth, weights, penalty)

    def _grades(self) -> tuple[Tensor, Tensor]:
        buffer = self.get_buffer()
        if not isinstance(buffer, (tuple, list)):
            raise DataError(f"{type(self).__name__}: no grades yet")
        predicted, truth = (torch.as_tensor(part).flatten().cpu() for part in buffer)
        grades = {*predicted.tolist(), *truth.tolist()}
        if not grades <= {*range(self.num_classes)}:
            name, last = type(self).__name__, self.num_classes - 1
            raise DataError(f"{name}: grades {sorted(grades)} are not all in 0..{last}")
        return predicted, truth


class QuadraticKappa(Kappa):
    """Cohen's kappa with quadratic weights, for grades that have an order (Cohen, Psychological Bulletin 70, 1968).

    Example:
        >>> kappa = QuadraticKappa(num_classes=3)
        >>> _ = kappa(torch.tensor([[0], [1], [2], [2]]), torch.tensor([[0], [1], [2], [1]]))
        >>> kappa.aggregate()
        tensor([0.8000])
    """

    quadratic = True
