"""Images with all their true labels and the few most probable ones."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from monai.utils import CommonKeys

from dvpt_monai.handlers.figure import PredictionFigure, intensities, name_of
from dvpt_monai.reports.classes import draw_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LabelsFigure"]


class LabelsFigure(PredictionFigure):
    """Draw images beside their true labels and the most probable ones; green where these are true, red where not.

    Args:
        path: the PNG.
        labels: names of all labels.
        cases: how many images.
        columns: how many side by side.
        note: printed above.
        mean: of each channel, that was subtracted from intensities in [0, 1].
        std: of each channel, that they were divided by.
        probability: key of the probabilities in the evaluator's output.
        top: how many labels to name of each kind; the rest is counted.
    """

    panels = 2

    def __init__(
        self,
        path: str | os.PathLike[str],
        labels: Sequence[str],
        cases: int = 12,
        columns: int = 3,
        note: str = "",
        mean: Sequence[float] = (0.0,),
        std: Sequence[float] = (1.0,),
        probability: str = "probability",
        top: int = 5,
    ) -> None:
        super().__init__(path, cases, columns, note)
        self.labels = list(labels)
        self.mean = mean
        self.std = std
        self.probability = probability
        self.top = top

    def keep(self, case: dict[str, Any], output: dict[str, Any]) -> Any:
        image = case[CommonKeys.IMAGE]
        picture = intensities(image, self.mean, self.std).squeeze()
        truth = np.asarray(case[CommonKeys.LABEL].cpu()) > 0.5 if CommonKeys.LABEL in case else None
        return name_of(image), picture, truth, np.asarray(output[self.probability].cpu()).flatten()

    def draw(self, axes: list[Axes], kept: Any) -> None:
        name, picture, truth, probabilities = kept
        draw_labels(axes, picture, name, truth, probabilities, self.labels, self.top)
