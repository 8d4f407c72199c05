"""The ways to read one folder: one layout, one file, whose ``find`` gives ``None`` for what is laid out otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from dvpt_monai.errors import DataError
from dvpt_monai.layouts import bids, case_folders, class_folders, decathlon, nnunet, pairs, table
from dvpt_monai.layouts.columns import Columns
from dvpt_monai.layouts.files import FOREIGN, images_below, nothing_here
from dvpt_monai.layouts.listing import Listing, Lost, Note
from dvpt_monai.layouts.segments import with_segments

__all__ = ["READINGS", "list_cases"]

READINGS = ("json", "table", "nnunet", "bids", "cases", "pairs", "folders")
"""The names of the ways, in the order in which they are tried."""
LAYOUTS = """
  DIR/<class>/*              a folder per class; also in parts: DIR/train/<class>/*, DIR/val/..., DIR/test/...
  DIR/labels.csv             a table with a column of images and one of classes or of masks
  DIR/images/*, DIR/masks/*  pairs of equal names; or x.png beside x_mask.png, x.nrrd beside x.seg.nrrd
  DIR/<case>/*               a folder per case: its image, or its modalities, and its mask
  DIR/imagesTr, labelsTr     nnU-Net's raw data, x_0000 and x_0001 as channels
  DIR/dataset.json           the layout of the Medical Segmentation Decathlon
  DIR/sub-*, derivatives     BIDS with masks among the derivatives
An image is a file, or the folder of a DICOM series."""


def list_cases(
    data: Path, task: str = "", columns: Columns | None = None, lost: list[Lost] | None = None, layout: str = ""
) -> Listing:
    """Recognise the layout of a data set and list its cases; the notes say which other readings there are.

    Args:
        data: its folder, or its table or ``dataset.json``.
        task: ``classification``, ``segmentation``, or empty where the layout tells.
        columns: the columns of a table, where their names or contents do not tell.
        lost: receives the cases that lack a file, which are left out; by default the first of them is an error.
        layout: one of `READINGS`, or empty for the first that fits.

    Raises:
        DataError: no layout fits, or what is there is broken; names the file and the remedy.
    """
    columns = columns or Columns()
    if not data.exists():
        raise DataError(f"{data}: no such file or folder; give the data with --data")
    if data.is_file():
        tabular = data.suffix.lower() in table.SUFFIXES
        if not tabular and data.suffix.lower() != ".json":
            remedy = FOREIGN.get(data.suffix.lower(), "give the folder that holds it")
            raise DataError(f"{data}: neither a table nor a dataset.json; {remedy}")
        listing = table.read(data, columns, lost) if tabular else decathlon.read(data, lost)
        if task not in ("", listing.task):
            raise DataError(f"{data}: it is {listing.layout}, for {listing.task} and not for {task}")
        return with_segments(listing)
    tables = table.tables_of(data, columns)
    order = _order(tables, columns, layout)
    others: list[tuple[str, Listing]] = []
    refusal = None
    for place, name in enumerate(order):
        missing: list[Lost] = []
        try:
            found = _find(name, data, columns, None if lost is None else missing)
        except DataError as error:
            if name != "folders" or order[-1] != "table":
                raise
            refusal = error
            continue
        if found is None:
            continue
        if task in ("", found.task):
            if lost is not None:
                lost += missing
            others += _possible(order[place + 1 :], data, columns)
            notes = (*found.notes, *_other_readings(found, others), *_unused(found, tables, others))
            return with_segments(_with_patients(replace(found, notes=notes), tables))
        others.append((name, found))
    if refusal is not None:
        raise refusal
    if not images_below(data):
        raise nothing_here(data)
    other = f"it is {others[0][1].layout}, for {others[0][1].task} and not for {task}; or " if others else ""
    raise DataError(f"{data}: {other}no layout that is known; lay the data out as one of{LAYOUTS}")


def _order(tables: Sequence[Path], columns: Columns, layout: str) -> tuple[str, ...]:
    """A table says more than the folders around it, unless none of its columns is called a label."""
    if layout:
        return (layout,)
    if columns.given:
        return ("table",)
    if tables and not any(map(table.is_labelled, tables)):
        return (*(name for name in READINGS if name != "table"), "table")
    return READINGS


def _find(name: str, data: Path, columns: Columns, lost: list[Lost] | None) -> Listing | None:
    if name == "table":
        return table.find(data, columns, lost)
    if name == "folders":
        return class_folders.find(data)
    layouts = {"json": decathlon, "nnunet": nnunet, "bids": bids, "cases": case_folders, "pairs": pairs}
    return layouts[name].find(data, lost)


def _possible(names: Sequence[str], data: Path, columns: Columns) -> Iterator[tuple[str, Listing]]:
    """The readings that would be possible, too."""
    for name in names:
        with suppress(DataError):
            found = _find(name, data, columns, [])
            if found is not None:
                yield name, found


def _other_readings(chosen: Listing, others: Sequence[tuple[str, Listing]]) -> list[Note]:
    masks = {case.label for _, one in [("", chosen), *others] for case in one.cases if isinstance(case.label, Path)}
    pairs_of = {(case.image, case.label) for case in chosen.cases}
    notes = []
    for name, other in others:
        sensible = not any(case.image in masks for case in other.cases)
        if other.task == "classification":  # where each case would be a class of its own
            sensible &= len({case.label for case in other.cases}) < len(chosen.cases)
        if sensible and not {(case.image, case.label) for case in other.cases} <= pairs_of:
            text = f"read as {chosen.layout}; it could also be read as {other.layout}: {_labels(other)}"
            notes.append(Note(text, f"--layout {name}", warning=True))
    return notes


def _labels(listing: Listing) -> str:
    if listing.task == "segmentation":
        return f"{len(listing.cases)} masks"
    counts = Counter(str(case.label) for case in listing.cases)
    few = ", ".join(f"{name} {count}" for name, count in counts.most_common(4))
    return f"classes {few}{' and more' if len(counts) > 4 else ''}"


def _unused(chosen: Listing, tables: Sequence[Path], others: Sequence[tuple[str, Listing]]) -> list[Note]:
    """Tables that name images and were passed over without another word."""
    known = {source for _, one in [("", chosen), *others] for source in one.sources}
    return [
        Note(f"{path.name} names images but is not used: which of its columns are the classes is unclear",
             f"--data {path} --label-column NAME", warning=True)
        for path in tables if path not in known
    ]  # fmt: skip


def _with_patients(listing: Listing, tables: Sequence[Path]) -> Listing:
    """With the patients of a table that names the images, where the cases come without."""
    if any(case.group for case in listing.cases) or any(path in listing.sources for path in tables):
        return listing
    for path in tables:
        column, groups = table.groups_of(path, listing.root)
        if column and all(case.image in groups for case in listing.cases):
            cases = tuple(replace(case, group=groups[case.image]) for case in listing.cases)
            note = Note(f"column {column!r} of {path.name} keeps cases together")
            return replace(listing, cases=cases, notes=(*listing.notes, note))
    return listing
