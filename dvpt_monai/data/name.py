"""The name of a case: the path of its image as the data set knows it, wherever that lies."""

from __future__ import annotations

import os
from pathlib import PurePath

from dvpt_monai.data.case import Case, PathLike
from dvpt_monai.errors import DataError

__all__ = ["image_of", "name_of", "name_or_path", "named"]


def image_of(case: Case) -> str:
    """The path of a case's image; of several channels in files of their own the first."""
    image = case["image"]
    return os.fspath(image[0] if isinstance(image, list | tuple) else image)


def named(path: PathLike, root: PathLike) -> Case:
    """What a reader records of an image: its path below the data set's folder, or the whole of it if it lies elsewhere.

    Example:
        >>> named("/data/eyes/images/a.png", "/data/eyes"), named("/data/skin/a.png", "/data/eyes")
        ({'name': 'images/a.png'}, {'name': '/data/skin/a.png'})
    """
    return {"name": _below(path, root) or PurePath(path).as_posix()}


def name_of(case: Case, root: PathLike | None = None) -> str:
    """The name of a case: what a reader of this package recorded, else its image relative to `root`, else as written.

    Raises:
        DataError: the image has an absolute path and lies below no `root`, so it has no name that stays when the data
            set moves.

    Example:
        >>> name_of({"image": "/mnt/eyes/images/a.png"}, root="/mnt/eyes"), name_of({"image": "images/a.png"})
        ('images/a.png', 'images/a.png')
    """
    name = name_or_path(case, root)
    if os.path.isabs(name):
        raise DataError(
            f"{name}: its part would depend on where the data lie; give the data set's folder as root=, or the case a "
            '"name" of its own'
        )
    return name


def name_or_path(case: Case, root: PathLike | None = None) -> str:
    """The name of a case, or the absolute path of its image where it has none."""
    if case.get("name"):
        return str(case["name"])
    image = image_of(case)
    below = _below(image, root) if root is not None and os.path.isabs(image) else None
    return below or PurePath(os.path.normpath(image)).as_posix()


def _below(path: PathLike, root: PathLike) -> str | None:
    try:
        below = os.path.relpath(path, root)
    except ValueError:  # on another drive
        return None
    return None if below.split(os.sep)[0] == os.pardir else PurePath(below).as_posix()
