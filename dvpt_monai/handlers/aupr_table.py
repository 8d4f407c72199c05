"""The area under the precision-recall curve of each structure, with an interval."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor

from dvpt_monai.handlers.processes import first_process
from dvpt_monai.metrics import aupr_bounds, aupr_interval, average_precision
from dvpt_monai.whole_file import whole_file

__all__ = ["AUPRTable"]


class AUPRTable:
    """Write one row for each structure, and one for their mean, from the histograms of a `PixelAUPR`.

    The columns: ``aupr``; ``low`` and ``high``, a 95 % bootstrap over the images; ``binning``, by how much the exact
    value can differ at most; ``share``, that of its pixels among all, which is what a random guess scores; ``images``
    that have it. A structure that no image has gets an empty value.

    Args:
        path: the CSV file.
        metric: name of the metric, whose details are **Shape** (cases, C, 2, bins).
        structures: names of the channels.
        samples: of the bootstrap.
    """

    def __init__(
        self, path: str | os.PathLike[str], metric: str, structures: Sequence[str], samples: int = 2000
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
        details: dict[str, Any] = getattr(engine.state, "metric_details", {})
        if self.metric not in details:
            raise KeyError(f"AUPRTable: no details of a metric {self.metric!r}; there are some of {sorted(details)}")
        if not first_process():
            return
        counts: Tensor = details[self.metric].cpu()  # gathered by MONAI
        total = counts.sum(dim=0)
        values = average_precision(total)
        least, most = aupr_bounds(total)
        low, high, of_mean = aupr_interval(counts, self.samples)
        binning = (most - values).maximum(values - least)
        share = total[:, 1].sum(-1) / total.sum((-2, -1))
        images = (counts[:, :, 1].sum(-1) > 0).sum(0)
        table = torch.stack([column.double() for column in (values, low, high, binning, share, images)], dim=1)
        rows = [[name, *_known(*row.tolist())] for name, row in zip(self.structures, table, strict=True)]
        mean = _known(float(values.nanmean()), *of_mean, float(binning.nanmean()))
        with whole_file(self.path) as part, part.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["structure", "aupr", "low", "high", "binning", "share", "images"])
            writer.writerows([*rows, ["mean", *mean, "", ""]])


def _known(*numbers: float) -> list[str]:
    return ["" if number != number else f"{number:.6g}" for number in numbers]
