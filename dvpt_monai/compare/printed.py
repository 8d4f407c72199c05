"""A comparison as a person reads it: a table on the terminal, the same as Markdown, and what to type."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dvpt_monai.bundle.trained_settings import method_option
from dvpt_monai.compare.recommend import Chances, advice
from dvpt_monai.compare.runs import Row
from dvpt_monai.compare.scores import Scores, difference
from dvpt_monai.compare.study import number
from dvpt_monai.metrics import Interval
from dvpt_monai.tuning import METHODS

__all__ = ["WIDTH", "alike", "cells", "command", "failures", "markdown", "recommendation", "table"]

WIDTH = 140
"""Of a table where no terminal tells."""
Cells = list[dict[str, str]]


def cells(several: Sequence[Scores]) -> Cells:
    """The rows of a table of methods with one share of the labels; all but the first are compared with it."""
    first = several[0]
    return [
        {
            "method": each.method,
            "trained, beside the head": f"{int(each.row['method_parameters']):,}",
            f"{first.metric.replace('_', ' ')} [95 %]": f"{each.value:.3f}{_ends(each.interval)}",
            "of each seed": ", ".join(f"{value:.3f}" for value in each.values.values()),
            f"minus {first.method} [95 %]": "" if each is first else _gap(each, first),
            "memory, MB": _whole(each.row["memory_mb"]),
            "seconds": _whole(each.row["seconds"]),
        }
        for each in several
    ]


def markdown(titled: Mapping[str, Cells]) -> str:
    """Tables below their titles, in Markdown."""
    parts = []
    for title, rows in titled.items():
        lines = [rows[0].keys(), ["---"] * len(rows[0]), *(row.values() for row in rows)]
        parts.append("\n".join([f"## {title}", "", *(f"| {' | '.join(line)} |" for line in lines)]))
    return "\n\n".join(parts) + "\n"


def table(titled: Mapping[str, Cells], colour: bool = False, width: int = WIDTH) -> str:
    """The same for a terminal."""
    page = StringIO()
    console = Console(file=page, width=width, force_terminal=colour, highlight=False, legacy_windows=False)
    for title, rows in titled.items():
        grid = Table(title=Text(title, "bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for place, column in enumerate(rows[0]):
            grid.add_column(column, justify="right" if place else "left")
        for row in rows:
            grid.add_row(*(Text(cell) for cell in row.values()))
        console.print(grid)
    return "".join(line.rstrip() + "\n" for line in page.getvalue().splitlines())


def failures(rows: Iterable[Row]) -> list[str]:
    """A line for each method that failed, with the error of its first run that did."""
    errors: dict[str, list[str]] = {}
    for row in rows:
        if row["error"]:
            errors.setdefault(row["method"], []).append(row["error"])
    return [f"{method}: {len(said)} runs failed, {said[0]}" for method, said in errors.items()]


def alike(several: Sequence[Scores]) -> list[str]:
    """A line for each two methods that no resample tells apart: what distinguishes one may have no effect."""
    varied = [each for each in several if any(values.std() > 0 for values in each.resampled.values())]
    return [
        f"{one.method} and {other.method} have the same score in every resample: does what sets them apart take effect?"
        for one, other in combinations(varied, 2)
        if one.fraction == other.fraction
        and one.resampled.keys() == other.resampled.keys()
        and all(np.array_equal(values, other.resampled[seed]) for seed, values in one.resampled.items())
    ]


def command(config: Path, row: Row) -> str:
    """What trains a bundle with the settings of a run; empty for what is no method of this package."""
    arguments = json.loads(row["arguments"])
    if arguments["method"] not in METHODS:
        return ""
    settings: dict[str, Any] = {**json.loads(row["options"]), **json.loads(row["settings"])}
    words = ["python -m monai.bundle run training --config_file", shlex.quote(str(config))]
    words.append(method_option(arguments))
    words += [f"--{name} {shlex.quote(str(value))}" for name, value in settings.items()]
    return " ".join(words)


def recommendation(by_fraction: Mapping[float, Sequence[Chances]], colour: bool = False, width: int = WIDTH) -> str:
    """For each share of the labels how the methods stand, and a sentence."""
    parts = []
    for fraction, ranked in by_fraction.items():
        if ranked:
            rows = [
                {
                    "method": each.scores.method,
                    each.scores.metric.replace("_", " "): f"{each.scores.value:.3f}{_ends(each.scores.interval)}",
                    "is the best": f"{each.best:.0%}",
                    "within 0.01 of it": f"{each.near:.0%}",
                }
                for each in ranked
            ]
            count = ranked[0].scores.training_cases
            title = f"{count} labelled cases" + (f", {fraction:.0%} of them all" if fraction < 1 else "")
            parts.append(table({title: rows}, colour, width) + advice(ranked))
        else:
            why = "no metric that keeps its cases, or none with a value in any resample"
            parts.append(f"{fraction:.0%} of the labels: {why}, so nothing can be said")
    return "\n\n".join(parts)


def _gap(one: Scores, other: Scores) -> str:
    gap, ends = difference(one, other)
    if math.isnan(gap):
        return "-"
    signed = f" [{ends.low:+.3f}, {ends.high:+.3f}]" if ends else ""
    return f"{gap:+.3f}{signed}"


def _ends(ends: Interval) -> str:
    return f" [{ends.low:.3f}, {ends.high:.3f}]" if ends else ""


def _whole(text: str) -> str:
    return f"{number(text):,.0f}" if text else ""
