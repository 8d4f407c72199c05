"""The images to predict: those of a folder, of a list, or one."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from csv import DictReader
from io import StringIO
from pathlib import Path
from typing import Any

from dvpt_monai.bundle_files import LEDGER
from dvpt_monai.errors import DataError
from dvpt_monai.formats import files_below, format_of, masks_among, names_structures
from dvpt_monai.phantoms import is_phantom

__all__ = ["find_images", "shows_phantoms"]

logger = logging.getLogger(__name__)


def find_images(
    source: str | os.PathLike[str] | Sequence[str],
    suffixes: Sequence[str],
    column: str = "image",
    series: bool = False,
    masks: Sequence[str] = (),
) -> list[dict[str, str]]:
    """List the images to predict.

    Segmentations and masks, such as ``a_seg.png`` of an earlier run or ``masks/a.png``, are none.

    Args:
        source: a folder, whose images and those of the folders in it are taken in the order of their names; one image;
            a table (``.csv``) with the paths in a column, or a text file (``.txt``) with one path a line, relative to
            its folder; or several paths.
        suffixes: what counts as an image in a folder, in lower case, for example ``[".nii", ".nii.gz"]``; with
            ``".dcm"`` also files of DICOM that have none.
        column: column of a table.
        series: whether DICOM comes as volumes, each a folder.
        masks: structures whose masks may be there, too, as ``a_<structure>.png``.

    Returns:
        One ``{"image": path}`` for each.

    Raises:
        DataError: on what does not exist, a folder without an image, a table without the column, and a list that is not
            in UTF-8.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     for name in ("b.png", "a.png", "a_mask.png", "notes.md"):
        ...         _ = Path(home, name).write_bytes(b"")
        ...     cases = find_images(home, [".png"])
        >>> [Path(case["image"]).name for case in cases]
        ['a.png', 'b.png']
    """
    if not isinstance(source, (str, os.PathLike)):
        paths = [Path(path) for path in source]
        where = "dataset_dir"
    else:
        path, where = Path(source), str(source)
        if path.is_dir():
            paths = _in_folder(path, suffixes, series, masks)
        elif path.suffix.lower() == ".csv" and path.is_file():
            paths = [path.parent / name for name in _column(path, column)]
        elif path.suffix.lower() == ".txt" and path.is_file():
            paths = [path.parent / line.strip() for line in _text(path).splitlines() if line.strip()]
        else:
            paths = [path]
    if not paths:
        wanted = f"files that end in {', '.join(suffixes)}, and no masks"
        raise DataError(f"{where}: no images here; expected {wanted}")
    missing = [p for p in paths if not (p.is_file() or (series and p.is_dir()))]
    if missing:
        raise DataError(
            f"{where}: no file {missing[0]} ({len(missing)} of {len(paths)} images missing); correct dataset_dir"
        )
    return [{"image": str(p)} for p in paths]


def _in_folder(folder: Path, suffixes: Sequence[str], series: bool, structures: Sequence[str]) -> list[Path]:
    """The images of a folder and of the folders in it, but for those of predictions."""
    below = [*files_below(folder)]
    outputs = {path.parent for path in below if path.name == LEDGER and path.parent != folder}
    found = [path for path in below if not outputs & {*path.parents} and _is_image(path, suffixes)]
    if series:
        slices = {path for path in found if format_of(path) == "dicom"}
        found = [path for path in found if path not in slices] + sorted({path.parent for path in slices})
    nowhere = [path for path in below if path.name.lower().endswith(tuple(suffixes)) and not path.exists()]
    if nowhere:
        logger.warning("%s: %d links lead nowhere, the first is %s", folder, len(nowhere), nowhere[0])
    masks = masks_among([*found, *(path for path in below if names_structures(path))], structures) & {*found}
    if masks:
        logger.info("%s: %d masks are not predicted, the first is %s", folder, len(masks), min(masks))
    return [path for path in found if path not in masks]


def _is_image(path: Path, suffixes: Sequence[str]) -> bool:
    # macOS leaves "._name" beside each file that it unpacks.
    if path.name.startswith(".") or not path.is_file():
        return False
    kind = format_of(path)
    named = path.name.lower().endswith(tuple(suffixes))
    return kind not in ("segmentation", "dicom-seg") and (named or (kind == "dicom" and ".dcm" in suffixes))


def shows_phantoms(cases: Sequence[dict[str, Any]]) -> bool:
    """Tell whether any image lies in a data set of phantoms: in its folder or one or two below.

    Example:
        >>> shows_phantoms([{"image": "/photographs/a.png"}])
        False
    """
    images = (case["image"] for case in cases)
    folders = {Path(image[0] if isinstance(image, list) else image).absolute().parent for image in images}
    return any(is_phantom(place) for folder in folders for place in (folder, *folder.parents[:2]))


def _column(table: Path, column: str) -> list[str]:
    reader = DictReader(StringIO(_text(table), newline=""))
    if column not in (reader.fieldnames or []):
        raise DataError(f"{table}: no column {column!r} among {list(reader.fieldnames or [])}; rename yours")
    return [row[column] for row in reader if row[column]]


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not in UTF-8 ({error.reason}); save it as CSV or text in UTF-8") from error
