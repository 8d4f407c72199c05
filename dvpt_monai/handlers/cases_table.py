"""A metric of each case, for whoever wants intervals or the worst case."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.utils import CommonKeys

from dvpt_monai.handlers.figure import name_of
from dvpt_monai.handlers.processes import details_of, first_process, gather, in_order
from dvpt_monai.tables import write_table

__all__ = ["CasesTable"]


class CasesTable:
    """Write one row for each case with the details of one of MONAI's metrics, such as the Dice of each structure.

    MONAI's ``MetricsSaver`` calls the columns class0, class1, and the cases by their full paths.

    Args:
        path: the CSV file.
        metric: name of a metric that keeps details, **Shape** (cases, columns).
        columns: names of the columns.
    """

    def __init__(self, path: str | os.PathLike[str], metric: str, columns: Sequence[str]) -> None:
        self.path = Path(path)
        self.metric = metric
        self.columns = list(columns)
        self._names: list[str] = []

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write the file."""
        details = details_of(engine, self.metric, "CasesTable")
        names = gather(self._names)
        if not first_process():
            return
        values = iter(details.tolist())  # gathered by MONAI, in the order of the ranks
        rows = in_order([[(name, next(values)) for name in part] for part in names])
        table = [{"case": name, **dict(zip(self.columns, row, strict=True))} for name, row in rows]
        write_table(self.path, table, ["case", *self.columns])

    def _begin(self, engine: Engine) -> None:
        self._names = []

    def _collect(self, engine: Engine) -> None:
        batch: Any = engine.state.batch
        self._names += [name_of(case[CommonKeys.IMAGE]) for case in batch]
