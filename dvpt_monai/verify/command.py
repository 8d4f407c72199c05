"""``python -m dvpt_monai verify``: the table, the JSON, the corrected copies and the exit code."""

from __future__ import annotations

import json as json_text
import os
import shutil
import sys

from dvpt_monai.layouts import Columns
from dvpt_monai.verify import fix as write_copies
from dvpt_monai.verify import table, verify
from dvpt_monai.whole_file import whole_file

__all__ = ["run"]

PathLike = str | os.PathLike[str]


def run(
    data: PathLike,
    json: PathLike | None = None,
    fix: PathLike | None = None,
    budget: float | None = None,
    num_classes: int | None = None,
    columns: Columns | None = None,
    group_pattern: str | None = None,
    workers: int | None = None,
) -> None:
    """Verify, print, write; arguments are those of `verify`, with the paths of the JSON and of the corrected copies.

    Raises:
        SystemExit: with code 1, where something fatal was found.
    """
    report = verify(
        data, budget=budget, num_classes=num_classes, columns=columns, group_pattern=group_pattern, workers=workers
    )
    fixed = write_copies(report, fix) if fix is not None else []
    if json is not None:
        copies = [{"file": report.data.below(each.file), "copy": each.copy and str(each.copy), "what": each.what}
                  for each in fixed]  # fmt: skip
        with whole_file(json) as part:
            part.write_text(json_text.dumps({**report.as_dict(), "fixed": copies}, indent=1) + "\n", encoding="utf-8")
    terminal = sys.stdout.isatty()
    width = min(100, shutil.get_terminal_size((100, 24)).columns) if terminal else 100
    sys.stdout.write(table(report, fixed, terminal, width))
    if fix is not None and not any(each.copy for each in fixed):
        print(f"Nothing that can be mended with certainty: {fix} was not written")
    if report.exit_code:
        sys.stdout.flush()
        raise SystemExit(report.exit_code)
