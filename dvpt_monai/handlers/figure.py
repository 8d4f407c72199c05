"""A few cases of an evaluation in one figure: truth beside prediction."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence, Sized
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dvpt_monai.data.source import source_of
from dvpt_monai.whole_file import whole_file

__all__ = ["PredictionFigure", "intensities", "name_of"]


class PredictionFigure(ABC):
    """Draw some cases of an evaluation, spread evenly over the data set, when it ends.

    A subclass says what of a case to keep, and how to draw it on its panels.

    Args:
        path: the PNG.
        cases: how many.
        columns: how many cases side by side.
        note: printed above, for example that the data are phantoms.
    """

    panels = 1
    """Panels of one case, side by side."""
    height = 2.7
    """Height of a case in inches."""
    width = 2.4
    """Width of a panel in inches."""

    def __init__(self, path: str | os.PathLike[str], cases: int = 12, columns: int = 4, note: str = "") -> None:
        self.path = Path(path)
        self.cases = cases
        self.columns = columns
        self.note = note
        self._chosen: set[int] = set()
        self._seen = 0
        self._kept: list[Any] = []

    @abstractmethod
    def keep(self, case: dict[str, Any], output: dict[str, Any]) -> Any:
        """What the drawing needs of a case, and nothing more: it stays in memory until the end."""

    @abstractmethod
    def draw(self, axes: list[Axes], kept: Any) -> None:
        """Draw one case on its panels."""

    def finish(self, figure: Figure) -> None:  # noqa: B027, most figures need no more
        """Add what belongs to the whole figure, such as a legend."""

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Draw and write the figure."""
        if not self._kept:
            return
        columns = min(self.columns, len(self._kept))
        rows = ceil(len(self._kept) / columns)
        figure = Figure(figsize=(self.width * columns * self.panels, self.height * rows + 0.4), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(rows, columns * self.panels, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for place, kept in enumerate(self._kept):
            first = place % columns * self.panels
            self.draw(list(grid[place // columns, first : first + self.panels]), kept)
        self.finish(figure)
        if self.note:
            figure.suptitle(self.note, color="firebrick", weight="bold")
        with whole_file(self.path) as part:
            figure.savefig(part, dpi=110)

    def _begin(self, engine: Engine) -> None:
        self._seen, self._kept = 0, []
        dataset: Any = getattr(getattr(engine, "data_loader", None), "dataset", None)
        total = len(dataset) if isinstance(dataset, Sized) else 0
        count = min(self.cases, total) if total else self.cases
        # The middle of each of `count` equal parts: data sets are often sorted by class.
        self._chosen = {(2 * i + 1) * total // (2 * count) if total else i for i in range(count)}

    def _collect(self, engine: Engine) -> None:
        batch: Any = engine.state.batch
        output: Any = engine.state.output
        for case, said in zip(batch, output, strict=True):
            if self._seen in self._chosen:
                self._kept.append(self.keep(case, said))
            self._seen += 1


def name_of(image: Any) -> str:
    """The image's file name without its folder and suffixes; empty where it is not known."""
    return Path(source_of(image, unknown="")).name.split(".")[0]


def intensities(image: Any, mean: Sequence[float], std: Sequence[float]) -> NDArray[Any]:
    """An image (C, H, W[, D]) as (H, W[, D], C) in [0, 1], as it was before its normalisation by channel."""
    pixels = np.moveaxis(np.asarray(image.cpu()), 0, -1)
    shown: NDArray[Any] = (pixels * np.asarray(std) + np.asarray(mean)).clip(0, 1)
    return shown
