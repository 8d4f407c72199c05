"""Precision and recall of the pixels of small structures, from histograms."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from monai.metrics import CumulativeIterationMetric
from torch import Tensor

from dvpt_monai.errors import DataError
from dvpt_monai.metrics.bootstrap import resample

__all__ = ["PixelAUPR", "aupr_bounds", "aupr_interval", "average_precision", "reweighted_precision"]

logger = logging.getLogger(__name__)


class PixelAUPR(CumulativeIterationMetric):
    """Area under the precision-recall curve of each structure, over the pixels of all images together.

    The average precision, ``sum_k (R_k - R_{k-1}) P_k`` over falling thresholds, as scikit-learn's
    ``average_precision_score`` of all pixels at once; of each image, only two histograms of each structure's
    probabilities are kept, those of its pixels and of all others. So the thresholds are the edges of the bins: the
    result is exact for probabilities rounded down to them, and :func:`aupr_bounds` says how far that can be from the
    value of the unrounded ones. A structure that no image has is named in a warning, is NaN, and is left out of the
    mean.

    The IDRiD challenge scores lesions so, by pooled pixels, at 33 equally spaced thresholds (Porwal et al., Medical
    Image Analysis 59, 2020, 101561). Several processes add their histograms.

    Args:
        names: names of the structures, for warnings and for the result of ``reduction="none"``.
        reduction: ``"mean"`` over the structures, or ``"none"``, a dictionary by name.
        bins: number of bins; powers of two round nothing further.

    Shape:
        Probabilities and masks (B, C, *spatial) or lists of (C, *spatial); the buffer is (cases, C, 2, bins).

    Raises:
        DataError: on another number of channels, masks of another shape, or probabilities outside [0, 1].

    Example:
        >>> aupr = PixelAUPR(["MA", "EX"], reduction="none")
        >>> probability = torch.tensor([[[0.9, 0.8, 0.3], [0.1, 0.1, 0.7]]])
        >>> _ = aupr(probability, torch.tensor([[[1, 0, 1], [0, 0, 1]]]))
        >>> {name: round(value, 4) for name, value in aupr.aggregate().items()}
        {'MA': 0.8333, 'EX': 1.0}
    """

    def __init__(self, names: Sequence[str], reduction: str = "mean", bins: int = 4096) -> None:
        super().__init__()
        if reduction not in ("mean", "none"):
            raise DataError(f"PixelAUPR: reduction {reduction!r} is unknown; choose 'mean' or 'none'")
        if bins < 2:
            raise DataError(f"PixelAUPR: bins={bins}, at least 2")
        self.names = list(names)
        self.reduction = reduction
        self.bins = bins

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **arguments: Any) -> Tensor:
        if y is None or y.shape != y_pred.shape or y_pred.shape[1] != len(self.names):
            shape = None if y is None else tuple(y.shape)
            raise DataError(
                f"PixelAUPR: probabilities {tuple(y_pred.shape)} and masks {shape} for {len(self.names)} structures; "
                "both need one channel for each"
            )
        if not bool(((y_pred >= 0) & (y_pred <= 1)).all()):  # NaN is neither
            raise DataError("PixelAUPR: probabilities outside [0, 1], or NaN; put a sigmoid before")
        cases, structures = y_pred.shape[:2]
        place = (torch.as_tensor(y_pred).double() * self.bins).long().clamp_(max=self.bins - 1)
        row = torch.arange(cases * structures, device=place.device).reshape(cases, structures, 1)
        index = (2 * row + (torch.as_tensor(y).flatten(2) > 0)) * self.bins + place.flatten(2)
        counts = torch.bincount(index.flatten(), minlength=cases * structures * 2 * self.bins)
        return counts.reshape(cases, structures, 2, self.bins)

    def aggregate(self, *arguments: Any, **options: Any) -> Any:
        """The mean, **Shape** (1,), or a dictionary of floats.

        Raises:
            DataError: there is no image yet.
        """
        buffer = self.get_buffer()
        if not isinstance(buffer, Tensor):
            raise DataError("PixelAUPR: no images yet")
        values = average_precision(buffer.sum(dim=0))
        absent = [name for name, value in zip(self.names, values, strict=True) if bool(value.isnan())]
        if self.reduction == "none":
            return dict(zip(self.names, values.tolist(), strict=True))
        if absent:
            logger.warning("no image has a pixel of %s; the mean AUPR is without", ", ".join(absent))
        return values.nanmean().reshape(1).float()

    def reweighted(self, weights: Tensor) -> Tensor | dict[str, Tensor]:
        """The same of weighted images, **Shape** (resamples, cases) -> (resamples,), or those by name."""
        values = reweighted_precision(torch.as_tensor(self.get_buffer()), weights)
        return values.nanmean(1) if self.reduction == "mean" else dict(zip(self.names, values.T, strict=True))


def average_precision(counts: Tensor) -> Tensor:
    """The average precision from histograms of probabilities; NaN without positives.

    **Shape**: (*, 2, bins), the counts of negatives and positives by rising probability -> (*,), float64

    Example:
        >>> average_precision(torch.tensor([[2, 1, 0], [0, 1, 1]])).item()
        0.8333333333333333
    """
    negatives, positives = counts.flip(-1).double().unbind(-2)
    hits = positives.cumsum(-1)
    precision = hits / (hits + negatives.cumsum(-1)).clamp(min=1)
    return (positives * precision).sum(-1) / hits[..., -1]


def aupr_bounds(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Between which values the average precision of the unrounded probabilities lies, whatever their order in each bin.

    A bin's positives count least if all of its negatives came before them (the harmonic sum in closed form), and never
    more than at the precision that the bin would reach without its negatives.

    **Shape**: (*, 2, bins) -> two of (*,), float64

    Example:
        >>> low, high = aupr_bounds(torch.tensor([[2, 1, 0], [0, 1, 1]]))
        >>> [round(value.item(), 4) for value in (low, high)]
        [0.8333, 1.0]
    """
    negatives, positives = counts.flip(-1).double().unbind(-2)
    hits, wrong = positives.cumsum(-1), negatives.cumsum(-1)
    # sum over i = 1..t of (p + i) / (p + i + w), with p hits and w wrong before, is t - w (H(p+w+t) - H(p+w))
    least = positives - wrong * (torch.digamma(hits + wrong + 1) - torch.digamma(hits - positives + wrong + 1))
    most = positives * hits / (hits + wrong - negatives).clamp(min=1)
    total = hits[..., -1]
    return least.clamp(min=0).sum(-1) / total, most.sum(-1) / total


def aupr_interval(
    counts: Tensor, samples: int = 2000, coverage: float = 0.95, seed: int = 0
) -> tuple[Tensor, Tensor, tuple[float, float]]:
    """Bootstrap intervals over the images: of each structure's average precision, and of their mean.

    Images are drawn with replacement and their histograms added: pixels of one image are no independent cases.

    **Shape**: (cases, C, 2, bins) -> lower (C,) and upper (C,), and those of the mean

    Args:
        counts: histograms of each image, as `PixelAUPR` keeps them.
        samples: how often the images are drawn.
        coverage: of the interval.
        seed: of the drawing.
    """
    weights = resample(len(counts), samples, seed)
    values = reweighted_precision(counts, weights)
    tails = torch.tensor([(1 - coverage) / 2, (1 + coverage) / 2], dtype=values.dtype)
    low, high = values.nanquantile(tails, dim=0)
    mean_low, mean_high = values.nanmean(dim=1).nanquantile(tails).tolist()
    return low, high, (mean_low, mean_high)


def reweighted_precision(counts: Tensor, weights: Tensor) -> Tensor:
    """The average precision of each structure from weighted images, whose histograms are added.

    **Shape**: (cases, C, 2, bins) and (resamples, cases) -> (resamples, C)
    """
    cases, *shape = counts.shape
    flat = counts.cpu().float().reshape(cases, -1)  # counts of pixels: exact up to 16 million in one bin
    return torch.stack([average_precision((row @ flat).reshape(shape)) for row in weights.float()])
