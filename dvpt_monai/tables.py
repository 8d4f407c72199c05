"""Tables: the one place that writes CSV and says how a number looks in it, and columns of plain text."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from dvpt_monai.whole_file import whole_file

__all__ = ["cell", "csv_text", "text_lines", "write_table"]


def write_table(
    path: str | os.PathLike[str], rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None
) -> None:
    """Write a CSV file with a header, whole or not at all; missing folders are made.

    Args:
        path: the file.
        rows: each a value for each column; what a row lacks, and ``None``, are empty cells.
        columns: their names in order; by default those of all rows, in order of appearance.

    Raises:
        ValueError: a row has a value for no column.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as home:
        ...     write_table(Path(home, "scores.csv"), [{"case": "a", "dice": 2 / 3}, {"case": "b"}])
        ...     Path(home, "scores.csv").read_text().splitlines()
        ['case,dice', 'a,0.666667', 'b,']
    """
    text = csv_text(rows, columns)
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8", newline="")


def csv_text(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> str:
    r"""The text of such a file.

    Example:
        >>> csv_text([], ["image", "label"])
        'image,label\n'
    """
    rows = list(rows)
    names = list(columns) if columns is not None else list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def cell(value: Any) -> str:
    """A value as a cell shows it: numbers with a fraction to six significant digits.

    Example:
        >>> [cell(value) for value in (0.25, 1 / 3, 1234567, True, None, float("nan"), "left")]
        ['0.25', '0.333333', '1234567', 'True', '', 'nan', 'left']
    """
    if isinstance(value, Real) and not isinstance(value, Integral):
        return f"{float(value):.6g}"
    return "" if value is None else str(value)


def text_lines(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """The rows of a table as lines of text whose columns stand below each other.

    Args:
        rows: all with the same number of cells, the header among them.
        right: places of the columns of numbers, which end below each other.

    Example:
        >>> text_lines([("name", "MB", "of"), ("a", "9", "x"), ("longer", "120", "")], right={1})
        ['name     MB  of', 'a         9  x', 'longer  120']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
