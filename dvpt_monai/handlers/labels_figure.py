"""Images with all their true labels and the few most probable ones."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from monai.utils import CommonKeys

from dvpt_monai.handlers.figure import PredictionFigure, intensities, name_of

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
        name, picture, truth, chances = kept
        axes[0].imshow(picture, cmap="gray", vmin=0, vmax=1)
        axes[0].set_title(name if len(name) <= 30 else f"{name[:28]}...", fontsize=8)
        lines = (
            []
            if truth is None
            else [("true", "gray"), *((text, "black") for text in self._names(truth)), ("", "black")]
        )
        lines += [("most probable", "gray")]
        for place in np.argsort(-chances, kind="stable")[: self.top]:
            color = "black" if truth is None else "darkgreen" if truth[place] else "firebrick"
            lines.append((f"{chances[place]:.2f} {self.labels[place]}", color))
        for row, (text, color) in enumerate(lines):
            axes[1].text(0, 1 - row / 13, text, fontsize=8, color=color, va="top", transform=axes[1].transAxes)

    def _names(self, truth: Any) -> list[str]:
        names = [self.labels[place] for place in np.flatnonzero(truth)]
        if len(names) > self.top:
            return [*names[: self.top - 1], f"and {len(names) - self.top + 1} more"]
        return names or ["none"]
