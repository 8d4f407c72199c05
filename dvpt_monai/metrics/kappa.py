"""Cohen's kappa, right also where several processes share the cases unequally."""

from __future__ import annotations

from typing import Any

import torch
from monai.metrics import CumulativeIterationMetric
from sklearn.metrics import cohen_kappa_score
from torch import Tensor

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

    weights: str | None = None

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **arguments: Any) -> tuple[Tensor, Tensor]:
        if y is None:
            raise ValueError(f"{type(self).__name__}: it compares predictions with labels, and got no labels")
        return y_pred.reshape(-1, 1).long(), y.reshape(-1, 1).long()

    def aggregate(self, *arguments: Any, **options: Any) -> Tensor:
        """The kappa of all grades so far.

        Raises:
            ValueError: there are none, or one is out of range.
        """
        buffer = self.get_buffer()
        if not isinstance(buffer, (tuple, list)):
            raise ValueError(f"{type(self).__name__}: no grades yet")
        said, truth = (part.flatten().cpu().numpy() for part in buffer)
        grades = range(self.num_classes)
        if not {*said, *truth} <= {*grades}:
            raise ValueError(f"{type(self).__name__}: grades {sorted({*said, *truth})} are not all in 0..{grades[-1]}")
        return torch.tensor([cohen_kappa_score(truth, said, labels=list(grades), weights=self.weights)]).float()


class QuadraticKappa(Kappa):
    """Cohen's kappa with quadratic weights, for grades that have an order (Cohen, Psychological Bulletin 70, 1968).

    Example:
        >>> kappa = QuadraticKappa(num_classes=3)
        >>> _ = kappa(torch.tensor([[0], [1], [2], [2]]), torch.tensor([[0], [1], [2], [1]]))
        >>> kappa.aggregate()
        tensor([0.8000])
    """

    weights = "quadratic"
