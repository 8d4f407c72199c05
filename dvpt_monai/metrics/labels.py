"""Scores of several labels, of which a case may have any number."""

from __future__ import annotations

import logging
import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from monai.metrics import CumulativeIterationMetric, compute_average_precision, compute_roc_auc
from torch import Tensor

from dvpt_monai.errors import DataError
from dvpt_monai.metrics.weighted import weighted_auc, weighted_precision

__all__ = ["MeanAUC", "MeanAveragePrecision", "MeanOverLabels"]

logger = logging.getLogger(__name__)


class MeanOverLabels(CumulativeIterationMetric):
    """The mean of a score over the labels of a multi-label problem, of those that have one.

    A label that no case has, or every case, ranks nothing: it has no score and is left out of the mean, where MONAI's
    ``AveragePrecision`` and ``ROCAUC`` give NaN for all. A warning names it.

    Args:
        labels: their names.

    Shape:
        Probabilities (or logits) and labels, 0 or 1, (B, C); the aggregate is a scalar, NaN where no label has a score.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        super().__init__()
        self.labels = list(labels)
        self._warned: list[str] = []

    @abstractmethod
    def score(self, predicted: Tensor, truth: Tensor) -> float:
        """The score of one label; both (B,), and the truth holds 0 and 1."""

    @abstractmethod
    def weighted(self, predicted: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
        """The same of weighted cases, **Shape** (B,), (B,), (resamples, B) -> (resamples,)."""

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **arguments: Any) -> tuple[Tensor, Tensor]:
        name = type(self).__name__
        if y is None:
            raise DataError(f"{name}: it compares predictions with labels, and got no labels")
        if y_pred.shape != y.shape or y.shape[1:] != (len(self.labels),):
            shapes = f"predictions {tuple(y_pred.shape)}, truth {tuple(y.shape)}, and {len(self.labels)} names"
            raise DataError(f"{name}: {shapes}; give one column of both for each label")
        return y_pred.float(), y.float()

    def scores(self) -> dict[str, float]:
        """The score of each label on all cases so far, NaN for one that has none.

        Raises:
            DataError: there are no cases, a label is neither 0 nor 1, or a prediction is no finite number.
        """
        predicted, truth = self._cases()
        if not bool(((truth == 0) | (truth == 1)).all()):
            raise DataError(f"{type(self).__name__}: labels {truth.unique().tolist()}, which have to be 0 or 1")
        if not bool(predicted.isfinite().all()):
            raise DataError(f"{type(self).__name__}: a prediction is NaN or infinite; lower the learning rate")
        both = [len(column.unique()) == 2 for column in truth.T]
        return {
            name: self.score(predicted[:, place], truth[:, place]) if both[place] else float("nan")
            for place, name in enumerate(self.labels)
        }

    def scores_reweighted(self, weights: Tensor) -> dict[str, Tensor]:
        """The score of each label of weighted cases, **Shape** (resamples, cases) -> (resamples,) each."""
        predicted, truth = self._cases()
        return {
            name: self.weighted(predicted[:, place], truth[:, place], weights) for place, name in enumerate(self.labels)
        }

    def reweighted(self, weights: Tensor) -> Tensor:
        """The mean of weighted cases, each time over the labels that have a score; **Shape** as above."""
        return torch.stack([*self.scores_reweighted(weights).values()]).nanmean(0)

    def _cases(self) -> tuple[Tensor, Tensor]:
        buffer = self.get_buffer()
        if not isinstance(buffer, (tuple, list)):
            raise DataError(f"{type(self).__name__}: no cases yet")
        predicted, truth = (torch.as_tensor(part).cpu().double() for part in buffer)
        return predicted, truth

    def aggregate(self, *arguments: Any, **options: Any) -> Tensor:
        """The mean over the labels that have a score.

        Raises:
            DataError: as :meth:`scores`.
        """
        scores = self.scores()
        absent = [name for name, score in scores.items() if math.isnan(score)]
        if absent and absent != self._warned:
            why = "no case is positive, or none negative"
            logger.warning("%s leaves out %s: %s", type(self).__name__, ", ".join(absent), why)
        self._warned = absent
        return torch.tensor(list(scores.values()), dtype=torch.float64).nanmean().float()


class MeanAveragePrecision(MeanOverLabels):
    """mAP: the mean over the labels of the area under precision and recall.

    Example:
        >>> metric = MeanAveragePrecision(labels=["nodule", "edema"])
        >>> _ = metric(torch.tensor([[0.9, 0.2], [0.8, 0.4], [0.1, 0.3]]), torch.tensor([[1, 0], [0, 0], [1, 0]]))
        >>> metric.aggregate(), metric.scores()
        (tensor(0.8333), {'nodule': 0.8333..., 'edema': nan})
    """

    def score(self, predicted: Tensor, truth: Tensor) -> float:
        return float(compute_average_precision(predicted, truth))  # type: ignore[arg-type]

    def weighted(self, predicted: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
        return weighted_precision(predicted, truth, weights)


class MeanAUC(MeanOverLabels):
    """The mean over the labels of the area under the ROC curve.

    Example:
        >>> metric = MeanAUC(labels=["nodule"])
        >>> _ = metric(torch.tensor([[0.9], [0.8], [0.1]]), torch.tensor([[1], [0], [1]]))
        >>> metric.aggregate()
        tensor(0.5000)
    """

    def score(self, predicted: Tensor, truth: Tensor) -> float:
        return float(compute_roc_auc(predicted, truth))  # type: ignore[arg-type]

    def weighted(self, predicted: Tensor, truth: Tensor, weights: Tensor) -> Tensor:
        return weighted_auc(predicted, truth, weights)
