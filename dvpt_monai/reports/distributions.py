"""How the scores of many cases are distributed, structure by structure."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dvpt_monai.reports.canvas import new_figure, write_figure

__all__ = ["draw_distributions"]

SHARES = ("Dice", "surface Dice")
"""Scores from 0 to 1."""


def draw_distributions(
    path: str | os.PathLike[str], rows: Sequence[str], columns: Mapping[str, NDArray[Any]], note: str = ""
) -> None:
    """Draw a panel for each score, in it a row for each structure: every case a dot, the quartiles a box.

    Args:
        path: the PNG.
        rows: names of the structures, as they are to be read.
        columns: of each score, by its title, the values (cases, structures), NaN where there is none.
        note: printed above.
    """
    figure = new_figure(3 + 3 * len(columns), 1.1 + 0.55 * len(rows))
    panels = figure.subplots(1, len(columns), squeeze=False)[0]
    for axes, (title, values) in zip(panels, columns.items(), strict=True):
        known = [column[np.isfinite(column)] for column in values.T]
        places = range(len(rows))
        axes.boxplot(known, positions=places, orientation="horizontal", widths=0.5, showfliers=False)
        for place, each in enumerate(known):
            spread = np.random.default_rng(0).uniform(-0.18, 0.18, len(each))
            axes.plot(each, place + spread, "o", markersize=3, alpha=0.4, color="#377eb8", markeredgewidth=0)
            axes.annotate(
                f"n={len(each)}", (1, place), xycoords=("axes fraction", "data"), xytext=(3, 0),
                textcoords="offset points", va="center", fontsize=8,
            )  # fmt: skip
        axes.set_title(title, fontsize=10)
        axes.set_yticks(places, rows if axes is panels[0] else [""] * len(rows), fontsize=9)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        if title.startswith(SHARES):
            axes.set_xlim(-0.03, 1.03)
        else:
            axes.set_xlim(left=0)
        axes.grid(axis="x", alpha=0.3)
    write_figure(figure, path, note, dpi=120)
