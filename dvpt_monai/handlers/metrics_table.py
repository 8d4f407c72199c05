"""The metrics of one evaluation, with what they were measured on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.utils import is_scalar

from dvpt_monai.handlers.intervals import intervals_of, patients_of
from dvpt_monai.handlers.processes import first_process, gather, in_order
from dvpt_monai.handlers.scores import scores_of
from dvpt_monai.reports.metrics import write_metrics

__all__ = ["MetricsTable"]


class MetricsTable:
    """Write ``metrics.json`` and ``metrics.csv`` at the end of an evaluation: one row, the key metric first.

    Metrics that keep their cases have 95 % intervals, a bootstrap over the cases, or over the patients where cases have
    a ``group``: see :func:`~dvpt_monai.reports.metrics.write_metrics`.

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
        self._groups: list[Any] = []

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._count)
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write both files."""
        parts = gather(self._groups)
        if not first_process():
            return
        counts, groups = [len(part) for part in parts], in_order(parts)
        patients = patients_of(groups)
        key = getattr(engine.state, "key_metric_name", None)
        shown = {
            name: value for name, value in engine.state.metrics.items() if isinstance(value, str) or is_scalar(value)
        }
        metrics = {name: shown[name] for name in sorted(shown, key=lambda name: name != key)}
        scores = {name: value for name, value in scores_of(engine).items() if name not in metrics}
        facts = {
            "cases": len(groups),
            **({"patients": len(set(patients))} if patients is not None else {}),
            "dataset": self.dataset,
            "data": "phantom" if self.phantom else "real",
            **self.facts,
        }
        intervals = intervals_of(engine, counts, self.seed, patients)
        write_metrics(self.folder, metrics, intervals, facts, scores)

    def _begin(self, engine: Engine) -> None:
        self._groups = []

    def _count(self, engine: Engine) -> None:
        batch: Any = engine.state.batch  # decollated by MONAI: a list of cases
        self._groups += [case.get("group") or None for case in batch]
