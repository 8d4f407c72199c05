"""Scores of probabilities, class by class: ranking, thresholds, calibration, agreement."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from dvpt_monai.metrics.calibration import BINS, losses, reliability, squares, weighted_ece
from dvpt_monai.metrics.names import metric_names
from dvpt_monai.metrics.operating import sensitivity_at, specificity_at, weighted_sensitivity, weighted_specificity
from dvpt_monai.metrics.weighted import weighted_auc, weighted_kappa, weighted_mean, weighted_precision

__all__ = ["ClassMeasures", "Measured"]

AT_ONCE = 64 * 2048
"""Cases times resamples that are scored together, or 64 resamples of many cases: memory is bounded by them."""


@dataclass(frozen=True)
class Measured:
    """Cases of a classification, or of one class against the rest.

    Attributes:
        probability: (cases, C), float64.
        truth: (cases, C), of 0 and 1.
        predicted: (cases, C), likewise: what was decided.
    """

    probability: Tensor
    truth: Tensor
    predicted: Tensor


class ClassMeasures:
    """The scores of each class against the rest, their means, and those of all classes together.

    Args:
        names: of the classes, or of labels of which a case may have any number.
        exclusive: whether a case has one class.
        point: the specificity at which the sensitivity is given, and the other way round.
        bins: of the calibration error.

    Example:
        >>> truth = torch.tensor([[1, 0], [0, 1], [0, 1], [1, 0]])
        >>> probability = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
        >>> scores = ClassMeasures(["well", "ill"]).values(Measured(probability.double(), truth, probability > 0.5))
        >>> {name: round(scores[name], 3) for name in ("auroc_ill", "brier", "ece", "kappa")}
        {'auroc_ill': 1.0, 'brier': 0.25, 'ece': 0.3, 'kappa': 0.5}
    """

    def __init__(self, names: Sequence[str], exclusive: bool = True, point: float = 0.9, bins: int = BINS) -> None:
        self.names = [str(name) for name in names]
        self.exclusive = exclusive
        self.bins = bins
        percent = f"{100 * point:g}"
        self.ranking: dict[str, tuple[Callable[..., float], Callable[..., Tensor]]] = {
            "auroc": (_auroc, weighted_auc),
            "average_precision": (_average_precision, weighted_precision),
            f"sensitivity_at_specificity_{percent}": (
                lambda *case: sensitivity_at(point, *case),
                lambda *case: weighted_sensitivity(point, *case),
            ),
            f"specificity_at_sensitivity_{percent}": (
                lambda *case: specificity_at(point, *case),
                lambda *case: weighted_specificity(point, *case),
            ),
        }
        """What needs a positive and a negative case: the score, by scikit-learn, and that of weighted cases."""

    def values(self, cases: Measured) -> dict[str, float]:
        """All scores, NaN for what has none, and how many cases each class has."""
        if not len(cases.truth):
            return {"scored": 0}
        once = torch.ones(1, len(cases.truth), dtype=torch.float64)
        scores = {name: float(value) for name, value in self.reweighted(cases, once).items()}
        for measure, (score, _) in self.ranking.items():
            each = metric_names(measure, self.names)
            for place, name in enumerate(each):
                scores[name] = _score(score, cases.probability[:, place], cases.truth[:, place])
            scores[f"mean_{measure}"] = float(torch.tensor([scores[name] for name in each]).nanmean())
        counts = zip(metric_names("positive", self.names), cases.truth.sum(0).tolist(), strict=True)
        return {"scored": len(cases.truth), **{name: int(count) for name, count in counts}, **scores}

    def reweighted(self, cases: Measured, weights: Tensor) -> dict[str, Tensor]:
        """The scores of weighted cases, **Shape** (resamples, cases) -> (resamples,) each."""
        rows = max(64, AT_ONCE // max(1, weights.shape[1]))
        parts = [self._reweighted(cases, part) for part in weights.split(rows)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _reweighted(self, cases: Measured, weights: Tensor) -> dict[str, Tensor]:
        known = cases.probability.isfinite().all(0)
        of_each = [self._of_class(cases, place, weights) for place in range(len(self.names))]
        scores: dict[str, Tensor] = {}
        for measure in of_each[0]:
            columns = [
                values[measure] if bool(known[place]) else torch.full((len(weights),), math.nan, dtype=torch.float64)
                for place, values in enumerate(of_each)
            ]
            scores[f"mean_{measure}"] = torch.stack(columns).nanmean(0)
            scores |= dict(zip(metric_names(measure, self.names), columns, strict=True))
        return {**(self._of_all(cases, weights) if self.exclusive else {}), **scores}

    def bins_of(self, cases: Measured) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """The calibration: of each bin that has cases the mean probability, the share that is true, and its cases.

        It is that of the most probable class; of labels, of all together.
        """
        confidence, highest = cases.probability.nan_to_num().max(1)
        right = highest == cases.truth.argmax(1)
        if not self.exclusive:
            confidence, right = cases.probability.nan_to_num().flatten(), cases.truth.flatten() > 0
        said, true, mass = (part[0] for part in reliability(confidence, right, torch.ones(1, len(right)), self.bins))
        known = mass > 0
        return (said / mass)[known].numpy(), (true / mass)[known].numpy(), mass[known].numpy()

    def _of_class(self, cases: Measured, place: int, weights: Tensor) -> dict[str, Tensor]:
        probability, truth = cases.probability[:, place].nan_to_num(), cases.truth[:, place]
        said, true = cases.predicted[:, place].long(), truth.long()
        sums = [(weights.double() * (true == value)).sum(1) for value in (0, 1)]
        both = (sums[0] > 0) & (sums[1] > 0)
        ranked = {
            measure: weighted(probability, truth, weights).where(both, math.nan)
            for measure, (_, weighted) in self.ranking.items()
        }
        right = torch.where(true > 0, probability, 1 - probability)
        agreement = {} if self.exclusive else {"kappa": weighted_kappa(said, true, weights, 1 - torch.eye(2).double())}
        return {
            **ranked,
            "ece": weighted_ece(probability, truth, weights, self.bins),
            "brier": weighted_mean(squares(probability, truth), weights),
            "nll": weighted_mean(losses(right), weights),
            **agreement,
        }

    def _of_all(self, cases: Measured, weights: Tensor) -> dict[str, Tensor]:
        """The calibration of the most probable class, the loss over all classes, and Cohen's kappa."""
        confidence, highest = cases.probability.max(1)
        said, true = cases.predicted.long().argmax(1), cases.truth.long().argmax(1)
        scores = {
            "kappa": weighted_kappa(said, true, weights, 1 - torch.eye(len(self.names)).double()),
            "ece": weighted_ece(confidence.nan_to_num(), highest == true, weights, self.bins),
            "brier": weighted_mean(squares(cases.probability, cases.truth).sum(1), weights),
            "nll": weighted_mean(losses(cases.probability.gather(1, true[:, None])[:, 0]), weights),
        }
        if bool(cases.probability.isfinite().all()):
            return scores
        return {name: torch.full_like(values, math.nan) for name, values in scores.items()}


def _score(score: Callable[..., float], probability: Tensor, truth: Tensor) -> float:
    if len(truth.unique()) < 2 or not bool(probability.isfinite().all()):
        return math.nan
    return score(probability, truth)


def _auroc(probability: Tensor, truth: Tensor) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth.numpy(), probability.numpy()))


def _average_precision(probability: Tensor, truth: Tensor) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth.numpy(), probability.numpy()))
