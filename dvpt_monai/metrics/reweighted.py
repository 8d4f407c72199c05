"""What a metric would be, were its cases drawn anew: of our metrics, and of those of MONAI that keep every case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from monai.metrics import ConfusionMatrixMetric, Cumulative, ROCAUCMetric, compute_confusion_matrix_metric
from torch import Tensor

from dvpt_monai.metrics.weighted import weighted_auc, weighted_mean

__all__ = ["Reweighted", "reweighted"]


@runtime_checkable
class Reweighted(Protocol):
    """A metric that says itself what it would be."""

    def reweighted(self, weights: Tensor) -> Tensor | Mapping[str, Tensor]:
        """Its value for each row of weights (resamples, cases), or several by name; the first row may be any."""


def reweighted(metric: Cumulative, weights: Tensor) -> Tensor | Mapping[str, Tensor] | None:
    """The value of a metric for each weighting of the cases that it has seen.

    Args:
        metric: after an evaluation.
        weights: of the cases in the order of its buffer.

    Shape:
        weights (resamples, cases) -> (resamples,), or as many by name as the metric has values

    Returns:
        None where it keeps no cases, others than the weights are for, or is of a kind that is not known here.
    """
    buffer: Any = metric.get_buffer()
    parts = [part for part in (buffer if isinstance(buffer, (list, tuple)) else [buffer]) if isinstance(part, Tensor)]
    if not parts or any(len(part) != weights.shape[1] for part in parts):
        return None
    if isinstance(metric, Reweighted):
        return metric.reweighted(weights)
    parts = [torch.as_tensor(part).cpu() for part in parts]
    if isinstance(metric, ROCAUCMetric) and metric.average == "macro":
        scores, truth = (part.reshape(len(part), -1) for part in parts)
        of_each = [weighted_auc(scores[:, place], truth[:, place], weights) for place in range(scores.shape[1])]
        return torch.stack(of_each).mean(0)
    if isinstance(metric, ConfusionMatrixMetric) and metric.reduction == "mean" and not metric.compute_sample:
        counts = weighted_mean(parts[0].mean(1), weights)  # (resamples, 4)
        return compute_confusion_matrix_metric(metric.metric_name[0], counts)
    return _reduced(metric, parts[0], weights) if len(parts) == 1 and parts[0].ndim == 2 else None


def _reduced(metric: Cumulative, values: Tensor, weights: Tensor) -> Tensor | Mapping[str, Tensor] | None:
    """A value of each case and channel (cases, C), reduced as MONAI's ``do_metric_reduction`` does."""
    reduction = getattr(metric, "reduction", None)
    if reduction == "mean":
        return weighted_mean(values.double().nanmean(1), weights)
    names = getattr(metric, "return_with_label", None)
    if reduction == "mean_batch" and isinstance(names, (list, tuple)) and len(names) == values.shape[1]:
        return dict(zip(names, weighted_mean(values, weights).T, strict=True))
    return None
