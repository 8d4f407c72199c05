"""The metrics of one evaluation, with what they were measured on."""

from __future__ import annotations

import csv
import json
import math
import os
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.utils import is_scalar

from dvpt_monai.handlers.processes import first_process, gather
from dvpt_monai.whole_file import whole_file

__all__ = ["MetricsTable"]


class MetricsTable:
    """Write ``metrics.json`` and ``metrics.csv`` at the end of an evaluation: one row, the key metric first.

    Args:
        output_dir: folder of both files.
        dataset_dir: folder of the data; its name is written.
        phantom: whether the data are generated.
        facts: what else to write, for example the method or the seed.

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
    ) -> None:
        self.folder = Path(output_dir)
        self.dataset = Path(dataset_dir).resolve().name
        self.phantom = phantom
        self.facts = dict(facts or {})
        self._cases = 0

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._count)
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write both files."""
        cases = sum(count for [count] in gather([self._cases]))
        if not first_process():
            return
        told = engine.state.metrics.items()
        metrics = {name: value if isinstance(value, str) else _number(value) for name, value in told if _shown(value)}
        key = getattr(engine.state, "key_metric_name", None)
        row: dict[str, Any] = {name: metrics[name] for name in sorted(metrics, key=lambda name: name != key)}
        row |= {"cases": cases, "dataset": self.dataset, "data": "phantom" if self.phantom else "real"}
        row |= self.facts
        with whole_file(self.folder / "metrics.json") as part:
            part.write_text(json.dumps(row, indent=4) + "\n")
        with whole_file(self.folder / "metrics.csv") as part, part.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(row), lineterminator="\n")
            writer.writeheader()
            writer.writerow(row)

    def _begin(self, engine: Engine) -> None:
        self._cases = 0

    def _count(self, engine: Engine) -> None:
        batch: Any = engine.state.batch  # decollated by MONAI: a list of cases
        self._cases += len(batch)


def _shown(value: Any) -> bool:
    return isinstance(value, str) or is_scalar(value)


def _number(value: Any) -> float | None:
    number = float(value)
    return round(number, 6) if math.isfinite(number) else None  # JSON has no NaN
