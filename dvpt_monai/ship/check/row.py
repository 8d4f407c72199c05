"""One row of the gate's table, and the table."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Failed", "Row", "Skipped", "table"]


class Failed(Exception):
    """A check found something wrong.

    Args:
        problem: what, with the file or id.
        remedy: what to do.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


class Skipped(Failed):
    """A check could not be made here."""


@dataclass(frozen=True)
class Row:
    """What came of one check.

    Args:
        check: what was looked at.
        result: ``passed``, ``failed`` or ``skipped``.
        detail: what was found.
        remedy: what to do about it, if anything.
    """

    check: str
    result: str
    detail: str = ""
    remedy: str = ""


def table(rows: Sequence[Row], width: int = 56) -> str:
    """Rows as aligned text, with a last line that counts them; long cells are wrapped.

    Example:
        >>> print(table([Row("files", "passed"), Row("name", "failed", "Eyes has capitals", "rename the folder")]))
        check  result                     remedy
        files  passed
        name   failed: Eyes has capitals  rename the folder
        <BLANKLINE>
        1 passed, 1 failed, 0 skipped
    """
    cells = [("check", "result", "remedy")]
    cells += [(row.check, row.result + (f": {row.detail}" if row.detail else ""), row.remedy) for row in rows]
    # Paths and commands are not broken: they are copied from here.
    wrap = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False).wrap
    wrapped = [[[name], wrap(result), wrap(remedy)] for name, result, remedy in cells]
    widths = [max((len(line) for row in wrapped for line in row[column]), default=0) for column in (0, 1)]
    lines = []
    for row in wrapped:
        for at in range(max(len(cell) for cell in row)):
            first, second, third = (cell[at] if at < len(cell) else "" for cell in row)
            lines.append(f"{first:<{widths[0]}}  {second:<{widths[1]}}  {third}".rstrip())
    counts = [f"{sum(row.result == result for row in rows)} {result}" for result in ("passed", "failed", "skipped")]
    return "\n".join([*lines, "", ", ".join(counts)])
