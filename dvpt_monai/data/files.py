"""Files that a list of cases names."""

from __future__ import annotations

import os

from dvpt_monai.data.case import Case
from dvpt_monai.errors import DataError

__all__ = ["check_files"]


def check_files(cases: list[Case], keys: tuple[str, ...], remedy: str) -> None:
    """Check that the files of these keys exist; the remedy opens the error, which counts those that do not.

    The folder of a DICOM series counts as a file; of an image in several files each is looked for.
    """
    entries = [case[key] for case in cases for key in keys if key in case]
    paths = [path for entry in entries for path in (entry if isinstance(entry, list) else [entry])]
    missing = [path for path in paths if not os.path.exists(path)]
    if missing:
        raise DataError(f"{remedy}: {len(missing)} of {len(paths)} files do not exist, the first is {missing[0]}")
