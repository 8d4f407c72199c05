"""One slice of each case: the image, the true and the predicted structures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from monai.data import MetaTensor
from monai.utils import CommonKeys
from numpy.typing import NDArray
from torch import Tensor

from dvpt_monai.handlers.figure import PredictionFigure, intensities, name_of
from dvpt_monai.reports.structures import draw_contours, outline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["SegmentationFigure"]


class SegmentationFigure(PredictionFigure):
    """Draw the slice with most of the structures: plain, with the truth, with the prediction, as contours.

    Args:
        path: the PNG.
        cases: how many.
        columns: how many side by side; each takes three panels.
        note: printed above.
        structures: names of the labels without background, for the legend.
        axis: of 3D images, the axis to slice along; 0 shows sagittal slices of images in RAS.
        mean: of each channel, that was subtracted from intensities in [0, 1]; None shows each image's own range.
        std: of each channel, that they were divided by.
        truth: whether the cases have one; False leaves its panel out.
        pred: key of the prediction in the evaluator's output, on the grid of the image: labels, or a channel for each.
        overlapping: whether channels are structures without a background; where they overlap the last is seen.
    """

    panel = (2.4, 2.2)

    def __init__(
        self,
        path: str | os.PathLike[str],
        cases: int = 6,
        columns: int = 2,
        note: str = "",
        structures: Sequence[str] = (),
        axis: int = 0,
        mean: Sequence[float] | None = None,
        std: Sequence[float] = (1.0,),
        truth: bool = True,
        pred: str = CommonKeys.PRED,
        overlapping: bool = False,
    ) -> None:
        super().__init__(path, cases, columns, note)
        self.structures = list(structures)
        self.axis = axis
        self.mean = mean
        self.std = std
        self.truth = truth
        self.pred = pred
        self.overlapping = overlapping
        self.panels = 3 if truth else 2
        self.colours = {name: outline(label) for label, name in enumerate(self.structures, 1)}

    def keep(self, case: dict[str, Any], output: dict[str, Any]) -> Any:
        image = case[CommonKeys.IMAGE]
        predicted = _labels(output[self.pred], self.overlapping)
        # Postprocessing may have made the label one-hot, which leaves it in the evaluator's output or in the batch.
        masks = [each[CommonKeys.LABEL] for each in (output, case) if each.get(CommonKeys.LABEL) is not None]
        truth = _labels(masks[0], self.overlapping) if masks else None
        picture = self._picture(image)
        spacing = [float(s) for s in image.pixdim] if isinstance(image, MetaTensor) else [1.0] * predicted.ndim
        if predicted.ndim == 3:
            shown = predicted if truth is None or not truth.any() else truth
            along = np.moveaxis(shown > 0, self.axis, 0).reshape(shown.shape[self.axis], -1)
            slice_: list[Any] = [slice(None)] * 3
            slice_[self.axis] = int(along.sum(axis=1).argmax())
            picture, predicted = picture[tuple(slice_)], predicted[tuple(slice_)]
            truth = None if truth is None else truth[tuple(slice_)]
            spacing.pop(self.axis)
        else:  # rows run downwards, columns to the right
            picture, predicted = picture[::-1].swapaxes(0, 1), predicted[::-1].T
            truth = None if truth is None else truth[::-1].T
            spacing.reverse()
        return name_of(image), picture, truth, predicted, spacing

    def draw(self, axes: list[Axes], kept: Any) -> None:
        name, picture, truth, predicted, spacing = kept
        masks = {"truth": truth, "prediction": predicted} if self.truth else {"prediction": predicted}
        draw_contours(axes, picture, name, masks, spacing[1] / spacing[0], own_range=self.mean is None)

    def _picture(self, image: Any) -> NDArray[Any]:
        """(3, H, W) -> (H, W, 3), a photograph in colours; else (C, *spatial) -> (*spatial), the first channel."""
        plain = np.moveaxis(np.asarray(image.cpu()), 0, -1)
        pixels = plain if self.mean is None else intensities(image, self.mean, self.std)
        shown: NDArray[Any] = pixels if pixels.ndim == 3 and pixels.shape[-1] == 3 else pixels[..., 0]
        return shown


def _labels(mask: Tensor, overlapping: bool) -> NDArray[np.int64]:
    """One-hot (C, *spatial), integers (1, *spatial), or structures that overlap (C, *spatial) -> (*spatial)."""
    values = np.asarray(mask.cpu())
    if overlapping:
        numbers = np.arange(1, len(values) + 1).reshape(-1, *(1,) * (values.ndim - 1))
        shown: NDArray[np.int64] = ((values > 0) * numbers).max(0)
        return shown
    result: NDArray[np.int64] = (values.argmax(0) if values.shape[0] > 1 else values[0]).astype(np.int64)
    return result
