"""The area under the precision-recall curve of each structure, with an interval."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ignite.engine import Engine, Events

from dvpt_monai.handlers.processes import details_of, first_process
from dvpt_monai.metrics.bootstrap import RESAMPLES
from dvpt_monai.reports.aupr import aupr_rows
from dvpt_monai.tables import write_table

__all__ = ["AUPRTable"]


class AUPRTable:
    """Write one row for each structure, and one for their mean, from the histograms of a `PixelAUPR`.

    The columns are those of :func:`~dvpt_monai.reports.aupr.aupr_rows`.

    Args:
        path: the CSV file.
        metric: name of the metric, whose details are **Shape** (cases, C, 2, bins).
        structures: names of the channels.
        samples: of the bootstrap.

    Raises:
        BundleError: at the end of the evaluation, which has no such metric.
    """

    def __init__(
        self, path: str | os.PathLike[str], metric: str, structures: Sequence[str], samples: int = RESAMPLES
    ) -> None:
        self.path = Path(path)
        self.metric = metric
        self.structures = list(structures)
        self.samples = samples

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write the file."""
        counts = details_of(engine, self.metric, "AUPRTable")
        if first_process():
            write_table(self.path, aupr_rows(counts.cpu(), self.structures, self.samples))
