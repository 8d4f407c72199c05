"""How good methods are, against what they cost and against the labels that they had."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dvpt_monai.reports.canvas import new_figure, write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Point", "draw_costs", "draw_labels"]

MARKERS = "osD^vP*X<>ph"
WIDE = 20
"""How far apart costs lie that are drawn on a logarithmic axis."""
MANY = 1e5
"""Where costs are counted in thousands and millions."""


class Point(NamedTuple):
    """A method's quality at one place.

    Args:
        x: its place.
        value: its score.
        low: lower end of the interval; NaN where there is none.
        high: upper end.
    """

    x: float
    value: float
    low: float
    high: float


def draw_labels(
    path: str | os.PathLike[str], lines: Mapping[str, Sequence[Point]], metric: str, note: str = ""
) -> None:
    """Draw quality against the number of labelled cases, a line for each method.

    Args:
        path: the PNG.
        lines: by method.
        metric: its name.
        note: printed above.
    """
    figure = new_figure(7, 4.5)
    axes = figure.subplots()
    places = sorted({point.x for points in lines.values() for point in points})
    width = places[-1] - places[0]
    for number, (method, points) in enumerate(lines.items()):
        shift = (number - (len(lines) - 1) / 2) * 0.012 * width  # intervals beside each other can be told apart
        _bars(axes, number, method, [point._replace(x=point.x + shift) for point in points], line="-")
    axes.set(xlabel="labelled cases to train on", ylabel=metric.replace("_", " "))
    axes.set_xticks(places, [f"{place:.0f}" for place in places])
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9)
    write_figure(figure, path, note, dpi=120)


def draw_costs(
    path: str | os.PathLike[str], costs: Mapping[str, Mapping[str, Point]], metric: str, note: str = ""
) -> None:
    """Draw quality against one or more costs, each on a panel.

    Args:
        path: the PNG.
        costs: the point of each method, by the name of the cost; those of all panels have one value.
        metric: its name.
        note: printed above.
    """
    from matplotlib.ticker import EngFormatter

    figure = new_figure(5.5 * len(costs), 4.8)
    panels = figure.subplots(1, len(costs), squeeze=False, sharey=True)[0]
    methods = list(dict.fromkeys(method for points in costs.values() for method in points))
    for axes, (cost, points) in zip(panels, costs.items(), strict=True):
        for method, point in points.items():
            _bars(axes, methods.index(method), method, [point], line="")
        axes.margins(x=0.15)
        axes.set(xlabel=cost)
        places = [point.x for point in points.values()]
        if max(places) > WIDE * min(places):
            axes.set_xscale("log")
        else:
            axes.set_xlim(0, 1.15 * max(places) or 1)  # room for the marker of the dearest
            if max(places) >= MANY:
                axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(metric.replace("_", " "))
    _legend_below(figure, *panels[0].get_legend_handles_labels())
    write_figure(figure, path, note, dpi=120)


def _legend_below(figure: Figure, handles: list[Any], names: list[str]) -> None:
    """A legend in as many columns as the figure is wide enough for."""
    for columns in range(min(5, len(names)), 0, -1):
        legend = figure.legend(handles, names, loc="outside lower center", ncols=columns, fontsize=9)
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


def _bars(axes: Axes, number: int, method: str, points: Sequence[Point], line: str) -> None:
    """A method's points with their intervals, in its colour and with its marker."""
    style: dict[str, Any] = {"color": f"C{number % 10}", "marker": MARKERS[number % len(MARKERS)], "linestyle": line}
    axes.plot([point.x for point in points], [point.value for point in points], label=method, **style)
    for point in points:
        axes.plot([point.x, point.x], [point.low, point.high], color=style["color"], alpha=0.5)
