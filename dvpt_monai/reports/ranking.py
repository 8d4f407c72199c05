"""How well probabilities rank cases, and whether they are what they say, as curves."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dvpt_monai.reports.canvas import new_figure, write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_ranking"]

Column = NDArray[Any]


def draw_ranking(
    path: str | os.PathLike[str],
    classes: Mapping[str, tuple[Column, Column]],
    bins: tuple[Column, Column, Column],
    confidence: str,
    note: str = "",
) -> None:
    """Draw the ROC curve and that of precision and recall of each class, and beside them the calibration.

    Args:
        path: the PNG.
        classes: of each, by the name that the legend gives it, scores and truth (cases,); one without both kinds of
            cases has no curve.
        bins: of the calibration: mean probability, share that is true, and number of cases, one for each bin.
        confidence: what the probabilities of these are.
        note: printed above.
    """
    rows = -(-len(classes) // 3)
    figure = new_figure(12, 4.4 + 0.2 * rows)
    left, middle, right = figure.subplots(1, 3)
    for place, (name, (scores, truth)) in enumerate(classes.items()):
        style = {"color": f"C{place % 10}", "linestyle": ("-", "--", ":")[place // 10 % 3], "label": name}
        _draw_curves(left, middle, scores, truth, style)
    left.plot([0, 1], [0, 1], color="gray", linewidth=0.8, zorder=0)
    left.set(title="ROC", xlabel="1 - specificity", ylabel="sensitivity")
    middle.set(title="Precision and recall", xlabel="recall (sensitivity)", ylabel="precision")
    _draw_bins(right, *bins)
    right.set(title="Calibration", xlabel=confidence, ylabel="share that is true")
    for axes in (left, middle, right):
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.set_box_aspect(1)
        axes.grid(alpha=0.3)
    handles, names = left.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(3, len(names)), fontsize=9)
    write_figure(figure, path, note, dpi=120)


def _draw_curves(left: Axes, middle: Axes, scores: Column, truth: Column, style: Mapping[str, Any]) -> None:
    from sklearn.metrics import precision_recall_curve, roc_curve

    if len(np.unique(truth)) < 2:
        left.plot([], [], **style)
        return
    wrong, right, _ = roc_curve(truth, scores)
    left.plot(wrong, right, **style)
    precision, recall, _ = precision_recall_curve(truth, scores)
    precision[-1] = precision[-2]  # no threshold is there: its precision of 1 is a convention
    middle.step(recall, precision, where="post", **style)


def _draw_bins(axes: Axes, said: Column, true: Column, cases: Column) -> None:
    axes.plot([0, 1], [0, 1], color="gray", linewidth=0.8, zorder=0)
    axes.plot(said, true, "o-", color="black", markersize=5)
    if len(cases):
        numbers: Sequence[int] = (int(cases.min()), int(cases.max()))
        shown = str(numbers[0]) if numbers[0] == numbers[1] else f"{numbers[0]} to {numbers[1]}"
        axes.text(0.03, 0.96, f"{len(cases)} bins of {shown} cases", va="top", fontsize=9, transform=axes.transAxes)
