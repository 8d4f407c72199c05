"""What lies in a folder and in the folders in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["files_below"]


def files_below(folder: Path) -> Iterator[Path]:
    """Every file, also below links to folders, but not below one that leads back, nor below one folder twice."""
    start = Path(os.path.realpath(folder))
    entered = set(start.parents)
    for place, folders, files in os.walk(folder, followlinks=True):
        real = Path(os.path.realpath(place))
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        yield from (Path(place) / name for name in sorted(files))
