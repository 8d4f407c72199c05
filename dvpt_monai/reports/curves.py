"""The course of a training as a figure."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from dvpt_monai.reports.canvas import new_figure, write_figure

__all__ = ["draw_curves"]

Row = Mapping[str, float]


def draw_curves(path: str | os.PathLike[str], rows: Sequence[Row], note: str = "") -> None:
    """Draw the loss, and beside it all metrics, against the epoch.

    Args:
        path: the PNG.
        rows: of each epoch ``epoch``, ``loss`` and the metrics that were validated, the key metric first: it is bold.
        note: printed above.
    """
    metrics = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in ("epoch", "loss")]
    figure = new_figure(10 if metrics else 5, 4)
    left, *right = figure.subplots(1, 2 if metrics else 1, squeeze=False)[0]
    left.plot(*_line(rows, "loss"), color="black", marker=".")
    left.set(title="Training loss", xlabel="epoch", ylabel="mean over the epoch")
    for place, name in enumerate(metrics):
        style = "-" if place < 10 else "--"  # after ten lines the colours begin again
        width = 1 if place else 2.5
        right[0].plot(*_line(rows, name), style, marker=".", label=name.replace("_", " "), linewidth=width)
    if metrics:
        right[0].set(title="Validation", xlabel="epoch")
        figure.legend(loc="outside right upper", fontsize=9)  # beside the panels, where it hides no point
        low, high = right[0].get_ylim()
        if high - low < 0.1:  # else a difference in the fifth digit would look like a course
            right[0].set_ylim((low + high) / 2 - 0.05, (low + high) / 2 + 0.05)
    last = rows[-1]["epoch"]
    margin = max(0.5, last / 50)  # a point of the last epoch shows whole
    for axes in (left, *right):
        axes.ticklabel_format(useOffset=False)
        axes.grid(alpha=0.3)
        axes.set_xlim(1 - margin, last + margin)
        axes.locator_params(axis="x", integer=True, min_n_ticks=1)
    write_figure(figure, path, note, dpi=120)


def _line(rows: Sequence[Row], name: str) -> tuple[list[float], list[float]]:
    known = [row for row in rows if name in row]
    return [row["epoch"] for row in known], [row[name] for row in known]
