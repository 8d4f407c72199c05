"""Lists of cases, read from a table or a Decathlon folder and checked."""

from __future__ import annotations

import json
import os
from collections import Counter
from csv import DictReader
from csv import Error as CsvError
from pathlib import Path

from dvpt_monai.data.case import Case, PathLike
from dvpt_monai.errors import DataError

__all__ = ["check_files", "read_csv", "read_decathlon"]


def read_csv(
    csv: PathLike,
    image: str = "image",
    label: str = "dr_grade",
    num_classes: int | None = None,
    split: str | None = None,
    split_column: str = "split",
    root: PathLike | None = None,
    group: str | None = None,
) -> list[Case]:
    r"""Read graded images from a table with one row per image.

    Args:
        csv: a comma-separated file, UTF-8, with a header.
        image: column of the image's path, relative to `root`.
        label: column of the grade, an integer from 0.
        num_classes: number of grades; None checks only that no grade is negative.
        split: keep the rows whose `split_column` says this, such as ``"train"``; None keeps all.
        split_column: column that `split` reads.
        root: folder of the images; by default the folder of the table.
        group: column of what must stay together when cases are split, such as the patient; None if there is none.

    Returns:
        One ``{"image": path, "label": grade}`` per row, in the table's order, with ``"group"`` if asked for.

    Raises:
        DataError: on a missing file, column or image, an image listed twice, a grade that is no integer or out of
            range, or when no row is left. Names the file, the line and the remedy.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     _ = Path(home, "a.jpg").write_bytes(b"")
        ...     _ = Path(home, "eyes.csv").write_text("file,grade\na.jpg,3\n")
        ...     cases = read_csv(Path(home, "eyes.csv"), image="file", label="grade", num_classes=5)
        >>> [(Path(case["image"]).name, case["label"]) for case in cases]
        [('a.jpg', 3)]
    """
    path = Path(csv)
    if not path.is_file():
        raise DataError(f"{path}: no such file; pass the table of images and grades")
    folder = path.parent if root is None else Path(root)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = DictReader(file)
            rows = [(reader.line_num, row) for row in reader]
            columns = list(reader.fieldnames or [])
    except (UnicodeDecodeError, CsvError) as error:
        raise DataError(f"{path}: not a table in UTF-8 text ({error}); save it as CSV") from error
    wanted = {"image": image, "label": label}
    wanted |= {} if split is None else {"split_column": split_column}
    wanted |= {} if group is None else {"group": group}
    for argument, column in wanted.items():
        if column not in columns:
            raise DataError(f"{path}: no column {column!r} among {columns}; name yours with {argument}=")
    if split is not None:
        found = sorted({row[split_column] or "" for _, row in rows})
        rows = [(line, row) for line, row in rows if row[split_column] == split]
        if not rows and found:
            raise DataError(f"{path}: no row has {split_column}={split!r}; the column holds {found}")
    if not rows:
        raise DataError(f"{path}: no cases; the table needs a header and at least one row")

    cases: list[Case] = []
    first_line: dict[str, int] = {}
    for line, row in rows:
        where = f"{path}, line {line}"
        if not row[image]:
            raise DataError(f"{where}: column {image!r} is empty; name the image or delete the row")
        case: Case = {"image": str(folder / row[image]), "label": _grade(row[label], num_classes, f"{where}, {label}")}
        if case["image"] in first_line:
            raise DataError(
                f"{where}: {row[image]} is on line {first_line[case['image']]} already; keep one row per image"
            )
        first_line[case["image"]] = line
        if group is not None:
            case["group"] = row[group]
        cases.append(case)
    remedy = "correct the paths, or name the folder that they begin in (root; --dataset_dir of a bundle)"
    check_files(cases, ("image",), f"{path}: {remedy}")
    return cases


def read_decathlon(
    dataset_json: PathLike,
    section: str = "training",
    num_classes: int | None = None,
    root: PathLike | None = None,
) -> list[Case]:
    """Read images and masks from a ``dataset.json`` of the Medical Segmentation Decathlon.

    Args:
        dataset_json: the file.
        section: ``"training"`` or ``"test"``, or another list in the file.
        num_classes: number of labels with the background; None skips the comparison with the file's own table of
            labels. The masks themselves are checked when they are loaded, by `CheckLabeld`.
        root: folder that the paths are relative to; by default that of the file.

    Returns:
        One ``{"image": path, "label": path}`` per case, in the file's order; no label where the section has none. An
        entry may have a ``"group"`` of what must stay together, such as the patient.

    Raises:
        DataError: on a missing or broken file, a missing section, image or mask, an image listed twice, another number
            of labels, or an empty section.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     for name in ("image.nii.gz", "mask.nii.gz"):
        ...         _ = Path(home, name).write_bytes(b"")
        ...     table = {"training": [{"image": "./image.nii.gz", "label": "./mask.nii.gz"}]}
        ...     _ = Path(home, "dataset.json").write_text(json.dumps(table))
        ...     [case] = read_decathlon(Path(home, "dataset.json"))
        >>> sorted(Path(path).name for path in case.values())
        ['image.nii.gz', 'mask.nii.gz']
    """
    path = Path(dataset_json)
    if not path.is_file():
        raise DataError(f"{path}: no such file; pass the dataset.json of a folder in the Decathlon's layout")
    try:
        table = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); repair or fetch it again") from error
    if not isinstance(table, dict) or not isinstance(table.get(section), list):
        lists = (
            sorted(key for key, value in table.items() if isinstance(value, list)) if isinstance(table, dict) else []
        )
        raise DataError(f"{path}: no list {section!r}; it has {lists}: choose one with section=")
    if not table[section]:
        raise DataError(f"{path}: section {section!r} holds no cases; choose another with section=")
    names = table.get("labels")
    if num_classes is not None and isinstance(names, dict) and len(names) != num_classes:
        raise DataError(
            f"{path}: it names {len(names)} labels, not num_classes={num_classes}; set that to {len(names)}"
        )

    folder = path.parent if root is None else Path(root)
    cases: list[Case] = []
    for number, entry in enumerate(table[section]):
        entry = {"image": entry} if isinstance(entry, str) else entry
        paths = {key: entry.get(key) for key in ("image", "label")} if isinstance(entry, dict) else {}
        if not isinstance(paths.get("image"), str) or not isinstance(paths.get("label"), str | None):
            raise DataError(
                f"{path}: {section}[{number}] names no image; write {{'image': ..., 'label': ...}} with paths"
            )
        if section == "training" and paths["label"] is None:
            raise DataError(f"{path}: {section}[{number}], {paths['image']}, has no label; add it or delete the entry")
        case: Case = {key: str(folder / value) for key, value in paths.items() if value is not None}
        cases.append({**case, "group": str(entry["group"])} if "group" in entry else case)
    twice = [image for image, count in Counter(case["image"] for case in cases).items() if count > 1]
    if twice:
        raise DataError(f"{path}: {twice[0]} is listed twice; keep one entry per image")
    check_files(cases, ("image", "label"), f"{path}: unpack the data set in {folder} again")
    return cases


def check_files(cases: list[Case], keys: tuple[str, ...], remedy: str) -> None:
    """Check that the files of these keys exist; the remedy opens the error, which counts those that do not."""
    paths = [case[key] for case in cases for key in keys if key in case]
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        raise DataError(f"{remedy}: {len(missing)} of {len(paths)} files do not exist, the first is {missing[0]}")


def _grade(text: str | None, num_classes: int | None, where: str) -> int:
    try:
        grade = int(text or "")
    except ValueError:
        raise DataError(f"{where}: {text!r} is not an integer; write 0, 1, 2, ...") from None
    if grade < 0 or (num_classes is not None and grade >= num_classes):
        upper = "" if num_classes is None else f"{num_classes - 1}"
        raise DataError(f"{where}: {grade} is out of range 0..{upper}; correct it or set num_classes")
    return grade
