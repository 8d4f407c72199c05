"""The course of a training: loss and metrics against the epoch, as a table and as a figure."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from monai.utils import CommonKeys, is_scalar

from dvpt_monai.whole_file import whole_file

__all__ = ["Curves"]


class Curves:
    """Write ``curves.csv`` and ``curves.png`` after each epoch of a trainer.

    Attach it behind the ``ValidationHandler``: an epoch without validation has empty cells.

    Args:
        output_dir: folder of both files.
        evaluator: its scalar metrics are drawn, the key metric boldly.
        note: printed on the figure, for example that the data are phantoms.

    Example:
        >>> import tempfile
        >>> trainer = Engine(lambda engine, batch: {"loss": 1.0 / engine.state.iteration})
        >>> with tempfile.TemporaryDirectory() as home:
        ...     Curves(home).attach(trainer)
        ...     _ = trainer.run([0, 1], max_epochs=2)
        ...     print(Path(home, "curves.csv").read_text().split())
        ['epoch,loss', '1,0.75', '2,0.291667']
    """

    def __init__(self, output_dir: str | os.PathLike[str], evaluator: Engine | None = None, note: str = "") -> None:
        self.folder = Path(output_dir)
        self.evaluator = evaluator
        self.note = note
        self.rows: list[dict[str, float]] = []
        self._losses: list[float] = []
        self._fresh: dict[str, float] = {}

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)
        if self.evaluator is not None:
            self.evaluator.add_event_handler(Events.COMPLETED, self._validated)

    def __call__(self, engine: Engine) -> None:
        """Add the epoch to the table and draw it."""
        loss = sum(self._losses) / len(self._losses) if self._losses else float("nan")
        self.rows.append({"epoch": engine.state.epoch, "loss": loss, **self._fresh})
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        with whole_file(self.folder / "curves.csv") as part, part.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in self.rows)
        self._draw([name for name in columns if name not in ("epoch", "loss")])

    def _begin(self, engine: Engine) -> None:
        self._losses, self._fresh = [], {}

    def _collect(self, engine: Engine) -> None:
        output: Any = engine.state.output
        output = output[0] if isinstance(output, list) else output
        self._losses.append(float(output[CommonKeys.LOSS]))

    def _validated(self, evaluator: Engine) -> None:
        metrics = {name: float(value) for name, value in evaluator.state.metrics.items() if is_scalar(value)}
        key = getattr(evaluator.state, "key_metric_name", None)
        self._fresh = {name: metrics[name] for name in sorted(metrics, key=lambda name: name != key)}

    def _draw(self, metrics: list[str]) -> None:
        figure = Figure(figsize=(10 if metrics else 5, 4), layout="constrained")
        FigureCanvasAgg(figure)
        left, *right = figure.subplots(1, 2 if metrics else 1, squeeze=False)[0]
        left.plot(*self._line("loss"), color="black", marker=".")
        left.set(title="Training loss", xlabel="epoch", ylabel="mean over the epoch")
        for place, name in enumerate(metrics):
            style = "-" if place < 10 else "--"  # after ten lines the colours begin again
            width = 1 if place else 2.5
            right[0].plot(*self._line(name), style, marker=".", label=name.replace("_", " "), linewidth=width)
        if metrics:
            right[0].set(title="Validation", xlabel="epoch")
            right[0].legend()
            low, high = right[0].get_ylim()
            if high - low < 0.1:  # else a difference in the fifth digit would look like a course
                right[0].set_ylim((low + high) / 2 - 0.05, (low + high) / 2 + 0.05)
        for axes in (left, *right):
            axes.ticklabel_format(useOffset=False)
            axes.grid(alpha=0.3)
            axes.set_xlim(0.5, self.rows[-1]["epoch"] + 0.5)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if self.note:
            figure.suptitle(self.note, color="firebrick")
        with whole_file(self.folder / "curves.png") as part:
            figure.savefig(part, dpi=120)

    def _line(self, name: str) -> tuple[list[float], list[float]]:
        rows = [row for row in self.rows if name in row]
        return [row["epoch"] for row in rows], [row[name] for row in rows]
