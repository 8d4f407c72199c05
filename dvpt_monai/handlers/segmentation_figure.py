"""One slice of each case: the image, the true and the predicted structures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from monai.data import MetaTensor
from monai.utils import CommonKeys
from numpy.typing import NDArray
from torch import Tensor

from dvpt_monai.handlers.figure import PredictionFigure, intensities, name_of

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
    """

    panels = 3
    height = 2.2

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
    ) -> None:
        super().__init__(path, cases, columns, note)
        self.structures = list(structures)
        self.axis = axis
        self.mean = mean
        self.std = std

    def keep(self, case: dict[str, Any], output: dict[str, Any]) -> Any:
        image = case[CommonKeys.IMAGE]
        said = _labels(output[CommonKeys.PRED])
        # Postprocessing may have made the label one-hot, which leaves it in the evaluator's output or in the batch.
        truth = next((_labels(d[CommonKeys.LABEL]) for d in (output, case) if CommonKeys.LABEL in d), None)
        picture = self._picture(image)
        spacing = [float(s) for s in image.pixdim] if isinstance(image, MetaTensor) else [1.0] * said.ndim
        if said.ndim == 3:
            shown = said if truth is None or not truth.any() else truth
            along = np.moveaxis(shown > 0, self.axis, 0).reshape(shown.shape[self.axis], -1)
            slice_: list[Any] = [slice(None)] * 3
            slice_[self.axis] = int(along.sum(axis=1).argmax())
            picture, said = picture[tuple(slice_)], said[tuple(slice_)]
            truth = None if truth is None else truth[tuple(slice_)]
            spacing.pop(self.axis)
        else:  # rows run downwards, columns to the right
            picture, said = picture[::-1].swapaxes(0, 1), said[::-1].T
            truth = None if truth is None else truth[::-1].T
            spacing.reverse()
        return name_of(image), picture, truth, said, spacing

    def draw(self, axes: list[Axes], kept: Any) -> None:
        name, picture, truth, said, spacing = kept
        low, high = np.percentile(picture, (0.5, 99.5)) if self.mean is None else (0.0, 1.0)
        picture = ((picture - low) / max(high - low, 1e-6)).clip(0, 1)
        for panel, title, labels in zip(axes, (name, "truth", "prediction"), (None, truth, said), strict=True):
            if title == "truth" and labels is None:
                continue
            # Transposed and from below: the first axis runs to the right, the second upwards.
            shown = picture.swapaxes(0, 1)
            panel.imshow(shown, cmap="gray", origin="lower", vmin=0, vmax=1, aspect=spacing[1] / spacing[0])
            panel.set_title(title, fontsize=8)
            if labels is not None:
                self._contour(panel, labels.T)

    def _picture(self, image: Any) -> NDArray[Any]:
        """(3, H, W) -> (H, W, 3), a photograph in colours; else (C, *spatial) -> (*spatial), the first channel."""
        plain = np.moveaxis(np.asarray(image.cpu()), 0, -1)
        pixels = plain if self.mean is None else intensities(image, self.mean, self.std)
        shown: NDArray[Any] = pixels if pixels.ndim == 3 and pixels.shape[-1] == 3 else pixels[..., 0]
        return shown

    def finish(self, figure: Figure) -> None:
        if self.structures:
            lines = [Line2D([], [], color=_colour(label)) for label in range(1, len(self.structures) + 1)]
            figure.legend(lines, self.structures, loc="outside lower center", ncols=len(lines), fontsize=8)

    def _contour(self, panel: Axes, labels: NDArray[np.int64]) -> None:
        for label in range(1, int(labels.max()) + 1):
            if (labels == label).any():
                panel.contour(labels == label, levels=[0.5], colors=[_colour(label)], linewidths=1.4)


def _colour(label: int) -> Any:
    return colormaps["Set1"]((label - 1) % 9)


def _labels(mask: Tensor) -> NDArray[np.int64]:
    """One-hot (C, *spatial) or integers (1, *spatial) -> (*spatial)."""
    values = np.asarray(mask.cpu())
    result: NDArray[np.int64] = (values.argmax(0) if values.shape[0] > 1 else values[0]).astype(np.int64)
    return result
