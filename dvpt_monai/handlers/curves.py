"""The course of a training: loss and metrics against the epoch, as a table and as a figure."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.utils import CommonKeys, is_scalar

from dvpt_monai.reports.curves import draw_curves
from dvpt_monai.tables import write_table

__all__ = ["Curves"]


class Curves:
    """Write ``curves.csv`` after each epoch of a trainer, and ``curves.png`` as often as its drawing costs little.

    The figure is drawn at the end, too. Attach it behind the ``ValidationHandler``: an epoch without validation has
    empty cells.

    Args:
        output_dir: folder of both files.
        evaluator: its scalar metrics are drawn, the key metric boldly.
        note: printed on the figure, for example that the data are phantoms.
        seconds: between two drawings at least, each of which takes about a third of one.

    Example:
        >>> import tempfile
        >>> trainer = Engine(lambda engine, batch: {"loss": 1.0 / engine.state.iteration})
        >>> with tempfile.TemporaryDirectory() as home:
        ...     Curves(home).attach(trainer)
        ...     _ = trainer.run([0, 1], max_epochs=2)
        ...     print(Path(home, "curves.csv").read_text().split())
        ['epoch,loss', '1,0.75', '2,0.291667']
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        evaluator: Engine | None = None,
        note: str = "",
        seconds: float = 60.0,
    ) -> None:
        self.folder = Path(output_dir)
        self.evaluator = evaluator
        self.note = note
        self.seconds = seconds
        self.drawn = time.monotonic()
        self.rows: list[dict[str, float]] = []
        self._losses: list[float] = []
        self._fresh: dict[str, float] = {}

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self._draw)
        if self.evaluator is not None:
            self.evaluator.add_event_handler(Events.COMPLETED, self._validated)

    def __call__(self, engine: Engine) -> None:
        """Add the epoch to the table, and draw it if it is time to."""
        loss = sum(self._losses) / len(self._losses) if self._losses else float("nan")
        self.rows.append({"epoch": engine.state.epoch, "loss": loss, **self._fresh})
        self._losses = []
        write_table(self.folder / "curves.csv", self.rows)
        if time.monotonic() - self.drawn >= self.seconds:
            self._draw()

    def state_dict(self) -> dict[str, Any]:
        """What the curves have so far, for a training that goes on later."""
        return {"rows": [dict(row) for row in self.rows], "losses": list(self._losses)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the curves of :meth:`state_dict`."""
        self.rows, self._losses = state_dict["rows"], state_dict["losses"]

    def _draw(self, engine: Engine | None = None) -> None:
        if self.rows:
            draw_curves(self.folder / "curves.png", self.rows, self.note)
        self.drawn = time.monotonic()

    def _begin(self, engine: Engine) -> None:
        self._fresh = {}

    def _collect(self, engine: Engine) -> None:
        output: Any = engine.state.output
        output = output[0] if isinstance(output, list) else output
        self._losses.append(float(output[CommonKeys.LOSS]))

    def _validated(self, evaluator: Engine) -> None:
        metrics = {name: float(value) for name, value in evaluator.state.metrics.items() if is_scalar(value)}
        key = getattr(evaluator.state, "key_metric_name", None)
        self._fresh = {name: metrics[name] for name in sorted(metrics, key=lambda name: name != key)}
