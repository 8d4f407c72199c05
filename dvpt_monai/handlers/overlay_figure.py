"""Photographs under their true and their predicted structures, which may overlap."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from monai.utils import CommonKeys
from numpy.typing import NDArray
from torch import Tensor

from dvpt_monai.handlers.figure import PredictionFigure, intensities, name_of

__all__ = ["OverlayFigure"]

COLOURS = ("#00e5ff", "#2f5bff", "#39ff14", "#ff3df2", "#ffffff", "#ff9100", "#b388ff", "#000000")
"""None of them is a colour of a fundus; those of the smallest structures, which come first, are the brightest."""


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

    height = 4.2
    width = 4.0

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

    def keep(self, case: dict[str, Any], output: dict[str, Any]) -> Any:
        image = case[CommonKeys.IMAGE]
        pixels = intensities(image, self.mean, self.std)
        picture = np.broadcast_to(pixels, (*pixels.shape[:2], 3))  # gray becomes three equal channels
        masks = [output[self.pred], *([case[CommonKeys.LABEL]] if self.truth else [])]
        said, *truth = (_seen(mask, picture.shape[:2]) for mask in masks)
        return name_of(image), picture, truth, said

    def draw(self, axes: list[Axes], kept: Any) -> None:
        name, picture, truth, said = kept
        axes[0].imshow(picture)
        axes[0].set_title(name, fontsize=9)
        shown = [("truth", mask) for mask in truth] + [("prediction", said)]
        for panel, (title, masks) in zip(axes[1:], shown, strict=True):
            panel.imshow(self._painted(picture, masks))
            panel.set_title(title, fontsize=9)

    def finish(self, figure: Figure) -> None:
        patches = [
            Patch(facecolor=_colour(place), edgecolor="black", label=name) for place, name in enumerate(self.structures)
        ]
        figure.legend(handles=patches, loc="outside lower center", ncols=min(8, len(patches)), fontsize=10)

    def _painted(self, picture: NDArray[Any], masks: NDArray[np.bool_]) -> NDArray[Any]:
        result = picture.copy()
        for place in reversed(range(len(masks))):
            result[masks[place]] = 0.2 * picture[masks[place]] + 0.8 * np.asarray(_colour(place))
        return result


def _colour(place: int) -> tuple[float, float, float]:
    return to_rgb(COLOURS[place % len(COLOURS)])


def _seen(masks: Tensor, size: Sequence[int]) -> NDArray[np.bool_]:
    """Masks (C, H, W) in the size of the picture; a pixel of a smaller picture holds what any of its pixels holds."""
    inside = (torch.as_tensor(masks).detach().cpu() > 0).float()
    shown: NDArray[np.bool_] = torch.nn.functional.adaptive_max_pool2d(inside, tuple(size)).numpy() > 0
    return shown
