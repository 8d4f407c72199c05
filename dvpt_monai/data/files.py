"""Files that a list of cases names."""

from __future__ import annotations

import os

from dvpt_monai.data.case import Case
from dvpt_monai.errors import DataError

__all__ = ["check_files"]


def check_files(cases: list[Case], keys: tuple[str, ...], remedy: str) -> None:
    """Check that the files of these keys exist; the remedy opens the error, which counts those that do not."""
    paths = [case[key] for case in cases for key in keys if key in case]
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        raise DataError(f"{remedy}: {len(missing)} of {len(paths)} files do not exist, the first is {missing[0]}")
