"""The share of cases that were classified right."""

from __future__ import annotations

from typing import Any

import torch
from monai.metrics import CumulativeIterationMetric
from torch import Tensor

from dvpt_monai.errors import DataError

__all__ = ["Accuracy"]


class Accuracy(CumulativeIterationMetric):
    """The share of cases whose predicted class is the true one.

    Unlike Ignite's it keeps each case, so that an interval can be given, and takes shards of any size.

    Shape:
        Predicted and true classes (B, 1) or (B,), integers; the aggregate is a scalar.

    Example:
        >>> accuracy = Accuracy()
        >>> _ = accuracy(torch.tensor([[0], [1], [1], [1]]), torch.tensor([[0], [1], [0], [1]]))
        >>> accuracy.aggregate()
        tensor(0.7500)
    """

    reduction = "mean"

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **arguments: Any) -> Tensor:
        if y is None:
            raise DataError("Accuracy: it compares predictions with labels, and got no labels")
        if y_pred.numel() != y.numel():
            raise DataError(f"Accuracy: predictions {tuple(y_pred.shape)}, truth {tuple(y.shape)}; give one each")
        return (y_pred.reshape(-1, 1).long() == y.reshape(-1, 1).long()).float()

    def aggregate(self, *arguments: Any, **options: Any) -> Tensor:
        """The share so far.

        Raises:
            DataError: there are no cases.
        """
        hits = self.get_buffer()
        if not isinstance(hits, Tensor):
            raise DataError("Accuracy: no cases yet")
        return torch.as_tensor(hits).mean()
