"""How data sets lie in folders: one layout, one file, whose ``find`` gives ``None`` for what is laid out otherwise."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from dvpt_monai.errors import DataError
from dvpt_monai.new_bundle.files import images_below, nothing_here
from dvpt_monai.new_bundle.layouts import class_folders, decathlon, pairs, table
from dvpt_monai.new_bundle.layouts.columns import Columns
from dvpt_monai.new_bundle.listing import Listing, Lost

__all__ = ["Columns", "list_cases"]

LAYOUTS = """
  DIR/<class>/*              a folder per class; also in parts: DIR/train/<class>/*, DIR/val/..., DIR/test/...
  DIR/labels.csv             a table with a column of images and one of classes or of masks
  DIR/images/*, DIR/masks/*  pairs of equal names; also imagesTr with labelsTr, or x.png beside x_mask.png
  DIR/dataset.json           the layout of the Medical Segmentation Decathlon"""


def list_cases(data: Path, task: str = "", columns: Columns | None = None, lost: list[Lost] | None = None) -> Listing:
    """Recognise the layout of a data set and list its cases.

    Args:
        data: its folder, or its table or ``dataset.json``.
        task: ``classification``, ``segmentation``, or empty where the layout tells.
        columns: the columns of a table, where their names or contents do not tell.
        lost: receives the cases that lack a file, which are left out; by default the first of them is an error.

    Raises:
        DataError: no layout fits, several do, or what is there is broken; names the file and the remedy.
    """
    columns = columns or Columns()
    if not data.exists():
        raise DataError(f"{data}: no such file or folder; give the data with --data")
    others = []
    for find in _finders(data, columns, lost):
        listing = find()
        if listing is not None and task in ("", listing.task):
            return listing
        others += [] if listing is None else [listing]
    if not images_below(data if data.is_dir() else data.parent):
        raise nothing_here(data)
    other = f"it is {others[0].layout}, for {others[0].task} and not for {task}; or " if others else ""
    raise DataError(f"{data}: {other}no layout that is known; lay the data out as one of{LAYOUTS}")


def _finders(data: Path, columns: Columns, lost: list[Lost] | None) -> list[Callable[[], Listing | None]]:
    """Where to look, in this order: a file that lists the cases says more than the folders around it."""
    if data.is_file():
        tabular = data.suffix.lower() in table.SUFFIXES
        return [partial(table.read, data, columns, lost) if tabular else partial(decathlon.read, data, lost)]
    listed = partial(table.find, data, columns, lost)
    if columns.given:
        return [listed]
    pairwise = partial(pairs.find, data, lost)
    return [partial(decathlon.find, data, lost), listed, pairwise, partial(class_folders.find, data)]
