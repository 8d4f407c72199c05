"""Photographs under their true and their predicted structures, which may overlap."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from monai.utils import CommonKeys

from dvpt_monai.handlers.figure import PredictionFigure, intensities, name_of
from dvpt_monai.reports.pictures import colour, fitted
from dvpt_monai.reports.structures import draw_painted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["OverlayFigure"]


class OverlayFigure(PredictionFigure):
    """Draw each image plain, with the truth, and with the prediction, in one colour for each structure.

    Unlike :class:`SegmentationFigure` it takes one channel for each structure, colours, and images with the rows first,
    as photographs have them. Where structures overlap the first is seen.

    Args:
        path: the PNG.
        structures: names of the channels, for the legend.
        cases: how many.
        columns: how many side by side; each takes three panels, two without truth.
        note: printed above.
        mean: of each channel, that was subtracted from intensities in [0, 1].
        std: of each channel, that they were divided by.
        pred: key of the predicted masks in the evaluator's output.
        truth: whether the cases have one; False leaves its panel out.
    """

    panel = (4.0, 4.2)

    def __init__(
        self,
        path: str | os.PathLike[str],
        structures: Sequence[str],
        cases: int = 4,
        columns: int = 1,
        note: str = "",
        mean: Sequence[float] = (0.0,),
        std: Sequence[float] = (1.0,),
        pred: str = CommonKeys.PRED,
        truth: bool = True,
    ) -> None:
        super().__init__(path, cases, columns, note)
        self.structures = list(structures)
        self.mean = mean
        self.std = std
        self.pred = pred
        self.truth = truth
        self.panels = 3 if truth else 2
        self.colours = {name: colour(place) for place, name in enumerate(self.structures)}

    def keep(self, case: dict[str, Any], output: dict[str, Any]) -> Any:
        image = case[CommonKeys.IMAGE]
        pixels = intensities(image, self.mean, self.std)
        picture = np.broadcast_to(pixels, (*pixels.shape[:2], 3))  # gray becomes three equal channels
        masks = [output[self.pred], *([case[CommonKeys.LABEL]] if self.truth else [])]
        predicted, *truth = (fitted(np.asarray(torch.as_tensor(mask).cpu()) > 0, picture.shape[:2]) for mask in masks)
        return name_of(image), picture, truth, predicted

    def draw(self, axes: list[Axes], kept: Any) -> None:
        name, picture, truth, predicted = kept
        masks = {"truth": truth[0], "prediction": predicted} if self.truth else {"prediction": predicted}
        draw_painted(axes, picture, name, masks)
