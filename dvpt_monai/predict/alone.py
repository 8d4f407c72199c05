"""One prediction at a time in a folder of outputs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from dvpt_monai.errors import PredictionError
from dvpt_monai.held_folder import hold

__all__ = ["alone"]


@contextmanager
def alone(output_dir: str | os.PathLike[str]) -> Iterator[None]:
    """Keep other predictions out of a folder for the time of a ``with`` block; the system frees it after a kill.

    Args:
        output_dir: made if missing.

    Raises:
        PredictionError: another process predicts into it, or nobody may write there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home, alone(home):
        ...     print(os.listdir(home))
        ['.lock']
    """
    folder = Path(output_dir)
    try:
        mine = hold(folder)
    except Timeout:
        raise PredictionError(
            f"{folder}: another process predicts into it; wait, end that one, or set output_dir"
        ) from None
    except OSError as error:
        raise PredictionError(f"{folder}: cannot be written ({error}); set output_dir") from error
    try:
        yield
    finally:
        mine.release()
