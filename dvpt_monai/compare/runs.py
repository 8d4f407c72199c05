"""The table of all runs, one row each, which several processes may write at a time."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from dvpt_monai.errors import DataError
from dvpt_monai.tables import write_table

__all__ = ["COLUMNS", "Row", "add_row", "read_rows"]

Row = dict[str, str]
COLUMNS = (
    *("run", "task", "method", "arguments", "settings", "options", "stage", "fraction", "trial", "seed", "fold"),
    *("training_cases", "scored_cases", "metric", "value", "low", "high", "metrics", "seconds", "overhead_seconds"),
    *("memory_mb", "method_parameters", "trained_parameters", "machine", "threads", "commit", "versions"),
    *("finished", "error"),
)
"""In their order; ``value`` is the key metric's, ``error`` is empty where there was none."""


def read_rows(path: Path) -> dict[str, Row]:
    """The rows by their run; none where there is no file yet.

    Raises:
        DataError: the file is of another kind.
    """
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise DataError(f"{path}: no table of runs, or one of another version; name another --out")
        return {row["run"]: row for row in reader}


def add_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add a row, in place of an earlier one of the same run; the file is whole at any time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        rows: dict[str, Mapping[str, Any]] = {**read_rows(path)}
        rows.pop(row["run"], None)
        write_table(path, [*rows.values(), row], COLUMNS)
