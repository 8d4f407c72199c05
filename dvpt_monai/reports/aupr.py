"""The area under the precision-recall curve of each structure, as rows of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from dvpt_monai.metrics import aupr_bounds, aupr_interval, average_precision
from dvpt_monai.metrics.bootstrap import RESAMPLES

__all__ = ["aupr_rows"]


def aupr_rows(counts: Tensor, structures: Sequence[str], samples: int = RESAMPLES) -> list[dict[str, Any]]:
    """One row for each structure, and one for their mean.

    The columns: ``aupr``; ``low`` and ``high``, a 95 % bootstrap over the images; ``binning``, by how much the exact
    value can differ at most; ``share``, that of its pixels among all, which is what a random guess scores; ``images``
    that have it. What no image has gets ``None``.

    Args:
        counts: the histograms of each image, as `PixelAUPR` keeps them.
        structures: names of the channels.
        samples: of the bootstrap.

    Shape:
        counts (cases, C, 2, bins)
    """
    total = counts.sum(dim=0)
    values = average_precision(total)
    least, most = aupr_bounds(total)
    low, high, (mean_low, mean_high) = aupr_interval(counts, samples)
    columns: dict[str, Tensor] = {
        "aupr": values,
        "low": low,
        "high": high,
        "binning": (most - values).maximum(values - least),
        "share": total[:, 1].sum(-1) / total.sum((-2, -1)),
        "images": (counts[:, :, 1].sum(-1) > 0).sum(0),
    }
    of_all: dict[str, Tensor | float] = {
        "aupr": values.nanmean(),
        "low": mean_low,
        "high": mean_high,
        "binning": columns["binning"].nanmean(),
    }
    rows: list[Mapping[str, Tensor | float]] = [
        *({name: column[place] for name, column in columns.items()} for place in range(len(structures))),
        of_all,
    ]
    return [
        {"structure": name, **{column: _known(value) for column, value in row.items()}}
        for name, row in zip([*structures, "mean"], rows, strict=True)
    ]


def _known(value: Tensor | float) -> float | None:
    number = value.item() if isinstance(value, Tensor) else value
    return None if math.isnan(number) else number
