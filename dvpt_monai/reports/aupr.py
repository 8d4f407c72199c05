"""The area under the precision-recall curve of each structure, as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from dvpt_monai.metrics import aupr_bounds, aupr_interval, average_precision
from dvpt_monai.metrics.bootstrap import RESAMPLES

__all__ = ["aupr_rows"]


def aupr_rows(counts: Tensor, structures: Sequence[str], samples: int = RESAMPLES) -> list[dict[str, Any]]:
    """One row for each structure, and one for their mean.

    The columns: ``aupr``; ``low`` and ``high``, a 95 % bootstrap over the images; ``binning``, by how much the exact
    value can differ at most; ``share``, that of its pixels among all, which is what a random guess scores; ``images``
    that have it. What no image has gets NaN.

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
    columns = {
        "aupr": values,
        "low": low,
        "high": high,
        "binning": (most - values).maximum(values - least),
        "share": total[:, 1].sum(-1) / total.sum((-2, -1)),
        "images": (counts[:, :, 1].sum(-1) > 0).sum(0),
    }
    rows: list[dict[str, Any]] = [
        {"structure": name, **{column: of_each[place].item() for column, of_each in columns.items()}}
        for place, name in enumerate(structures)
    ]
    mean = {"aupr": values, "binning": columns["binning"]}
    ends = {"low": mean_low, "high": mean_high}
    return [*rows, {"structure": "mean", **{name: each.nanmean().item() for name, each in mean.items()}, **ends}]
