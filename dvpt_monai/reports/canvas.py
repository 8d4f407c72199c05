"""Figures without a screen: the one file that opens and writes them. matplotlib is imported when one is drawn."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from dvpt_monai.whole_file import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["add_legend", "new_figure", "write_figure", "write_grid"]


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def write_figure(figure: Figure, path: str | os.PathLike[str], note: str = "", dpi: int = 110) -> None:
    """Write a figure, whole or not at all, with a note in red above it."""
    if note:
        figure.suptitle(note, color="firebrick", weight="bold")
    with whole_file(path) as part:
        figure.savefig(part, dpi=dpi)


def write_grid(
    path: str | os.PathLike[str],
    cases: Sequence[Any],
    draw: Callable[[list[Axes], Any], None],
    panels: int = 1,
    columns: int = 4,
    panel: tuple[float, float] = (2.4, 2.7),
    note: str = "",
    colours: Mapping[str, str] | None = None,
) -> None:
    """Draw cases in rows and write the figure.

    Args:
        path: the PNG.
        cases: at least one, each as ``draw`` takes it.
        draw: draws one case on its panels.
        panels: of a case, side by side.
        columns: how many cases side by side.
        panel: width and height of one in inches.
        note: printed above.
        colours: of what is drawn, by its name, for a legend below.
    """
    columns = min(columns, len(cases))
    rows = ceil(len(cases) / columns)
    width, height = panel
    figure = new_figure(width * columns * panels, height * rows + 0.4)
    grid = figure.subplots(rows, columns * panels, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for place, case in enumerate(cases):
        first = place % columns * panels
        draw(list(grid[place // columns, first : first + panels]), case)
    if colours:
        add_legend(figure, colours)
    write_figure(figure, path, note)


def add_legend(figure: Figure, colours: Mapping[str, str]) -> None:
    """Name the colours below a figure, eight in a row."""
    from matplotlib.patches import Patch

    patches = [Patch(facecolor=colour, edgecolor="black", label=name) for name, colour in colours.items()]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(8, len(patches)), fontsize=9)
