"""A few cases of an evaluation in one figure: truth beside prediction."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ignite.engine import Engine, Events
from numpy.typing import NDArray

from dvpt_monai import formats
from dvpt_monai.data.source import source_of
from dvpt_monai.reports.canvas import write_grid
from dvpt_monai.reports.pictures import denormalized

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
    panel = (2.4, 2.7)
    """Width and height of a panel in inches."""
    colours: Mapping[str, str] = {}
    """Colours by what they mean, for the legend."""

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

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Draw and write the figure."""
        if self._kept:
            write_grid(self.path, self._kept, self.draw, self.panels, self.columns, self.panel, self.note, self.colours)

    def _begin(self, engine: Engine) -> None:
        self._seen, self._kept = 0, []
        dataset: Any = getattr(getattr(engine, "data_loader", None), "dataset", None)
        total = len(dataset) if isinstance(dataset, Sized) else 0
        count = min(self.cases, total) if total else self.cases
        # The middle of each of `count` equal parts: data sets are often sorted by class.
        self._chosen = {(2 * i + 1) * total // (2 * count) if total else i for i in range(count)}

    def _collect(self, engine: Engine) -> None:
        batch: Any = engine.state.batch
        outputs: Any = engine.state.output
        for case, output in zip(batch, outputs, strict=True):
            if self._seen in self._chosen:
                self._kept.append(self.keep(case, output))
            self._seen += 1


def name_of(image: Any) -> str:
    """The image's file name without its folder and the suffix of its format; empty where it is not known."""
    return formats.name_of(source_of(image, unknown=""))


def intensities(image: Any, mean: Sequence[float], std: Sequence[float]) -> NDArray[Any]:
    """An image (C, H, W[, D]) as (H, W[, D], C) in [0, 1], as it was before its normalisation by channel."""
    return denormalized(np.asarray(image.cpu()), mean, std)
