"""The metrics of one evaluation: a row, a table of all further scores, and everything with its intervals as JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dvpt_monai.tables import write_table
from dvpt_monai.whole_file import whole_file

if TYPE_CHECKING:
    from dvpt_monai.metrics import Interval

__all__ = ["metrics_line", "write_metrics"]


def write_metrics(
    folder: str | os.PathLike[str],
    metrics: Mapping[str, Any],
    intervals: Mapping[str, Interval],
    facts: Mapping[str, Any],
    scores: Mapping[str, float] | None = None,
) -> None:
    """Write ``metrics.csv``, ``metrics.json`` and, where there are scores, ``scores.csv``.

    ``metrics.csv`` has one row: each metric, beside it ``<metric>_low`` and ``<metric>_high`` where it has an interval,
    and the facts. ``scores.csv`` has a row for each score. The JSON has metrics and facts by the same names, under
    ``scores`` the scores, and under ``intervals``, by metric or score, ``value``, ``low``, ``high``, ``n`` cases or
    patients that were drawn, and ``resamples``, in how many of the 1000 it had a value. What has none is null.

    Args:
        folder: of the files.
        metrics: numbers, or words, in their order.
        intervals: of some of them.
        facts: of the data and the run.
        scores: what else the cases come to.
    """
    values = {name: value if isinstance(value, str) else _number(value) for name, value in metrics.items()}
    further = {name: value if isinstance(value, int) else _number(value) for name, value in (scores or {}).items()}
    described = {
        name: {
            "value": {**further, **values}[name],
            "low": _number(ends.low),
            "high": _number(ends.high),
            "n": ends.cases,
            "resamples": ends.resamples,
        }
        for name, ends in intervals.items()
    }
    content = {**values, **facts, **({"scores": further} if further else {}), "intervals": described}
    with whole_file(Path(folder) / "metrics.json") as part:
        part.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")
    write_table(Path(folder) / "metrics.csv", [{**_with_ends(values, intervals), **facts}])
    if further:
        blank = dict.fromkeys(("low", "high", "n", "resamples"))
        rows = [{"score": name, "value": value, **blank, **described.get(name, {})} for name, value in further.items()]
        write_table(Path(folder) / "scores.csv", rows)
    else:
        Path(folder, "scores.csv").unlink(missing_ok=True)  # of another evaluation


def _with_ends(values: Mapping[str, Any], intervals: Mapping[str, Interval]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in values.items():
        row[name] = value
        if name in intervals:
            row |= {f"{name}_low": _number(intervals[name].low), f"{name}_high": _number(intervals[name].high)}
    return row


def metrics_line(path: str | os.PathLike[str]) -> str:
    """What ``metrics.json`` holds, as one line, but for the scores of each class.

    Example:
        >>> import tempfile
        >>> from dvpt_monai.metrics import Interval
        >>> with tempfile.TemporaryDirectory() as home:
        ...     write_metrics(home, {"dice": 0.812345}, {"dice": Interval(0.75, 0.86, 20, 1000)}, {"cases": 20})
        ...     metrics_line(Path(home, "metrics.json"))
        'dice 0.812 (0.750 to 0.860), cases 20'
    """
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    intervals = content.pop("intervals", {})
    content.pop("scores", None)
    words = []
    for name, value in content.items():
        shown = f"{value:.3f}" if isinstance(value, float) else str(value)
        ends = intervals.get(name)
        known = ends is not None and ends["low"] is not None
        words.append(f"{name} {shown}" + (f" ({ends['low']:.3f} to {ends['high']:.3f})" if known else ""))
    return ", ".join(words)


def _number(value: Any) -> float | None:
    number = float(value)
    return round(number, 6) if math.isfinite(number) else None  # JSON has no NaN
