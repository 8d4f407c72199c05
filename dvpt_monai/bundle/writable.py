"""Whether results can be written, found out before they are computed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from dvpt_monai.errors import BundleError

__all__ = ["check_writable"]


def check_writable(output_dir: str | os.PathLike[str]) -> None:
    """Find out whether a folder, which is made if missing, can be written; nothing is left in it.

    Raises:
        BundleError: nobody may write there; names the option that gives another.

    Example:
        >>> with tempfile.TemporaryDirectory() as home:
        ...     check_writable(Path(home, "output"))
        ...     os.listdir(home)
        ['output']
    """
    try:
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output_dir):
            pass
    except OSError as error:
        raise BundleError(f"{output_dir}: cannot be written ({error}); give another --output_dir DIR") from error
