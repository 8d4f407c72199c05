"""Scores of probabilities: ranking, thresholds, calibration and agreement of each class."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import torch
from monai.utils import CommonKeys
from torch import Tensor

from dvpt_monai.errors import DataError
from dvpt_monai.handlers.scores import Scores
from dvpt_monai.metrics import ClassMeasures, Measured, metric_names
from dvpt_monai.reports.ranking import draw_ranking

__all__ = ["ClassScores"]


class ClassScores(Scores):
    """Score the probabilities of an evaluation; ``docs/metrics.md`` has a line for each score.

    Args:
        path: the PNG: curves of ranking, and calibration.
        classes: their names, where a case has one class; or how many there are, which their numbers then name.
        labels: names, where a case has any number of labels.
        operating_point: the specificity at which the sensitivity is given, and the other way round.
        probability: key of the probabilities in the evaluator's output.
        truth: key of the true number, or of 0 and 1 for each label, in the evaluator's batch.
        note: printed above the figure.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        classes: Sequence[str] | int | None = None,
        labels: Sequence[str] | None = None,
        operating_point: float = 0.9,
        probability: str = "probability",
        truth: str = CommonKeys.LABEL,
        note: str = "",
    ) -> None:
        super().__init__(path, note)
        given = labels if classes is None else classes
        if given is None or (labels is not None and classes is not None):
            raise DataError("labels are of images with several, classes of images with one; give one of them")
        self.exclusive = labels is None
        names = range(given) if isinstance(given, int) else given
        self.measures = ClassMeasures([str(name) for name in names], self.exclusive, operating_point)
        self.probability = probability
        self.truth = truth
        count = len(self.measures.names)
        self._cases = self._none = Measured(
            torch.zeros(0, count).double(), torch.zeros(0, count), torch.zeros(0, count)
        )

    def keep(self, case: dict[str, Any], output: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
        truth, predicted = (torch.as_tensor(each).cpu() for each in (case[self.truth], output[CommonKeys.PRED]))
        probability = torch.as_tensor(output[self.probability]).cpu().flatten().double()
        return probability, self._each(truth), self._each(predicted)

    def scores(self, rows: list[tuple[Tensor, Tensor, Tensor]]) -> dict[str, float]:
        self._cases = Measured(*(torch.stack(column) for column in zip(*rows, strict=True))) if rows else self._none
        return self.measures.values(self._cases)

    def reweighted(self, weights: Tensor) -> dict[str, Tensor]:
        return self.measures.reweighted(self._cases, weights)

    def draw(self) -> None:
        cases, values = self._cases, self.measures.values(self._cases)
        areas = [values[name] for name in metric_names("auroc", self.measures.names)]
        counts = cases.truth.sum(0).tolist()
        legend = [
            f"{name}: {count} of {len(cases.truth)} cases, AUROC {'none' if math.isnan(area) else f'{area:.3f}'}"
            for name, count, area in zip(self.measures.names, counts, areas, strict=True)
        ]
        columns = zip(cases.probability.T.numpy(), cases.truth.T.numpy(), strict=True)
        confidence = "probability of the most probable class" if self.exclusive else "probability, of all labels"
        draw_ranking(
            self.path, dict(zip(legend, columns, strict=True)), self.measures.bins_of(cases), confidence, self.note
        )

    def _each(self, answer: Tensor) -> Tensor:
        """0 or 1 for each class."""
        if not self.exclusive:
            return answer.flatten().long()
        return torch.nn.functional.one_hot(answer.flatten()[0].long(), len(self.measures.names))
