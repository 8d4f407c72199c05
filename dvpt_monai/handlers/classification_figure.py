"""Images with their true and their predicted class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from monai.utils import CommonKeys
from numpy.typing import NDArray

from dvpt_monai.handlers.figure import PredictionFigure, intensities, name_of

__all__ = ["ClassificationFigure"]


class ClassificationFigure(PredictionFigure):
    """Draw images above what was said of them; green where it is true, red where not.

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
        picture = (_three_views(picture) if picture.ndim == 4 else picture).squeeze()
        truth = int(case[CommonKeys.LABEL]) if CommonKeys.LABEL in case else None
        said = int(output[CommonKeys.PRED])
        return name_of(image), picture, truth, said, float(output[self.probability].flatten()[said])

    def draw(self, axes: list[Axes], kept: Any) -> None:
        name, picture, truth, said, probability = kept
        axes[0].imshow(picture, cmap="gray", vmin=0, vmax=1)
        told = f"true {self._named(truth)}, " if truth is not None else ""
        text = f"{name}\n{told}predicted {self._named(said)} ({probability:.2f})"
        color = "black" if truth is None else "darkgreen" if truth == said else "firebrick"
        axes[0].set_title(text, fontsize=8, color=color)

    def _named(self, number: int) -> str:
        return str(number) if self.names is None else self.names[number]


def _three_views(volume: NDArray[Any]) -> NDArray[Any]:
    """(X, Y, Z, C) -> one picture (Z + Y, X + Y, C): front and side, above the view from above; up is up."""
    side, front, above = (volume.mean(axis) for axis in range(3))  # (Y, Z, C), (X, Z, C), (X, Y, C)
    views = [np.swapaxes(view / max(float(view.max()), 1e-6), 0, 1)[::-1] for view in (front, side, above)]
    nothing = np.zeros((volume.shape[1], *views[1].shape[1:]), volume.dtype)
    return np.concatenate(
        [np.concatenate(views[:2], axis=1), np.concatenate([views[2], nothing], axis=1)],
        axis=0,
    )
