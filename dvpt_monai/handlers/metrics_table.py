"""The metrics of one evaluation, with what they were measured on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.utils import is_scalar

from dvpt_monai.handlers.intervals import intervals_of
from dvpt_monai.handlers.processes import first_process, gather
from dvpt_monai.reports.metrics import write_metrics

__all__ = ["MetricsTable"]


class MetricsTable:
    """Write ``metrics.json`` and ``metrics.csv`` at the end of an evaluation: one row, the key metric first.

    Metrics that keep their cases have 95 % intervals, a bootstrap over the cases: see
    :func:`~dvpt_monai.reports.metrics.write_metrics`.

    Args:
        output_dir: folder of both files.
        dataset_dir: folder of the data; its name is written.
        phantom: whether the data are generated.
        facts: what else to write, for example the method or the seed.
        seed: of the bootstrap.

    Example:
        >>> import tempfile
        >>> evaluator = Engine(lambda engine, batch: None)
        >>> evaluator.state.metrics = {"accuracy": 0.5}
        >>> with tempfile.TemporaryDirectory() as home:
        ...     MetricsTable(home, dataset_dir="/data/eyes").attach(evaluator)
        ...     _ = evaluator.run([[{}, {}], [{}]])
        ...     print(Path(home, "metrics.csv").read_text())
        accuracy,cases,dataset,data
        0.5,3,eyes,real
        <BLANKLINE>
    """

    def __init__(
        self,
        output_dir: str | os.PathLike[str],
        dataset_dir: str | os.PathLike[str],
        phantom: bool = False,
        facts: dict[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.folder = Path(output_dir)
        self.dataset = Path(dataset_dir).resolve().name
        self.phantom = phantom
        self.facts = dict(facts or {})
        self.seed = seed
        self._cases = 0

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._count)
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write both files."""
        counts = [count for [count] in gather([self._cases])]
        if not first_process():
            return
        key = getattr(engine.state, "key_metric_name", None)
        shown = {
            name: value for name, value in engine.state.metrics.items() if isinstance(value, str) or is_scalar(value)
        }
        metrics = {name: shown[name] for name in sorted(shown, key=lambda name: name != key)}
        data = {"cases": sum(counts), "dataset": self.dataset, "data": "phantom" if self.phantom else "real"}
        write_metrics(self.folder, metrics, intervals_of(engine, counts, self.seed), {**data, **self.facts})

    def _begin(self, engine: Engine) -> None:
        self._cases = 0

    def _count(self, engine: Engine) -> None:
        batch: Any = engine.state.batch  # decollated by MONAI: a list of cases
        self._cases += len(batch)
