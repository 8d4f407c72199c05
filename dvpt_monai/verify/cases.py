"""The cases of whatever is given: a folder, a table, a list, or the config of a bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dvpt_monai.errors import DataError
from dvpt_monai.formats import masks_among
from dvpt_monai.layouts import Columns, list_cases
from dvpt_monai.layouts.files import folders_in, images_below, nothing_here
from dvpt_monai.layouts.listing import Case as Listed
from dvpt_monai.layouts.listing import Listing, Lost, lost_of, part_of
from dvpt_monai.layouts.patients import grouped
from dvpt_monai.verify import structures
from dvpt_monai.verify.case import Case, DataSet
from dvpt_monai.verify.configured import configured

__all__ = ["data_set", "of_listing"]


def data_set(data: Path, columns: Columns | None = None, group_pattern: str | None = None) -> DataSet:
    """List the cases.

    Args:
        data: a folder in any layout that ``init`` knows or of images alone; a table; a ``dataset.json``; a list, of
            images in a text file or a table of one column, or of ``{"image": ..., "label": ...}`` in JSON; or a
            bundle, by its folder or its ``train.json``. **A bundle's config is evaluated**, which runs its code, as
            ``run`` does.
        columns: of a table, where their names or contents do not tell.
        group_pattern: a regular expression that finds the patient in the path of an image.

    Raises:
        DataError: there is nothing to verify.
    """
    if not data.exists():
        raise DataError(f"{data}: no such file or folder; give the data with --data")
    config = data / "configs" / "train.json" if data.is_dir() else data
    content = _json(config) if config.is_file() and config.suffix == ".json" else None
    if isinstance(content, dict) and {"bundle_root", "train", "train#dataset"} & set(content):
        return _of_config(config)
    if data.is_file() and (lines := _lines(data)):
        return _of_list(data, lines)
    if isinstance(content, list):
        return _of_list(data, content)
    return _of_layout(data, columns, group_pattern)


def _of_layout(data: Path, columns: Columns | None, group_pattern: str | None) -> DataSet:
    lost: list[Lost] = []
    try:
        listing = list_cases(data, columns=columns, lost=lost)
    except DataError as error:
        layered = structures.find(data) if data.is_dir() else None
        if layered is not None:
            return layered
        found = images_below(data if data.is_dir() else data.parent)
        if not found:
            raise nothing_here(data) from error
        masks = masks_among(found)
        images = [path for path in found if path not in masks]
        alone = (
            data.is_dir()
            and not masks
            and not any(images_below(folder) for folder in folders_in(data))
            and not _tables(data)
        )
        layout = "images alone" if alone else "no layout that is known"
        return DataSet(layout, data if data.is_dir() else data.parent, tuple(Case(path) for path in images),
                       refusal="" if alone else str(error), whole=alone)  # fmt: skip
    if group_pattern is not None:
        listing = grouped(listing, group_pattern)
    return of_listing(listing, lost)


def of_listing(listing: Listing, lost: Sequence[Lost] = ()) -> DataSet:
    """The cases of a layout, to be verified."""
    cases = tuple(map(_case, listing.cases))
    names = listing.declared if len(listing.declared) > 1 else {}
    return DataSet(listing.layout, listing.root, cases, names, tuple(lost), whole=True, segments=listing.segments)


def _case(case: Listed) -> Case:
    masks, label = ((case.label,), "") if isinstance(case.label, Path) else ((), case.label)
    return Case(case.image, masks, label, case.part, case.group, case.channels)


def _of_list(path: Path, entries: list[Any]) -> DataSet:
    cases, lost = [], []
    for entry in entries:
        entry = {"image": entry} if isinstance(entry, str) else entry
        if not isinstance(entry, dict) or not isinstance(entry.get("image"), str):
            raise DataError(f"{path}: {entry!r} names no image; write a path, or {{'image': ..., 'label': ...}}")
        case = _from_dictionary(entry, path.parent, part_of(str(entry.get("split", ""))))
        missing = lost_of((case.image, *case.masks), f"{path.name} lists it, but there is no such file")
        lost += missing
        cases += [] if missing else [case]
    if not cases and not lost:
        raise DataError(f"{path}: an empty list; name the images, one a line")
    return DataSet("a list", path.parent, tuple(cases), lost=tuple(lost))


def _of_config(config: Path) -> DataSet:
    settings = configured(config)
    root = Path(settings.root)
    cases = [
        _from_dictionary(entry, root, part)
        for part, entries in (("train", settings.training), ("validation", settings.validation))
        for entry in entries
    ]
    names = {value: str(value) for value in settings.values}
    missing = [lost_of((case.image, *case.masks), "the config lists it, but there is no such file") for case in cases]
    lost = tuple(each for several in missing for each in several)
    there = tuple(case for case, lacks in zip(cases, missing, strict=True) if not lacks)
    return DataSet(f"the cases of {config.name}", root, there, names, lost, segments=settings.structures)


def _from_dictionary(entry: Mapping[str, Any], root: Path, part: str) -> Case:
    """A case as MONAI's transforms take it: its label is a path, paths by structure, or the class itself."""
    label = entry.get("label", "")
    files = list(label.values()) if isinstance(label, dict) else [label]
    is_mask = [isinstance(file, str) and "." in Path(file).name for file in files]
    masks = tuple(root / file for file in files) if files and all(is_mask) else ()
    name = "" if masks or isinstance(label, dict) else str(label)
    return Case(root / str(entry["image"]), masks, name, part, str(entry.get("group", "")))


def _lines(path: Path) -> list[str]:
    """The images that a text file names, one a line, or a table of one column; none of another file."""
    if path.suffix.lower() not in (".txt", ".csv"):
        return []
    lines = [line.strip() for line in path.read_text("utf-8-sig", "replace").splitlines() if line.strip()]
    if path.suffix.lower() == ".txt":
        return lines
    return [] if not lines or set(lines[0]) & set(",;\t") else lines[1:]


def _tables(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix.lower() in (".csv", ".tsv", ".json")]


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); repair or fetch it again") from error
