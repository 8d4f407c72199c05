"""Graded images of a table."""

from __future__ import annotations

from csv import DictReader
from csv import Error as CsvError
from io import StringIO
from pathlib import Path

from dvpt_monai.data.case import Case, PathLike
from dvpt_monai.data.copies import bind_copies, warn_of_copies
from dvpt_monai.data.files import check_files
from dvpt_monai.data.name import named
from dvpt_monai.errors import DataError

__all__ = ["plain", "read_csv", "rows_of"]


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
        split: keep the rows whose `split_column` says this, such as ``"train"``, whatever the capitals and the spaces
            around it; None keeps all.
        split_column: column that `split` reads.
        root: folder of the images; by default the folder of the table.
        group: column of what must stay together when cases are split, such as the patient; None if there is none. A
            row without a group stands alone.

    Returns:
        One ``{"image": path, "label": grade, "name": path below root}`` per row, in the table's order, with
        ``"group"`` if asked for. Copies of one image share a group, so that no split divides them; those in another
        part of the table are warned of. An image that lies outside `root` is named by its path, and `split` refuses it.

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
    columns, rows = rows_of(path)
    folder = path.parent if root is None else Path(root)
    wanted = {"image": image, "label": label}
    wanted |= {} if split is None else {"split_column": split_column}
    wanted |= {} if group is None else {"group": group}
    for argument, column in wanted.items():
        if column not in columns:
            raise DataError(f"{path}: no column {column!r} among {columns}; name yours with {argument}=")
    elsewhere: list[str] = []
    if split is not None:
        elsewhere = [str(folder / (row[image] or "")) for _, row in rows if plain(row[split_column]) != plain(split)]
        found = sorted({row[split_column] or "" for _, row in rows})
        rows = [(line, row) for line, row in rows if plain(row[split_column]) == plain(split)]
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
        case |= named(case["image"], folder)
        if group is not None and plain(row[group]):
            case["group"] = row[group]
        cases.append(case)
    remedy = "correct the paths, or name the folder that they begin in (root; --dataset_dir of a bundle)"
    check_files(cases, ("image",), f"{path}: {remedy}")
    warn_of_copies([case["image"] for case in cases], elsewhere, str(path))
    return bind_copies(cases)


def rows_of(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The columns of a table, and its rows with the line on which each ends.

    Raises:
        DataError: there is no such file, or it is no table in UTF-8; names what it seems to be.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; pass the table of images and grades")
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content:
        raise DataError(f"{path}: not a table in UTF-8 text (but in UTF-16, or no text); save it as CSV UTF-8")
    try:
        reader = DictReader(StringIO(content.decode("utf-8-sig"), newline=""))
        rows = [(reader.line_num, row) for row in reader]
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        where = f"byte {content[error.start]:#x}, line {line}"
        raise DataError(f"{path}: not a table in UTF-8 text ({where}); save it as CSV UTF-8") from error
    except CsvError as error:
        raise DataError(f"{path}: not a table in UTF-8 text ({error}); save it as CSV") from error
    return list(reader.fieldnames or []), rows


def plain(cell: str | None) -> str:
    """A cell without the spaces around it, in lower case.

    Example:
        >>> plain(" Train "), plain(None)
        ('train', '')
    """
    return (cell or "").strip().casefold()


def _grade(text: str | None, num_classes: int | None, where: str) -> int:
    try:
        grade = int(text or "")
    except ValueError:
        raise DataError(f"{where}: {text!r} is not an integer; write 0, 1, 2, ...") from None
    if grade < 0 or (num_classes is not None and grade >= num_classes):
        upper = "" if num_classes is None else f"{num_classes - 1}"
        raise DataError(f"{where}: {grade} is out of range 0..{upper}; correct it or set num_classes")
    return grade
