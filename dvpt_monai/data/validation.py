"""The cases that train and those that validate: as the data set's owners divided them, else one fold."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dvpt_monai.data.case import Case
from dvpt_monai.data.splits import split
from dvpt_monai.data.table import plain, read_csv, rows_of

__all__ = ["train_and_validation"]


def train_and_validation(
    csv: str | os.PathLike[str],
    train_split: str | None = "train",
    val_split: str | None = "val",
    fold: int = 0,
    folds: int = 5,
    **table: Any,
) -> tuple[list[Case], list[Case]]:
    r"""Read a table's training cases and its validation cases, which are never the same unless `folds` is 1.

    Where the table has rows of `val_split` beside those of `train_split`, they validate, and `fold` and `folds` play no
    part. Else, and with a `train_split` of None, which takes all rows, one fold of the training rows validates.

    Args:
        csv: the table, as `read_csv` reads it.
        train_split: value of its column ``split``; None takes all rows.
        val_split: likewise; None never looks for it.
        fold: which fold validates.
        folds: number of folds.
        table: further arguments of `read_csv`.

    Raises:
        DataError: as `read_csv` and `split` do.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as home:
        ...     rows = ["image,label,split"]
        ...     for number, name in enumerate(["train", "train", "train", "val", "test"]):
        ...         _ = Path(home, f"{number}.png").write_bytes(b"")
        ...         rows.append(f"{number}.png,0,{name}")
        ...     _ = Path(home, "labels.csv").write_text("\n".join(rows))
        ...     training, validation = train_and_validation(Path(home, "labels.csv"), label="label")
        >>> len(training), len(validation)
        (3, 1)
    """
    cases = read_csv(csv, split=train_split, **table)
    column = table.get("split_column", "split")
    if train_split is not None and val_split is not None and plain(val_split) in _values(csv, column):
        return cases, read_csv(csv, split=val_split, **table)
    return split(cases, "training", fold, folds), split(cases, "validation", fold, folds)


def _values(csv: str | os.PathLike[str], column: str) -> set[str]:
    return {plain(row[column]) for _, row in rows_of(Path(csv))[1]}
