"""What an evaluation comes to, beside the metrics that a training is validated with."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from itertools import chain
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from torch import Tensor

from dvpt_monai.handlers.processes import first_process, gather

__all__ = ["Scores", "scores_of"]


class Scores(ABC):
    """Collect what each case of an evaluation shows, score all at its end, and draw it.

    The scores stand in ``engine.state.scores``, which trackers do not read; ``MetricsTable`` writes them with their
    intervals, if it is attached later.

    Args:
        path: the PNG.
        note: printed above, for example that the data are phantoms.
    """

    def __init__(self, path: str | os.PathLike[str], note: str = "") -> None:
        self.path = Path(path)
        self.note = note
        self._rows: list[Any] = []

    @abstractmethod
    def keep(self, case: dict[str, Any], output: dict[str, Any]) -> Any:
        """What the scores need of a case, small and on the CPU."""

    @abstractmethod
    def scores(self, rows: list[Any]) -> dict[str, float]:
        """All scores; ``rows`` are of the cases of all processes, rank after rank."""

    @abstractmethod
    def reweighted(self, weights: Tensor) -> dict[str, Tensor]:
        """The scores of weighted cases, **Shape** (resamples, cases) -> (resamples,) each."""

    @abstractmethod
    def draw(self) -> None:
        """Write the figure."""

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator, before what writes the scores."""
        engine.add_event_handler(Events.STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Score and draw."""
        rows = list(chain(*gather(self._rows)))
        state: Any = engine.state
        state.scores = {**scores_of(engine), **self.scores(rows)}
        if first_process() and rows:
            self.draw()

    def _begin(self, engine: Engine) -> None:
        state: Any = engine.state
        self._rows, state.scores = [], {}

    def _collect(self, engine: Engine) -> None:
        batch: Any = engine.state.batch
        outputs: Any = engine.state.output
        self._rows += [self.keep(case, output) for case, output in zip(batch, outputs, strict=True)]


def scores_of(engine: Engine) -> dict[str, float]:
    """The scores of an evaluation, which are none without such a handler."""
    return dict(getattr(engine.state, "scores", {}))
