"""A table: one row per image, with its class or its mask, and perhaps its part and its patient."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import replace
from io import StringIO
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import NoReturn

from dvpt_monai.errors import DataError
from dvpt_monai.formats import files_below
from dvpt_monai.layouts.columns import Columns, named
from dvpt_monai.layouts.files import images_below, stem_of
from dvpt_monai.layouts.listing import Case, Listing, Lost, Note, lost_of, part_of

__all__ = ["SUFFIXES", "find", "groups_of", "is_labelled", "read", "tables_of"]

SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
DEEP = 2
"""Folders below that of the data in which a table is looked for."""
ENOUGH = 0.5
"""The share of a column's cells that must be images for it to be a column of images."""

Rows = list[tuple[int, dict[str, str]]]


def tables_of(folder: Path, columns: Columns) -> list[Path]:
    """The tables in a folder whose rows name images in it; the outermost ones."""
    found = sorted(
        (path for path in files_below(folder) if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")),
        key=lambda path: (len(path.parts), path),
    )
    near = [path for path in found if len(path.relative_to(folder).parts) <= DEEP + 1]
    files = Files(folder) if near else None
    naming = [path for path in near if files is not None and _names_images(path, columns, files)]
    return [path for path in naming if len(path.parts) == len(naming[0].parts)]


def find(folder: Path, columns: Columns, lost: list[Lost] | None = None) -> Listing | None:
    """The cases of the table in a folder; ``None`` if there is none whose rows name images.

    Raises:
        DataError: there are several, or the one is broken.
    """
    tables = tables_of(folder, columns)
    if len(tables) > 1:
        names = ", ".join(path.name for path in tables)
        raise DataError(f"{folder}: several tables name images ({names}); choose one with --data {tables[0]}")
    if tables:
        return read(tables[0], columns, lost, root=folder)
    if not columns.given:
        return None
    given = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    return read(given[0], columns, lost) if given else None


def is_labelled(path: Path) -> bool:
    """Whether a column of a table is called as labels are; one of few values, such as the sex, only might be them."""
    return bool(named("label", _rows(path)[0]))


def groups_of(path: Path, root: Path) -> tuple[str, dict[Path, str]]:
    """The column of the patients in a table, and the patient of each image; empty where there is none."""
    heads, rows = _rows(path)
    files = Files(root)
    image = _image_column(path, heads, rows, files)
    column = next(iter(named("group", [head for head in heads if head != image])), "")
    named_files = {files.find(row[image]): row[column] for _, row in rows if column and row[column]}
    return column, {file: group for file, group in named_files.items() if file is not None}


def read(path: Path, columns: Columns, lost: list[Lost] | None = None, root: Path | None = None) -> Listing:
    """The cases of a table; rows without their files go into ``lost``, if that is given.

    Args:
        path: the table.
        columns: that the user named.
        lost: receives rows whose file is not there; by default the first of them is an error.
        root: folder of the images; by default that of the table.

    Raises:
        DataError: it cannot be read, a column is missing or not recognised, or a row is broken.
    """
    heads, rows = _rows(path)
    files = Files(path.parent if root is None else root)
    for kind in ("image", "label", "split", "group"):
        column = getattr(columns, kind)
        if column is not None and column not in heads:
            raise DataError(f"{path}: no column {column!r} among {heads}; correct --{kind}_column")
    image = columns.image or _image_column(path, heads, rows, files)
    label = columns.label or _label_column(path, [head for head in heads if head != image], rows)
    rest = [head for head in heads if head not in (image, label)]
    split = columns.split or next((head for head in named("split", rest) if _parts(rows, head)), None)
    group = columns.group or next((head for head in named("group", rest) if head != split), None)
    masks = _share(rows, label, files) > ENOUGH

    cases, first = [], dict[Path, int]()
    for line, row in rows:
        where = f"{path}, line {line}"
        if not row[label]:
            raise DataError(f"{where}: column {label!r} is empty; fill it or delete the row")
        named_files = [files.find(row[key]) or path.parent / row[key] for key in ([image, label] if masks else [image])]
        missing = lost_of(named_files, f"line {line} of {path.name} names it, but there is no such file")
        if missing and lost is not None:
            lost += missing
            continue
        found = _file(files, row[image], where, image)
        if found in first:
            raise DataError(f"{where}: {row[image]} is on line {first[found]} already; keep one row per image")
        first[found] = line
        part = part_of(row[split]) if split else ""
        if split and not part:
            raise DataError(f"{where}: {row[split]!r} in column {split!r} is no part; write train, val or test")
        if group and not row[group]:
            raise DataError(f"{where}: column {group!r} is empty; fill it, or choose another with --group_column")
        answer: str | Path = _file(files, row[label], where, label) if masks else row[label]
        cases.append(Case(found, answer, part, row[group] if group else ""))
    if not masks:
        cases = _whole_numbers(cases)
    notes = [Note(f"column {image!r} names the images, {label!r} the {'masks' if masks else 'classes'}",
                  "--image_column, --label_column")]  # fmt: skip
    notes += [Note(f"column {split!r} tells the parts", "--split_column")] if split else []
    notes += [Note(f"column {group!r} keeps cases together", "--group_column")] if group else []
    return Listing(f"the table {path.name}", files.root, tuple(cases), notes=tuple(notes), sources=(path,))


class Files:
    """The images below a folder, by what a table may call them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.known: dict[str, set[Path]] = defaultdict(set)
        for path in images_below(root):
            self.known[stem_of(path).casefold()].add(path)

    def find(self, cell: str) -> Path | None:
        """The file that a cell names: by its path, else by its name, in any spelling, with or without suffixes."""
        if not cell:
            return None
        path = self.root / cell
        if path.is_file() or (path.is_dir() and path in self.known.get(path.name.casefold(), ())):
            return path
        found = self.candidates(cell)
        return found[0] if len(found) == 1 else None

    def candidates(self, cell: str) -> list[Path]:
        """The images that a cell could name; those first whose folders and suffix it names, too."""
        named_path = PurePosixPath(cell.replace("\\", "/").strip().casefold())
        found = self.known.get(stem_of(Path(named_path)), set()) | self.known.get(named_path.name, set())
        best = max((self._likeness(path, named_path) for path in found), default=(0, False))
        return sorted(path for path in found if self._likeness(path, named_path) == best)

    def _likeness(self, path: Path, named_path: PurePosixPath) -> tuple[int, bool]:
        folders = reversed([name.casefold() for name in path.relative_to(self.root).parent.parts])
        pairs = zip(folders, reversed(named_path.parent.parts), strict=False)
        alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        return alike, path.name.casefold() == named_path.name


def _rows(path: Path) -> tuple[list[str], Rows]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = [line for line in text.splitlines() if line.strip()]
        first = lines[0] if lines else ""
        separator = max(",;\t", key=first.count)
        if not first.count(separator) and path.suffix.lower() == ".txt":  # "images/a.png 0", without a header
            cells = [line.rsplit(maxsplit=1) for line in lines]
            text = "\n".join(["image\tlabel", *("\t".join(each) for each in cells)])
            separator = "\t"
        reader = csv.DictReader(StringIO(text, newline=""), delimiter=separator, strict=True)
        rows = [
            (reader.line_num, {key: (cell or "").strip() for key, cell in row.items()
                               if isinstance(key, str) and not isinstance(cell, list)})
            for row in reader
        ]  # fmt: skip
        heads = list(reader.fieldnames or [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a table in UTF-8 text ({error}); save it as CSV in UTF-8") from error
    if len(heads) < 2 or not rows:
        raise DataError(f"{path}: it needs a header with two columns or more, and a row for each image")
    return heads, rows


def _names_images(path: Path, columns: Columns, files: Files) -> bool:
    try:
        heads, rows = _rows(path)
    except DataError:
        if path.suffix.lower() == ".txt":  # most texts are no tables
            return False
        raise
    return any(_share(rows, head, files) > ENOUGH for head in ([columns.image] if columns.image in heads else heads))


def _share(rows: Rows, column: str | None, files: Files) -> float:
    """The share of a column's cells that name an image of their own; of its first ones, which are enough to tell."""
    cells = [row[column] for _, row in rows[:100] if column is not None]
    found = {files.find(cell) for cell in cells}  # classes 0 and 1 may be the names of two images
    return len(found - {None}) / max(1, len(cells))


def _image_column(path: Path, heads: list[str], rows: Rows, files: Files) -> str:
    holding = [head for head in heads if _share(rows, head, files) > ENOUGH]
    usual = [head for head in named("image", heads) if head in holding]
    masks = named("label", holding)
    plain = [head for head in holding if head not in masks]
    if not holding:
        raise DataError(
            f"{path}: no column among {heads} names images below {path.parent}; name it with --image_column, "
            "and write paths that count from the table's folder"
        )
    if not usual and len(plain) != 1:
        raise DataError(f"{path}: the columns {holding} all name images; choose with --image_column and --label_column")
    return usual[0] if usual else plain[0]


def _label_column(path: Path, heads: list[str], rows: Rows) -> str:
    usual = named("label", heads)
    if usual:
        return usual[0]
    others = [head for head in heads if head not in named("split", heads) + named("group", heads)]
    few = [head for head in others if 2 <= len({row[head] for _, row in rows}) <= max(2, min(30, len(rows) // 2))]
    if len(few) == 1:
        return few[0]
    told = f"{few} could all be" if few else f"none among {heads} looks like"
    raise DataError(f"{path}: {told} the column of the classes; name it with --label_column")


def _parts(rows: Rows, column: str) -> bool:
    return all(part_of(row[column]) for _, row in rows)


def _file(files: Files, cell: str, where: str, column: str) -> Path:
    found = files.find(cell)
    if found is None:
        _missing(files, cell, where, column)
    return found


def _missing(files: Files, cell: str, where: str, column: str) -> NoReturn:
    if not cell:
        raise DataError(f"{where}: column {column!r} is empty; name the file or delete the row")
    several = files.candidates(cell)
    if len(several) > 1:
        raise DataError(f"{where}: {cell!r} could be {several[0]} or {several[1]}; write its path")
    raise DataError(f"{where}: no image {cell!r} below {files.root}; correct the path or delete the row")


def _whole_numbers(cases: list[Case]) -> list[Case]:
    """Classes such as 1.0, which spreadsheets make of 1, as 1."""
    try:
        numbers = [float(str(case.label)) for case in cases]
    except ValueError:
        return cases
    if not all(number.is_integer() for number in numbers):
        return cases
    return [replace(case, label=str(int(number))) for case, number in zip(cases, numbers, strict=True)]
