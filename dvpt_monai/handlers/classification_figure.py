"""Images with their true and their predicted class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from monai.utils import CommonKeys

from dvpt_monai.handlers.figure import PredictionFigure, intensities, name_of
from dvpt_monai.reports.classes import draw_class
from dvpt_monai.reports.pictures import three_views

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ClassificationFigure"]


class ClassificationFigure(PredictionFigure):
    """Draw images below their true and their predicted class; green where it is true, red where not.

    A volume is seen from three sides, each line of sight by its mean: from the front, the side and above, if its axes
    are right, anterior, superior.

    Args:
        path: the PNG.
        cases: how many.
        columns: how many side by side.
        note: printed above.
        mean: of each channel, that was subtracted from intensities in [0, 1].
        std: of each channel, that they were divided by.
        probability: key of the probabilities in the evaluator's output.
        names: of the classes; by default their numbers.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        cases: int = 12,
        columns: int = 4,
        note: str = "",
        mean: Sequence[float] = (0.0,),
        std: Sequence[float] = (1.0,),
        probability: str = "probability",
        names: Sequence[str] | None = None,
    ) -> None:
        super().__init__(path, cases, columns, note)
        self.names = names
        self.mean = mean
        self.std = std
        self.probability = probability

    def keep(self, case: dict[str, Any], output: dict[str, Any]) -> Any:
        image = case[CommonKeys.IMAGE]
        picture = intensities(image, self.mean, self.std)
        picture = (three_views(picture) if picture.ndim == 4 else picture).squeeze()
        truth = int(case[CommonKeys.LABEL]) if CommonKeys.LABEL in case else None
        predicted = int(output[CommonKeys.PRED])
        return name_of(image), picture, truth, predicted, float(output[self.probability].flatten()[predicted])

    def draw(self, axes: list[Axes], kept: Any) -> None:
        name, picture, truth, predicted, probability = kept
        draw_class(axes[0], picture, name, truth, predicted, probability, self.names)
